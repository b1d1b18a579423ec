"""Which cells of a patch count, and which features are tried where."""

from __future__ import annotations

import numpy as np

from inspector.teach.choose import FEATURES
from inspector.teach.prepare import THROUGH_HOLE, kinds_of, part_cells, patch_specs
from inspector.vision.patch import PatchSpec
from inspector.vision.reference import Background, Reference


def ring(*, hole_radius: float, side: int = 161) -> Reference:
    """A bright disc of radius 64 with a hole, on a dark belt; its filled outline is the mask."""
    y, x = np.indices((side, side)) - (side - 1) / 2
    far = np.hypot(x, y)
    return Reference(
        kind="outline",
        factor=4,
        picture_wh=(1280, 960),
        pose_varies=True,
        has_angle=False,
        box_xy=(0.0, 0.0),
        box_wh=(640.0, 640.0),
        background=Background(polarity="bright", threshold=30.0),
        mean=np.where((far < 64) & (far >= hole_radius), 150, 40).astype(np.float32),
        mask=(far < 64).astype(np.float32),
    )


def cells(reference: Reference, stride: int = 16) -> np.ndarray:  # type: ignore[type-arg]
    side = 640 // stride
    return part_cells(reference, PatchSpec(kind="rectify", height=640, width=640), stride).reshape(side, side)


def test_a_cell_that_shows_the_belt_through_a_hole_counts_less_but_is_never_out_of_sight() -> None:
    counted = cells(ring(hole_radius=30))
    assert counted[20, 20] == THROUGH_HOLE
    assert counted[20, 30] == 1
    assert counted[0, 0] == 0
    # The hole's edge, 7.5 cells from the middle, counts in full, and so does a cell inside it.
    assert counted[20, 26:29].min() == 1


def test_a_hole_no_wider_than_its_edges_counts_in_full() -> None:
    assert set(np.unique(cells(ring(hole_radius=4)))) == {0.0, 1.0}


def test_fine_cells_are_the_same_places() -> None:
    reference = ring(hole_radius=30)
    assert (cells(reference, 8)[::2, ::2] == cells(reference)).all()


def test_fine_features_only_for_a_located_part_at_its_largest() -> None:
    specs = patch_specs(ring(hole_radius=30))
    tried = [set(kinds_of(spec, specs, FEATURES)) for spec in specs]
    assert specs[0].kind == "resize"
    assert all("fine" not in kinds for kinds in tried[:-1])
    assert tried[-1] == {"fine"}
    assert all("wide" in kinds for kinds in tried[:-1])
