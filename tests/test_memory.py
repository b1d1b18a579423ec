"""The line process stays flat: its memory after many parts is that after a few."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.test_command_line import ROOT, station

PARTS = int(os.environ.get("SOAK_PARTS", "50000"))
GROWTH_MB = 10


@pytest.mark.soak
def test_memory_is_flat(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "inspector", "run", "--station", str(station(tmp_path)), "--fast", "--no-web"]
    process = subprocess.Popen(
        [*command, "--parts", str(PARTS), "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT
    )
    watched = psutil.Process(process.pid)
    resident_mb: list[float] = []
    while process.poll() is None:
        resident_mb.append(watched.memory_info().rss / 1e6)
        try:
            process.wait(1.0)
        except subprocess.TimeoutExpired:
            continue
    assert process.stdout is not None
    assert json.load(process.stdout)["records"] == PARTS
    settled = max(resident_mb[: max(10, len(resident_mb) // 5)])
    # The last seconds belong to the counting of the records at the end of a run, not to the line.
    grown = max(resident_mb[:-5]) - settled
    print(f"{settled:.0f} MB after a fifth of {PARTS} parts, {grown:+.1f} MB at the end")
    assert grown < GROWTH_MB
