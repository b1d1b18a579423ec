"""`plane`: from one picture of the board on the belt to millimetres on it; `robot`: from touched points to its frame.

What it is: the homography from rays to millimetres (after undistortion) with its uncertainty over the field, and the
rigid fit of a robot's frame in 2D. What it is not: the lens, or the files. Main thread of a tool.

The plane is the board's upper face. Where parts are measured higher than that, lay the board on a block of the part's
height. The homography is fitted by Gauss-Newton to the corners' pixels (R. Hartley, A. Zisserman, Multiple View
Geometry, 4.5); the rigid fit is W. Kabsch's (1976) in two dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from calibration.boards import Board
from calibration.refused import Refused, captioned
from calibration.views import View, find, read_grey
from inspector.calibrated import Plane
from inspector.errors import UsageError
from inspector.lens import Lens, Points

_COVERAGE = 2.0
MAX_RESIDUAL_PX = 0.5
MIN_POINTS = 3
_GRID = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneFound:
    """The outcome. `field_px` are places over the board's hull, `field_mm` their expanded uncertainty (k = 2);
    `residuals_mm` (N, 2) are where the corners came out, less where they are on the board."""

    plane: Plane
    view: View
    size: tuple[int, int]
    residuals_mm: Points
    residual_px: float
    field_px: Points
    field_mm: Points
    picture_mm: float

    @property
    def mean_mm(self) -> float:
        """Mean distance over the corners."""
        return float(np.linalg.norm(self.residuals_mm, axis=1).mean())


def find_plane(image: Path, lens: Lens, size: tuple[int, int], board: Board) -> PlaneFound:
    """The plane of the board in a picture; raises ImageError, or Refused with the picture that shows why."""
    pixels = read_grey(image)
    if (pixels.shape[1], pixels.shape[0]) != size:
        text = f"{image}: is {pixels.shape[1]} x {pixels.shape[0]}, the lens result is for {size[0]} x {size[1]}"
        raise Refused(text, captioned(pixels, text))
    view = find(image, pixels, board)
    if not isinstance(view, View):
        raise Refused(f"{image}: {view.reason}", captioned(pixels, view.reason))
    there = board.points_mm[view.ids]
    matrix, covariance, residual_px = fit_homography(there, view.corners_px, lens)
    if residual_px > MAX_RESIDUAL_PX:
        text = (
            f"{image}: the corners lie {residual_px:.2f} px (rms) off a flat board's, at most {MAX_RESIDUAL_PX} is "
            "believed: the board is not flat, or the lens result is not this camera's"
        )
        raise Refused(text, captioned(pixels, text))
    plane = Plane("", lens, np.asarray(np.linalg.inv(matrix)), 0.0)
    field_px = _inside(view.corners_px)
    corners = np.array([[0.0, 0], [size[0] - 1, 0], [0, size[1] - 1], [size[0] - 1, size[1] - 1]])
    return PlaneFound(
        plane=plane,
        view=view,
        size=size,
        residuals_mm=plane.mm_from_px(view.corners_px) - there,
        residual_px=residual_px,
        field_px=field_px,
        field_mm=_place_uncertainty(plane, matrix, covariance, field_px),
        picture_mm=float(_place_uncertainty(plane, matrix, covariance, corners).max()),
    )


def fit_homography(board_mm: Points, corners_px: Points, lens: Lens) -> tuple[Points, Points, float]:
    """The homography (3, 3) from millimetres to rays that fits the corners' pixels best, the covariance (8, 8) of its
    first eight elements, and the rms residual in px."""
    rays = lens.rays_from_px(corners_px)
    if not np.isfinite(rays).all():
        raise UsageError("the board reaches beyond the field that the lens result was made from")
    found, _ = cv2.findHomography(board_mm, rays)
    matrix = np.asarray(found / found[2, 2], np.float64)
    values = matrix.ravel()[:8]
    # Rays weigh a pixel with the focal length: their own unit is made pixels again.
    scale = math.sqrt(lens.fx * lens.fy)
    for _ in range(10):
        seen, slopes = _rays_and_slopes(values, board_mm)
        change, *_ = np.linalg.lstsq(slopes, (rays - seen).ravel(), rcond=None)
        values = values + change
    seen, slopes = _rays_and_slopes(values, board_mm)
    errors = scale * (rays - seen)
    left = max(1, errors.size - 8)
    covariance = np.linalg.inv(slopes.T @ slopes) * float((errors**2).sum()) / scale**2 / left
    rms = float(np.sqrt((errors**2).sum(axis=1).mean()))
    return np.append(values, 1.0).reshape(3, 3), np.asarray(covariance), rms


def _rays_and_slopes(values: Points, board_mm: Points) -> tuple[Points, Points]:
    x, y = board_mm[:, 0], board_mm[:, 1]
    ones, zeros = np.ones_like(x), np.zeros_like(x)
    far = values[6] * x + values[7] * y + 1
    rays = np.stack([values[0] * x + values[1] * y + values[2], values[3] * x + values[4] * y + values[5]], 1)
    rays = rays / far[:, None]
    across = np.stack([x, y, ones, zeros, zeros, zeros, -rays[:, 0] * x, -rays[:, 0] * y], 1) / far[:, None]
    down = np.stack([zeros, zeros, zeros, x, y, ones, -rays[:, 1] * x, -rays[:, 1] * y], 1) / far[:, None]
    return rays, np.stack([across, down], 1).reshape(-1, 8)


def _place_uncertainty(plane: Plane, matrix: Points, covariance: Points, points: Points) -> Points:
    """Expanded uncertainty (k = 2) in mm of the place of each pixel, along its worst direction."""
    places = plane.mm_from_px(points)
    _, slopes = _rays_and_slopes(matrix.ravel()[:8], places)
    out = np.zeros(len(points))
    for number in range(len(points)):
        step = slopes[2 * number : 2 * number + 2]
        mm_per_ray = _mm_per_ray(matrix, places[number])
        spread = mm_per_ray @ step @ covariance @ step.T @ mm_per_ray.T
        out[number] = _COVERAGE * math.sqrt(max(0.0, float(np.linalg.eigvalsh(spread).max())))
    return out


def _mm_per_ray(matrix: Points, place: Points) -> Points:
    far = np.append(place, 1.0) @ matrix.T
    upper = matrix[:2, :2] / far[2] - np.outer(far[:2], matrix[2, :2]) / far[2] ** 2
    return np.asarray(np.linalg.inv(upper))


def _inside(corners: Points) -> Points:
    """A grid over the corners' hull."""
    hull = cv2.convexHull(corners.astype(np.float32))
    low, high = corners.min(axis=0), corners.max(axis=0)
    steps = [np.linspace(low[axis], high[axis], _GRID) for axis in range(2)]
    grid = np.stack(np.meshgrid(*steps), -1).reshape(-1, 2)
    kept = [cv2.pointPolygonTest(hull, (float(x), float(y)), True) >= -1 for x, y in grid]
    return np.asarray(grid[np.array(kept)], np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class RobotFound:
    """The outcome: robot = turn * plane + shift. `residuals_mm` (N, 2); `sigma_mm` per coordinate, for the freedoms
    left; `scale` what a fit with scale would take (1 where both measure the same millimetre)."""

    angle_deg: float
    x_mm: float
    y_mm: float
    mirrored: bool
    residuals_mm: Points
    sigma_mm: float
    scale: float
    uncertainty: dict[str, float]


def fit_robot(plane_mm: Points, robot_mm: Points) -> RobotFound:
    """The rigid fit of touched points (N, 2) each; raises UsageError for fewer than 3 or points on one line."""
    if len(plane_mm) < MIN_POINTS:
        raise UsageError(f"{len(plane_mm)} touched points, wanted at least {MIN_POINTS}")
    middle, robot_middle = plane_mm.mean(axis=0), robot_mm.mean(axis=0)
    here, there = plane_mm - middle, robot_mm - robot_middle
    spread = np.linalg.svd(here, compute_uv=False)
    if spread[1] < 0.05 * spread[0]:
        raise UsageError("the touched points lie on one line: touch points that span an area")
    fits = [_turned(here, there, mirrored) for mirrored in (False, True)]
    mirrored = fits[1][1] < fits[0][1]
    angle, squares, scale = fits[mirrored]
    shift = robot_middle - _turn(angle, mirrored) @ middle
    residuals = robot_mm - (plane_mm @ _turn(angle, mirrored).T + shift)
    sigma = math.sqrt(squares / (2 * len(here) - 3))
    turn_sigma = sigma / math.sqrt(float((here**2).sum()))
    place_sigma = math.hypot(sigma / math.sqrt(len(here)), turn_sigma * float(np.linalg.norm(middle)))
    uncertainty = {
        "angle_deg": _COVERAGE * math.degrees(turn_sigma),
        "x_mm": _COVERAGE * place_sigma,
        "y_mm": _COVERAGE * place_sigma,
        "place_mm": _COVERAGE * math.hypot(sigma / math.sqrt(len(here)), turn_sigma * float(spread[0])),
    }
    return RobotFound(
        angle_deg=math.degrees(angle),
        x_mm=float(shift[0]),
        y_mm=float(shift[1]),
        mirrored=bool(mirrored),
        residuals_mm=np.asarray(residuals),
        sigma_mm=sigma,
        scale=scale,
        uncertainty=uncertainty,
    )


def _turn(angle: float, mirrored: bool) -> Points:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s], [s, c]]) @ np.diag([1.0, -1.0 if mirrored else 1.0])


def _turned(here: Points, there: Points, mirrored: bool) -> tuple[float, float, float]:
    """Angle, sum of squares and scale of the best turn of `here` onto `there`."""
    flipped = here * (1.0, -1.0) if mirrored else here
    along = float((flipped * there).sum())
    across = float((flipped[:, 0] * there[:, 1] - flipped[:, 1] * there[:, 0]).sum())
    angle = math.atan2(across, along)
    left = there - here @ _turn(angle, mirrored).T
    return angle, float((left**2).sum()), math.hypot(along, across) / float((here**2).sum())


def read_touches(path: Path) -> tuple[Points, Points]:
    """Touched points from a CSV file with the columns x_px, y_px, robot_x_mm, robot_y_mm: pixels (N, 2) and robot
    millimetres (N, 2). Raises UsageError naming file, line and what is wrong."""
    wanted = ["x_px", "y_px", "robot_x_mm", "robot_y_mm"]
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as why:
        raise UsageError(f"{path}: cannot be read: {getattr(why, 'strerror', None) or 'not text'}") from why
    if not lines or [name.strip() for name in lines[0].split(",")] != wanted:
        raise UsageError(f"{path}: first line is {lines[0] if lines else ''!r}, wanted {','.join(wanted)}")
    rows = [_row(path, number, line) for number, line in enumerate(lines[1:], 2) if line.strip()]
    values = np.array(rows, np.float64).reshape(-1, 4)
    return values[:, :2], values[:, 2:]


def _row(path: Path, number: int, line: str) -> Sequence[float]:
    try:
        values = [float(cell) for cell in line.split(",")]
    except ValueError:
        values = []
    if len(values) != 4 or not all(math.isfinite(value) for value in values):
        raise UsageError(f"{path}: line {number} is {line!r}, wanted four numbers")
    return values
