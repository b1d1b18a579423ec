"""`inspector firmware`: built by the real avr-gcc, written by a stand-in for avrdude, asked over a simulated line."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from firmware_bridge import flash, protocol_sim
from firmware_bridge.protocol import PROTOCOL, Ident
from firmware_bridge.simulated_link import LineNoise, SimulatedLink
from firmware_bridge.simulator import SimulatedController
from inspector.__main__ import application
from inspector.clock import SystemClock
from tests.firmware.board import need_simavr
from tests.firmware_bridge.made import StraightBelt

ROOT = Path(__file__).parents[2]
HAL = ROOT / "firmware_bridge/firmware"


def called(*words: str) -> Result:
    return CliRunner().invoke(application("firmware"), ["firmware", *words])


@pytest.fixture
def controller() -> Iterator[str]:
    """A simulated controller at this URL, in the system's time."""
    clock = SystemClock()
    twin = SimulatedController(StraightBelt([]), boot=7)
    twin.advance(clock.now_ns())
    protocol_sim.register("flashed", SimulatedLink(twin, LineNoise(lambda: 1.0)), clock.now_ns)
    yield "sim://flashed"
    protocol_sim._ports.pop("flashed")


@pytest.fixture
def avrdude(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An avrdude that writes down what it is asked, and fails if a file `broken` lies beside it."""
    program = tmp_path / "bin/avrdude"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\nhere=$(dirname "$0")\necho "$@" > "$here/asked"\n'
        'if [ -f "$here/broken" ]; then cat "$here/broken" >&2; exit 1; fi\necho verified\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return program.parent


def test_build_tells_what_it_takes(tmp_path: Path) -> None:
    need_simavr()
    done = called("build", "--out", str(tmp_path), "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["protocol"] == f"{PROTOCOL:08x}"
    assert 1000 < told["flash_bytes"] <= told["flash_limit_bytes"] == 16 * 1024
    assert 100 < told["ram_bytes"] <= told["ram_limit_bytes"] == 1536
    assert Path(told["hex"]).read_text().startswith(":10000000")


def test_flash_writes_the_built_file_and_asks_the_board(avrdude: Path, controller: str) -> None:
    need_simavr()
    done = called("flash", "--port", controller, "--board", "nano-old", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["controller"]["protocol"] == PROTOCOL
    assert told["controller"]["boot"] == 7
    asked = (avrdude / "asked").read_text().split()
    assert asked == f"-p atmega328p -c arduino -P {controller} -b 57600 -D -U flash:w:{told['hex']}:i".split()


def test_what_avrdude_says_is_passed_on(avrdude: Path, controller: str) -> None:
    need_simavr()
    (avrdude / "broken").write_text("programmer is not responding\n")
    done = called("flash", "--port", controller)
    assert done.exit_code == 1
    assert "avrdude failed: programmer is not responding" in done.stderr
    assert done.stdout == ""


def test_a_missing_tool_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = called("build", "--out", str(tmp_path / "new"))
    assert done.exit_code == 2
    assert "avr-gcc is missing: install the Debian package gcc-avr" in done.stderr


def test_bad_words_are_refused() -> None:
    done = called("flash", "--port", "/dev/null", "--board", "mega")
    assert done.exit_code == 2
    assert "--board is 'mega', wanted one of uno, nano, nano-old" in done.stderr
    assert called("flash").exit_code == 2


def test_info_tells_who_is_there(controller: str) -> None:
    done = called("info", "--port", controller, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["reflash"], told["controller"]["protocol"]) == (False, PROTOCOL)
    missing = called("info", "--port", "/dev/no-such-port")
    assert missing.exit_code == 1
    assert "/dev/no-such-port" in missing.stderr
    assert json.loads(called("info", "--json").stdout) == {"protocol": f"{PROTOCOL:08x}"}


def test_another_version_must_be_flashed(controller: str, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Ident(PROTOCOL ^ 1, 3, 0, 2_000_000, 0, 32, 1)
    monkeypatch.setattr(flash, "ask", lambda *_args, **_names: other)
    done = called("info", "--port", controller)
    assert done.exit_code == 1
    assert "flash it" in done.stdout


def test_the_wiring_page_has_the_pins_of_the_source() -> None:
    """Each row's port pin is what the source makes of that signal."""
    rows = dict(
        re.findall(r"\| \S+ \| (P[BCD]\d) \| (?:in|out) \| ([a-zA-Z0-9 -]+)", (ROOT / "docs/wiring.md").read_text())
    )
    source = "".join(path.read_text() for path in sorted(HAL.glob("hal*.[ch]")))

    def number(pattern: str) -> int:
        found = re.search(pattern, source)
        assert found, pattern
        return int(found.group(1), 0)

    outputs = {name: number(rf"#define OUT_{name} (0x\w+)").bit_length() - 1 for name in ("GATE", "CAMERA", "LINE_RUN")}
    eye, lamp = number(r"#define EYE .1 << PB(\d)"), number(r"#define LED .1 << PB(\d)")
    encoder = number(r"\[a\] .I..PD(\d)")
    assert {pin: name.strip() for pin, name in rows.items()} == {
        f"PB{eye}": "photo-eye",
        f"PD{encoder}": "encoder A",
        f"PD{encoder + 1}": "encoder B",
        "PB1": "ejection sensor in the chute",
        "PB2": "bin full",
        "PB3": "low air",
        f"PC{outputs['GATE']}": "gate",
        "PC1": "sorter 1",
        "PC2": "sorter 2",
        "PC3": "sorter 3",
        f"PC{outputs['CAMERA']}": "camera trigger and strobe",
        f"PC{outputs['LINE_RUN']}": "line run",
        f"PB{lamp}": "lamp on the board",
    }
    assert "#define IN_PINS 0x0e /* PB1 confirmation, PB2 bin full, PB3 low air */" in source
    assert number(r"#define OUT_EJECTORS (0x\w+)") == 0b1111
    assert "PORTD = 1 << PD2 | 1 << PD3;" in source
