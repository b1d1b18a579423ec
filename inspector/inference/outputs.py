"""What the model's numbers mean: cells of the map above their threshold become defects with a box in the frame.

What it is: masks, zones and connected cells, on the small map. What it is not: the verdict (decision).
Pure functions, any thread; the line thread calls `find_defects` for every part.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inspector.inference.runner import FloatMap, Output
from inspector.recipe import Recipe
from inspector.types import Defect

Mask = npt.NDArray[np.bool_]
Affine = npt.NDArray[np.float64]
# How much finer than the map's cells an ignore region is drawn, so that no cell that it touches is missed.
_FINER = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Cells that are judged together: `mask` is bool (h, w), `threshold` what the mean of their `top_cells` highest
    values may reach."""

    mask: Mask
    threshold: float
    whole: bool = False
    """Whether the mask holds every cell of the map."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Regions:
    """All regions of a map, `threshold` the recipe's own, and the smallest defect worth a box in frame pixels."""

    regions: tuple[Region, ...]
    threshold: float
    min_area_px: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The part's score (calibrated: 1.0 is the model's threshold) and its defects, worst first."""

    score: float
    defects: tuple[Defect, ...]


def polygon_mask(polygon: Sequence[tuple[float, float]], shape: tuple[int, int]) -> Mask:
    """Cells of a (h, w) map whose centre lies in `polygon` (fractions of width and height); even-odd rule."""
    y, x = (np.indices(shape) + 0.5) / np.array(shape).reshape(2, 1, 1)
    inside = np.zeros(shape, np.bool_)
    for (x1, y1), (x2, y2) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if y1 == y2:
            continue
        crosses = (y1 <= y) != (y2 <= y)
        inside ^= crosses & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
    return inside


def shrink_mask(mask: Mask, shape: tuple[int, int]) -> Mask:
    """`mask` (any size, True is ignored) on the cells of a (h, w) map: a cell is ignored if any of its pixels is."""
    rows = np.linspace(0, mask.shape[0], shape[0] + 1).round().astype(int)[:-1]
    columns = np.linspace(0, mask.shape[1], shape[1] + 1).round().astype(int)[:-1]
    return np.logical_or.reduceat(np.logical_or.reduceat(mask, rows, axis=0), columns, axis=1)


def make_regions(recipe: Recipe, shape: tuple[int, int], ignore: Mask | None = None) -> Regions:
    """The recipe's zones, and all that is in none, without the recipe's ignore regions and the ignore mask (True is
    ignored; any size, the whole patch), on a (h, w) map. A zone that comes later in the recipe wins where two overlap;
    a cell is ignored if any of it is."""
    owner = np.zeros(shape, np.int32)
    for number, zone in enumerate(recipe.zone, start=1):
        owner[polygon_mask(zone.polygon, shape)] = number
    fine = (_FINER * shape[0], _FINER * shape[1])
    masks = [polygon_mask(region.polygon, fine) for region in recipe.ignore_region]
    for mask in masks if ignore is None else [*masks, ignore]:
        owner[shrink_mask(mask, shape)] = -1
    thresholds = [recipe.threshold, *(zone.threshold for zone in recipe.zone)]
    owned = (owner == number for number in range(len(thresholds)))
    regions = (
        Region(mask=mask, threshold=limit, whole=bool(mask.all()))
        for mask, limit in zip(owned, thresholds, strict=True)
    )
    return Regions(
        regions=tuple(region for region in regions if region.mask.any()),
        threshold=recipe.threshold,
        min_area_px=recipe.min_defect_area_px,
    )


def top_mean(values: npt.NDArray[np.floating], count: int) -> float:
    """The mean of the `count` highest of `values` (n,), of all where there are fewer; the score of a part."""
    count = min(count, len(values))
    return float(np.partition(values, len(values) - count)[len(values) - count :].mean())


def invert(transform: Affine) -> Affine:
    """The inverse of a 2 x 3 affine transform."""
    turn = np.linalg.inv(transform[:, :2])
    return np.hstack([turn, -turn @ transform[:, 2:]])


def _components(above: Mask) -> list[npt.NDArray[np.intp]]:
    """Groups of 8-connected cells, each an (n, 2) array of (row, column)."""
    todo = {(int(r), int(c)) for r, c in np.argwhere(above)}
    groups = []
    while todo:
        stack, group = [min(todo)], []
        todo.discard(stack[0])
        while stack:
            row, column = stack.pop()
            group.append((row, column))
            near = {(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & todo
            todo -= near
            stack.extend(sorted(near))
        groups.append(np.array(group, dtype=np.intp))
    return groups


def _box(cells: npt.NDArray[np.intp], cell_px: tuple[float, float], to_frame: Affine) -> tuple[int, int, int, int]:
    top, left = cells.min(axis=0) * cell_px
    bottom, right = (cells.max(axis=0) + 1) * cell_px
    corners = np.array([[left, top, 1], [right, top, 1], [right, bottom, 1], [left, bottom, 1]])
    points = corners @ to_frame.T
    low, high = np.floor(points.min(axis=0)), np.ceil(points.max(axis=0))
    x, y = max(0, int(low[0])), max(0, int(low[1]))
    return x, y, max(1, int(high[0]) - x), max(1, int(high[1]) - y)


def find_defects(
    output: Output, regions: Regions, transform: Affine, patch_size: tuple[int, int], label: str, top_cells: int
) -> Findings:
    """Defects of one part.

    `transform` is the 2 x 3 frame-to-patch transform the patch was made with, `patch_size` its (height, width). A
    region whose score lies above its threshold gives its connected cells above it as defects, and the part's score is
    the worst region's, on the scale of the recipe's threshold: NaN as soon as any number of the output is not finite.
    """
    found: list[Defect] = []
    worst = 0.0
    for region in regions.regions:
        score = _region_score(output, region, top_cells)
        worst = max(worst, score * regions.threshold / region.threshold)
        if score > region.threshold:
            found += _defects(output.map, region, regions.min_area_px, transform, patch_size, label)
    # `max` and the highest cells would drop a NaN, and the part would pass.
    sound = math.isfinite(output.score) and math.isfinite(float(output.map.sum()))
    return Findings(
        score=worst if sound else math.nan, defects=tuple(sorted(found, key=lambda d: -d.score / d.threshold))
    )


def _region_score(output: Output, region: Region, top_cells: int) -> float:
    # The whole map is what the graph has scored already.
    return output.score if region.whole else top_mean(output.map[region.mask], top_cells)


def _defects(
    values: FloatMap,
    region: Region,
    min_area_px: int,
    transform: Affine,
    patch_size: tuple[int, int],
    label: str,
) -> list[Defect]:
    to_frame = invert(transform)
    cell_px = (patch_size[0] / values.shape[0], patch_size[1] / values.shape[1])
    cell_area = cell_px[0] * cell_px[1] * abs(float(np.linalg.det(to_frame[:, :2])))
    found = []
    for cells in _components(region.mask & (values > region.threshold)):
        if len(cells) * cell_area >= min_area_px:
            found.append(
                Defect(
                    label=label,
                    score=float(values[cells[:, 0], cells[:, 1]].max()),
                    threshold=region.threshold,
                    box_px=_box(cells, cell_px, to_frame),
                )
            )
    return found
