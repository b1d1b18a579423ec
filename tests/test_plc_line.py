"""A whole station with a PLC in its controller's place: real process, real model, real pictures, foreign master."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.plc.signals import PlcVerdict, Status
from inspector.record.reader import Reader
from inspector.types import InspectionRecord, OutcomeKind, Verdict
from tests.firmware_bridge.plc.master import RUN, Master, status
from tests.firmware_bridge.plc.station_side import compile_plc
from tests.test_command_line import ROOT, SAMPLES

if shutil.which("gcc") is None or not Path("/usr/include/modbus/modbus.h").exists():
    if os.environ.get("CI"):
        raise RuntimeError("the Debian packages gcc and libmodbus-dev are not installed")
    pytest.skip("the Debian packages gcc and libmodbus-dev are not installed", allow_module_level=True)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Line:
    """A station process of its own, on a folder of pictures, and what it has recorded."""

    def __init__(self, folder: Path, pictures: str = "test", more: str = "") -> None:
        self.folder = folder
        self.port = free_port()
        self.file = folder / "station.toml"
        self.process: subprocess.Popen[bytes] | None = None
        self.file.write_text(
            f"""
[station]
recipe = "{SAMPLES / "recipe.toml"}"
autostart = true
[camera]
kind = "folder"
source = "{SAMPLES / pictures}"
shuffle_seed = 3
[plc]
wiring = "triggers"
port = {self.port}
result_timeout_ms = 3000
journal = "plc.parts"
{more}
[record]
store = "records.sqlite"
images = "images"
"""
        )

    def start(self) -> None:
        command = [sys.executable, "-m", "inspector", "run", "--station", str(self.file), "--no-web"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=ROOT)
        for _ in range(600):
            if self.process.poll() is not None:
                assert self.process.stderr is not None
                raise AssertionError(self.process.stderr.read().decode())
            try:
                with Master(self.port) as watcher:
                    if status(watcher.read()) & Status.ONLINE:
                        return
            except OSError:
                pass
            threading.Event().wait(0.1)
        raise AssertionError("the station did not come up in 60 s")

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(30)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def records(self) -> dict[tuple[int, int], InspectionRecord]:
        """By boot and number."""
        reader = Reader.open(f"sqlite:///{self.folder / 'records.sqlite'}")
        found = [stored.record for stored in reader.records(limit=500)]
        conflicts = reader.conflicts()
        reader.close()
        assert not conflicts
        numbered = {(record.part.part_id >> 32, record.part.part_id & 0xFFFFFFFF): record for record in found}
        assert len(numbered) == len(found)
        return numbered


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    made = Line(tmp_path)
    yield made
    made.kill()


@pytest.fixture(scope="module")
def plc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_plc(tmp_path_factory.mktemp("plc"))


PARTS = 30


def test_every_trigger_of_a_libmodbus_master_has_its_record_and_its_verdict(line: Line, plc: Path) -> None:
    line.start()
    log = line.folder / "log"
    command = [plc, "127.0.0.1", str(line.port), str(PARTS), "250000", "5000", log]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert line.stop() == 0
    said = json.loads(done.stdout)
    print(done.stdout)
    assert (said["parts"], said["wrong_order"], said["wrong_fields"]) == (PARTS, 0, 0)
    read = [tuple(map(int, row.split())) for row in log.read_text().splitlines()]
    records = line.records()
    assert [part for part, *_ in read] == list(range(5000, 5000 + PARTS))
    assert sorted(records) == [(1, number) for number in range(1, PARTS + 1)]
    for _, verdict, boot, number in read:
        record = records[boot, number]
        assert record.outcome.reason == f"PLC_TOOK_{PlcVerdict(verdict).name}"
        assert (record.outcome.kind is OutcomeKind.PASSED) == (verdict == PlcVerdict.PASS)
        if verdict in (PlcVerdict.PASS, PlcVerdict.REJECT):
            assert record.inspection.verdict == verdict
            assert record.inspection.frame_id is not None
    verdicts = {record.verdict for record in records.values()}
    assert {Verdict.PASS, Verdict.REJECT} <= verdicts


def test_a_killed_station_forgets_no_part_and_the_plc_gets_no_old_verdict(line: Line) -> None:
    line.start()
    with Master(line.port) as master:
        master.ready()
        for part in (1, 2, 3):
            master.trigger(part)
            if part < 3:
                assert master.acknowledge()["result_part_id"] == part
        assert line.process is not None
        line.process.kill()
        line.process.wait()
        with pytest.raises(OSError):
            for _ in range(3):
                master.exchange()
    line.start()
    with Master(line.port) as master:
        block = master.exchange()
        assert not status(block) & Status.RESULTS_VALID
        assert block["verdict"] == PlcVerdict.NONE
        master.ready()
        master.trigger(4)
        block = master.acknowledge()
        assert (block["result_part_id"], block["record_boot"], block["record_number"]) == (4, 2, 1)
    assert line.stop() == 0
    records = line.records()
    assert sorted(records) == [(1, 1), (1, 2), (1, 3), (2, 1)]
    lost = records[1, 3]
    assert lost.outcome.kind is OutcomeKind.UNCONFIRMED
    assert lost.outcome.reason == "STATION_RESTARTED"
    assert lost.verdict is Verdict.NOT_INSPECTED


def test_what_the_plc_never_took_is_told_as_such(line: Line) -> None:
    line.start()
    with Master(line.port) as master:
        master.ready()
        master.trigger(1)
        master.until(lambda block: status(block) & Status.RESULTS_VALID)
        # Refused, because the control bits were never dropped and the part before has not been acknowledged: no picture.
        master.exchange(control=0)
        master.exchange(control=RUN | 2, trigger_part_id=1)
    time.sleep(0.5)
    assert line.stop() == 0
    records = line.records()
    assert sorted(records) == [(1, 1), (1, 2)]
    assert records[1, 1].outcome.reason == "RESULT_LOST"
    assert records[1, 2].outcome.reason == "TRIGGER_REFUSED"
    assert {record.verdict for record in records.values()} <= {Verdict.NOT_INSPECTED, Verdict.REJECT}
    assert {record.outcome.kind for record in records.values()} == {OutcomeKind.UNCONFIRMED}
