"""The I/O monitor over the API of a whole station: what it shows, and maintenance that the PLC sees."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
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

    def __init__(self, folder: Path) -> None:
        self.line = Line(folder, "test/good", more="[web]\nport = 0\ntoken_file = 'token'\n[line]\nlink = 'line.sock'")
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
