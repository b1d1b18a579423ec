"""kill -9 of a real station process, in front of a controller that lives on: every part it saw has its record."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from pathlib import Path

from inspector.errors import StoreError
from inspector.record.reader import Reader
from inspector.types import Verdict
from tests.firmware_bridge.test_port import behind_a_pty, twin
from tests.test_command_line import ROOT, SAMPLES

PARTS = 24
FRONTS = [4000 + 2000 * number for number in range(PARTS)]


def station(tmp_path: Path, port: str) -> Path:
    path = tmp_path / "station.toml"
    path.write_text(
        f"""
[station]
recipe = "{SAMPLES / "recipe.toml"}"
autostart = true
[camera]
kind = "folder"
source = "{SAMPLES / "test/good"}"
[controller]
port = "{port}"
[record]
store = "records.sqlite"
images = "images"
"""
    )
    return path


def start(file: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "inspector", "run", "--station", str(file), "--no-web"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)


def recorded(tmp_path: Path) -> dict[int, Verdict]:
    with contextlib.suppress(StoreError):
        reader = Reader.open(f"sqlite:///{tmp_path / 'records.sqlite'}")
        found = {stored.record.part.part_id & 0xFFFFFFFF: stored.record.verdict for stored in reader.records(limit=100)}
        reader.close()
        return found
    return {}


def wait_for(tmp_path: Path, parts: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(900):
        if len(recorded(tmp_path)) >= parts:
            return
        assert process.poll() is None
        threading.Event().wait(0.1)
    raise AssertionError(f"{sorted(recorded(tmp_path))} of {parts} parts recorded in 90 s")


def test_no_part_is_forgotten(tmp_path: Path) -> None:
    link = twin(FRONTS)
    with behind_a_pty(link) as port:
        file = station(tmp_path, port)
        first = start(file)
        wait_for(tmp_path, 4, first)
        first.kill()
        first.wait()
        before = len(recorded(tmp_path))
        second = start(file)
        try:
            wait_for(tmp_path, PARTS, second)
        finally:
            second.terminate()
            assert second.wait(30) == 0
    found = recorded(tmp_path)
    assert before < PARTS
    assert sorted(found) == list(range(1, PARTS + 1))
    # This camera was never triggered: nothing can have been inspected, and nothing may have passed.
    assert set(found.values()) == {Verdict.NOT_INSPECTED}
    assert not any(energised for _, energised in link.controller._belt.gate)  # type: ignore[attr-defined]
