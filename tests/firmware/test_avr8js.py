"""The same binary, the same deeds, another simulator: avr8js must move the same pins at the same cycles.

An edge may differ by 16 cycles, a microsecond: the cores do not take the same time to enter an interrupt (simavr none,
avr8js two cycles, the chip four) and see a deed at the end of an instruction, which need not be the same one. What the
eye's edge was latched as is taken off before, if it lay on the border of a tick or of a count. Where an edge by count
meets another interrupt that is under way, it waits for its end in one simulator and comes before it in the other: 80
cycles, the longest, for at most one edge in twenty (39 of 1500 measured). What a wrong timer, a lost flag or a race
would do is milliseconds. Edges by the clock beside a 20 kHz encoder wait for whole interrupts of the encoder: each
simulator must keep the 25 us for itself.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from firmware_bridge.flash import build
from firmware_bridge.framing import Deframer
from firmware_bridge.protocol import PartRow, Why, unpack
from tests.firmware import bench
from tests.firmware.bench import COUNT, ENCODER, PARTS, Bench, Edges
from tests.firmware.board import CAMERA, GATE, SORTER_1, TICK, US

HERE = Path(__file__).parent / "avr8js"
SAME, INTERRUPT = 16, 80


def replay(run: Bench, folder: Path) -> tuple[Edges, dict[int, PartRow]]:
    """What avr8js makes of a run: the edges in simavr's cycles, and the rows of the parts."""
    for missing, what in (
        (shutil.which("node") is None, "node"),
        (not (HERE / "node_modules/avr8js").is_dir(), "avr8js"),
    ):
        if missing:
            assert os.environ.get("CI") != "true", f"{what} is missing"
            pytest.skip(f"{what} is missing: make install-test brings it")
    board = run.board
    zero = board.clock_zero
    script = {
        "hex": build().hex.read_text(encoding="ascii"),
        "encoder": (run.encoder[0] - zero, run.encoder[1]),
        "deeds": [(cycle - zero, *deed) for cycle, *deed in board.deeds],
        "end": board.chip.cycle - zero,
    }
    path = folder / "script.json"
    path.write_text(json.dumps(script), encoding="utf-8")
    done = subprocess.run(["node", HERE / "replay.mjs", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["dropped"] == 0, "bytes came faster than they were read"
    said = [unpack(payload) for payload in Deframer().feed(bytes(found["sent"]))]
    rows = {row.part: row for row in said if isinstance(row, PartRow)}
    return [(zero + cycle, levels) for cycle, levels in found["edges"]], rows


def apart(
    ours: Edges, theirs: Edges, output: int, level: bool, unit: int, shifts: list[int] | None = None
) -> list[int]:
    """Cycles between the same edges of an output here and there, less each one's shift, and less whole units."""
    pairs = list(zip(bench.moved(ours, output, level), bench.moved(theirs, output, level), strict=True))
    assert all(abs(b - a) < 2 * unit for a, b in pairs)
    found = [b - a - shift for (a, b), shift in zip(pairs, shifts or [0] * len(pairs), strict=True)]
    return [(cycles + unit // 2) % unit - unit // 2 for cycles in found]


def test_by_the_clock(quiet: Bench, tmp_path: Path) -> None:
    theirs, rows = replay(quiet, tmp_path)
    assert {number: row.why for number, row in rows.items()} == {n: row.why for n, row in quiet.board.rows().items()}
    ticks = [rows[number].seen_clock - row.seen_clock for number, row in quiet.board.rows().items()]
    assert set(ticks) <= {-1, 0, 1}
    shifts = [TICK * tick for tick in ticks]
    timed = ((GATE, True), (GATE, False), (CAMERA, True))
    found = [cycles for edge in timed for cycles in apart(quiet.board.edges, theirs, *edge, COUNT * TICK, shifts)]
    off = bench.clock_errors(quiet.board.clock_zero, rows.values(), theirs)
    print(f"{len(found)} edges by the clock in avr8js: {min(found)}..{max(found)} cycles from simavr's, ", end="")
    print(f"{min(off)}..{max(off)} after the tick")
    assert len(found) == 3 * PARTS >= 1000
    assert max(map(abs, found)) <= SAME
    assert max(map(abs, off)) <= 1 * US


def test_by_count(busy: Bench, tmp_path: Path) -> None:
    theirs, rows = replay(busy, tmp_path)
    assert {row.why for row in rows.values()} == {Why.EARNED}
    outputs = (GATE, CAMERA, SORTER_1, SORTER_1 << 1, SORTER_1 << 2)
    found = [cycles for output in outputs for cycles in apart(busy.board.edges, theirs, output, True, ENCODER)]
    late, _ = bench.count_errors(busy, theirs)
    off = bench.pulse_errors(theirs)
    same = sum(abs(cycles) <= SAME for cycles in found)
    print(
        f"{len(found)} edges by count in avr8js: {min(found)}..{max(found)} cycles from simavr's, "
        f"{same} within {SAME}, ",
        end="",
    )
    print(
        f"{min(late)}..{max(late)} after the encoder's; {len(off)} by the clock {min(off)}..{max(off)} after the tick"
    )
    assert len(found) == 3 * PARTS >= 1000
    assert same >= len(found) * 19 // 20
    assert max(map(abs, found)) <= INTERRUPT
    assert max(late) <= 10 * US
    assert len(off) >= 1000
    assert max(map(abs, off)) <= 25 * US
