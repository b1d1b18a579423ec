"""An outline is the whole part, or something that moves with it is left outside its box."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from inspector.types import Pixels
from inspector.vision.align import SmallPose
from inspector.vision.belonging import share_outside

CENTRES = np.random.default_rng(5).uniform(-9, 9, (12, 2)) + 80


def picture(at: tuple[float, float], flange: bool, rail: bool = False, seed: int = 0) -> Pixels:
    """A dark disc on a belt, with a bright flange around it or a rail beside it that does not move."""
    grey = np.full((160, 160), 150, np.uint8)
    if rail:
        cv2.rectangle(grey, (0, 0), (160, 22), 230, -1)
    shift = 4
    centre = (round(at[0] * 16), round(at[1] * 16))
    if flange:
        cv2.circle(grey, centre, 58 * 16, 170, -1, cv2.LINE_AA, shift)
    cv2.circle(grey, centre, 24 * 16, 30, -1, cv2.LINE_AA, shift)
    cv2.circle(grey, (centre[0] + 8 * 16, centre[1]), 4 * 16, 120, -1, cv2.LINE_AA, shift)
    noise = np.random.default_rng(seed).normal(0, 2, grey.shape)
    return np.asarray(np.clip(grey + noise, 0, 255), np.uint8)


@pytest.mark.parametrize(("flange", "rail", "whole"), [(False, False, True), (True, False, False), (False, True, True)])
def test_what_moves_with_the_part_belongs_to_it(flange: bool, rail: bool, whole: bool) -> None:
    smalls = [picture((x, y), flange, rail, seed) for seed, (x, y) in enumerate(CENTRES)]
    poses = [SmallPose(x, y, 0.0, 1.0) for x, y in CENTRES]
    share = share_outside(smalls, poses, (0.0, 0.0), (54.0, 54.0))
    assert (share < 0.01) == whole, share
