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

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from inspector.calibrated import Plane
from inspector.errors import ConfigError
from inspector.recipe import CircleFeature, Feature, LineFeature, Measure, Recipe
from inspector.types import Measurement, Pixels
from inspector.vision.areas import Area, Spots
from inspector.vision.edges import STRIP_PX, WINDOW_PX, find, round_about, sample, straight, unbent
from inspector.vision.patch import Affine
from inspector.vision.shapes import FittedCircle, FittedLine, Mask, Points, fit_circles, fit_lines
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
        self._lines = sum(isinstance(one, LineFeature) for one in self._edges)
        self._areas = [Area(one, self._patch_wh) for one in recipe.area if one.name in wanted]
        self._half = WINDOW_PX + max((one.search_px for one in self._edges), default=0)
        places = [[one.at] if isinstance(one, CircleFeature) else [one.start, one.end] for one in self._edges]
        self._drawn = np.array([place for some in places for place in some]).reshape(-1, 2) * self._patch_wh
        ends = np.cumsum([0, *map(len, places)])
        self._drawn_of = [slice(start, end) for start, end in itertools.pairwise(ends)]
        self._lay_out(self._edges[: self._lines], [one for one in features if isinstance(one, CircleFeature)])
        counts = [one.rays for one in self._edges]
        radii = [one.radius_px if isinstance(one, CircleFeature) else 0.0 for one in self._edges]
        self._radii = np.repeat(radii, counts)
        self._slots = np.arange(max(counts, default=0)) < np.array(counts, int)[:, None]
        self._signs = np.repeat([_SIGNS[one.edge] for one in self._edges], counts)
        self._contrasts = np.repeat([one.contrast_min for one in self._edges], counts)
        self._reaches = np.repeat([float(one.search_px) for one in self._edges], counts)

    def _lay_out(self, lines: Sequence[Feature], circles: Sequence[CircleFeature]) -> None:
        """What of the calipers is the same for every part: shares of a line's way, rays about a circle's centre."""
        self._line_of = np.repeat(np.arange(len(lines)), [one.rays for one in lines])
        self._share = np.concatenate([[], *((np.arange(one.rays) + 0.5) / one.rays for one in lines)])[:, None]
        circles = [one for one in circles if one in self._edges]
        self._circle_of = np.repeat(np.arange(len(circles)), [one.rays for one in circles])
        rounds = [round_about(np.zeros(2), one.radius_px, one.rays) for one in circles]
        empty = np.zeros((0, STRIP_PX, 2))
        self._round_strips = np.concatenate([empty, *(strips for strips, _ in rounds)])
        self._round_directions = np.concatenate([empty, *(directions for _, directions in rounds)])

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
        drawn_all = self._drawn @ back[:, :2].T + back[:, 2]
        drawn = [drawn_all[part] for part in self._drawn_of]
        strips, directions = self._calipers(drawn_all)
        edges = find(sample(frame, strips, directions, self._half), self._signs, self._contrasts, self._reaches)
        middle = strips.shape[1] // 2
        at = np.where(self._radii > 0, unbent(edges, np.maximum(self._radii, 1.0)), edges.at_px)
        points = np.zeros((*self._slots.shape, 2))
        there = np.zeros(self._slots.shape, bool)
        points[self._slots] = strips[:, middle] + at[:, None] * directions[:, middle]
        there[self._slots] = np.isfinite(at)
        places, drawn_places = self._to_unit(points, there, drawn)
        shapes = self._fit_all(places, there)
        seen = shapes if self._plane is None else self._fit_all(points, there)
        return {
            one.name: self._check(one, shapes[i], seen[i], points[i], places[i], there[i], drawn_places[i])
            for i, one in enumerate(self._edges)
        }

    def _fit_all(self, points: Points, there: Mask) -> list[FittedLine | FittedCircle | None]:
        known = there & np.isfinite(points).all(axis=2)
        lines = fit_lines(points[: self._lines], known[: self._lines])
        return [*lines, *fit_circles(points[self._lines :], known[self._lines :])]

    def _to_unit(self, points: Points, there: Mask, drawn: list[Points]) -> tuple[Points, list[Points]]:
        """All points in the unit of measurement, by one call: the lens is undone by iteration, which is slow a call."""
        if self._plane is None:
            return points, drawn
        moved = self._plane.mm_from_px(np.concatenate([points[there], *drawn]))
        places = np.full_like(points, np.nan)
        places[there] = moved[: int(there.sum())]
        ends = np.cumsum([len(one) for one in drawn])[:-1]
        return places, np.split(moved[int(there.sum()) :], ends)

    def _calipers(self, drawn: Points) -> tuple[Points, Points]:
        """The calipers of all lines, then of all circles, about where they are drawn in the frame."""
        ends = drawn[: 2 * self._lines].reshape(-1, 2, 2)
        ways = ends[:, 1] - ends[:, 0]
        across = np.stack([ways[:, 1], -ways[:, 0]], axis=1) / np.maximum(np.hypot(*ways.T), 1e-9)[:, None]
        middles = ends[self._line_of, 0] + self._share * ways[self._line_of]
        strips, directions = straight(middles, across[self._line_of])
        centres = drawn[2 * self._lines :][self._circle_of]
        return (
            np.concatenate([strips, centres[:, None] + self._round_strips]),
            np.concatenate([directions, self._round_directions]),
        )

    def _check(
        self,
        one: LineFeature | CircleFeature,
        shape: FittedLine | FittedCircle | None,
        seen: FittedLine | FittedCircle | None,
        points: Points,
        places: Points,
        there: Mask,
        drawn: Points,
    ) -> Found | str:
        sort = "circle" if isinstance(one, CircleFeature) else "line"
        where = f"{sort} {one.name!r}"
        found = int(there.sum())
        if 2 * found < one.rays or shape is None or seen is None:
            return f"{where}: {found} of {one.rays} edges found, wanted {math.ceil(one.rays / 2)}"
        if not (np.isfinite(places[there]).all() and np.isfinite(drawn).all()):
            return f"{where}: lies outside of the calibrated field"
        if 2 * shape.used.sum() < one.rays:
            return f"{where}: {shape.used.sum()} of {one.rays} edges lie on one {sort}"
        scale = 1.0
        if self._plane is not None:
            spread = np.ptp(places[there], axis=0), np.ptp(points[there], axis=0)
            scale = math.hypot(*spread[0]) / max(math.hypot(*spread[1]), 1e-9)
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
