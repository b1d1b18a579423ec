"""Distances and latency learned from guided runs, on machines whose truth the estimate is not told."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibration.timing import MARKER_MM, Observation, estimate, guided_run, read_observations
from inspector.config import ControllerConfig, SimulationConfig
from inspector.errors import UsageError


@pytest.mark.parametrize(
    ("camera", "gate", "lead", "passes"), [(1500, 6000, 8, True), (1733, 5210, 21, False), (900, 7001, 0, True)]
)
def test_a_simulated_machine_is_learned(camera: int, gate: int, lead: int, passes: bool) -> None:
    machine = ControllerConfig(camera_tick=camera, gate_tick=gate, lead_ms=lead, energised_passes=passes)
    found = estimate(list(guided_run(SimulationConfig(seed=camera), machine)), machine.tick_um, MARKER_MM)
    assert abs(found.camera_tick - camera) < max(1.0, found.uncertainty["camera_tick"])
    assert abs(found.gate_tick - gate) < found.uncertainty["gate_tick"]
    assert abs(found.lead_ms - lead) < found.uncertainty["lead_ms"]
    assert 0.1 < found.residual["camera_spread_tick"] < 2


def some(**speeds: float) -> list[Observation]:
    camera = [Observation("camera", 400, 1500, 0.0)] * 5
    return camera + [
        Observation("gate", speed, count, hit) for speed in speeds.values() for count, hit in ((1, 1.0), (2, 0.0))
    ]


def test_too_little_is_refused() -> None:
    with pytest.raises(UsageError, match="0 camera observations"):
        estimate([], 100, 80)
    with pytest.raises(UsageError, match="two that differ"):
        estimate(some(a=400), 100, 80)
    with pytest.raises(UsageError, match="every marker part was thrown out"):
        estimate([*some(a=400), Observation("gate", 200, 5, 1.0)], 100, 80)


def test_a_table_that_is_wrong_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_text("what,speed_mm_per_s,count,value\ncamera,400,1500,0.2\ngate,400,x,1\n")
    with pytest.raises(UsageError, match="line 3"):
        read_observations(path)
    path.write_text("a,b\n")
    with pytest.raises(UsageError, match="first line"):
        read_observations(path)
