"""Lines and circles through edge points, with what is known of how sure they are.

What it is: least-squares fits in the plane, robust against a few wrong points. What it is not: the search for the
points (`edges`), or any unit: points may be pixels or millimetres. Pure functions; the line thread. All shapes of a
part are fitted at once: sixteen points are too few for one to be worth a call.

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
Mask = npt.NDArray[np.bool_]
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
    used: Mask

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
    used: Mask


def fit_lines(points: Points, there: Mask) -> list[FittedLine | None]:
    """Total least-squares lines through M sets of R points, (M, R, 2), of which `there` (M, R) says which exist; None
    for a set with fewer than 2."""
    used = there.copy()
    for _ in range(PASSES):
        count = np.maximum(used.sum(axis=1), 1)
        at = np.where(used[..., None], points, 0.0).sum(axis=1) / count[:, None]
        away = np.where(there[..., None], points - at[:, None], 0.0)
        x, y = np.where(used, away[..., 0], 0.0), np.where(used, away[..., 1], 0.0)
        turn = 0.5 * np.arctan2(2 * (x * y).sum(axis=1), (x * x - y * y).sum(axis=1))
        along = np.stack([np.cos(turn), np.sin(turn)], axis=1)
        off = away[..., 1] * along[:, None, 0] - away[..., 0] * along[:, None, 1]
        keep = _keep(off, used, there)
        if (keep == used).all():
            break
        used = keep
    reach = np.sqrt(((x * along[:, None, 0] + y * along[:, None, 1]) ** 2).sum(axis=1))
    noise = _scatter(off, used, 2)
    sigma, sigma_turn = noise / np.sqrt(count), noise / np.maximum(reach, 1e-12)
    return [
        FittedLine(at[i], along[i], float(sigma[i]), float(sigma_turn[i]), used[i]) if used[i].sum() >= 2 else None
        for i in range(len(points))
    ]


def fit_circles(points: Points, there: Mask) -> list[FittedCircle | None]:
    """Geometric least-squares circles through M sets of R points, (M, R, 2), of which `there` (M, R) says which exist;
    None for a set with fewer than 3."""
    used = there.copy()
    for _ in range(PASSES):
        centre, radius, normal = _circles(points, used)
        away = np.where(there[..., None], points - centre[:, None], 0.0)
        off = np.sqrt((away * away).sum(axis=2)) - radius[:, None]
        keep = _keep(off, used, there)
        if (keep == used).all():
            break
        used = keep
    noise = _scatter(off, used, 3)
    covariance = np.linalg.inv(normal)[:, _DIAGONAL, _DIAGONAL]
    sigma_centre = noise * np.sqrt((covariance[:, 0] + covariance[:, 1]) / 2)
    sigma_radius = noise * np.sqrt(covariance[:, 2])
    width = np.where(used, off, -np.inf).max(axis=1) - np.where(used, off, np.inf).min(axis=1)
    return [
        FittedCircle(
            centre[i], float(radius[i]), float(sigma_centre[i]), float(sigma_radius[i]), float(width[i]), used[i]
        )
        if used[i].sum() >= 3
        else None
        for i in range(len(points))
    ]


def _circles(points: Points, used: Mask) -> tuple[Points, Points, Points]:
    """Centres, radii, and the normal matrices of (x, y, radius)."""
    weight = used.astype(np.float64)
    mean = np.where(used[..., None], points, 0.0).sum(axis=1) / np.maximum(weight.sum(axis=1), 1)[:, None]
    near = np.where(used[..., None], points - mean[:, None], 0.0)
    square = (near * near).sum(axis=2)
    rows = np.concatenate([near, weight[..., None]], axis=2)
    algebraic = _solve(rows, square)[0]
    centre = algebraic[:, :2] / 2
    radius = np.sqrt(np.maximum(algebraic[:, 2] + (centre * centre).sum(axis=1), 0.0))
    normal = rows
    for _ in range(NEWTON_STEPS):
        away = near - centre[:, None]
        far = np.sqrt((away * away).sum(axis=2)) + 1e-12
        rows[..., :2] = away * (weight / far)[..., None]
        move, normal = _solve(rows, (far - radius[:, None]) * weight)
        centre, radius = centre + move[:, :2], radius + move[:, 2]
    return centre + mean, radius, normal


def _solve(rows: Points, rights: Points) -> tuple[Points, Points]:
    across = rows.transpose(0, 2, 1)
    normal = across @ rows
    # Points on one line make no circle: the ridge keeps that case finite, and its radius is absurd and seen as such.
    ridge = _RIDGE * normal[:, _DIAGONAL, _DIAGONAL].sum(axis=1) + _RIDGE
    normal[:, _DIAGONAL, _DIAGONAL] += ridge[:, None]
    return np.asarray(np.linalg.solve(normal, across @ rights[..., None])[..., 0], np.float64), normal


def _keep(off: Points, used: Mask, there: Mask) -> Mask:
    away = np.abs(off)
    ranked = np.sort(np.where(used, away, np.inf), axis=1)
    count = np.maximum(used.sum(axis=1), 1)
    sets = np.arange(len(off))
    limit = np.maximum(OUTLIER_MADS * _MAD_TO_SIGMA * ranked[sets, count // 2 - (count == 1)], 1e-9)
    limit = np.maximum(limit, _LEAST_SCATTER_SHARE * ranked[sets, count - 1])
    return np.asarray(there & (away <= limit[:, None]))


def _scatter(off: Points, used: Mask, parameters: int) -> Points:
    squares = np.where(used, off * off, 0.0).sum(axis=1)
    return np.asarray(np.sqrt(squares / np.maximum(used.sum(axis=1) - parameters, 1)))
