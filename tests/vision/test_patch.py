"""The patch: cut out by the pose, equal to what OpenCV's plain three-channel warp gives, with no trace of the last."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from inspector.errors import ConfigError
from inspector.recipe import LocateLimits
from inspector.types import Pixels, Pose
from inspector.vision.locate import Locator
from inspector.vision.patch import PatchMaker, PatchSpec
from inspector.vision.reference import transform
from inspector.vision.teaching import teach_reference

from . import made

SPEC = PatchSpec(kind="rectify", height=160, width=352)


@pytest.fixture(scope="module")
def locator() -> Locator:
    return Locator(teach_reference(made.good_brackets(24, 180)), LocateLimits())


def noise(seed: int, *shape: int) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def plain(pixels: Pixels, pose: Pose, locator: Locator) -> Pixels:
    matrix = transform(pose, locator.reference, (SPEC.width, SPEC.height))
    size = (SPEC.width, SPEC.height)
    patch: Pixels = cv2.warpAffine(pixels, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[assignment]
    return patch


@pytest.mark.parametrize("angle_deg", [0.0, 17.3, -90.0, 180.0])
def test_the_patch_is_the_plain_warp_to_the_last_bit(locator: Locator, angle_deg: float) -> None:
    maker = PatchMaker(SPEC, locator)
    out = maker.empty()
    # The second frame has another size and reaches over the border: nothing of the first may remain.
    for seed, shape in enumerate([(480, 640, 3), (300, 420, 3), (480, 640, 3)]):
        pixels = noise(seed, *shape)
        pose = Pose(x_px=shape[1] / 2 + 0.3, y_px=shape[0] / 2 - 0.7, angle_deg=angle_deg, score=1.0)
        prepared = maker.make_at(pixels, pose, out)
        assert np.array_equal(out, plain(pixels, pose, locator))
        assert prepared.pose is pose


def test_a_grey_frame_gives_three_equal_channels(locator: Locator) -> None:
    maker = PatchMaker(SPEC, locator)
    out = maker.empty()
    pixels = noise(3, 480, 640)
    pose = Pose(x_px=320.2, y_px=240.6, angle_deg=math.pi, score=1.0)
    maker.make_at(pixels, pose, out)
    assert np.array_equal(out, np.repeat(plain(pixels, pose, locator)[..., None], 3, axis=2))


def test_rectifying_without_a_reference_is_refused() -> None:
    with pytest.raises(ConfigError, match="taught locate reference"):
        PatchMaker(SPEC)
