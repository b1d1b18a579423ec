"""Lines and circles through edge points, with what is known of how sure they are.

What it is: least-squares fits in the plane, robust against a few wrong points. What it is not: the search for the
points (`edges`), or any unit: points may be pixels or millimetres. Pure functions; the line thread.

Sources: Gander, Golub & Strebel, Least-squares fitting of circles and ellipses (1994), geometric fit by Gauss-Newton
from the algebraic one of Kasa (1976); ISO 12181-1 for the roundness about the least-squares circle; outliers by the
median absolute deviation (Rousseeuw & Croux 1993). Uncertainties are standard ones (JCGM 100), from the scatter of
the points about the shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
OUTLIER_MADS = 4.0
PASSES = 3
NEWTON_STEPS = 2
_MAD_TO_SIGMA = 1.4826
_LEAST_SCATTER_SHARE = 1e-4
_RIDGE = 1e-12
_DIAGONAL = np.arange(3)


@dataclass(frozen=True, slots=True)
class FittedLine:
    """Through `at` (2,), along the unit vector `along` (2,). `sigma` is the standard uncertainty of its offset at the
    middle, `sigma_turn_rad` that of its direction; `used` (N,) says which points it goes through."""

    at: Points
    along: Points
    sigma: float
    sigma_turn_rad: float
    used: npt.NDArray[np.bool_]

    def distance(self, point: Points) -> float:
        """Signed distance of a point (2,), positive on the left of `along` where y points up."""
        dx, dy = point - self.at
        return float(self.along[0] * dy - self.along[1] * dx)


@dataclass(frozen=True, slots=True)
class FittedCircle:
    """Centre (2,) and radius with their standard uncertainties; `roundness` is the widest minus the narrowest
    distance of the used points from the centre (ISO 12181-1, least-squares reference circle)."""

    centre: Points
    radius: float
    sigma_centre: float
    sigma_radius: float
    roundness: float
    used: npt.NDArray[np.bool_]


def fit_line(points: Points) -> FittedLine:
    """The total least-squares line through points (N, 2), N >= 2; raises ValueError with fewer."""
    used = np.ones(len(points), bool)
    for _ in range(PASSES):
        if used.sum() < 2:
            raise ValueError(f"a line needs at least 2 edge points, found {int(used.sum())}")
        at = points[used].mean(axis=0)
        away = points - at
        x, y = away[used].T
        turn = 0.5 * math.atan2(2 * float(x @ y), float(x @ x - y @ y))
        along = np.array([math.cos(turn), math.sin(turn)])
        off = away @ np.array([-along[1], along[0]])
        keep = _keep(off, used)
        if (keep == used).all():
            break
        used = keep
    reach = away[used] @ along
    noise = _scatter(off[used], 2)
    return FittedLine(at, along, noise / math.sqrt(used.sum()), noise / (math.sqrt(float(reach @ reach)) or 1.0), used)


def fit_circle(points: Points) -> FittedCircle:
    """The geometric least-squares circle through points (N, 2), N >= 3; raises ValueError with fewer."""
    used = np.ones(len(points), bool)
    for _ in range(PASSES):
        if used.sum() < 3:
            raise ValueError(f"a circle needs at least 3 edge points, found {int(used.sum())}")
        centre, radius, inverse = _circle(points[used])
        away = points - centre
        off = np.sqrt((away * away).sum(axis=1)) - radius
        keep = _keep(off, used)
        if (keep == used).all():
            break
        used = keep
    noise = _scatter(off[used], 3)
    return FittedCircle(
        centre,
        radius,
        noise * math.sqrt((inverse[0, 0] + inverse[1, 1]) / 2),
        noise * math.sqrt(inverse[2, 2]),
        float(np.ptp(off[used])),
        used,
    )


def _circle(points: Points) -> tuple[Points, float, Points]:
    """Centre, radius, and the covariance of (x, y, radius) for a scatter of one."""
    mean = points.mean(axis=0)
    near = points - mean
    square = (near * near).sum(axis=1)
    rows = np.ones((len(points), 3))
    rows[:, :2] = near
    a, b, c = _solve(rows, square)
    centre = np.array([a / 2, b / 2])
    radius = math.sqrt(max(float(c) + float(centre @ centre), 0.0))
    for _ in range(NEWTON_STEPS):
        away = near - centre
        far = np.sqrt((away * away).sum(axis=1)) + 1e-12
        rows[:, :2] = away / far[:, None]
        move = _solve(rows, far - radius)
        centre, radius = centre + move[:2], radius + float(move[2])
    normal = rows.T @ rows
    return centre + mean, radius, np.asarray(np.linalg.inv(normal + np.eye(3) * _RIDGE * normal.trace()))


def _solve(rows: Points, rights: Points) -> Points:
    normal = rows.T @ rows
    # Points on one line make no circle: the ridge keeps that case finite, and its radius is absurd and seen as such.
    normal[_DIAGONAL, _DIAGONAL] += _RIDGE * normal.trace()
    return np.asarray(np.linalg.solve(normal, rows.T @ rights))


def _keep(off: Points, used: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    away = np.abs(off)
    sorted_ = np.sort(away[used])
    sigma = _MAD_TO_SIGMA * float(sorted_[len(sorted_) // 2])
    return np.asarray(away <= max(OUTLIER_MADS * sigma, _LEAST_SCATTER_SHARE * float(sorted_[-1]), 1e-9))


def _scatter(off: Points, parameters: int) -> float:
    return math.sqrt(float(off @ off) / max(len(off) - parameters, 1))
