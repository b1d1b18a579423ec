"""How a part stands out of its background, learned from good pictures.

What it is: the choice of polarity and threshold for `silhouette.foreground`. What it is not: the part's pose. The
job process of a teaching, once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inspector.types import Pixels
from inspector.vision.reference import Background
from inspector.vision.silhouette import Blob, blobs, border_level, border_scatter, foreground

_DISAGREEMENT = 0.45
_THRESHOLDS = (8, 12, 18, 27, 40, 60, 80)


def choose_background(smalls: Sequence[Pixels]) -> Background | None:
    """The threshold whose largest outlines agree best from picture to picture, or None where none agree.

    Disagreement is the outlines' coefficient of variation in area, plus their share of the picture's border, plus
    the size of a second outline. Among thresholds that are about as good, the middle one is taken.
    """
    levels = [border_level(small) for small in smalls]
    noise = float(np.median([border_scatter(small) for small in smalls]))
    tried = [
        (_disagreement(smalls, levels, background), background)
        for polarity in ("dark", "bright", "both")
        for threshold in _THRESHOLDS
        if threshold > 2.5 * noise
        for background in (Background(polarity=polarity, threshold=float(threshold), noise=noise),)
    ]
    best, chosen = min(tried, key=lambda pair: pair[0], default=(1.0, Background()))
    if best > _DISAGREEMENT:
        return None
    alike = [background for cost, background in tried if background.polarity == chosen.polarity and cost < best + 0.01]
    return alike[len(alike) // 2]


def _disagreement(smalls: Sequence[Pixels], levels: Sequence[float], background: Background) -> float:
    areas, borders, seconds = [], [], []
    for small, level in zip(smalls, levels, strict=True):
        found = blobs(foreground(small, background, level), 4.0)
        if not found or not 0.003 < found[0].area / small.size < 0.85:
            return 1.0
        areas.append(found[0].area / small.size)
        borders.append(found[0].border / (2 * sum(small.shape)))
        seconds.append(found[1].area / found[0].area if len(found) > 1 else 0.0)
    return float(np.std(areas) / np.mean(areas) + np.mean(borders) + np.mean(seconds))


def largest(small: Pixels, background: Background) -> Blob | None:
    """The largest outline of a picture."""
    found = blobs(foreground(small, background, border_level(small)), 4.0)
    return found[0] if found else None
