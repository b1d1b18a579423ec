"""Lines and circles through edge points, with what is known of how sure they are.

What it is: least-squares fits in the plane, robust against a few wrong points. What it is not: the search for the
points (`edges`), or any unit: points may be pixels or millimetres. Pure functions; the line thread.

Sources: Gander, Golub & Strebel, Least-squares fitting of circles and ellipses (1994), geometric fit by Gauss-Newton
from the algebraic one of Kasa (1976); ISO 12181-1 for the roundness about the least-squares circle; outliers by the
median absolute deviation (Rousseeuw & Croux 1993). Uncertainties are standard ones (JCGM 100), from the scatter of
the points about the shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
OUTLIER_MADS = 4.0
_MAD_TO_SIGMA = 1.4826
_LEAST_SCATTER_SHARE = 1e-4


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
    for _ in range(3):
        if used.sum() < 2:
            raise ValueError(f"a line needs at least 2 edge points, found {int(used.sum())}")
        chosen = points[used]
        at = chosen.mean(axis=0)
        along = np.linalg.svd(chosen - at, full_matrices=False)[2][0]
        off = (points - at) @ np.array([-along[1], along[0]])
        keep = _keep(off, used)
        if (keep == used).all():
            break
        used = keep
    reach = (points[used] - at) @ along
    noise = _scatter(off[used], 2)
    spread = float(np.sqrt((reach**2).sum())) or 1.0
    return FittedLine(at, along, noise / np.sqrt(used.sum()), noise / spread, used)


def fit_circle(points: Points) -> FittedCircle:
    """The geometric least-squares circle through points (N, 2), N >= 3; raises ValueError with fewer."""
    used = np.ones(len(points), bool)
    for _ in range(3):
        if used.sum() < 3:
            raise ValueError(f"a circle needs at least 3 edge points, found {int(used.sum())}")
        centre, radius, normal = _circle(points[used])
        off = np.hypot(*(points - centre).T) - radius
        keep = _keep(off, used)
        if (keep == used).all():
            break
        used = keep
    noise = _scatter(off[used], 3)
    covariance = np.linalg.pinv(normal) * noise * noise
    return FittedCircle(
        centre,
        radius,
        float(np.sqrt((covariance[0, 0] + covariance[1, 1]) / 2)),
        float(np.sqrt(covariance[2, 2])),
        float(np.ptp(off[used])),
        used,
    )


def _circle(points: Points) -> tuple[Points, float, Points]:
    mean = points.mean(axis=0)
    x, y = (points - mean).T
    square = x * x + y * y
    a, b, c = np.linalg.lstsq(np.stack([x, y, np.ones_like(x)], axis=1), square, rcond=None)[0]
    centre = np.array([a / 2, b / 2])
    radius = float(np.sqrt(max(c + centre @ centre, 0.0)))
    normal = np.eye(3)
    for _ in range(4):
        dx, dy = x - centre[0], y - centre[1]
        far = np.maximum(np.hypot(dx, dy), 1e-12)
        jacobian = np.stack([dx / far, dy / far, np.ones_like(x)], axis=1)
        normal = jacobian.T @ jacobian
        move = np.linalg.lstsq(normal, jacobian.T @ (far - radius), rcond=None)[0]
        centre, radius = centre + move[:2], radius + float(move[2])
    return centre + mean, radius, normal


def _keep(off: Points, used: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    sigma = _MAD_TO_SIGMA * float(np.median(np.abs(off[used] - np.median(off[used]))))
    return np.asarray(np.abs(off) <= max(OUTLIER_MADS * sigma, _LEAST_SCATTER_SHARE * np.abs(off).max(), 1e-9))


def _scatter(off: Points, parameters: int) -> float:
    return float(np.sqrt((off**2).sum() / max(len(off) - parameters, 1)))
