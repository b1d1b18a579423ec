"""Pictures of a board, and where its corners are in them.

What it is: reading, finding, refining - from a file to a `View`, or to a `Rejected` with its reason. What it is not:
any geometry of cameras (`adjust`). Main thread of a tool.

Corners are refined by the gradient's orthogonality (W. Foerstner, E. Guelch, A fast operator for detection and precise
location of distinct points, 1987; OpenCV's cornerSubPix) in a window that follows the board's size in the picture: as
large as the squares allow without reaching the next corner or a marker. On real pictures that was better than
findChessboardCornersSB's own corners: see decisions/0160.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from calibration.boards import Board, charuco
from inspector.errors import ImageError
from inspector.lens import Points
from inspector.types import Pixels

_WINDOW_SHARE = 0.42
"""Half the refining window, as a share of the smallest distance to a neighbour."""
_WINDOW_PX = (2, 15)
_ARM_SHARE = 0.11
"""Half the width of the arms in which a ChArUco corner is looked at, in squares: a marker of up to 0.75 squares is
outside."""
_MOVES = 12
_LEAST_CORNERS = 8
_LEAST_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class View:
    """One picture with the board found: `corners_px` (N, 2), their `ids`, rows of `Board.points_mm`, and where the
    detector alone saw them, `plain_px` (N, 2)."""

    path: Path
    corners_px: Points
    ids: npt.NDArray[np.int64]
    plain_px: Points


@dataclass(frozen=True, slots=True)
class Rejected:
    """One picture that was not used, and why."""

    path: Path
    reason: str


def read_grey(path: Path) -> Pixels:
    """A picture as uint8 (H, W); raises ImageError naming the file."""
    try:
        pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_GRAYSCALE)
    except (OSError, cv2.error) as why:
        raise ImageError(f"{path}: cannot be read: {getattr(why, 'strerror', None) or 'empty file'}") from why
    if pixels is None:
        raise ImageError(f"{path}: is not a picture that can be decoded")
    return np.asarray(pixels, np.uint8)


def find(path: Path, pixels: Pixels, board: Board) -> View | Rejected:
    """Where the board's corners are in a picture."""
    found = _find_charuco(pixels, board) if board.kind == "charuco" else _find_chessboard(pixels, board)
    if isinstance(found, str):
        return Rejected(path, found)
    corners, ids = found
    return View(path, refined(pixels, corners, ids, board), ids, corners)


def _find_chessboard(pixels: Pixels, board: Board) -> tuple[Points, npt.NDArray[np.int64]] | str:
    found, corners = cv2.findChessboardCornersSB(pixels, board.corners)
    if not found:
        _, corners, meta = cv2.findChessboardCornersSBWithMeta(pixels, (3, 3), cv2.CALIB_CB_LARGER)
        if meta is None or min(meta.shape) < 3 or sorted(meta.shape) == sorted(board.corners):
            return "no chessboard was found"
        return f"a chessboard of about {meta.shape[1]} x {meta.shape[0]} inner corners is seen, wanted a {board.words}"
    return np.asarray(corners, np.float64).reshape(-1, 2), np.arange(len(corners))


def _find_charuco(pixels: Pixels, board: Board) -> tuple[Points, npt.NDArray[np.int64]] | str:
    corners, ids, _, markers = cv2.aruco.CharucoDetector(charuco(board)).detectBoard(pixels)
    seen = 0 if markers is None else len(markers)
    known = board.columns * board.rows // 2
    strange = [] if markers is None else [int(one) for one in np.ravel(markers) if one >= known]
    if len(strange) > 1:
        return f"marker {max(strange)} is seen, a {board.words} has 0 to {known - 1}: another board or --size"
    least = max(_LEAST_CORNERS, int(_LEAST_SHARE * np.prod(board.corners)))
    if corners is None or len(corners) < least:
        count = 0 if corners is None else len(corners)
        if not seen:
            return "no ChArUco board was found"
        return f"{seen} markers and {count} of the board's corners are seen, wanted at least {least}: another --size?"
    places = np.asarray(ids).ravel().astype(np.int64)
    points = np.asarray(corners, np.float64).reshape(-1, 2)
    if not _regular(points, board.points_mm[places]):
        return f"the corners do not lie as those of a {board.words} do: another board or --size"
    return points, places


def _regular(points: Points, board_mm: Points) -> bool:
    """Whether the corners lie nearly as a flat board's under some perspective."""
    matrix, _ = cv2.findHomography(board_mm, points)
    if matrix is None:
        return False
    there = np.asarray(cv2.perspectiveTransform(board_mm[None], matrix))[0]
    span = float(np.ptp(points, axis=0).max())
    return bool(np.median(np.linalg.norm(there - points, axis=1)) < 0.02 * span)


def refined(pixels: Pixels, corners: Points, ids: npt.NDArray[np.int64], board: Board) -> Points:
    """`corners` (N, 2) at their sub-pixel places."""
    low, high = _WINDOW_PX
    half = int(np.clip(_WINDOW_SHARE * spacing_px(corners, ids, board), low, high))
    if board.kind == "charuco":
        return _between_markers(pixels, corners, ids, board, half)
    ends = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 1e-4)
    start = corners.astype(np.float32).reshape(-1, 1, 2)
    there = cv2.cornerSubPix(pixels, start, (half, half), (-1, -1), ends)
    return np.asarray(there, np.float64).reshape(-1, 2)


def _between_markers(pixels: Pixels, corners: Points, ids: npt.NDArray[np.int64], board: Board, half: int) -> Points:
    """The same by the same criterion, in a cross along the two edges instead of a square: the markers stay out of it,
    and the edges are followed more than twice as far. A corner that runs away stays where the detector saw it."""
    grey = pixels.astype(np.float32)
    slopes = [cv2.Scharr(grey, cv2.CV_32F, *way) for way in ((1, 0), (0, 1))]
    to_squares = np.linalg.inv(_axes_px(corners, ids, board))
    y, x = (grid.ravel().astype(np.float64) for grid in np.mgrid[-half : half + 1, -half : half + 1])
    offsets = np.stack([x, y], axis=1)
    u, v = np.moveaxis(np.einsum("nij,kj->nki", to_squares, offsets), 2, 0)
    cross = np.minimum(np.abs(u), np.abs(v)) < _ARM_SHARE
    weights = cross * np.exp(-(u * u + v * v) / _WINDOW_SHARE**2)
    there = corners.copy()
    for _ in range(_MOVES):
        places = (there[:, None] + offsets).astype(np.float32)
        gx, gy = (cv2.remap(one, places[..., 0], places[..., 1], cv2.INTER_LINEAR).astype(np.float64) for one in slopes)
        xx, xy, yy = ((weights * one).sum(axis=1) for one in (gx * gx, gx * gy, gy * gy))
        along = gx * x + gy * y
        bx, by = (weights * gx * along).sum(axis=1), (weights * gy * along).sum(axis=1)
        size = np.maximum(xx * yy - xy * xy, 1e-9)
        move = np.stack([yy * bx - xy * by, xx * by - xy * bx], axis=1) / size[:, None]
        there = there + np.clip(move, -1.0, 1.0)
        if np.abs(move).max() < 1e-3:
            break
    lost = np.abs(there - corners).max(axis=1) > max(2.0, half / 2)
    return np.where(lost[:, None], corners, there)


def spacing_px(corners: Points, ids: npt.NDArray[np.int64], board: Board) -> float:
    """The smallest distance between neighbouring corners in the picture."""
    return float(np.linalg.norm(_axes_px(corners, ids, board), axis=1).min())


def _axes_px(corners: Points, ids: npt.NDArray[np.int64], board: Board) -> Points:
    """The step to the next corner across and down at each corner, (N, 2, 2) px, as columns."""
    matrix, _ = cv2.findHomography(board.points_mm[ids], corners)
    steps = []
    for step in ((board.square_mm, 0.0), (0.0, board.square_mm)):
        ends = [board.points_mm[ids] + share * np.array(step) for share in (-0.5, 0.5)]
        before, after = (np.asarray(cv2.perspectiveTransform(one[None], matrix))[0] for one in ends)
        steps.append(after - before)
    return np.stack(steps, axis=2)


def field_coverage(
    views: Sequence[View], size: tuple[int, int], cells: tuple[int, int] = (8, 6)
) -> npt.NDArray[np.int64]:
    """How many corners fell into each cell of the field, (rows, columns)."""
    points = np.concatenate([view.corners_px for view in views])
    spans = [[0, size[1]], [0, size[0]]]
    counts, _, _ = np.histogram2d(points[:, 1], points[:, 0], bins=(cells[1], cells[0]), range=spans)
    return np.asarray(counts, np.int64)
