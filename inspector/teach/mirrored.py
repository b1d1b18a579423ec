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

from inspector.teach.graph import Floats
from inspector.teach.groups import spread_groups
from inspector.teach.pictures import read_picture
from inspector.teach.prepare import Preparation
from inspector.teach.taught import Lesson, Stack, fit_apart, lesson
from inspector.types import Pixels

# The fit takes four times as long, and memory: of more pictures the good ones show all there is.
MOST_PICTURES = 400
IMAGES = (0, 1, 2)
# So many pictures' images tell whether a part has two sides.
PROBED = 24
# The middle one of an image's scores may lie above this share of the good pictures' own. Measured: 0.4 to 0.7 of
# magnetic tiles and castings, 0.5 to 0.7 of commutators upside down and 0.8 to 0.9 left for right, 1.0 of bottles
# (their lamp has a side), figures and screws.
PASSING = 0.75


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
    for number, path in enumerate(files):
        step(number, len(files))
        patch = preparation.patch(read_picture(path).pixels)
        assert patch is not None, "a whole frame is always found"
        for kind, rows in mirrored_features(preparation, patch, images).items():
            found[kind].append(rows)
    return {kind: np.stack(rows) for kind, rows in found.items()}


def pass_for_good(
    given: Lesson, probed: Sequence[int], images: Stack, counted: Floats, shrink: float, seed: int
) -> tuple[int, ...]:
    """Which of the `images` (p, 3, cells, C) of the pictures `probed` (p,) the model of half the good pictures takes
    for good parts of the other half. Not even the whitening may have seen those: of few it makes them too ordinary."""
    half = spread_groups(given.groups, 2, seed)
    of_half = half[list(probed)]
    shares = []
    for number in (0, 1):
        kept = half != number
        groups = np.unique(given.groups[kept], return_inverse=True)[1]
        others = lesson(given.stack[kept], given.features, given.grid, groups)
        taught, _ = fit_apart(others, "gaussian", shrink=shrink, seed=seed, step=lambda *_: None)
        good = taught.scores(taught.maps(given.stack[~kept]) * counted)
        for image in IMAGES:
            seen = taught.scores(taught.maps(images[of_half == number, image]) * counted)
            shares.append(float((good < np.median(seen)).mean()))
    return tuple(image for image in IMAGES if (shares[image] + shares[image + len(IMAGES)]) / 2 <= PASSING)


def with_images(given: Lesson, images: Stack) -> Lesson:
    """`given` with the `images` (n, k, cells, C) of each of its pictures behind them."""
    flat = images.reshape(-1, *images.shape[2:])
    return replace(
        given,
        stack=np.concatenate([given.stack, flat]),
        groups=np.concatenate([given.groups, given.groups.repeat(images.shape[1])]),
        pictures=len(given.stack),
    )
