"""A PLC in JavaScript on the npm package modbus-serial: the handshake with coils, masks and single words."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from firmware_bridge.plc import signals
from firmware_bridge.plc.fields import FIELDS, STATION_WORDS
from tests.firmware_bridge.plc.station_side import Station, result_of

HERE = Path(__file__).parent / "masters" / "npm"
if shutil.which("node") is None or not (HERE / "node_modules/modbus-serial").is_dir():
    if os.environ.get("CI"):
        raise RuntimeError("node or the npm package modbus-serial is not installed: make install-test")
    pytest.skip("node or the npm package modbus-serial is not installed: make install-test", allow_module_level=True)

PARTS = 200


def test_two_hundred_parts(tmp_path: Path) -> None:
    mapping = {
        "address": {field.name: field.address for field in FIELDS},
        "control": {bit.name: int(bit) for bit in signals.Control},
        "status": {bit.name: int(bit) for bit in signals.Status},
        "words": STATION_WORDS,
    }
    (tmp_path / "map.json").write_text(json.dumps(mapping))
    with Station() as station:
        command = ["node", HERE / "plc.js", str(station.port), str(PARTS), tmp_path / "map.json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    wanted = [
        {
            "part": part,
            "verdict": int(result.verdict),
            "score": round(result.score * 1e4),
            "part_x": round((result.part_xy or (0, 0))[0] * 100),
            "inspection_id": part,
            "valid": True,
        }
        for part in range(1, PARTS + 1)
        for result in [result_of(part)]
    ]
    assert said["results"] == wanted
    assert said["refused"] == 2
