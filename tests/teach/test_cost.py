"""What a way costs is known before anything is learned, and so is how many pictures fit into memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inspector.errors import DatasetError
from inspector.inference.extract import Extractor
from inspector.teach import learning
from inspector.teach.choose import FEATURES, METHODS
from inspector.teach.cost import list_ways
from inspector.teach.options import BACKBONE
from inspector.teach.prepare import Preparation, make_preparation
from inspector.vision.patch import PatchSpec
from inspector.vision.reference import Reference


@pytest.fixture(scope="module")
def backbone() -> Extractor:
    return Extractor(BACKBONE.read_bytes(), BACKBONE, threads=1)


def preparation(backbone: Extractor, side: int) -> Preparation:
    fixed = Reference(
        kind="fixed",
        factor=1,
        picture_wh=(128, 128),
        pose_varies=False,
        has_angle=False,
        box_xy=(0.0, 0.0),
        box_wh=(128.0, 128.0),
    )
    kinds = {name: FEATURES[name] for name in ("sharp", "wide")}
    return make_preparation(backbone, PatchSpec(kind="resize", height=side, width=side), fixed, kinds, 1)


FRAME = np.full((128, 128, 3), 90, np.uint8)


def test_every_way_is_timed_as_a_whole(backbone: Extractor) -> None:
    small, large = preparation(backbone, 64), preparation(backbone, 192)
    ways = list_ways([small, large], backbone, FRAME, 100, 1, None)
    assert [(way.preparation.name, way.features, way.method) for way in ways] == [
        (prepared.name, kind, method)
        for prepared in (small, large)
        for kind in ("sharp", "wide")
        for method in METHODS[kind]
    ]
    assert min(way.ms for way in ways) > 0


def test_a_budget_no_way_keeps_is_refused_with_the_cheapest(backbone: Extractor) -> None:
    with pytest.raises(DatasetError, match=r"budget of 0\.001 ms a part: the cheapest way takes \d"):
        list_ways([preparation(backbone, 64)], backbone, FRAME, 100, 1, 0.001)


def test_a_budget_leaves_the_ways_that_keep_it(backbone: Extractor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.teach.cost._median_ms", lambda prepared, *_: float(prepared.spec.height))
    ways = list_ways([preparation(backbone, side) for side in (64, 192)], backbone, FRAME, 100, 1, 100.0)
    assert {way.preparation.spec.height for way in ways} == {64}


def test_pictures_that_do_not_fit_are_left_out_evenly(backbone: Extractor, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [Path(f"{number}.png") for number in range(2000)]
    prepared = preparation(backbone, 64)
    assert learning._affordable(files, prepared, "wide") == files
    one = 2 * 16 * FEATURES["wide"].channels
    monkeypatch.setattr(learning, "MOST_BYTES", 100 * one)
    kept = learning._affordable(files, prepared, "wide")
    assert len(kept) == 100
    assert (kept[0], kept[-1]) == (files[0], files[-1])
