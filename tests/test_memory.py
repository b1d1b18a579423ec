"""The line process stays flat: its memory after many parts is that after a few."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import psutil
import pytest

from tests.test_command_line import ROOT, SAMPLES, inspector

PARTS = int(os.environ.get("SOAK_PARTS", "50000"))
GROWTH_MB = 10
# A quarter of the sample pictures' size and a model of their own: everything but the pixels is the real line, and
# 50,000 parts take minutes.
SMALL = (320, 240)
STATION = """
[station]
name = "small"
autostart = true
[camera]
width = 320
height = 240
[record]
store = "records.sqlite"
images = "images"
image_budget_mb = 20
[simulation]
pictures = ["test"]
"""


def small_station(folder: Path) -> Path:
    for file in (file for part in ("train", "test") for file in (SAMPLES / part).rglob("*.jpg")):
        small = folder / file.relative_to(SAMPLES)
        small.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(small), cv2.resize(cv2.imread(str(file)), SMALL, interpolation=cv2.INTER_AREA))
    done = inspector("teach", folder / "train" / "good", "--out", folder / "model")
    assert done.returncode == 0, done.stderr
    (folder / "recipe.toml").write_text('id = "small"\nmodel = "model"\n')
    (folder / "station.toml").write_text(STATION)
    return folder / "station.toml"


@pytest.mark.soak
def test_memory_is_flat(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "inspector", "run", "--station", str(small_station(tmp_path)), "--fast"]
    process = subprocess.Popen(
        [*command, "--no-web", "--parts", str(PARTS), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
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
    sums = json.load(process.stdout)
    assert sums["records"] == PARTS
    assert sums["passed"] > PARTS // 10, "the parts went the whole way"
    settled = max(resident_mb[: max(10, len(resident_mb) // 5)])
    # The last seconds belong to the counting of the records at the end of a run, not to the line.
    grown = max(resident_mb[:-5]) - settled
    print(f"{settled:.0f} MB after a fifth of {PARTS} parts, {grown:+.1f} MB at the end")
    assert grown < GROWTH_MB
