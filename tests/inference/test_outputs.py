"""From map to defects: boxes in the frame, zones, ignored places, and no defect without a verdict."""

from __future__ import annotations

import math

import numpy as np
import pytest

from inspector.inference.outputs import Findings, find_defects, make_regions, polygon_mask, shrink_mask, top_mean
from inspector.inference.runner import Output
from inspector.recipe import Recipe, Zone

TURNED = np.array([[0.0, 0.5, -10.0], [-0.5, 0.0, 90.0]])
PLAIN = np.array([[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]])


def find(
    values: np.ndarray, recipe: Recipe, *, ignore: np.ndarray | None = None, transform: np.ndarray = PLAIN
) -> Findings:  # type: ignore[type-arg]
    output = Output(score=top_mean(values.ravel(), 2), map=values.astype(np.float32))
    regions = make_regions(recipe, (values.shape[0], values.shape[1]), ignore)
    return find_defects(output, regions, transform, (80, 80), "anomaly", 2)


def recipe(**changes: object) -> Recipe:
    return Recipe(id="r", model="m", **changes)  # type: ignore[arg-type]


def spots(*cells: tuple[int, int, float]) -> np.ndarray:  # type: ignore[type-arg]
    values = np.full((10, 10), 0.1)
    for row, column, value in cells:
        values[row, column] = value
    return values


def test_two_spots_are_two_defects_with_boxes_in_the_frame() -> None:
    found = find(spots((1, 2, 3.0), (1, 3, 2.0), (7, 7, 1.5)), recipe())
    assert found.score == pytest.approx(2.5)
    assert [d.box_px for d in found.defects] == [(32, 16, 32, 16), (112, 112, 16, 16)]
    assert [d.score for d in found.defects] == [3.0, 1.5]


def test_boxes_follow_a_turned_part() -> None:
    found = find(spots((0, 0, 3.0), (0, 1, 3.0)), recipe(), transform=TURNED)
    x, y, width, height = found.defects[0].box_px
    assert (x, y, width, height) == (164, 20, 16, 32)


def test_a_part_below_its_threshold_has_no_defects_even_with_one_high_cell() -> None:
    found = find(spots((4, 4, 1.5)), recipe())
    assert found.score < 1.0
    assert found.defects == ()


def test_ignored_cells_do_not_count() -> None:
    ignore = np.zeros((160, 160), np.bool_)
    ignore[:80] = True
    found = find(spots((1, 1, 9.0), (1, 2, 9.0)), recipe(), ignore=ignore)
    assert found.score == pytest.approx(0.1)
    assert found.defects == ()


def test_a_zone_has_its_own_threshold_and_the_score_says_so() -> None:
    zone = Zone(name="seal", polygon=[(0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (0.0, 0.5)], threshold=0.5)
    values = spots((1, 1, 0.8), (1, 2, 0.8))
    assert find(values, recipe()).defects == ()
    found = find(values, recipe(zone=[zone]))
    assert found.score == pytest.approx(1.6)
    assert found.defects[0].threshold == 0.5
    tolerant = zone.model_copy(update={"threshold": 4.0})
    assert find(spots((1, 1, 3.0), (1, 2, 3.0)), recipe(zone=[tolerant])).defects == ()


def test_small_defects_get_no_box_but_keep_the_score() -> None:
    found = find(spots((1, 1, 3.0), (1, 2, 3.0)), recipe(min_defect_area_px=2000))
    assert found.score == pytest.approx(3.0)
    assert found.defects == ()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("cell", [(1, 1), (8, 8)])
@pytest.mark.parametrize("zoned", [False, True])
def test_what_is_no_number_is_never_a_score_below_the_threshold(
    value: float, cell: tuple[int, int], zoned: bool
) -> None:
    zone = Zone(name="seal", polygon=[(0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (0.0, 0.5)], threshold=0.5)
    found = find(spots((*cell, value)), recipe(zone=[zone] if zoned else []))
    assert math.isnan(found.score)


def test_polygon_and_mask_on_cells() -> None:
    half = polygon_mask([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)], (4, 4))
    assert half.tolist()[0] == [True, True, True, True] or half.sum() in (6, 10)
    mask = np.zeros((100, 100), np.bool_)
    mask[99, 0] = True
    assert np.argwhere(shrink_mask(mask, (7, 7))).tolist() == [[6, 0]]


def test_top_mean_of_fewer_cells_than_asked() -> None:
    assert top_mean(np.array([1.0, 3.0]), 5) == 2.0
