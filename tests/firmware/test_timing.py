"""When an output moves, in CPU cycles of the real binary in simavr: 16 are a microsecond."""

from __future__ import annotations

from firmware_bridge.protocol import Why
from tests.firmware import bench
from tests.firmware.bench import PARTS, Bench
from tests.firmware.board import TICK, US


def test_the_eye_is_latched_to_the_tick(quiet: Bench) -> None:
    zero, rows = quiet.board.clock_zero, quiet.board.rows().values()
    late = [at - (zero + TICK * row.seen_clock) for at, row in zip(quiet.seen, rows, strict=True)]
    assert len(late) == PARTS
    assert min(late) >= -TICK
    assert max(late) < TICK


def test_an_edge_by_the_clock_is_within_a_microsecond_of_its_tick(quiet: Bench) -> None:
    rows = quiet.board.rows().values()
    assert {row.why for row in rows} == {Why.EARNED}
    off = bench.clock_errors(quiet.board.clock_zero, rows, quiet.board.edges)
    assert len(off) >= 1000
    print(f"{len(off)} edges by the clock, no encoder: {min(off)}..{max(off)} cycles after the tick")
    assert max(abs(cycles) for cycles in off) <= 1 * US


def test_an_edge_by_count_follows_the_encoder_within_ten_microseconds(busy: Bench) -> None:
    assert {row.why for row in busy.board.rows().values()} == {Why.EARNED}
    late, wrong = bench.count_errors(busy, busy.board.edges)
    assert len(late) >= 1000
    assert not any(wrong)
    print(f"{len(late)} edges by count at 20 kHz: {min(late)}..{max(late)} cycles after the encoder's edge")
    assert max(late) <= 10 * US


def test_an_edge_by_the_clock_beside_a_20_khz_encoder(busy: Bench) -> None:
    off = bench.pulse_errors(busy.board.edges)
    assert len(off) >= 1000
    print(f"{len(off)} edges by the clock at 20 kHz: {min(off)}..{max(off)} cycles after the tick")
    assert max(abs(cycles) for cycles in off) <= 25 * US
