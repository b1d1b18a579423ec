from __future__ import annotations

import numpy as np
import pytest

from firmware_bridge.clock_sync import ClockSync

MS = 1_000_000


def taught(
    drift_ppm: float, start: int, round_trip_ms: tuple[float, float], samples: int = 40
) -> tuple[ClockSync, int]:
    """A sync fed every 100 ms with answers made at a random moment of their round trip; and the time of the last."""
    random = np.random.default_rng(3)
    sync = ClockSync(1_000_000)
    now = 0
    for _ in range(samples):
        now += 100 * MS
        trip = int(random.uniform(*round_trip_ms) * MS)
        made = now + int(trip * random.uniform(0.3, 0.7))
        clock = start + int(made / 1000 * (1 + drift_ppm * 1e-6))
        sync.add(now, now + trip, clock % 2**32, made // 250_000 % 2**32)
    return sync, now


@pytest.mark.parametrize("drift_ppm", [0, 200, -5000, 5000])
@pytest.mark.parametrize("start", [0, 2**32 - 2_000_000])
def test_a_clock_reading_is_placed_within_its_stated_error(drift_ppm: float, start: int) -> None:
    sync, now = taught(drift_ppm, start, (1.0, 3.0))
    true_ns = now + 20 * MS
    clock = (start + int(true_ns / 1000 * (1 + drift_ppm * 1e-6))) % 2**32
    error = abs(sync.to_ns(clock) - true_ns)
    assert error <= sync.error_ns + MS // 2
    assert error < 1.5 * MS


def test_one_late_answer_in_five_does_no_harm() -> None:
    random = np.random.default_rng(4)
    sync = ClockSync(1_000_000)
    for at in range(100 * MS, 4000 * MS, 100 * MS):
        late = 60 * MS if random.random() < 0.2 else 0
        sync.add(at, at + 2 * MS + late, (at + MS + late) // 1000, at // 250_000)
    assert abs(sync.to_ns(3_900_000) - 3900 * MS) < MS


def test_speed_is_told_only_while_the_belt_runs() -> None:
    sync = ClockSync(1_000_000)
    assert sync.counts_per_ns == 0.0
    assert sync.time_of_count(100) is None
    for step in range(6):
        sync.add(step * 100 * MS, step * 100 * MS, step * 100_000, step * 400)
    assert sync.time_of_count(400 * 6) == pytest.approx(600 * MS, rel=1e-6)
    for step in range(6, 12):
        sync.add(step * 100 * MS, step * 100 * MS, step * 100_000, 2000)
    assert sync.time_of_count(2400) is None


def test_counts_go_on_across_the_wrap() -> None:
    sync = ClockSync(1_000_000)
    sync.add(0, 1000, 0, 2**32 - 100)
    sync.add(100 * MS, 100 * MS + 1000, 100_000, 300)
    assert sync.count64(350) == 2**32 + 350
