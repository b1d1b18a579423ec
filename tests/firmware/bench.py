"""Two runs of the real binary that many tests look at: settings that make every output move, and parts for it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from firmware_bridge.protocol import Encoder, Judge, Key, PartRow, Verdict
from tests.firmware.board import CAMERA, GATE, MS, SORTER_1, TICK, Board

Edges = list[tuple[int, int]]
PARTS = 500
PITCH = 20 * MS
COUNT = 128  # ticks in a count where the clock stands in for the encoder
ENCODER = 800  # cycles in a count: 20 kHz
BUSY = {
    Key.ENCODER: Encoder.QUADRATURE,
    Key.CAMERA_COUNT: 200,
    Key.GATE_COUNT: 1500,
    Key.GUARD_COUNT: 80,
    Key.MIN_SPACING_COUNT: 20,
    Key.PART_MAX_COUNT: 120,
    Key.EYE_STUCK_COUNT: 2000,
    Key.LEAD_MS: 0,
    Key.MIN_ON_MS: 0,
    Key.MIN_OFF_MS: 1,
    Key.MAX_ON_MS: 3,  # shorter than a part: the gate is shut by the clock
}
ON_MS = (13, 27, 41)
PULSES = {GATE: BUSY[Key.MAX_ON_MS]} | {SORTER_1 << sorter: on_ms for sorter, on_ms in enumerate(ON_MS)}
SORTERS = {
    Key(Key.EJECT_1_COUNT + 5 * sorter + field): value
    for sorter, (count, on_ms) in enumerate(zip((500, 700, 900), ON_MS, strict=True))
    for field, value in enumerate((count, on_ms, 0, 100, 1))
}
QUIET = BUSY | {
    Key.ENCODER: Encoder.CLOCK,
    Key.CAMERA_COUNT: 100,
    Key.GATE_COUNT: 1000,
    Key.GUARD_COUNT: 20,
    Key.LEAD_MS: 2,
    Key.MAX_ON_MS: 100,
}


def feed(board: Board, parts: int, *, sorters: int = 0, length: int = 4 * MS) -> list[int]:
    """Parts at 50 a second, all good, at every phase of clock and encoder; gives the cycle of each at the eye."""
    first = board.chip.cycle + MS
    seen = []
    for number in range(1, parts + 1):
        at = first + number * PITCH + number * 37 % 803
        board.run_to(at - MS)
        board.part(at, length + number * 13 % 897)
        board.run_to(at + 3 * MS)
        board.say(Judge(1, number, Verdict.PASS, 1 + number % sorters if sorters else 0))
        seen.append(at)
    board.run_ms(120)
    return seen


@dataclass
class Bench:
    """A board after its run. `seen`: the cycle of each part at the eye; `encoder`: since when, and cycles a count."""

    board: Board
    seen: list[int]
    encoder: tuple[int, int]


def quiet() -> Bench:
    """By the clock alone, without an encoder."""
    board = Board()
    board.start(QUIET)
    # Without an encoder everything is rejected until the belt has come from the eye to the gate.
    board.run_ms(70)
    return Bench(board, feed(board, PARTS), (0, 0))


def busy() -> Bench:
    """By the encoder at 20 kHz, with every output in use."""
    board = Board()
    board.start(BUSY | SORTERS)
    started = board.chip.cycle
    board.chip.encoder(ENCODER)
    return Bench(board, feed(board, PARTS, sorters=3), (started, ENCODER))


def moved(edges: Edges, mask: int, level: bool) -> list[int]:
    """When an output went to `level`."""
    found, before = [], 0
    for cycle, levels in edges:
        if (levels ^ before) & mask and bool(levels & mask) is level:
            found.append(cycle)
        before = levels
    return found


def clock_errors(zero: int, rows: Collection[PartRow], edges: Edges) -> list[int]:
    """Of `quiet`: cycles from the beginning of each commanded tick to its edge. Tick 0 began in cycle `zero`."""
    starts = [row.seen_clock + QUIET[Key.GATE_COUNT] * COUNT - QUIET[Key.LEAD_MS] * 2000 for row in rows]
    triggers = [row.seen_clock + QUIET[Key.CAMERA_COUNT] * COUNT for row in rows]
    opened, shut, fired = moved(edges, GATE, True), moved(edges, GATE, False), moved(edges, CAMERA, True)
    # The part's length is measured in whole counts and is not told: the edge shows which one it was.
    lengths = [round((b - a) / (COUNT * TICK)) * COUNT for a, b in zip(opened, shut, strict=True)]
    ends = [start + length for start, length in zip(starts, lengths, strict=True)]
    wanted = starts + triggers + ends
    return [at - zero - TICK * tick for tick, at in zip(wanted, opened + fired + shut, strict=True)]


def count_errors(bench: Bench, edges: Edges) -> tuple[list[int], list[int]]:
    """Of `busy`: cycles from the encoder's edge to each edge by count, and how many counts it was off."""
    first = bench.encoder[0] + ENCODER // 2
    late, wrong = [], []
    for output, distance in ((GATE, BUSY[Key.GATE_COUNT]), (CAMERA, BUSY[Key.CAMERA_COUNT])):
        for row, at in zip(bench.board.rows().values(), moved(edges, output, True), strict=True):
            count, after = divmod(at - first, ENCODER)
            late.append(after)
            wrong.append(count + 1 - (row.seen_count + distance))
    for sorter in range(3):
        late += [(at - first) % ENCODER for at in moved(edges, SORTER_1 << sorter, True)]
    return late, wrong


def pulse_errors(edges: Edges) -> list[int]:
    """Of `busy`: how much longer than commanded each pulse was, in cycles."""
    off = []
    for output, on_ms in PULSES.items():
        on, gone = moved(edges, output, True), moved(edges, output, False)
        off += [b - a - on_ms * MS for a, b in zip(on, gone, strict=True)]
    return off
