"""Which way of teaching: tried on good pictures that were held back, and on the same with made-up defects.

What it is: the candidates, their trial, and the choice with its reasons. What it is not: the teaching of the chosen
one (teaching). No label is ever looked at. The teaching process.

Source of the idea: made-up defects as a stand-in for labels when choosing anomaly detectors, e.g. Fung et al.,
"Model Selection of Zero-shot Anomaly Detectors in the Absence of Labeled Validation Data" (2023).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from inspector.teach.features import FeatureSpec
from inspector.teach.fitting import Lesson, find_shrink, fit_apart
from inspector.teach.graph import Floats
from inspector.teach.taught import Method, Stack
from inspector.teach.threshold import area_under_curve, place_threshold

FEATURES = {
    "fine": FeatureSpec(taps=("stride8", "stride4"), stride=8, top_share=0.001, apart=True),
    "sharp": FeatureSpec(taps=("stride8", "stride16")),
    "wide": FeatureSpec(taps=("deep", "context"), top_share=0.05),
}
METHODS: dict[str, tuple[Method, ...]] = {
    "fine": ("gaussian",),
    "sharp": ("gaussian", "both"),
    "wide": ("gaussian", "both"),
}

KNOWN_SHARE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One candidate and how it did: `separation` is the mean share of good pictures that a made-up defect scores
    above, smoothed (see `stands_out`); `known` is that share for each known defect, and `caught` whether it lies above
    the threshold; `top_share` of the cells score; `shrink` is the Gaussian's, found on the way; `ms` a part takes;
    `mirrors` are the mirror images (see `mirrored`) learned from, too; `ranked` is the area under the curve of made-up
    defects among good pictures: it saturates, but does not hang on the highest of a few good ones."""

    prepared_as: str
    features: str
    method: Method
    top_share: float
    shrink: float
    separation: float
    ms: float
    mirrors: tuple[int, ...] = ()
    ranked: float = 0.0
    known: tuple[float, ...] = ()
    caught: tuple[bool, ...] = ()


def stands_out(good: Floats, damaged: Floats) -> Floats:
    """How far damaged pictures' scores (m,) stand above good ones' (n,), (m,) in 0..1.

    A logistic of each damaged score's distance from the good ones' upper end, in their own spread: unlike an area under
    the curve its mean does not saturate, and it asks about the threshold that good parts will set.
    """
    high = np.percentile(good, 95)
    spread = max(float(high - np.percentile(good, 50)), 1e-6)
    return np.asarray(1 / (1 + np.exp(-(damaged - high) / spread)), np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Features a way is tried on: a lesson whose guests are good pictures with made-up defects, known `defects`
    (m, cells, C) of all those (k,) in which the part was `located`.

    `trust` is the share of the likeliest shrinkage to take (see `Preparation.trust`), likely being what the pictures
    `held` (n,) are after a fit to the others."""

    given: Lesson
    defects: Stack
    located: npt.NDArray[np.bool_]
    trust: float
    held: npt.NDArray[np.bool_]


def try_methods(
    prepared_as: str,
    features: str,
    shown: Shown,
    methods: dict[Method, float],
    seed: int,
    target: float,
    step: Callable[[int, int], None],
    mirrors: tuple[int, ...] = (),
) -> list[Trial]:
    """Every one of `methods` (with the ms a part takes) on one kind of features: fitted to the good pictures, each of
    which, damaged or not, is then judged without its part."""
    given = shown.given
    shrink = shown.trust * find_shrink(given, shown.held)
    dearest: Method = "both" if "both" in methods else "gaussian"
    whole, distances = fit_apart(given, dearest, shrink=shrink, seed=seed, step=step)
    trials = []
    for method, ms in methods.items():
        # The memory comes last.
        notions = len(whole.blends) - (dearest == "both" and method == "gaussian")
        taught = replace(whole, blends=whole.blends[:notions])
        maps = taught.blended(distances)
        every = np.concatenate([maps, taught.maps(shown.defects)])
        # With known defects at hand, how many cells score is one more question to them.
        shares = {given.features.top_share, KNOWN_SHARE} if len(shown.located) else {given.features.top_share}
        for share in sorted(shares):
            scores = replace(taught, top_cells=max(1, round(len(given.counted) * share))).scores(every)
            counts = [given.pictures, len(given.stack) - given.pictures, len(given.guests)]
            good, _, damaged, located = np.split(scores, np.cumsum(counts))
            # The line rejects a part that is not found.
            known = np.full(len(shown.located), np.inf, np.float32)
            known[shown.located] = located
            limit = place_threshold(good, target, given.groups[: given.pictures]).raw
            trials.append(
                Trial(
                    prepared_as=prepared_as,
                    features=features,
                    method=method,
                    top_share=share,
                    shrink=shrink,
                    separation=float(stands_out(good, damaged).mean()),
                    ms=ms,
                    mirrors=mirrors,
                    ranked=area_under_curve(good, damaged),
                    known=tuple(stands_out(good, known).tolist()),
                    caught=tuple((known > limit).tolist()),
                )
            )
    return trials
