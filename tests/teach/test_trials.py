"""Which way is taken when several do about as well."""

from __future__ import annotations

from typing import Any

import pytest

from inspector.teach.choose import FEATURES, KNOWN_SHARE, Trial
from inspector.teach.prepare import Preparation
from inspector.teach.taking import take
from inspector.vision.patch import PatchSpec


def tried(kind: Any, method: Any, separation: float, *, features: str = "wide", side: int = 256, **more: Any) -> Any:
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
        prepared_as=preparation.name,
        features=features,
        method=method,
        top_share=more.pop("top_share", FEATURES[features].top_share),
        shrink=10.0,
        separation=separation,
        ms=1.0,
        **more,
    )
    return preparation, trial


def _take(ways: list[Any]) -> Any:
    return take(ways)[0]


@pytest.mark.parametrize(
    ("kind", "gaussian", "both", "wanted"),
    [
        ("resize", 0.40, 0.41, "gaussian"),
        ("resize", 0.40, 0.43, "both"),
        ("rectify", 0.40, 0.41, "gaussian"),
        ("rectify", 0.40, 0.43, "both"),
    ],
)
def test_a_memory_joins_where_it_pays(kind: str, gaussian: float, both: float, wanted: str) -> None:
    _, trial = _take([tried(kind, "gaussian", gaussian), tried(kind, "both", both)])
    assert trial.method == wanted


def test_more_pixels_have_to_be_better_by_a_margin() -> None:
    small, near, far = (tried("resize", "gaussian", s, side=p) for s, p in ((0.40, 256), (0.415, 512), (0.425, 512)))
    assert _take([small, near])[0].spec.height == 256
    assert _take([small, far])[0].spec.height == 512


def test_fine_pixels_count_half() -> None:
    wide, fine = (
        tried("rectify", "gaussian", 0.40, side=512),
        tried("rectify", "gaussian", 0.408, features="fine", side=1024),
    )
    assert _take([wide, fine])[1].features == "wide"
    assert _take([wide, tried("rectify", "gaussian", 0.412, features="fine", side=1024)])[1].features == "fine"


def test_the_whole_frame_of_a_part_that_moves_about_has_to_be_better() -> None:
    frame, located = tried("resize", "gaussian", 0.42), tried("rectify", "gaussian", 0.40)
    assert _take([frame, located])[0].spec.kind == "rectify"
    assert _take([tried("resize", "gaussian", 0.46), located])[0].spec.kind == "resize"


def test_sharp_features_have_to_be_better() -> None:
    wide, sharp = tried("resize", "gaussian", 0.40), tried("resize", "gaussian", 0.42, features="sharp")
    assert _take([wide, sharp])[1].features == "wide"
    assert _take([wide, tried("resize", "gaussian", 0.45, features="sharp")])[1].features == "sharp"


def test_known_defects_have_a_say_where_it_helps_those_left_out() -> None:
    plain = tried("resize", "gaussian", 0.41, known=(0.2,) * 6, caught=(False,) * 6)
    few = tried("resize", "gaussian", 0.40, known=(0.9,) * 6, caught=(True,) * 6, top_share=KNOWN_SHARE)
    taken, sharpened = take([plain, few])
    assert taken is few
    assert sharpened is not None
    assert (sharpened.defects, sharpened.caught, sharpened.kept) == (6, (0, 6), True)
    assert take([plain])[0] is plain


def test_known_defects_change_nothing_where_those_left_out_would_escape() -> None:
    # Each stands out by luck of its own, and the way it would choose catches none of the others.
    plain = tried("resize", "gaussian", 0.40, known=(0.5, 0.5, 0.5), caught=(True, True, True))
    other = tried("resize", "gaussian", 0.40, known=(0.9, 0.9, 0.9), caught=(False, True, False), top_share=KNOWN_SHARE)
    taken, sharpened = take([plain, other])
    assert taken is plain
    assert sharpened is not None
    assert (sharpened.caught, sharpened.kept) == ((3, 1), False)


def test_mirror_images_are_taken_where_made_up_defects_rank_higher_and_of_few_pictures_unless_lower() -> None:
    plain = tried("resize", "gaussian", 0.40, ranked=0.70)
    better = tried("resize", "gaussian", 0.39, ranked=0.73, mirrors=(0, 1))
    hardly = tried("resize", "gaussian", 0.45, ranked=0.71, mirrors=(1,))
    lower = tried("resize", "gaussian", 0.45, ranked=0.68, mirrors=(1,))
    assert take([plain, better], 120)[0] is better
    assert take([plain, hardly], 120)[0] is plain
    assert take([plain, hardly], 40)[0] is hardly
    assert take([plain, lower], 40)[0] is plain
