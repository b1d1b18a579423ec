"""Which way is taken when several do about as well."""

from __future__ import annotations

from typing import Any

import pytest

from inspector.teach.choose import Trial
from inspector.teach.prepare import Preparation
from inspector.teach.trials import _take
from inspector.vision.patch import PatchSpec


def tried(kind: Any, method: Any, separation: float, *, features: str = "wide", side: int = 256) -> Any:
    nothing: Any = None
    preparation = Preparation(
        spec=PatchSpec(kind=kind, height=side, width=side),
        maker=nothing,
        extractor=nothing,
        kinds=(features,),
        counted={},
        strides={},
    )
    trial = Trial(
        prepared_as=preparation.name, features=features, method=method, shrink=10.0, separation=separation, ms=1.0
    )
    return preparation, trial


@pytest.mark.parametrize(
    ("kind", "gaussian", "both", "wanted"),
    [
        ("resize", 0.40, 0.41, "gaussian"),
        ("resize", 0.40, 0.43, "both"),
        ("rectify", 0.41, 0.40, "both"),
        ("rectify", 0.43, 0.40, "gaussian"),
    ],
)
def test_a_memory_joins_where_it_pays(kind: str, gaussian: float, both: float, wanted: str) -> None:
    _, trial = _take([tried(kind, "gaussian", gaussian), tried(kind, "both", both)])
    assert trial.method == wanted


def test_more_pixels_have_to_be_better_by_a_margin() -> None:
    small, near, far = (tried("resize", "gaussian", s, side=p) for s, p in ((0.40, 256), (0.41, 512), (0.43, 512)))
    assert _take([small, near])[0].spec.height == 256
    assert _take([small, far])[0].spec.height == 512


def test_the_whole_frame_of_a_part_that_moves_about_has_to_be_better() -> None:
    frame, located = tried("resize", "gaussian", 0.42), tried("rectify", "gaussian", 0.40)
    assert _take([frame, located])[0].spec.kind == "rectify"
    assert _take([tried("resize", "gaussian", 0.46), located])[0].spec.kind == "resize"


def test_sharp_features_have_to_be_better() -> None:
    wide, sharp = tried("resize", "gaussian", 0.40), tried("resize", "gaussian", 0.42, features="sharp")
    assert _take([wide, sharp])[1].features == "wide"
    assert _take([wide, tried("resize", "gaussian", 0.45, features="sharp")])[1].features == "sharp"
