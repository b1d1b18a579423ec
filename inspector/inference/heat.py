"""The model's map as people look at it: small, on one scale, and where it lies in the picture.

What it is: a uint8 map whose middle is the threshold of each cell's own region. What it is not: anything a verdict
depends on (outputs). Any thread, once someone looks at it or keeps it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from inspector.inference.outputs import Affine, Regions, invert
from inspector.inference.runner import FloatMap

LIMIT = 64
_AT_THRESHOLD = 127.5


class HeatMap(NamedTuple):
    """`cells` is uint8 (h, w): 127.5 is the threshold, 0 what is ignored or clean, 255 twice the threshold or more, or
    not a number. `to_frame` is 2 x 3 and takes (column, row, 1) to the frame's pixels."""

    cells: npt.NDArray[np.uint8]
    to_frame: Affine


def heat_map(values: FloatMap, regions: Regions, transform: Affine, patch_size: tuple[int, int]) -> HeatMap:
    """The heat map, at most LIMIT cells each way, of a (h, w) map whose patch of `patch_size` (height, width) was made
    with the 2 x 3 `transform`."""
    scale = np.zeros(values.shape, np.float32)
    for region in regions.regions:
        scale[region.mask] = _AT_THRESHOLD / region.threshold
    scaled = np.where(scale > 0, np.nan_to_num(values * scale, nan=255.0, posinf=255.0, neginf=0.0), 0.0)
    cells = _shrunk(np.clip(scaled, 0, 255).astype(np.uint8))
    height, width = cells.shape
    to_frame = invert(transform)
    to_frame[:, 0] *= patch_size[1] / width
    to_frame[:, 1] *= patch_size[0] / height
    return HeatMap(cells=cells, to_frame=to_frame)


def _shrunk(cells: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """At most LIMIT cells each way; each is the hottest of those it stands for."""
    for axis in (0, 1):
        if cells.shape[axis] > LIMIT:
            starts = np.linspace(0, cells.shape[axis], LIMIT + 1).round().astype(int)[:-1]
            cells = np.maximum.reduceat(cells, starts, axis=axis)
    return cells
