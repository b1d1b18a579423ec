"""The I/O monitor over the API of a whole station: what it shows, and maintenance that the PLC sees."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from firmware_bridge.plc.by_hand import obey
from firmware_bridge.plc.fields import FIELDS
from firmware_bridge.plc.maintenance import MODE_NS
from firmware_bridge.plc.signals import Control, PackMl, Status
from tests.firmware_bridge.plc.master import RUN, Master, status
from tests.firmware_bridge.plc.station_side import Station
from tests.test_command_line import ROOT
from tests.test_plc_line import Line


class Screen:
    """A station with its web process, and a person with the station's token."""

    def __init__(self, folder: Path, sample: str = "") -> None:
        more = "[web]\nport = 0\ntoken_file = 'token'\n[line]\nlink = 'line.sock'"
        self.line = Line(folder, "test/good", more=more, sample=sample)
        if sample:
            self.line.file.write_text(self.line.file.read_text().replace("[web]", "[web]\nport = 0"))
        command = [sys.executable, "-m", "inspector", "run", "--station", str(self.line.file)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
        )
        assert self.process.stderr is not None
        address = next(line for line in self.process.stderr if line.startswith("web: ")).split()[1].rstrip("/")
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        token = (folder / "token").read_text().strip()
        self.client = httpx.Client(
            base_url=f"{address}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=20
        )

    def status(self) -> dict[str, Any]:
        """What the line says of itself, once it does."""
        return self.wait_for(lambda: self.client.get("/status").json()["status"], "the line's status")

    def wait_for(self, look: Callable[[], Any], what: str) -> Any:
        for _ in range(600):
            found = look()
            if found:
                return found
            threading.Event().wait(0.1)
        raise AssertionError(f"{what} did not come in 60 s")

    def plc(self) -> dict[str, Any]:
        """What the monitor shows, once there is something."""
        for _ in range(600):
            answer = self.client.get("/plc")
            if answer.status_code == 200:
                return dict(answer.json())
            assert answer.json()["error"]["code"] == "line_down"
            threading.Event().wait(0.1)
        raise AssertionError(answer.text)

    def registers(self) -> dict[str, dict[str, Any]]:
        return {register["name"]: register for register in self.plc()["registers"]}

    def until(self, name: str, wanted: str) -> dict[str, dict[str, Any]]:
        for _ in range(200):
            registers = self.registers()
            if wanted in registers[name]["names"]:
                return registers
            threading.Event().wait(0.1)
        raise AssertionError(registers[name])

    def command(self, what: str, **more: object) -> str:
        answer = self.client.post("/commands/maintenance", json={"what": what, **more})
        return "" if answer.status_code == 200 else str(answer.json()["error"]["message"])


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Screen]:
    made = Screen(tmp_path)
    yield made
    made.process.terminate()
    made.process.wait(30)


def test_the_monitor_and_maintenance(screen: Screen) -> None:
    screen.until("status", "ONLINE")
    with Master(screen.line.port) as master:
        master.ready()
        master.trigger(77)
        master.acknowledge()
        master.exchange(control=RUN | Control.RESULTS_ACK)
        master.exchange(control=RUN)
        for _ in range(100):
            told = screen.plc()
            if told["refused"].get("ACK_WITHOUT_RESULT"):
                break
            master.exchange()
        registers = {register["name"]: register for register in told["registers"]}
        assert set(registers) == {field.name for field in FIELDS}
        assert registers["accepted_part_id"]["value"] == 77
        assert registers["accepted_part_id"]["words"] == [0, 77]
        assert registers["recipe"]["value"] == "bracket"
        assert registers["map_version"]["unchanged_s"] > registers["plc_heartbeat"]["unchanged_s"]
        assert (told["wiring"], told["owner"].split(":")[0]) == ("triggers", "127.0.0.1")
        edges = [(edge["signal"], edge["value"]) for edge in told["edges"]]
        assert (
            edges.index(("TRIGGER", True))
            < edges.index(("RESULTS_VALID", True))
            < edges.index(("RESULTS_VALID", False))
        )
        ages = [edge["ago_ms"] for edge in told["edges"]]
        assert ages == sorted(ages, reverse=True)
        assert told["server"]["requests"] > 10

        assert screen.command("fire", output="camera").endswith("not in maintenance")
        assert screen.command("begin").endswith("line is running")
        assert screen.client.post("/commands/stop").status_code == 200
        master.exchange(control=0)
        assert screen.command("begin") == ""
        assert status(master.exchange()) & Status.MAINTENANCE
        assert "MAINTENANCE" in screen.until("status", "MAINTENANCE")["status"]["names"]
        assert screen.command("fire", output="camera") == ""
        assert screen.command("fire", output="ejector").endswith("unknown output")
        # It ends at once when the PLC wants to run.
        assert not status(master.exchange(control=RUN)) & Status.MAINTENANCE
        assert screen.command("fire", output="camera").endswith("not in maintenance")


def test_maintenance_switches_itself_off() -> None:
    with Station() as station:
        with Master(station.port) as master:
            master.exchange(control=0)
            with station.image.lock:
                station.contract.state(PackMl.IDLE, station.clock())
                obey(station.contract, "begin", station.clock())
            assert status(master.read()) & Status.MAINTENANCE
        station.added_ns += MODE_NS
        with Master(station.port) as master:
            master.sees(lambda block: not status(block) & Status.MAINTENANCE)


def fire(screen: Screen) -> str:
    """A test pulse on the ejector; the controller's answer."""
    assert screen.command("fire", output="ejector") == ""
    threading.Event().wait(0.8)  # the answer comes within 0.5 s, and is told ten times a second
    return str(screen.wait_for(lambda: screen.status()["link"]["test_fire"]["answer"], "an answer"))


@pytest.mark.parametrize("sample", [pytest.param("station.toml", marks=pytest.mark.soak), "plc_results.toml"])
def test_the_ejector_is_fired_where_the_controller_rejects_and_no_part_on_the_belt_passes(
    tmp_path: Path, sample: str
) -> None:
    screen = Screen(tmp_path, sample)
    try:
        screen.wait_for(lambda: screen.status()["counts"]["records"] > 2, "a line that runs")
        assert screen.command("begin").endswith("line is running")
        assert screen.command("fire", output="ejector").endswith("not in maintenance")
        screen.client.post("/commands/stop")
        screen.wait_for(lambda: screen.status()["state"] == "Idle", "a line that stands")
        on_belt = {str(part["part"]) for part in screen.status()["link"]["parts"]}
        # Beside a PLC not while a part waits for its result.
        screen.wait_for(lambda: screen.command("begin") == "", "maintenance")
        assert screen.command("fire", output="camera").endswith("unknown output")
        screen.wait_for(lambda: screen.status()["test_left_s"], "maintenance")
        assert "end it first" in screen.client.post("/commands/start").json()["error"]["message"]
        answers = [fire(screen)]
        while answers[-1] == "NOT_AT_REST" and len(answers) < 50:
            answers.append(fire(screen))
        # A part that is decided may stand at the gate; then the controller does not fire, and says so.
        assert answers[-1] in ("FIRED", "BUSY")
        alarms = {alarm["code"] for alarm in screen.status()["alarms"]}
        assert "maintenance" in alarms
        assert ("test_fire" in alarms) == (answers[-1] == "BUSY")
        assert screen.command("end") == ""
        screen.wait_for(lambda: screen.status()["test_left_s"] is None, "its end")
        records = screen.status()["counts"]["records"]
        assert screen.client.post("/commands/start").status_code == 200
        screen.wait_for(lambda: screen.status()["counts"]["records"] > records + len(on_belt) + 3, "more parts")
        found = screen.client.get("/records", params={"limit": 100}).json()["records"]
        told = {str(int(one["part_id"]) & 0xFFFFFFFF): one["outcome"] for one in found}
        assert on_belt, "nothing lay on the belt: the test has not met its case"
        assert {told[part]["kind"] for part in on_belt} == {"FIRED"}
        assert "PASSED" in {one["outcome"]["kind"] for one in found}
    finally:
        screen.process.terminate()
        screen.process.wait(30)
