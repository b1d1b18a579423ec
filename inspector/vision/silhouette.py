"""The decimated picture and the outlines that stand out of its background.

What it is: the cheap first look that health and locate share: one decimation of the frame, the border's grey level,
and the blobs that differ from it. What it is not: a pose. Any thread; no state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from inspector.types import Pixels
from inspector.vision.reference import Background

SMALL_SIDE = 320
"""The longer side that a small picture aims at: 1280 x 960 becomes 320 x 240."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """One outline in small pixels: its filled area, centroid, box `(x, y, w, h)`, and how many of the picture's
    border pixels it takes."""

    area: float
    x: float
    y: float
    box: tuple[int, int, int, int]
    border: int
    contour: npt.NDArray[np.int32]


def decimation(width: int, height: int) -> int:
    """The power of two by which pictures of this size are decimated."""
    factor = 1
    while max(width, height) / factor > SMALL_SIDE * 1.5:
        factor *= 2
    return factor


def shrink(pixels: Pixels, factor: int) -> Pixels:
    """The grey picture at 1/`factor` (a power of two): uint8 `(H // factor, W // factor)`.

    By 2 each value is the mean of its 2 x 2 pixels, by 4 the mean of the middle 2 x 2 of its 4 x 4 (four times
    cheaper than the mean of all 16, and as exact a position on parts that are larger than a few pixels).
    """
    while factor > 1:
        step = min(factor, 4)
        height, width = pixels.shape[0] // step, pixels.shape[1] // step
        cut = pixels[: height * step, : width * step]
        pixels = cv2.resize(cut, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
        factor //= step
    return pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)  # type: ignore[return-value]


def border_level(small: Pixels) -> float:
    """Median grey value of the picture's outermost two pixels all round."""
    return float(_median(_border_counts(small)))


def border_scatter(small: Pixels) -> float:
    """Median absolute deviation of those pixels from `border_level`."""
    counts = _border_counts(small)
    distance = np.bincount(np.abs(np.arange(256) - _median(counts)), weights=counts, minlength=256)
    return float(_median(distance))


def _border_counts(small: Pixels) -> npt.NDArray[np.intp]:
    ring = (small[:2].ravel(), small[-2:].ravel(), small[2:-2, :2].ravel(), small[2:-2, -2:].ravel())
    return np.bincount(np.concatenate(ring), minlength=256)


def _median(counts: npt.NDArray[np.generic]) -> int:
    total = np.cumsum(counts)
    return int(np.searchsorted(total, total[-1] / 2))


def foreground(small: Pixels, background: Background, level: float) -> Pixels:
    """The 0/255 mask of what differs from the background at grey `level`."""
    low, high = level - background.threshold, level + background.threshold
    if background.polarity == "dark":
        return cv2.threshold(small, low, 255, cv2.THRESH_BINARY_INV)[1]  # type: ignore[return-value]
    if background.polarity == "bright":
        return cv2.threshold(small, high, 255, cv2.THRESH_BINARY)[1]  # type: ignore[return-value]
    return cv2.bitwise_not(cv2.inRange(small, low, high))  # type: ignore[return-value]


def blobs(mask: Pixels, area_min: float) -> tuple[Blob, ...]:
    """The outlines of `mask` with at least `area_min` small pixels inside, largest first; holes count as inside."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    large = [contour for contour in contours if cv2.contourArea(contour) >= max(area_min, 1.0)]
    found = [_blob(np.asarray(contour, np.int32), mask.shape) for contour in large]
    return tuple(sorted(found, key=lambda blob: -blob.area))


def _blob(contour: npt.NDArray[np.int32], shape: tuple[int, ...]) -> Blob:
    moments = cv2.moments(contour)
    area = moments["m00"]
    box = cv2.boundingRect(contour)
    return Blob(
        area=area,
        x=moments["m10"] / area,
        y=moments["m01"] / area,
        box=(box[0], box[1], box[2], box[3]),
        border=_along_border(contour, box, shape),
        contour=contour,
    )


def _along_border(contour: npt.NDArray[np.int32], box: Sequence[int], shape: tuple[int, ...]) -> int:
    right, bottom = shape[1] - 1, shape[0] - 1
    if box[0] > 0 and box[1] > 0 and box[0] + box[2] <= right and box[1] + box[3] <= bottom:
        return 0
    x, y = contour[:, 0, 0], contour[:, 0, 1]
    return int(np.count_nonzero((x == 0) | (y == 0) | (x == right) | (y == bottom)))
