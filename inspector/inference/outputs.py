"""What the model's numbers mean: cells of the map above their threshold become defects with a box in the frame.

What it is: masks, zones and connected cells, on the small map. What it is not: the verdict (decision).
Pure functions, any thread; the line thread calls `find_defects` for every part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inspector.inference.runner import FloatMap, Output
from inspector.recipe import Recipe, Zone
from inspector.types import Defect

Mask = npt.NDArray[np.bool_]
Affine = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Regions:
    """Where the map counts and from which score on. All arrays are (h, w) of the map.

    `threshold` is infinite in ignored cells; `masked` says whether any cell is ignored.
    """

    threshold: FloatMap
    masked: bool
    part_threshold: float
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
    """The recipe's zones and its ignore mask (True is ignored; any size, the whole patch) on a (h, w) map."""
    threshold = np.full(shape, recipe.threshold, np.float32)
    _apply_zones(threshold, recipe.zone)
    masked = ignore is not None and bool(ignore.any())
    if ignore is not None and masked:
        threshold[shrink_mask(ignore, shape)] = np.inf
    return Regions(
        threshold=threshold, masked=masked, part_threshold=recipe.threshold, min_area_px=recipe.min_defect_area_px
    )


def _apply_zones(threshold: FloatMap, zones: Sequence[Zone]) -> None:
    shape = (threshold.shape[0], threshold.shape[1])
    for zone in zones:
        threshold[polygon_mask(zone.polygon, shape)] = zone.threshold


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
    output: Output, regions: Regions, transform: Affine, patch_size: tuple[int, int], label: str
) -> Findings:
    """Defects of one part.

    `transform` is the 2 x 3 frame-to-patch transform the patch was made with, `patch_size` its (height, width).
    Where cells are ignored the score is the largest cell that counts; else it is the model's own. A score above
    the part threshold without any cell above it is one defect the size of the patch.
    """
    counted = np.where(np.isinf(regions.threshold), 0.0, output.map)
    score = float(counted.max()) if regions.masked else output.score
    to_frame = invert(transform)
    cell_px = (patch_size[0] / output.map.shape[0], patch_size[1] / output.map.shape[1])
    cell_area = cell_px[0] * cell_px[1] * abs(float(np.linalg.det(to_frame[:, :2])))
    found = []
    for cells in _components(output.map > regions.threshold):
        if len(cells) * cell_area >= regions.min_area_px:
            found.append(_defect(output.map, cells, regions, label, _box(cells, cell_px, to_frame)))
    above = bool((output.map > regions.part_threshold).any())
    if not found and not above and not regions.masked and score > regions.part_threshold:
        whole = np.array([[0, 0], [output.map.shape[0] - 1, output.map.shape[1] - 1]], dtype=np.intp)
        box = _box(whole, cell_px, to_frame)
        found.append(Defect(label=label, score=score, threshold=regions.part_threshold, box_px=box))
    return Findings(score=score, defects=tuple(sorted(found, key=lambda d: -d.score / d.threshold)))


def _defect(
    values: FloatMap, cells: npt.NDArray[np.intp], regions: Regions, label: str, box: tuple[int, int, int, int]
) -> Defect:
    ratios = values[cells[:, 0], cells[:, 1]] / regions.threshold[cells[:, 0], cells[:, 1]]
    row, column = cells[int(ratios.argmax())]
    return Defect(
        label=label,
        score=float(values[row, column]),
        threshold=float(regions.threshold[row, column]),
        box_px=box,
    )
