"""Measuring: the features of a recipe found on one part, and the numbers that follow from them.

What it is: `Measurer`, which looks for all lines, circles and areas of a recipe in one go and makes its measurements.
What it is not: how an edge is found (`edges`), what is fitted (`shapes`), or whether the part passes (`decision`).
The line thread.

Edges are sampled in the camera's own picture, along the located pose, and not in the patch: the patch has been
interpolated once already. With the plane calibration the found points become millimetres before anything is fitted, so
that a tilted camera bends no circle. The uncertainty is the scatter of the points about the shape, and the calibrated
plane's own, in quadrature (JCGM 100), at k = 2; it does not hold what the part's height above the plane does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from inspector.calibrated import Plane
from inspector.errors import ConfigError
from inspector.recipe import CircleFeature, LineFeature, Measure, Recipe
from inspector.types import Measurement, Pixels
from inspector.vision.areas import Area, Spots
from inspector.vision.edges import WINDOW_PX, find, round_about, sample, straight, unbent
from inspector.vision.patch import Affine
from inspector.vision.shapes import FittedCircle, FittedLine, Points, fit_circle, fit_line
from inspector.vision.values import Found, value_of

COVERAGE = 2.0
# What a fit's scatter does not show: interpolation, and calipers that stand askew. Measured on rendered edges.
SYSTEMATIC_PX = 0.02
_SIGNS = {"dark_to_light": 1.0, "light_to_dark": -1.0, "either": 0.0}
# kind: how many features, of which sort, in which units.
_WANTED: dict[str, tuple[int, tuple[str, ...], tuple[str, ...]]] = {
    "diameter": (1, ("circle",), ("mm", "px")),
    "roundness": (1, ("circle",), ("mm", "px")),
    "position": (1, ("line", "circle"), ("mm", "px")),
    "distance": (2, ("line", "circle"), ("mm", "px")),
    "angle": (2, ("line",), ("deg",)),
    "count": (1, ("area",), ("1",)),
    "share": (1, ("area",), ("%",)),
}


class Measurer:
    """The measurements of one recipe. `plane` is the station's calibration, None where it has none.

    Raises ConfigError, naming recipe and measure, for a feature that does not exist or does not fit.
    """

    def __init__(self, recipe: Recipe, plane: Plane | None, patch_hw: tuple[int, int]) -> None:
        self._measures = recipe.measure
        self._plane = plane
        self._patch_wh = np.array([patch_hw[1], patch_hw[0]], np.float64)
        sorts = _sorts(recipe)
        for measure in recipe.measure:
            _check(recipe, measure, sorts, plane)
        wanted = {name for measure in recipe.measure for name in measure.of}
        features: list[LineFeature | CircleFeature] = [*recipe.line, *recipe.circle]
        self._edges = [one for one in features if one.name in wanted]
        self._areas = [Area(one, self._patch_wh) for one in recipe.area if one.name in wanted]
        self._half = WINDOW_PX + max((one.search_px for one in self._edges), default=0)
        counts = [one.rays for one in self._edges]
        radii = [one.radius_px if isinstance(one, CircleFeature) else 0.0 for one in self._edges]
        self._radii = np.repeat(radii, counts)
        self._signs = np.repeat([_SIGNS[one.edge] for one in self._edges], counts)
        self._contrasts = np.repeat([one.contrast_min for one in self._edges], counts)
        self._reaches = np.repeat([float(one.search_px) for one in self._edges], counts)

    def measure(self, frame: Pixels, patch: Pixels, frame_to_patch: Affine) -> tuple[Measurement, ...]:
        """The recipe's measurements on one part, in the recipe's order.

        `frame` is the camera's picture, uint8 (H, W) or (H, W, 3); `patch` uint8 (H, W, 3) was cut from it by the
        2 x 3 `frame_to_patch`.
        """
        if not self._measures:
            return ()
        back = cv2.invertAffineTransform(frame_to_patch)
        found: dict[str, Found | Spots | str] = self._find_edges(frame, np.asarray(back, np.float64))
        for area in self._areas:
            found[area.name] = area.look(patch, np.asarray(back, np.float64))
        return tuple(self._one(measure, [found[name] for name in measure.of]) for measure in self._measures)

    def _find_edges(self, frame: Pixels, back: Affine) -> dict[str, Found | Spots | str]:
        if not self._edges:
            return {}
        drawn = [self._drawn(one, back) for one in self._edges]
        placed = [_place(one, at) for one, at in zip(self._edges, drawn, strict=True)]
        strips = np.concatenate([strip for strip, _ in placed])
        directions = np.concatenate([direction for _, direction in placed])
        edges = find(sample(frame, strips, directions, self._half), self._signs, self._contrasts, self._reaches)
        middle = strips.shape[1] // 2
        at = np.where(self._radii > 0, unbent(edges, np.maximum(self._radii, 1.0)), edges.at_px)
        points = strips[:, middle] + at[:, None] * directions[:, middle]
        there = np.isfinite(at)
        places, drawn_places = self._to_unit(points, there, drawn)
        result: dict[str, Found | Spots | str] = {}
        start = 0
        for one, was_drawn in zip(self._edges, drawn_places, strict=True):
            mine = slice(start, start := start + one.rays)
            result[one.name] = self._fit(one, points[mine][there[mine]], places[mine][there[mine]], was_drawn)
        return result

    def _to_unit(self, points: Points, there: Points, drawn: list[Points]) -> tuple[Points, list[Points]]:
        """All points in the unit of measurement, by one call: the lens is undone by iteration, which is slow a call."""
        if self._plane is None:
            return points, drawn
        moved = self._plane.mm_from_px(np.concatenate([points[there], *drawn]))
        places = np.full_like(points, np.nan)
        places[there] = moved[: int(there.sum())]
        rest = moved[int(there.sum()) :]
        ends = np.cumsum([len(one) for one in drawn])[:-1]
        return places, np.split(rest, ends)

    def _drawn(self, one: LineFeature | CircleFeature, back: Affine) -> Points:
        places = [one.at] if isinstance(one, CircleFeature) else [one.start, one.end]
        return np.asarray((np.array(places) * self._patch_wh) @ back[:, :2].T + back[:, 2])

    def _fit(self, one: LineFeature | CircleFeature, points: Points, places: Points, drawn: Points) -> Found | str:
        sort = "circle" if isinstance(one, CircleFeature) else "line"
        where = f"{sort} {one.name!r}"
        if 2 * len(points) < one.rays:
            return f"{where}: {len(points)} of {one.rays} edges found, wanted {math.ceil(one.rays / 2)}"
        if not (np.isfinite(places).all() and np.isfinite(drawn).all()):
            return f"{where}: lies outside of the calibrated field"
        fit = fit_circle if sort == "circle" else fit_line
        shape: FittedLine | FittedCircle = fit(places)
        if 2 * shape.used.sum() < one.rays:
            return f"{where}: {shape.used.sum()} of {one.rays} edges lie on one {sort}"
        seen = shape if self._plane is None else fit(points)
        scale = float(np.hypot(*np.ptp(places, axis=0)) / max(np.hypot(*np.ptp(points, axis=0)), 1e-9))
        return Found(_widened(shape, SYSTEMATIC_PX * scale, drawn), drawn, _overlay(seen, points))

    def _one(self, measure: Measure, of: Sequence[Found | Spots | str]) -> Measurement:
        low, high = measure.nominal - measure.minus, measure.nominal + measure.plus
        missing = [one for one in of if isinstance(one, str)]
        if missing:
            return Measurement(
                name=measure.name,
                value=None,
                unit=measure.unit,
                low=low,
                high=high,
                text="; ".join(dict.fromkeys(missing)),
            )
        value, sigma = value_of(measure.kind, [one for one in of if not isinstance(one, str)])
        if measure.unit == "mm" and self._plane is not None:
            # A place on the plane is known to uncertainty_mm at k = 2; two places make a length.
            sigma = math.hypot(sigma, self._plane.uncertainty_mm / COVERAGE * math.sqrt(2))
        return Measurement(
            name=measure.name,
            value=value,
            unit=measure.unit,
            low=low,
            high=high,
            uncertainty=COVERAGE * sigma,
            shapes=tuple(one.overlay for one in of if not isinstance(one, str)),
        )


def _place(one: LineFeature | CircleFeature, drawn: Points) -> tuple[Points, Points]:
    """The calipers of a feature that is drawn at `drawn` in the frame."""
    if isinstance(one, CircleFeature):
        return round_about(drawn[0], one.radius_px, one.rays)
    along = (drawn[1] - drawn[0]) / max(float(np.hypot(*(drawn[1] - drawn[0]))), 1e-9)
    share = (np.arange(one.rays)[:, None] + 0.5) / one.rays
    middles = drawn[0] + share * (drawn[1] - drawn[0])
    return straight(middles, np.repeat([[along[1], -along[0]]], one.rays, axis=0))


def _widened(shape: FittedLine | FittedCircle, bias: float, drawn: Points) -> FittedLine | FittedCircle:
    """The shape with what does not scatter in its uncertainty, and a line the way it is drawn."""
    if isinstance(shape, FittedCircle):
        centre, radius = math.hypot(shape.sigma_centre, bias), math.hypot(shape.sigma_radius, bias)
        return replace(shape, sigma_centre=centre, sigma_radius=radius)
    way = drawn[1] - drawn[0]
    turn = math.hypot(shape.sigma_turn_rad, bias / max(float(np.hypot(*way)), 1e-9))
    along = shape.along if shape.along @ way >= 0 else -shape.along
    return replace(shape, along=along, sigma=math.hypot(shape.sigma, bias), sigma_turn_rad=turn)


def _overlay(shape: FittedLine | FittedCircle, points: Points) -> tuple[object, ...]:
    if isinstance(shape, FittedCircle):
        return ("circle", round(float(shape.centre[0]), 2), round(float(shape.centre[1]), 2), round(shape.radius, 2))
    reach = (points[shape.used] - shape.at) @ shape.along
    ends = shape.at + np.array([[reach.min()], [reach.max()]]) * shape.along
    return ("line", *(round(float(value), 2) for value in ends.ravel()))


def _sorts(recipe: Recipe) -> dict[str, str]:
    sorts: dict[str, str] = {}
    for sort, features in (("line", recipe.line), ("circle", recipe.circle), ("area", recipe.area)):
        for feature in features:
            if feature.name in sorts:
                raise ConfigError(f"recipe {recipe.id!r}: two features are called {feature.name!r}")
            sorts[feature.name] = sort
    names = [one.name for one in recipe.measure]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ConfigError(f"recipe {recipe.id!r}: two measures are called {sorted(twice)[0]!r}")
    return sorts


def _check(recipe: Recipe, measure: Measure, sorts: dict[str, str], plane: Plane | None) -> None:
    where = f"recipe {recipe.id!r}, measure {measure.name!r}"
    count, allowed, units = _WANTED[measure.kind]
    if len(measure.of) != count:
        raise ConfigError(f"{where}: {measure.kind} is of {count} feature(s), found {len(measure.of)} in `of`")
    for name in measure.of:
        if name not in sorts:
            raise ConfigError(f"{where}: has no feature {name!r}; found {', '.join(sorted(sorts)) or 'none'}")
        if sorts[name] not in allowed:
            raise ConfigError(f"{where}: {measure.kind} is of a {' or '.join(allowed)}, {name!r} is a {sorts[name]}")
    if measure.unit not in units:
        raise ConfigError(f"{where}: {measure.kind} is in {' or '.join(units)}, found {measure.unit!r}")
    if measure.unit == "mm" and plane is None:
        raise ConfigError(f"{where}: is in mm, and this station has no plane calibration (calibration.plane)")
    if measure.unit == "px" and plane is not None:
        raise ConfigError(f"{where}: is in px, and this station is calibrated; give it in mm")
