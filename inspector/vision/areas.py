"""Areas: what lies between two grey values in a polygon of the patch - holes to count, a clip or a paint mark to see.

What it is: counting of spots and of their share of the area. What it is not: edges (`edges`), or the tolerance. The
line thread.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from inspector.recipe import AreaFeature
from inspector.types import Pixels
from inspector.vision.patch import Affine
from inspector.vision.shapes import Points

GREY_DOUBT = 2


@dataclass(frozen=True, slots=True)
class Spots:
    """Connected spots, their `share` of the area in per cent, and how much that moves (half) when both grey limits
    move by GREY_DOUBT; `overlay` is the polygon in the frame."""

    count: int
    share: float
    doubt: float
    overlay: tuple[object, ...]


class Area:
    """One [[area]], with its mask made once."""

    def __init__(self, feature: AreaFeature, patch_wh: Points) -> None:
        self.name = feature.name
        self._feature = feature
        corners = np.array(feature.polygon) * patch_wh
        self._corners = corners
        self._x, self._y = np.floor(corners.min(axis=0)).astype(int)
        width, height = np.ceil(corners.max(axis=0)).astype(int) - (self._x, self._y)
        self._mask = np.zeros((max(height, 1), max(width, 1)), np.uint8)
        cv2.fillPoly(self._mask, [np.rint(corners - (self._x, self._y)).astype(np.int32)], 255)
        self._size = max(int(np.count_nonzero(self._mask)), 1)

    def look(self, patch: Pixels, back: Affine) -> Spots:
        """What lies in the area of a patch, uint8 (H, W, 3); `back` is the 2 x 3 transform from patch to frame."""
        height, width = self._mask.shape
        crop = cv2.cvtColor(patch[self._y : self._y + height, self._x : self._x + width], cv2.COLOR_BGR2GRAY)
        low, high = self._feature.grey
        inside = cv2.inRange(crop, np.array([low]), np.array([high])) & self._mask[: crop.shape[0], : crop.shape[1]]
        stats = cv2.connectedComponentsWithStats(np.asarray(inside, np.uint8), connectivity=8)[2]
        spots = int((stats[1:, cv2.CC_STAT_AREA] >= self._feature.spot_min_px).sum())
        wide, narrow = (
            np.count_nonzero(cv2.inRange(crop, np.array([low - d]), np.array([high + d])) & self._mask)
            for d in (GREY_DOUBT, -GREY_DOUBT)
        )
        ring = (self._corners @ back[:, :2].T + back[:, 2]).ravel()
        share = 100 * np.count_nonzero(inside) / self._size
        return Spots(spots, share, 50 * (wide - narrow) / self._size / 2, ("polygon", *map(float, ring)))
