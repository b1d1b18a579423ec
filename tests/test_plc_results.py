"""An inspection as a result block: which defect, which unit, and places that a robot could go to."""

from __future__ import annotations

import math

import numpy as np
import pytest

from firmware_bridge.plc.signals import LengthUnit, PlcVerdict
from inspector.calibrated import Plane, Robot
from inspector.lens import Lens
from inspector.plc_results import Places, plc_result, settings_checksum
from inspector.types import Defect, Inspection, Pose, Verdict

# 0.2 mm a pixel, the plane's y axis up: picture (100, 50) is (20, -10) mm.
LENS = Lens(1000.0, 1000.0, 0.0, 0.0, (0.0, 0.0, 0.0, 0.0, 0.0))
PLANE = Plane("p", LENS, np.array([[200.0, 0, 0], [0, -200.0, 0], [0, 0, 1]]), 0.05)
QUARTER = Robot("r", np.array([[0.0, -1.0], [1.0, 0.0]]), np.array([500.0, 100.0]))
POSE = Pose(x_px=100.0, y_px=50.0, angle_deg=30.0, score=0.9)


def defect(label: str, score: float, threshold: float, box: tuple[int, int, int, int]) -> Defect:
    return Defect(label=label, score=score, threshold=threshold, box_px=box)


def inspection(**changed: object) -> Inspection:
    fields: dict[str, object] = {
        "part_id": 3 << 32 | 7,
        "frame_id": 1,
        "verdict": Verdict.REJECT,
        "score": 1.25,
        "pose": POSE,
        "stage_ms": {"locate": 2.0, "model": 20.5},
        "defects": (defect("dent", 3.0, 2.0, (0, 0, 5, 5)), defect("scratch", 1.9, 1.0, (10, 20, 3, 5))),
    }
    return Inspection(**(fields | changed))  # type: ignore[arg-type]


def test_the_worst_defect_is_the_one_farthest_above_its_own_limit() -> None:
    result = plc_result(inspection(), 42, ("dent", "scratch"), Places())
    assert (result.part_id, result.record_id, result.verdict) == (42, 3 << 32 | 7, PlcVerdict.REJECT)
    assert (result.defect_class, result.defect_count) == (2, 2)
    assert result.defect_xy == (11.0, 22.0)
    assert (result.score, result.inspection_ms) == (1.25, 22.5)
    assert (result.unit, result.part_xy, result.angle_deg) == (LengthUnit.PX_0_1, (100.0, 50.0), 30.0)


def test_without_picture_there_is_no_place_and_a_label_that_nobody_knows_is_class_0() -> None:
    result = plc_result(inspection(pose=None, defects=(), score=None), 1, (), Places())
    assert (result.part_xy, result.defect_xy, result.defect_count, result.score) == (None, None, 0, 0.0)
    assert plc_result(inspection(), 1, ("dent",), Places()).defect_class == 0


def test_millimetres_of_the_plane() -> None:
    result = plc_result(inspection(), 1, (), Places(PLANE))
    assert result.unit is LengthUnit.MM_0_01
    assert result.part_xy == pytest.approx((20.0, -10.0))
    assert result.defect_xy == pytest.approx((2.2, -4.4))
    # Counter-clockwise on the screen, and the plane's y axis is up: from x towards y by the same angle.
    assert result.angle_deg == pytest.approx(30.0)


def test_millimetres_of_the_robot() -> None:
    result = plc_result(inspection(), 1, (), Places(PLANE, QUARTER))
    assert result.part_xy == pytest.approx((510.0, 120.0))
    assert result.angle_deg == pytest.approx(120.0)


def test_a_place_beyond_the_lens_model_is_left_out() -> None:
    class Blind(Plane):
        def mm_from_px(self, points: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
            return np.full((len(points), 2), math.nan)

    result = plc_result(inspection(), 1, (), Places(Blind("p", LENS, np.eye(3), 0.1)))
    assert (result.part_xy, result.defect_xy, result.angle_deg) == (None, None, 0.0)


def test_the_checksum_follows_everything_that_judges() -> None:
    sums = {settings_checksum(*words) for words in (("a", "b", ""), ("c", "b", ""), ("a", "c", ""), ("a", "b", "c"))}
    assert len(sums) == 4
    assert settings_checksum("a", "b", "") in sums
