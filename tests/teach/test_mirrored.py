"""Mirror images: judged apart together with their picture, and counted nowhere."""

from __future__ import annotations

import numpy as np

from inspector.teach.choose import FEATURES
from inspector.teach.mirrored import IMAGES, mirror, with_images
from inspector.teach.taught import fit_apart, lesson, refit_apart
from tests.teach.made import quiet


def test_three_images_none_like_the_other() -> None:
    patch = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    images = mirror(patch)
    assert len({image.tobytes() for image in [patch, *images]}) == 1 + IMAGES
    np.testing.assert_array_equal(images[2][::-1, ::-1], patch)


def test_a_picture_is_judged_without_its_mirror_images() -> None:
    rng = np.random.default_rng(3)
    pictures = rng.normal(0, 1, (24, 16, 120)).astype(np.float16)
    images = pictures[:, None].repeat(IMAGES, axis=1)
    given = with_images(lesson(pictures, FEATURES["sharp"], (4, 4), np.arange(24)), images)
    assert given.pictures == 24
    assert len(given.stack) == len(given.groups) == 24 * (1 + IMAGES)
    _, apart = fit_apart(given, "gaussian", shrink=40.0, seed=1, step=quiet)
    _, refitted = refit_apart(given, "gaussian", shrink=40.0, seed=1, step=quiet)
    # Copies that vouched for their picture would make it ordinary: it is as far out as a second fit finds it.
    near, far = np.median(apart[0][:24]), np.median(refitted[0][:24])
    assert abs(near - far) < 0.15 * far
