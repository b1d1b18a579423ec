"""Whether an outline is the whole part: what moves with it, but lies outside its box, would never be inspected.

What it is: one number from pictures and poses. What it is not: the outline or the poses (teaching). The job process of
a teaching, once; pure functions.

A part's own edges survive in the mean of the aligned pictures; dust, the belt and whatever stands beside it do not, or
no better than under poses dealt to the wrong pictures.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from inspector.types import Pixels
from inspector.vision.align import SmallPose, around
from inspector.vision.reference import Floats

# Measured: 0.06 to 0.1 of castings of which the dark middle alone was found, at most 0.0025 of whole parts.
OUTSIDE = 0.01
_SEEN = 0.6
_BLUR = 1.5
_AROUND = 2.5
_MARGIN = 0.06


def is_whole(
    smalls: Sequence[Pixels], poses: Sequence[SmallPose], box_xy: tuple[float, float], box_wh: tuple[float, float]
) -> bool:
    """Whether less than `OUTSIDE` of what good parts share lies outside the box, which is in small pixels from the
    reference point."""
    return share_outside(smalls, poses, box_xy, box_wh) < OUTSIDE


def share_outside(
    smalls: Sequence[Pixels], poses: Sequence[SmallPose], box_xy: tuple[float, float], box_wh: tuple[float, float]
) -> float:
    """Of the squared edges in the mean of small pictures under their `poses`, the share outside the box, less what is
    there under each other's poses: 0 for a part that is whole."""
    side = int(_AROUND * max(box_wh)) | 1
    middle = (side - 1) / 2
    y, x = np.indices((side, side))
    inside = (np.abs(x - middle - box_xy[0]) <= box_wh[0] / 2) & (np.abs(y - middle - box_xy[1]) <= box_wh[1] / 2)
    edges = _shared_edges(smalls, poses, side)
    mixed = _shared_edges(smalls, [*poses[1:], poses[0]], side)
    # Place by place: under others' poses the part itself lies outside the box, too.
    outside = float(np.maximum(edges - mixed, 0)[~inside].sum())
    return outside / max(float(edges.sum()), 1e-6)


def _shared_edges(smalls: Sequence[Pixels], poses: Sequence[SmallPose], side: int) -> Floats:
    """Squared gradient of the mean picture, float32 (side, side), 0 where too few pictures reach."""
    total = np.zeros((side, side), np.float32)
    seen = np.zeros((side, side), np.float32)
    for small, pose in zip(smalls, poses, strict=True):
        matrix = around(pose.x, pose.y, pose.turn)
        matrix[:, 2] -= matrix[:, :2] @ np.full(2, (side - 1) / 2)
        grey = small.astype(np.float32) - np.float32(np.median(small))
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        total += cv2.warpAffine(grey, matrix, (side, side), flags=flags)
        seen += cv2.warpAffine(np.ones_like(grey), matrix, (side, side), flags=flags)
    mean = cv2.GaussianBlur(total / np.maximum(seen, 1), (0, 0), _BLUR)
    edges = cv2.Sobel(mean, cv2.CV_32F, 1, 0) ** 2 + cv2.Sobel(mean, cv2.CV_32F, 0, 1) ** 2
    reached = cv2.erode((seen > _SEEN * len(smalls)).astype(np.uint8), np.ones((9, 9), np.uint8))
    return np.asarray(edges * reached, np.float32)


def box_of(mask: Floats) -> tuple[tuple[float, float], tuple[float, float]]:
    """Centre (from the mask's middle) and size in small pixels of the box that all good parts fit in, with a margin
    for what a bad part adds (a burr, a bent pin)."""
    rows, columns = np.nonzero(mask > 0.2)
    half = (mask.shape[0] - 1) / 2
    left, right, top, bottom = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
    margin = 2 * max(2.0, _MARGIN * max(right - left, bottom - top))
    centre = ((left + right - 1) / 2 - half, (top + bottom - 1) / 2 - half)
    return (float(centre[0]), float(centre[1])), (float(right - left + margin), float(bottom - top + margin))
