"""From found features to measured values, and to findings where they are out of tolerance.

What it is: what a diameter, a distance, an angle is. What it is not: the search for features (`measure`). Pure; the
line thread.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from inspector.types import Defect, Measurement
from inspector.vision.areas import Spots
from inspector.vision.shapes import FittedCircle, FittedLine, Points


@dataclass(frozen=True, slots=True)
class Found:
    """A feature on this part: its shape in the unit of measurement, where it was drawn, and how to draw it."""

    shape: FittedLine | FittedCircle
    drawn: Points
    overlay: tuple[Any, ...]


def value_of(kind: str, of: Sequence[Found | Spots]) -> tuple[float, float]:
    """The value of a measurement and its standard uncertainty from the points alone."""
    first = of[0]
    if isinstance(first, Spots):
        return (float(first.count), 0.0) if kind == "count" else (first.share, first.doubt)
    shape = first.shape
    if kind == "position":
        if isinstance(shape, FittedCircle):
            return float(np.hypot(*(shape.centre - first.drawn[0]))), shape.sigma_centre
        return abs(shape.distance(first.drawn.mean(axis=0))), shape.sigma
    if isinstance(shape, FittedCircle) and kind == "diameter":
        return 2 * shape.radius, 2 * shape.sigma_radius
    if isinstance(shape, FittedCircle) and kind == "roundness":
        # Each of the two points that make it has the points' scatter.
        return shape.roundness, shape.sigma_radius * math.sqrt(2 * float(shape.used.sum()))
    second = of[1]
    assert isinstance(second, Found)
    return _between(kind, shape, second.shape)


def _between(kind: str, a: FittedLine | FittedCircle, b: FittedLine | FittedCircle) -> tuple[float, float]:
    if isinstance(a, FittedLine) and isinstance(b, FittedLine):
        if kind == "angle":
            cross = a.along[0] * b.along[1] - a.along[1] * b.along[0]
            turn = abs(math.atan2(cross, float(a.along @ b.along)))
            return math.degrees(turn), math.degrees(math.hypot(a.sigma_turn_rad, b.sigma_turn_rad))
        return (abs(a.distance(b.at)) + abs(b.distance(a.at))) / 2, math.hypot(a.sigma, b.sigma)
    if isinstance(a, FittedCircle) and isinstance(b, FittedCircle):
        return float(np.hypot(*(a.centre - b.centre))), math.hypot(a.sigma_centre, b.sigma_centre)
    line, circle = (a, b) if isinstance(a, FittedLine) else (b, a)
    assert isinstance(line, FittedLine)
    assert isinstance(circle, FittedCircle)
    return abs(line.distance(circle.centre)), math.hypot(line.sigma, circle.sigma_centre)


def out_of_tolerance(measurements: Sequence[Measurement]) -> tuple[Defect, ...]:
    """Each measured value outside of its tolerance as a finding; its score is how many tolerances it is away from the
    nominal's side of the zone (1.0 at the limit), its box what was measured."""
    return tuple(_defect(one) for one in measurements if one.value is not None and not one.ok)


def _defect(one: Measurement) -> Defect:
    assert one.value is not None
    half = (one.high - one.low) / 2
    off = abs(one.value - (one.high + one.low) / 2)
    return Defect(label=f"measure:{one.name}", score=off / half if half else 1 + off, threshold=1.0, box_px=_box(one))


def _box(one: Measurement) -> tuple[int, int, int, int]:
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    for kind, *numbers in one.shapes:
        points = np.array(numbers[:2] if kind == "circle" else numbers, np.float64).reshape(-1, 2)
        reach = numbers[2] if kind == "circle" else 0.0
        low, high = np.minimum(low, points.min(axis=0) - reach), np.maximum(high, points.max(axis=0) + reach)
    if not np.isfinite(low).all():
        return (0, 0, 0, 0)
    x, y = np.floor(np.maximum(low, 0)).astype(int)
    width, height = np.ceil(high).astype(int) - (x, y)
    return int(x), int(y), int(width), int(height)
