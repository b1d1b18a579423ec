"""Edges to a fraction of a pixel: grey profiles across an edge, and the blurred step that fits them.

What it is: calipers, many at once: sampling of strips, and a least-squares fit of a blurred step to each. What it is
not: a choice of where to look (`measure`), or the shapes through the edges (`shapes`). The line thread.

Method: each caliper averages a strip of the picture along the edge into a profile; the steepest place is found on the
smoothed derivative, and a step blurred by a Gaussian (offset, contrast, place, blur) is fitted around it by
Gauss-Newton. Its place is the maximum-likelihood one under white noise, and its covariance gives the uncertainty
(Steger, Ulrich & Wiedemann, Machine Vision Algorithms and Applications, 2nd edition, 3.7; JCGM 100 for the
propagation). Pixel centres are at whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from inspector.types import Pixels

Floats = npt.NDArray[np.float64]
STRIP_PX = 11
WINDOW_PX = 6
STEPS = 2
BLUR_PX = (0.45, 5.0)
_ACROSS = np.arange(STRIP_PX, dtype=np.float64) - (STRIP_PX - 1) / 2
# The normal distribution's integral by a hyperbolic tangent (Page 1977): odd about the edge, so it moves no edge.
_TANH = np.sqrt(2 / np.pi)
_CUBE = 0.044715
_BELL = 1 / np.sqrt(2 * np.pi)
_DIAGONAL = np.arange(4)


@dataclass(frozen=True, slots=True)
class Edges:
    """What was found by N calipers. `at_px` (N,) is along the caliper from its middle, NaN where there is no edge;
    `sigma_px` (N,) its standard uncertainty, `contrast` (N,) the step in grey values along the caliper's direction,
    `blur_px` (N,) the standard deviation of the blur."""

    at_px: Floats
    sigma_px: Floats
    contrast: Floats
    blur_px: Floats


def straight(middles: Floats, directions: Floats) -> tuple[Floats, Floats]:
    """Calipers on a straight edge: `middles` (N, 2) and unit `directions` (N, 2) as the strips `sample` takes."""
    across = np.stack([-directions[:, 1], directions[:, 0]], axis=1)
    strips = middles[:, None, :] + across[:, None, :] * _ACROSS[:, None]
    return strips, np.repeat(directions[:, None, :], STRIP_PX, axis=1)


def round_about(centre: Floats, radius_px: float, count: int) -> tuple[Floats, Floats]:
    """`count` calipers outwards across a circle (centre (2,)), whose strips follow it: a straight strip would find a
    small circle too small. Strips of a small circle are narrower, so that no two calipers share pixels."""
    across = _ACROSS * min(1.0, 2 * np.pi * radius_px / (count * STRIP_PX))
    turn = 2 * np.pi * np.arange(count)[:, None] / count + across / radius_px
    directions = np.stack([np.cos(turn), np.sin(turn)], axis=2)
    return centre + radius_px * directions, directions


def sample(pixels: Pixels, strips: Floats, directions: Floats, half_px: int) -> Floats:
    """Grey profiles (N, 2 half + 1) of N calipers, a sample a pixel, each the mean of S rays.

    `strips` (N, S, 2) are the middles of the rays and `directions` (N, S, 2) unit vectors, in the picture's pixels,
    (H, W) or (H, W, 3) BGR. A caliper that reaches out of the picture has no values: NaN.
    """
    along = np.arange(-half_px, half_px + 1, dtype=np.float32)
    at, step = strips.astype(np.float32), directions.astype(np.float32)
    x = at[..., 0, None] + step[..., 0, None] * along
    y = at[..., 1, None] + step[..., 1, None] * along
    ends = strips[..., None, :] + directions[..., None, :] * np.array([[-half_px], [half_px]])
    far = np.array([pixels.shape[1] - 1, pixels.shape[0] - 1])
    inside = ((ends >= 0) & (ends <= far)).all(axis=(1, 2, 3))
    rows = (-1, len(along))
    found = cv2.remap(pixels, x.reshape(rows), y.reshape(rows), cv2.INTER_LINEAR)
    grey = cv2.cvtColor(found, cv2.COLOR_BGR2GRAY) if found.ndim == 3 else found
    profiles: Floats = np.asarray(grey).reshape(x.shape).mean(axis=1, dtype=np.float64)
    profiles[~inside] = np.nan
    return profiles


def unbent(edges: Edges, radius_px: Floats | float) -> Floats:
    """Places (N,) along the calipers of `round_about`, corrected for what a blur does to a curved edge: it is seen
    blur^2 / (2 radius) too far inwards (Bouma et al., Correction for the dislocation of curved surfaces, 2005)."""
    return edges.at_px + edges.blur_px**2 / (2 * radius_px)


def find(profiles: Floats, signs: Floats, contrast_min: Floats | float, reach_px: Floats | float = np.inf) -> Edges:
    """The strongest edge of each profile (N, L) within `reach_px` (N,) of its middle, to a fraction of a sample.

    `signs` (N,) is 1 for dark to light along the profile, -1 for light to dark, 0 for either. A step of less than
    `contrast_min` grey values, one that lies at the end of its profile, and one that no blurred step fits, is no edge.
    """
    count, length = profiles.shape
    slope = np.zeros_like(profiles)
    # The derivative over two samples, of the mean over three.
    slope[:, 2:-2] = (profiles[:, 3:-1] + profiles[:, 4:] - profiles[:, :-4] - profiles[:, 1:-3]) / 6
    signs = np.asarray(signs, np.float64)
    toward: Floats = np.where(np.equal(signs, 0)[:, None], np.abs(slope), slope * signs[:, None])
    toward[~np.isfinite(toward)] = -1.0
    far = np.abs(np.arange(length, dtype=np.float64) - (length - 1) / 2)
    reach = np.zeros((count, 1)) + np.reshape(reach_px, (-1, 1))
    toward[far > reach] = -1.0
    peak = toward.argmax(axis=1)
    window = min(WINDOW_PX, (length - 1) // 2)
    middle = np.clip(peak, window, length - 1 - window)
    offsets = np.arange(-window, window + 1)
    rows = np.arange(count)
    values = profiles[rows[:, None], middle[:, None] + offsets]
    step = np.sign(slope[rows, peak])
    # The top of a parabola through the steepest three samples is where the fit begins.
    near = np.clip(peak, 1, length - 2)
    before, top, after = (slope[rows, near + d] * step for d in (-1, 0, 1))
    with np.errstate(all="ignore"):
        bend = before - 2 * top + after
        aside = np.where(bend < 0, 0.5 * (before - after) / bend, 0.0)
    start = peak - middle + _within(aside, -0.6, 0.6)
    found = _fit(values, offsets.astype(np.float64), start, step, top, signs, contrast_min)
    return replace(found, at_px=found.at_px + middle - (length - 1) / 2)


def _fit(
    values: Floats,
    t: Floats,
    start: Floats,
    step: Floats,
    steepest: Floats,
    signs: Floats,
    contrast_min: Floats | float,
) -> Edges:
    bad: npt.NDArray[np.bool_] = np.asarray(~np.isfinite(values).all(axis=1))
    y = np.where(bad[:, None], 0.0, values)
    low, high = y.min(axis=1), y.max(axis=1)
    base, height = np.where(step < 0, high, low), step * (high - low)
    place, jacobian = start, np.ones((len(y), 4, len(t)))
    # The steepness tells the blur, once the derivative's own width is taken away.
    with np.errstate(all="ignore"):
        width = np.where(steepest > 0, (high - low) / steepest, 0.0)
        blur = np.sqrt(_within(width * width / (2 * np.pi) - 1.0, 0.25, 16.0))
        for _ in range(STEPS):
            z = (t - place[:, None]) / blur[:, None]
            rise = 0.5 + 0.5 * np.tanh(_TANH * (z + _CUBE * z * z * z))
            bell = np.exp(-0.5 * z * z) * _BELL
            rest = y - base[:, None] - height[:, None] * rise
            by_place = -height[:, None] * bell / blur[:, None]
            jacobian[:, 1], jacobian[:, 2], jacobian[:, 3] = rise, by_place, by_place * z
            normal = jacobian @ jacobian.transpose(0, 2, 1)
            normal[:, _DIAGONAL, _DIAGONAL] = normal[:, _DIAGONAL, _DIAGONAL] * (1 + 1e-4) + 1e-9
            move = np.linalg.solve(normal, jacobian @ rest[:, :, None])[:, :, 0]
            base, height = base + move[:, 0], height + move[:, 1]
            place = place + _within(move[:, 2], -1.0, 1.0)
            blur = _within(blur + _within(move[:, 3], -0.7, 0.7), *BLUR_PX)
        z = (t - place[:, None]) / blur[:, None]
        rest = y - base[:, None] - height[:, None] * 0.5 * (1 + np.tanh(_TANH * (z + _CUBE * z * z * z)))
        noise = np.sqrt((rest**2).sum(axis=1) / max(len(t) - 4, 1))
        # A sample is an interpolation between two pixels, and so are its neighbours: they share noise.
        sigma = noise * np.sqrt(np.linalg.inv(normal)[:, 2, 2]) * np.sqrt(1.5)
        bad |= (np.abs(height) < contrast_min) | (height * signs < 0) | (np.abs(place) > len(t) / 2 - 1.5)
        bad |= ~np.isfinite(place) | (noise > 0.35 * np.abs(height))
    nan = np.where(bad, np.nan, 1.0)
    return Edges(at_px=place * nan, sigma_px=sigma * nan, contrast=height * nan, blur_px=blur * nan)


def _within(values: Floats, low: float, high: float) -> Floats:
    """np.clip, whose own overhead is several times that of the two calls it makes on so few values."""
    return np.asarray(np.minimum(np.maximum(values, low), high), np.float64)
