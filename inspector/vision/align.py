"""From an outline to an exact pose on the small picture: a polar search for the angle, then a robust refinement.

What it is: two prepared searches, `Polar` and `Refiner`, each built once from a template picture. What it is not:
the choice of which outline is a part (locate), or learning the template (teaching). One thread per object: both
keep no state between calls.

Methods: rotation as a shift of the polar picture, found by circular correlation (De Castro and Morandi,
IEEE PAMI 9(5), 1987); refinement by inverse compositional image alignment (Baker and Matthews, IJCV 56(3), 2004) on
the template's strongest edge pixels, with gain and offset as nuisance and Tukey's biweight, so that a missing piece
or a stain is an outlier and does not pull the pose.

A pose here is `(x, y, turn)`: small pixels, radians counter-clockwise as seen on the screen.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from inspector.types import Pixels
from inspector.vision.reference import Floats

ANGLES = 180
RINGS = 32
POINTS = 800
STEPS = 12
LONGEST_STEP = 3.0
_TUKEY = 4.685
_MAD = 1.4826
_DIAGONAL = np.diag_indices(5)


class SmallPose(NamedTuple):
    """Reference point in small pixels, turn in radians, and the correlation in [-1, 1] that it reached."""

    x: float
    y: float
    turn: float
    score: float


class Look(NamedTuple):
    """A small picture as the searches want it: float32 `(H, W)` grey, a little blurred, and its outlines, 0 or 255."""

    grey: Floats
    mask: Pixels


def look(small: Pixels, mask: Pixels) -> Look:
    """The small picture and its foreground mask, prepared for the searches."""
    return Look(cv2.GaussianBlur(small, (3, 3), 0).astype(np.float32), mask)


def around(x: float, y: float, turn: float) -> npt.NDArray[np.float64]:
    """The 2x3 matrix from template coordinates (origin at the reference point) to small pixels."""
    cos, sin = math.cos(turn), math.sin(turn)
    return np.array([[cos, sin, x], [-sin, cos, y]])


def sample(small: Floats | Pixels, columns: Floats, rows: Floats) -> Floats:
    """Bilinear values of `small` at these places, the border's own value outside."""
    values = cv2.remap(small, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return values.reshape(columns.shape).astype(np.float32, copy=False)


class Polar:
    """The angle of a part around a known centre, from its outline and its grey values in equal parts."""

    def __init__(self, mean: Floats, mask: Floats, radius: float) -> None:
        """`mean`, `mask` are float32 `(S, S)` with the reference point at the centre; `radius` in small pixels."""
        turns = np.arange(ANGLES) * (2 * math.pi / ANGLES)
        radii = (np.arange(RINGS) + 0.5) * (radius / RINGS)
        self._columns = (radii[:, None] * np.cos(turns)).astype(np.float32)
        self._rows = (-radii[:, None] * np.sin(turns)).astype(np.float32)
        self._share = (radii / radii.sum() / ANGLES).astype(np.float32)
        self._weight = np.sqrt(radii / radius).astype(np.float32)[:, None]
        middle = (mean.shape[0] - 1) / 2
        self._spectra = cv2.dft(self._unrolled((mean, mask), middle, middle), flags=cv2.DFT_ROWS)

    def _unrolled(self, pictures: tuple[Floats | Pixels, ...], x: float, y: float) -> Floats:
        """Polar pictures around (x, y), one below the other: float32 `(n * RINGS, ANGLES)`, each without its mean and
        of norm 1."""
        columns, rows = self._columns + np.float32(x), self._rows + np.float32(y)
        unrolled = np.empty((len(pictures), RINGS, ANGLES), np.float32)
        for rings, picture in zip(unrolled, pictures, strict=True):
            found = sample(picture, columns, rows)
            np.multiply(found - np.float32(self._share @ found.sum(axis=1)), self._weight, out=rings)
            rings *= np.float32(1 / max(float(cv2.norm(rings)), 1e-6))
        return unrolled.reshape(-1, ANGLES)

    def correlation(self, seen: Look, x: float, y: float) -> npt.NDArray[np.float64]:
        """Correlation in [-1, 1] for each of `ANGLES` turns of the template against the picture around (x, y)."""
        spectra = cv2.dft(self._unrolled((seen.grey, seen.mask), x, y), flags=cv2.DFT_ROWS)
        total = cv2.reduce(cv2.mulSpectrums(spectra, self._spectra, cv2.DFT_ROWS, conjB=True), 0, cv2.REDUCE_SUM)
        return cv2.idft(total, flags=cv2.DFT_ROWS | cv2.DFT_SCALE).ravel().astype(np.float64) / 2

    def turns(self, seen: Look, x: float, y: float, most: int = 2) -> list[tuple[float, float]]:
        """The up to `most` best turns as (radians, correlation), best first, each a peak on its own."""
        values = self.correlation(seen, x, y)
        before, after = np.concatenate((values[-1:], values[:-1])), np.concatenate((values[1:], values[:1]))
        peaks = np.flatnonzero((values >= before) & (values > after))
        peaks = peaks[np.argsort(-values[peaks])][:most]
        bend = before[peaks] - 2 * values[peaks] + after[peaks]
        shift = np.where(bend < 0, 0.5 * (before[peaks] - after[peaks]) / np.minimum(bend, -1e-12), 0.0)
        angles = (peaks + shift) * (2 * math.pi / ANGLES)
        return [(float(angle), float(values[peak])) for angle, peak in zip(angles, peaks, strict=True)]


class Refiner:
    """The exact pose, started from a near one."""

    def __init__(self, mean: Floats, std: Floats, inside: Pixels, has_angle: bool) -> None:
        """`mean`, `std` float32 `(S, S)`; `inside` marks (non-zero) the part and a little of its surroundings."""
        gradients: list[Floats] = list(np.gradient(mean))
        down, across = gradients
        spread: Floats = np.maximum(std, np.float32(4.0))
        worth = np.hypot(across, down) / spread * (inside > 0)
        worth[[0, -1], :] = worth[:, [0, -1]] = 0
        chosen = np.argsort(-worth, axis=None)[: max(1, min(POINTS, int(np.count_nonzero(worth))))]
        row, column = np.divmod(np.sort(chosen), mean.shape[1])
        middle = (mean.shape[0] - 1) / 2
        self._place = np.stack([column - middle, row - middle]).astype(np.float32)
        self._value: Floats = mean[row, column]
        self._per_spread = (1 / spread[row, column]).astype(np.float32)
        gu, gv = across[row, column], down[row, column]
        turning = gu * self._place[1] - gv * self._place[0] if has_angle else np.zeros_like(gu)
        self._jacobian = np.stack([gu, gv, turning, self._value, np.ones_like(gu)]).astype(np.float32)
        self._reach = float(np.sqrt((self._place**2).sum(axis=0).mean())) or 1.0

    def refine(self, picture: Floats, start: SmallPose, steps: int = STEPS) -> SmallPose:
        """The pose from `start` after at most `steps` steps; its score is not made here."""
        x, y, turn, gain, offset = start.x, start.y, start.turn, 1.0, 0.0
        weights = np.square(self._per_spread)
        gain, offset = self._levels(placed(picture, self._place, x, y, turn), weights)
        for _ in range(steps):
            found = placed(picture, self._place, x, y, turn)
            residual = (found - np.float32(offset)) * np.float32(1 / gain) - self._value
            weights = self._weights(residual)
            dx, dy, dturn, dgain, doffset = self._step(residual, weights)
            cos, sin = math.cos(turn), math.sin(turn)
            x, y, turn = x - cos * dx - sin * dy, y + sin * dx - cos * dy, turn - dturn
            offset, gain = offset + gain * doffset, min(max(gain * (1 + dgain), 0.25), 4.0)
            if abs(dx) + abs(dy) + abs(dturn) * self._reach < 0.03:
                break
        return SmallPose(x, y, turn, 0.0)

    def _levels(self, found: Floats, weights: Floats) -> tuple[float, float]:
        total = float(weights.sum())
        mean_found, mean_value = float(weights @ found) / total, float(weights @ self._value) / total
        spread = weights * (self._value - np.float32(mean_value))
        gain = float(spread @ found) / max(float(spread @ self._value), 1e-6)
        gain = min(max(gain, 0.25), 4.0)
        return gain, mean_found - gain * mean_value

    def _weights(self, residual: Floats) -> Floats:
        scaled = np.abs(residual * self._per_spread)
        middle = len(scaled) // 2
        limit = _TUKEY * max(_MAD * float(np.partition(scaled, middle)[middle]), 0.3)
        bent = np.maximum(1 - (scaled * np.float32(1 / limit)) ** 2, 0) * self._per_spread
        weights: Floats = bent * bent
        return weights

    def _step(self, residual: Floats, weights: Floats) -> tuple[float, float, float, float, float]:
        weighted = self._jacobian * weights
        hessian = (weighted @ self._jacobian.T).astype(np.float64)
        hessian[_DIAGONAL] += 1e-6 * (1 + hessian[_DIAGONAL])
        _, step = cv2.solve(hessian, (weighted @ residual[:, None]).astype(np.float64), flags=cv2.DECOMP_CHOLESKY)
        dx, dy, dturn, dgain, doffset = step.ravel().tolist()
        longest = max(abs(dx), abs(dy), abs(dturn) * self._reach, LONGEST_STEP) / LONGEST_STEP
        return dx / longest, dy / longest, dturn / longest, dgain, doffset


def placed(picture: Floats | Pixels, place: Floats, x: float, y: float, turn: float) -> Floats:
    """`picture` at the template coordinates `place`, float32 `(2, N)`, of a part at this pose."""
    cos, sin = np.float32(math.cos(turn)), np.float32(math.sin(turn))
    columns = cos * place[0] + sin * place[1] + np.float32(x)
    rows = cos * place[1] - sin * place[0] + np.float32(y)
    return sample(picture, columns, rows)
