"""Is this picture fit to be judged? If not, the part is NOT_INSPECTED with the number that was found.

What it is: `check`, pure, a few tenths of a millisecond; its limits are fractions of what the taught good pictures
measured like (`HealthBaseline`), so that the defaults hold on any line. What it is not: a judgement of the
part: a defect, however large, is the model's business. The line thread; the caller keeps the previous small picture.

Codes: `black`, `blown`, `blurred`, `frozen` are about the picture; `empty`, `no_part`, `two_parts`, `half_part` about
what is seen in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from inspector.recipe import HealthLimits, LocateLimits
from inspector.types import Pixels, Reason
from inspector.vision.locate import Edges, Sighting
from inspector.vision.reference import HealthBaseline

ROWS = 64
"""Rows of the frame, at full resolution, that sharpness is measured on."""
_SATURATED = 250
_GREYS = np.arange(256.0)
_STEEPEST = 0.997
_WAYS = 4
_EDGE_CONTRAST = 25
_EDGE_POINTS = 8
_SOFT_OUTLINE = 0.15
"""Below this an outline is too soft by itself to show blur, and the whole picture is looked at instead."""
_TEXTURE = 0.8
"""How much more whole pictures differ in steepness than outlines do: their limit is so much lower."""
_TONES = 0.01
_BRIGHT_GROUND = 0.3
_BRIGHT_GROUND_SHARE = 0.9
"""Where the background itself saturates, a part with a piece missing shows more of it and is not blown."""


class Measured(NamedTuple):
    """One picture's light: mean grey value and share of saturated pixels of the small picture; and its contrast,
    from the 1st to the 99th percentile in grey levels."""

    mean: float
    blown: float
    contrast: int


def measure(small: Pixels) -> Measured:
    """The light of a small picture (`silhouette.shrink`)."""
    share = _histogram(small)
    tones = np.cumsum(share)
    contrast = int(np.searchsorted(tones, 1 - _TONES)) - int(np.searchsorted(tones, _TONES))
    return Measured(float(share @ _GREYS), float(share[_SATURATED:].sum()), contrast)


def sharpness(pixels: Pixels, contrast: float) -> tuple[float, float]:
    """How steep a picture without an outline is, in [0, 1]: the 99.7th percentile of the grey steps from one pixel to
    the next on `ROWS` rows, as a share of the picture's `contrast`, across and down apart, since motion blurs one of
    them only. Dividing by the contrast keeps it from following the lamp."""
    step = max(2, pixels.shape[0] // ROWS)
    rows, below = _grey(pixels[:-1:step]), _grey(pixels[1::step])
    across = cv2.absdiff(rows[:, 1:], rows[:, :-1])
    down = cv2.absdiff(rows, below[: len(rows)])
    steepest = [int(np.searchsorted(np.cumsum(_histogram(np.asarray(part))), _STEEPEST)) for part in (across, down)]
    return steepest[0] / max(contrast, 8.0), steepest[1] / max(contrast, 8.0)


def edge_sharpness(pixels: Pixels, edges: Edges) -> float:
    """How steep the part's own outline is, in (0, 1]: along each normal, the largest grey step from one pixel to the
    next as a share of the profile's whole range; of these the upper quartile for each of four directions in the
    picture, and of the directions the dullest. So it follows neither the lamp nor the part's angle, and motion blur
    shows whichever way it goes. 1 if no direction has enough contrast to tell."""
    along = np.arange(-edges.reach, edges.reach + 1, dtype=np.float32)
    columns = edges.x[:, None] + edges.across[:, None] * along
    rows = edges.y[:, None] + edges.down[:, None] * along
    seen = cv2.remap(pixels, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    profiles = _grey(np.asarray(seen)).astype(np.int16)
    span = profiles.max(axis=1) - profiles.min(axis=1)
    slope = np.abs(np.diff(profiles, axis=1)).max(axis=1) / np.maximum(span, 1)
    way = np.round(np.arctan2(edges.down, edges.across) / (np.pi / _WAYS)).astype(int) % _WAYS
    ways = [np.sort(slope[(way == number) & (span >= _EDGE_CONTRAST)]) for number in range(_WAYS)]
    return min((float(slopes[3 * len(slopes) // 4]) for slopes in ways if len(slopes) >= _EDGE_POINTS), default=1.0)


def light_baseline(smalls: Sequence[Pixels]) -> dict[str, float]:
    """What the taught good pictures' light measures like."""
    measured = [measure(small) for small in smalls]
    return {"mean": float(np.median([one.mean for one in measured])), "blown": max(one.blown for one in measured)}


def steps_baseline(images: Sequence[Pixels], smalls: Sequence[Pixels]) -> dict[str, float]:
    """How steep the dullest taught picture is, for a part without an outline."""
    steps = [sharpness(image, measure(small).contrast) for image, small in zip(images, smalls, strict=True)]
    return {"sharp_across": min(step[0] for step in steps), "sharp_down": min(step[1] for step in steps)}


def check(
    pixels: Pixels,
    small: Pixels,
    previous_small: Pixels | None,
    limits: HealthLimits,
    *,
    taught: HealthBaseline,
    sighting: Sighting | None = None,
    locate: LocateLimits | None = None,
) -> tuple[Reason, ...]:
    """Why this frame must not be judged; empty if it may.

    `pixels` uint8 `(H, W[, 3])`, `small` its small picture, `previous_small` that of the frame before (None for the
    first), `taught` the reference's baseline, `sighting` what `Locator.see` saw (None where no part is looked for).
    A picture that is unfit as a picture is reported as that alone: what is seen in it means nothing.
    """
    unfit = [*_light(measured := measure(small), small.size, limits, taught), *_frozen(small, previous_small, limits)]
    if unfit:
        return tuple(unfit)
    seen = [] if sighting is None else list(_parts(sighting, limits, taught, locate or LocateLimits()))
    if seen and seen[0].code == "empty":
        return tuple(seen)
    edges = sighting.edges if sighting is not None else None
    return (*_blurred(pixels, edges, measured.contrast, limits, taught), *seen)


def _light(measured: Measured, small_size: int, limits: HealthLimits, taught: HealthBaseline) -> Iterable[Reason]:
    darkest = max(limits.black_mean_max, limits.dark_fraction * taught.mean)
    if measured.mean <= darkest:
        yield Reason(code="black", value=measured.mean, limit=darkest, text="mean grey value too low")
    part = taught.area_small_px / small_size or 1.0
    share = limits.blown_fraction_max * part if taught.blown < _BRIGHT_GROUND else _BRIGHT_GROUND_SHARE
    most = taught.blown + share * (1 - taught.blown)
    if measured.blown > most:
        yield Reason(code="blown", value=measured.blown, limit=most, text="share of saturated pixels too high")


def _frozen(small: Pixels, previous: Pixels | None, limits: HealthLimits) -> Iterable[Reason]:
    if previous is None or previous.shape != small.shape:
        return
    difference = cv2.norm(small, previous, cv2.NORM_L1) / small.size
    if difference < limits.frozen_difference_min:
        text = "same picture as the frame before, without even a sensor's noise"
        yield Reason(code="frozen", value=difference, limit=limits.frozen_difference_min, text=text)


def _blurred(
    pixels: Pixels, edges: Edges | None, contrast: float, limits: HealthLimits, taught: HealthBaseline
) -> Iterable[Reason]:
    if edges is not None and taught.sharp_edges >= _SOFT_OUTLINE:
        share, pairs = 1.0, [(edge_sharpness(pixels, edges), taught.sharp_edges)]
    else:
        steps = sharpness(pixels, contrast)
        share, pairs = _TEXTURE, list(zip(steps, (taught.sharp_across, taught.sharp_down), strict=True))
    found, wanted = min(
        ((found, max(limits.sharpness_min, share * limits.sharpness_fraction * sharp)) for found, sharp in pairs),
        key=lambda pair: pair[0] / max(pair[1], 1e-9),
    )
    if found < wanted:
        yield Reason(code="blurred", value=found, limit=wanted, text="edges less steep than on the taught pictures")


def _parts(sighting: Sighting, limits: HealthLimits, taught: HealthBaseline, locate: LocateLimits) -> Iterable[Reason]:
    if sighting.area <= 0:
        smallest = locate.area_fraction_min
        yield Reason(code="empty", value=0.0, limit=smallest, text="nothing of a part's size stands out")
        return
    border_max = taught.border + limits.border_fraction_max * math.sqrt(taught.area_small_px)
    second = sighting.poses[1].score if len(sighting.poses) > 1 else 0.0
    area_max = limits.area_fraction_max * taught.area_max
    if second >= locate.second_part_score:
        yield Reason(code="two_parts", value=second, limit=locate.second_part_score, text="a second part is seen")
    elif sighting.area > area_max > 0:
        yield Reason(code="two_parts", value=sighting.area, limit=area_max, text="outline larger than one part's")
    elif sighting.border > border_max:
        text = "outline runs along the picture's border, in small pixels: the part reaches out of the picture"
        yield Reason(code="half_part", value=sighting.border, limit=border_max, text=text)
    elif not sighting.poses:
        yield Reason(code="no_part", value=sighting.score, limit=locate.score_min, text="nothing looks like the part")
    elif sighting.hidden > limits.hidden_fraction_max:
        text = "so much of the part is covered or missing that it cannot be judged"
        yield Reason(code="hidden", value=sighting.hidden, limit=limits.hidden_fraction_max, text=text)


def _grey(pixels: Pixels) -> Pixels:
    return pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)  # type: ignore[return-value]


def _histogram(picture: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    counts: npt.NDArray[np.float64] = cv2.calcHist([picture], [0], None, [256], [0, 256]).ravel().astype(np.float64)
    counts /= counts.sum()
    return counts
