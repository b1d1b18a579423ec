"""The map as it is drawn: its scale, what is left out, and where it lies in the picture."""

from __future__ import annotations

import math

import numpy as np

from inspector.inference.heat import LIMIT, heat_map
from inspector.inference.outputs import make_regions
from inspector.recipe import Recipe, Zone

# The patch is the frame, turned by a quarter and half as large.
TURNED = np.array([[0.0, 0.5, 0.0], [-0.5, 0.0, 80.0]])


def test_the_middle_is_the_threshold_of_the_cell_s_own_zone_and_what_is_ignored_is_cold() -> None:
    zone = Zone(name="soft", polygon=[(0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.0, 0.5)], threshold=4.0)
    ignore = np.zeros((4, 4), np.bool_)
    ignore[3, 3] = True
    values = np.full((4, 4), 2.0, np.float32)
    values[2, 0], values[2, 1], values[3, 3] = math.nan, 99.0, math.nan
    regions = make_regions(Recipe(id="r", model="m", threshold=2.0, zone=[zone]), (4, 4), ignore)
    cells = heat_map(values, regions, TURNED, (80, 80)).cells
    assert cells.dtype == np.uint8
    assert cells.tolist() == [[63] * 4, [63] * 4, [255, 255, 127, 127], [127, 127, 127, 0]]


def test_it_lies_where_the_defects_of_the_same_map_are() -> None:
    values = np.zeros((8, 4), np.float32)
    regions = make_regions(Recipe(id="r", model="m"), (8, 4))
    to_frame = heat_map(values, regions, TURNED, (80, 80)).to_frame
    column, row = 1.0, 3.0
    frame = to_frame @ [column, row, 1.0]
    patch = TURNED @ [*frame, 1.0]
    assert np.allclose(patch, [column * 20, row * 10])


def test_a_large_map_is_shrunk_and_keeps_its_hottest_cell() -> None:
    values = np.zeros((200, 300), np.float32)
    values[131, 287] = 1.0
    regions = make_regions(Recipe(id="r", model="m"), (200, 300))
    cells = heat_map(values, regions, TURNED, (80, 80)).cells
    assert cells.shape == (LIMIT, LIMIT)
    ((row, column),) = np.argwhere(cells)
    assert cells[row, column] == 127
    assert abs((row + 0.5) * 200 / LIMIT - 131.5) <= 200 / LIMIT
    assert abs((column + 0.5) * 300 / LIMIT - 287.5) <= 300 / LIMIT
