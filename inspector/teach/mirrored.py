"""Mirror images of good pictures beside them: of a thing that could as well lie the other way round each picture says
more.

What it is: the mirror images, which of them pass for good parts, and a lesson with them. What it is not: the choice
whether they help (taking). The teaching process.

A picture and its mirror images show one part: they are left out together, and only the picture itself is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from inspector.teach.fitting import Lesson, fit_apart, lesson
from inspector.teach.groups import spread_groups
from inspector.teach.pictures import read_ahead
from inspector.teach.prepare import Preparation
from inspector.teach.taught import Stack
from inspector.teach.threshold import area_under_curve
from inspector.types import Pixels

# The fit takes four times as long, and memory: of more pictures the good ones show all there is.
MOST_PICTURES = 400
IMAGES = (0, 1, 2)
# So many pictures' images tell whether a part has two sides.
PROBED = 24
FOLDS = 4
# The area under the curve of images' scores among good pictures', at most: 0.5 is alike.
PASSING = 0.6


def may_mirror(preparation: Preparation, pictures: int) -> bool:
    """Whether mirror images are worth trying: not of a located part, which lies one way."""
    return preparation.spec.kind == "resize" and pictures <= MOST_PICTURES


def mirror(patch: Pixels, images: Sequence[int]) -> list[Pixels]:
    """New patches: left for right (0), upside down (1), both (2)."""
    all_three = (patch[:, ::-1], patch[::-1], patch[::-1, ::-1])
    return [np.ascontiguousarray(all_three[image]) for image in images]


def mirrored_features(preparation: Preparation, patch: Pixels, images: Sequence[int]) -> dict[str, Stack]:
    """Features float16 (k, cells, C) of the `images` (k,) of a patch, for each kind."""
    found = [preparation.features(image) for image in mirror(patch, images)]
    return {kind: np.stack([rows[kind] for rows in found]).astype(np.float16) for kind in preparation.kinds}


def features_of_images(
    files: Sequence[Path], preparation: Preparation, images: Sequence[int], step: Callable[[int, int], None]
) -> dict[str, Stack]:
    """Features float16 (n, k, cells, C) of the `images` (k,) of whole frames, for each kind; `step` is told (done,
    total)."""
    found: dict[str, list[Stack]] = {kind: [] for kind in preparation.kinds}
    for number, pixels in enumerate(read_ahead(files)):
        step(number, len(files))
        patch = preparation.patch(pixels)
        assert patch is not None, "a whole frame is always found"
        for kind, rows in mirrored_features(preparation, patch, images).items():
            found[kind].append(rows)
    return {kind: np.stack(rows) for kind, rows in found.items()}


def pass_for_good(given: Lesson, probed: Sequence[int], images: Stack, shrink: float, seed: int) -> tuple[int, ...]:
    """Which of the `images` (p, 3, cells, C) of the pictures `probed` (p,) a model of three quarters of the good
    pictures takes for good parts of the last. Not even the whitening may have seen those: of few it makes them too
    ordinary."""
    areas = areas_of_images(given, probed, images, shrink, seed)
    return tuple(image for image, area in zip(IMAGES, areas, strict=True) if area <= PASSING)


def areas_of_images(given: Lesson, probed: Sequence[int], images: Stack, shrink: float, seed: int) -> list[float]:
    """Of each image the area under the curve of its scores among good pictures', 0.5 where they are alike."""
    fold = spread_groups(given.groups, FOLDS, seed)
    of_fold = fold[list(probed)]
    areas: list[list[float]] = []
    for number in np.unique(of_fold):
        kept = fold != number
        groups = np.unique(given.groups[kept], return_inverse=True)[1]
        others = lesson(given.stack[kept], given.features, given.grid, groups, counted=given.counted)
        taught, _ = fit_apart(others, "gaussian", shrink=shrink, seed=seed, step=lambda *_: None)
        good = taught.scores(taught.maps(given.stack[~kept]))
        seen = [taught.scores(taught.maps(images[of_fold == number, image])) for image in IMAGES]
        areas.append([area_under_curve(good, some) for some in seen])
    return [float(area) for area in np.mean(areas, axis=0)]


def with_images(given: Lesson, images: Stack) -> Lesson:
    """`given` with the `images` (n, k, cells, C) of each of its pictures behind them."""
    flat = images.reshape(-1, *images.shape[2:])
    return replace(
        given,
        stack=np.concatenate([given.stack, flat]),
        groups=np.concatenate([given.groups, given.groups.repeat(images.shape[1])]),
        pictures=len(given.stack),
    )
