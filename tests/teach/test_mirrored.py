"""Mirror images: judged apart together with their picture, and counted nowhere."""

from __future__ import annotations

import numpy as np

from inspector.teach.choose import FEATURES
from inspector.teach.fitting import fit_apart, lesson, refit_apart
from inspector.teach.mirrored import IMAGES, mirror, pass_for_good, with_images
from tests.teach.made import quiet


def test_three_images_none_like_the_other() -> None:
    patch = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    images = mirror(patch, IMAGES)
    assert len({image.tobytes() for image in [patch, *images]}) == 1 + len(IMAGES)
    np.testing.assert_array_equal(images[2][::-1, ::-1], patch)


def test_a_picture_is_judged_without_its_mirror_images() -> None:
    rng = np.random.default_rng(3)
    pictures = rng.normal(0, 1, (24, 16, 120)).astype(np.float16)
    images = pictures[:, None].repeat(3, axis=1)
    given = with_images(lesson(pictures, FEATURES["sharp"], (4, 4), np.arange(24)), images)
    assert given.pictures == 24
    assert len(given.stack) == len(given.groups) == 24 * 4
    _, apart = fit_apart(given, "gaussian", shrink=40.0, seed=1, step=quiet)
    _, refitted = refit_apart(given, "gaussian", shrink=40.0, seed=1, step=quiet)
    # Copies that vouched for their picture would make it ordinary: it is as far out as a second fit finds it.
    near, far = np.median(apart[0][:24]), np.median(refitted[0][:24])
    assert abs(near - far) < 0.15 * far


def test_only_images_that_look_like_good_parts_pass() -> None:
    rng = np.random.default_rng(4)
    place = np.linspace(-6, 6, 144)[:, None] * np.ones(120)
    pictures = (rng.normal(0, 1, (30, 144, 120)) + place).astype(np.float16)
    given = lesson(pictures, FEATURES["sharp"], (12, 12), np.arange(30))
    alike = (rng.normal(0, 1, (10, 144, 120)) + place).astype(np.float16)
    other = (rng.normal(0, 1, (10, 144, 120)) - place).astype(np.float16)
    images = np.stack([other, alike, other], axis=1)
    assert pass_for_good(given, range(10), images, 10.0, seed=1) == (1,)
