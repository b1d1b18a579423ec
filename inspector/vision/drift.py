"""Is the station still the one that was calibrated? Lamp, focus and the camera's place against their baseline.

What it is: three numbers of a picture, their running medians, and whether they have drifted: a warning level while the
verdicts are still right, a stop level before they are not. What it is not: the health of one picture (`health`), which
is judged alone; one dark picture is no drift. The line thread, on every few frames; `look` takes about a millisecond.

Lamp: the mean grey value as a share of the baseline's. Focus: the steepest grey steps as a share of the contrast,
against the baseline's, so that it does not follow the lamp. Place: how far small pictures of things that stand still
on the machine have moved (normalised cross-correlation, with a parabola through its peak).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from inspector.calibrated import IlluminationValue
from inspector.lens import Points
from inspector.types import Pixels
from inspector.vision.health import measure, sharpness

ANCHOR_PX = 24
SEARCH_PX = 12
GRID = (6, 8)
_LIKE = 0.6
"""A worse likeness is something in front of the anchor and says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftLimits:
    """From where on a drift is told, and from where on the line must stand. `lamp` and `focus` are shares lost (or,
    for the lamp, gained), `moved_px` a distance."""

    lamp_warn: float = 0.08
    lamp_stop: float = 0.25
    focus_warn: float = 0.15
    focus_stop: float = 0.35
    moved_warn_px: float = 2.0
    moved_stop_px: float = 6.0
    window: int = 15


@dataclass(frozen=True, slots=True)
class Drift:
    """One drift: `value` against the positive `limit` in the same unit, a share or pixels; `level` is what follows."""

    code: Literal["lamp_drift", "focus_drift", "camera_moved"]
    level: Literal["warn", "stop"]
    value: float
    limit: float


@dataclass(frozen=True, slots=True)
class Looks:
    """One picture's three numbers; `moved_px` None where no anchor was seen."""

    mean_grey: float
    focus: float
    moved_px: float | None


def grey(pixels: Pixels) -> Pixels:
    """A picture as uint8 (H, W)."""
    return pixels if pixels.ndim == 2 else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)


def light_and_focus(pixels: Pixels) -> tuple[float, float]:
    """Mean grey value, and steepness in [0, 1] as a share of the picture's contrast."""
    light = measure(grey(np.ascontiguousarray(pixels[::4, ::4])))
    across, down = sharpness(pixels, light.contrast)
    return light.mean, (across + down) / 2


def brightness_grid(pixels: Pixels) -> list[list[float]]:
    """Brightness over the field: cells of `GRID` (rows, columns) as shares of their mean."""
    cells = np.asarray(cv2.resize(grey(pixels).astype(np.float32), GRID[::-1], interpolation=cv2.INTER_AREA))
    return [[float(value) for value in row] for row in cells / max(float(cells.mean()), 1e-6)]


def anchor_patch(pixels: Pixels, x: int, y: int) -> Pixels:
    """The small picture around an anchor, uint8 (ANCHOR_PX, ANCHOR_PX); smaller at the border."""
    half = ANCHOR_PX // 2
    return np.ascontiguousarray(grey(pixels)[max(0, y - half) : y + half, max(0, x - half) : x + half])


def moved_px(pixels: Pixels, baseline: IlluminationValue) -> float | None:
    """How far the anchors have moved, the median over those that are seen; None if none is."""
    found = [
        _moved(pixels, int(x), int(y), np.array(patch, np.uint8).reshape(ANCHOR_PX, ANCHOR_PX))
        for (x, y), patch in zip(baseline.anchors_px, baseline.anchor_patches, strict=True)
    ]
    seen = [distance for distance in found if distance is not None]
    return float(np.median(seen)) if seen else None


def _moved(pixels: Pixels, x: int, y: int, patch: Pixels) -> float | None:
    reach = ANCHOR_PX // 2 + SEARCH_PX
    left, top = max(0, x - reach), max(0, y - reach)
    around = grey(np.ascontiguousarray(pixels[top : y + reach, left : x + reach]))
    if around.shape[0] < ANCHOR_PX or around.shape[1] < ANCHOR_PX:
        return None
    likeness = np.asarray(cv2.matchTemplate(around, patch, cv2.TM_CCOEFF_NORMED), np.float64)
    row, column = (int(value) for value in np.unravel_index(likeness.argmax(), likeness.shape))
    if likeness[row, column] < _LIKE:
        return None
    across = column + _peak(likeness[row, column - 1 : column + 2]) - (x - left - ANCHOR_PX // 2)
    down = row + _peak(likeness[row - 1 : row + 2, column]) - (y - top - ANCHOR_PX // 2)
    return float(np.hypot(across, down))


def _peak(three: Points) -> float:
    if len(three) != 3 or (bend := float(three[0] - 2 * three[1] + three[2])) >= 0:
        return 0.0
    return 0.5 * float(three[0] - three[2]) / bend


class DriftWatch:
    """Running medians over the last `limits.window` pictures; says nothing before the window is half full."""

    def __init__(self, baseline: IlluminationValue, limits: DriftLimits | None = None) -> None:
        self._baseline = baseline
        self._limits = limits or DriftLimits()
        self._seen: deque[Looks] = deque(maxlen=self._limits.window)

    def look(self, pixels: Pixels) -> tuple[Drift, ...]:
        """Take a picture of a part that was judged (uint8, as the camera gave it); what has drifted by now."""
        mean, focus = light_and_focus(pixels)
        self._seen.append(Looks(mean, focus, moved_px(pixels, self._baseline)))
        return self.drifts()

    def drifts(self) -> tuple[Drift, ...]:
        """What has drifted, by the pictures so far."""
        if len(self._seen) * 2 < self._limits.window:
            return ()
        limits = self._limits
        lamp = float(np.median([one.mean_grey for one in self._seen])) / self._baseline.mean_grey - 1
        focus = 1 - float(np.median([one.focus for one in self._seen])) / self._baseline.focus
        told = [
            _drift("lamp_drift", lamp, limits.lamp_warn, limits.lamp_stop),
            _drift("focus_drift", max(0.0, focus), limits.focus_warn, limits.focus_stop),
        ]
        moved = [one.moved_px for one in self._seen if one.moved_px is not None]
        if moved:
            told.append(_drift("camera_moved", float(np.median(moved)), limits.moved_warn_px, limits.moved_stop_px))
        return tuple(one for one in told if one is not None)


def _drift(
    code: Literal["lamp_drift", "focus_drift", "camera_moved"], value: float, warn: float, stop: float
) -> Drift | None:
    if abs(value) >= stop:
        return Drift(code, "stop", value, stop)
    return Drift(code, "warn", value, warn) if abs(value) >= warn else None
