"""The lens model: from pixels to rays and back.

What it is: geometry in numpy, for whoever measures. What it is not: the fit of the model (`calibration.adjust`) or the
file its numbers come from (`calibrated`). Any thread; nothing here changes.

A *ray* is (x, y) on the plane at distance 1 before the camera. The model is Brown's with rational terms and thin prism
(D. C. Brown, Close-range camera calibration, 1971); coefficients in OpenCV's order: k1 k2 p1 p2 k3 k4 k5 k6 s1 s2 s3
s4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
_NEWTON_STEPS = 12
_NEWTON_END = 1e-10
_STEP = 1e-6
_WAY = (0.25, 0.5, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True, slots=True)
class Lens:
    """The lens: rays to pixels and back. `distortion` may hold 0, 4, 5, 8 or 12 coefficients."""

    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...]

    def px_from_rays(self, rays: Points) -> Points:
        """Rays (N, 2) to pixels (N, 2)."""
        bent = _bend(rays, self._coefficients())
        return bent * (self.fx, self.fy) + (self.cx, self.cy)

    def rays_from_px(self, points: Points) -> Points:
        """Pixels (N, 2) to rays (N, 2), by Newton's method; NaN where the model has no ray for a pixel (far outside
        of the field it was made from)."""
        wanted = (np.asarray(points, np.float64).reshape(-1, 2) - (self.cx, self.cy)) / (self.fx, self.fy)
        k = self._coefficients()
        if not np.any(k):
            return wanted
        rays = wanted.copy()
        for _ in range(_NEWTON_STEPS):
            missing = wanted - _bend(rays, k)
            if not np.any(np.abs(missing) > _NEWTON_END):
                break
            rays += _solve_each(_slopes(rays, k), missing)
        lost = ~(np.abs(wanted - _bend(rays, k)).max(axis=1) < 1e-7)
        rays[lost] = np.nan
        for share in _WAY:
            # A ray is believed only if the model grows all the way out to it: beyond its fold it means nothing.
            rays[~(_area(_slopes(share * rays, k)) > 0)] = np.nan
        return rays

    def _coefficients(self) -> Points:
        k = np.zeros(12)
        k[: len(self.distortion)] = self.distortion
        return k


def _bend(rays: Points, k: Points) -> Points:
    x, y = rays[:, 0], rays[:, 1]
    with np.errstate(over="ignore", invalid="ignore"):
        r2 = x * x + y * y
        r4, r6 = r2 * r2, r2 * r2 * r2
        radial = (1 + k[0] * r2 + k[1] * r4 + k[4] * r6) / (1 + k[5] * r2 + k[6] * r4 + k[7] * r6)
        across = x * radial + 2 * k[2] * x * y + k[3] * (r2 + 2 * x * x) + k[8] * r2 + k[9] * r4
        down = y * radial + k[2] * (r2 + 2 * y * y) + 2 * k[3] * x * y + k[10] * r2 + k[11] * r4
    return np.stack([across, down], axis=1)


def _slopes(rays: Points, k: Points) -> Points:
    right, down = np.array([_STEP, 0.0]), np.array([0.0, _STEP])
    across = (_bend(rays + right, k) - _bend(rays - right, k)) / (2 * _STEP)
    along = (_bend(rays + down, k) - _bend(rays - down, k)) / (2 * _STEP)
    return np.stack([across, along], axis=2)


def _area(matrices: Points) -> Points:
    return matrices[:, 0, 0] * matrices[:, 1, 1] - matrices[:, 0, 1] * matrices[:, 1, 0]


def _solve_each(matrices: Points, rights: Points) -> Points:
    (a, b), (c, d) = (matrices[:, 0, 0], matrices[:, 0, 1]), (matrices[:, 1, 0], matrices[:, 1, 1])
    with np.errstate(divide="ignore", invalid="ignore"):
        det = _area(matrices)
        x, y = rights[:, 0], rights[:, 1]
        return np.stack([(d * x - b * y) / det, (a * y - c * x) / det], axis=1)
