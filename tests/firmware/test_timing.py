"""When an output moves, in CPU cycles of the real binary: 16 are a microsecond."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from firmware_bridge.protocol import Encoder, Judge, Key, Verdict, Why
from tests.firmware.board import CAMERA, GATE, MS, SORTER_1, TICK, US, Board

PARTS = 500
PITCH = 20 * MS
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


@pytest.fixture(scope="module")
def quiet() -> Iterator[tuple[Board, list[int]]]:
    board = Board()
    board.start(QUIET)
    yield board, feed(board, PARTS)
    board.close()


@pytest.fixture(scope="module")
def busy() -> Iterator[tuple[Board, int]]:
    board = Board()
    board.start(BUSY | SORTERS)
    first_edge = board.chip.cycle + ENCODER // 2
    board.chip.encoder(ENCODER)
    feed(board, PARTS, sorters=3)
    yield board, first_edge
    board.close()


def off_by(board: Board, ticks: list[int], cycles: list[int]) -> list[int]:
    """Cycles from the beginning of each commanded tick to its edge."""
    return [cycle - (board.clock_zero + TICK * tick) for tick, cycle in zip(ticks, cycles, strict=True)]


def test_the_eye_is_latched_to_the_tick(quiet: tuple[Board, list[int]]) -> None:
    board, seen = quiet
    late = [at - (board.clock_zero + TICK * row.seen_clock) for at, row in zip(seen, board.rows().values(), strict=True)]
    assert len(late) == PARTS
    assert min(late) >= -TICK
    assert max(late) < TICK


def test_an_edge_by_the_clock_is_within_a_microsecond_of_its_tick(quiet: tuple[Board, list[int]]) -> None:
    board, _ = quiet
    rows = list(board.rows().values())
    assert {row.why for row in rows} == {Why.EARNED}
    starts = [row.seen_clock + QUIET[Key.GATE_COUNT] * 128 - QUIET[Key.LEAD_MS] * 2000 for row in rows]
    gate = board.moved(GATE)
    opened = [at for at, on in gate if on]
    shut = [at for at, on in gate if not on]
    triggers = [row.seen_clock + QUIET[Key.CAMERA_COUNT] * 128 for row in rows]
    fired = [at for at, on in board.moved(CAMERA) if on]
    off = off_by(board, starts, opened) + off_by(board, triggers, fired)
    # The part's length is measured in counts of 128 ticks, and is not told: the edge shows which one it was.
    lengths = [round((b - a) / (128 * TICK)) * 128 for a, b in zip(opened, shut, strict=True)]
    off += off_by(board, [start + length for start, length in zip(starts, lengths, strict=True)], shut)
    assert len(off) >= 1000
    print(f"{len(off)} edges by the clock, no encoder: {min(off)}..{max(off)} cycles after the tick")
    assert max(abs(cycles) for cycles in off) <= 1 * US


def test_an_edge_by_count_follows_the_encoder_within_ten_microseconds(busy: tuple[Board, int]) -> None:
    board, first_edge = busy
    rows = list(board.rows().values())
    assert {row.why for row in rows} == {Why.EARNED}
    wanted = {GATE: BUSY[Key.GATE_COUNT], CAMERA: BUSY[Key.CAMERA_COUNT]}
    late, wrong = [], []
    for output, distance in wanted.items():
        on = [at for at, level in board.moved(output) if level]
        for row, at in zip(rows, on, strict=True):
            count, after = divmod(at - first_edge, ENCODER)
            late.append(after)
            wrong.append(count + 1 - (row.seen_count + distance))
    for sorter in range(3):
        late += [(at - first_edge) % ENCODER for at, level in board.moved(SORTER_1 << sorter) if level]
    assert len(late) >= 1000
    assert not any(wrong)
    print(f"{len(late)} edges by count at 20 kHz: {min(late)}..{max(late)} cycles after the encoder's edge")
    assert max(late) <= 10 * US


def test_an_edge_by_the_clock_beside_a_20_khz_encoder(busy: tuple[Board, int]) -> None:
    board, _ = busy
    off = [error for output, on_ms in PULSES.items() for error in pulse_errors(board, output, on_ms)]
    assert len(off) >= 1000
    print(f"{len(off)} edges by the clock at 20 kHz: {min(off)}..{max(off)} cycles after the tick")
    assert max(abs(cycles) for cycles in off) <= 25 * US


def pulse_errors(board: Board, output: int, on_ms: int) -> list[int]:
    """How much longer than commanded each pulse was, in cycles: its end is `on_ms` after its beginning's stamp."""
    edges = board.moved(output)
    on = [at for at, level in edges if level]
    gone = [at for at, level in edges if not level]
    return [b - a - on_ms * MS for a, b in zip(on, gone, strict=True)]
