"""A PLC in C on libmodbus: every verdict matched to its part, in order, never a block made of two results."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.firmware_bridge.plc.station_side import Station, compile_plc

if shutil.which("gcc") is None or not Path("/usr/include/modbus/modbus.h").exists():
    if os.environ.get("CI"):
        raise RuntimeError("the Debian packages gcc and libmodbus-dev are not installed")
    pytest.skip("the Debian packages gcc and libmodbus-dev are not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def plc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_plc(tmp_path_factory.mktemp("plc"))


def play(plc: Path, station: Station, *words: int, timeout: float = 300) -> dict[str, Any]:
    command = [str(plc), "127.0.0.1", str(station.port), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    return dict(json.loads(done.stdout))


def handshakes(plc: Path, parts: int, period_us: int, reader_s: int) -> None:
    with Station() as station:
        reader = subprocess.Popen(
            [str(plc), "127.0.0.1", str(station.port), "reader", str(reader_s), "3"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        said = play(plc, station, parts, period_us, 0xFFFF_0000 - parts // 2, timeout=600)
        output, errors = reader.communicate(timeout=600)
        assert reader.returncode == 0, errors
        print(output)
        read = json.loads(output)
        counts = station.contract.tally.counts
    assert said["parts"] == parts
    assert said["wrong_fields"] == said["wrong_order"] == said["missed"] == 0
    assert said["passed"] + said["rejected"] == parts
    assert min(said["passed"], said["rejected"]) > parts // 3
    assert read["wrong_fields"] == read["wrong_halves"] == 0
    assert min(read["checked"], read["empty"]) > 50
    assert counts["total"] == parts
    assert counts["lost_results"] == counts["missed_triggers"] == 0


def test_ten_thousand_parts_as_fast_as_they_go(plc: Path) -> None:
    handshakes(plc, 10_000, 0, 5)


@pytest.mark.soak
def test_ten_thousand_parts_at_fifty_a_second(plc: Path) -> None:
    handshakes(plc, 10_000, 20_000, 195)
