"""Which way of teaching: tried on good pictures that were held back, and on the same with made-up defects.

What it is: the candidates, their trial, and the choice with its reasons. What it is not: the teaching of the chosen
one (teaching). No label is ever looked at. The teaching process.

Source of the idea: made-up defects as a stand-in for labels when choosing anomaly detectors, e.g. Fung et al.,
"Model Selection of Zero-shot Anomaly Detectors in the Absence of Labeled Validation Data" (2023).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from inspector.teach.features import FeatureSpec
from inspector.teach.graph import Floats
from inspector.teach.taught import Method, Stack, find_shrink, fit, place_blends

FEATURES = {
    "fine": FeatureSpec(taps=("stride8",), stride=8, top_share=0.002),
    "sharp": FeatureSpec(taps=("stride8", "stride16")),
    "wide": FeatureSpec(taps=("deep", "context"), top_share=0.05),
}
METHODS: dict[str, tuple[Method, ...]] = {
    "fine": ("gaussian",),
    "sharp": ("gaussian", "both"),
    "wide": ("gaussian", "both"),
}

# Made-up defects are small: ways are compared by fewer of their highest cells than score a part.
TRIED_SHARE = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One candidate and how it did: `separation` is the mean share of good pictures that a made-up defect scores
    above, smoothed (see `separation`); `shrink` is the Gaussian's, found on the way; `ms` is what a part takes."""

    prepared_as: str
    features: str
    method: Method
    shrink: float
    separation: float
    ms: float


def separation(good: Floats, damaged: Floats) -> float:
    """How well damaged pictures' scores (m,) stand above good ones' (n,), in 0..1.

    The mean of a logistic of each damaged score's distance from the good ones' upper end, in their own spread: unlike
    an area under the curve it does not saturate, and it asks about the threshold that good parts will set.
    """
    high = np.percentile(good, 95)
    spread = max(float(high - np.percentile(good, 50)), 1e-6)
    return float((1 / (1 + np.exp(-(damaged - high) / spread))).mean())


def try_methods(
    prepared_as: str,
    features: str,
    good: Stack,
    damaged: Stack,
    held: npt.NDArray[np.bool_],
    counted: Floats,
    trust: float,
    grid: tuple[int, int],
    methods: dict[Method, float],
    seed: int,
) -> list[Trial]:
    """Every one of `methods` (with the ms a part takes) on one kind of features: fitted to `good[~held]`, tried on
    `good[held]` and on `damaged`. `trust` is the share of the likeliest shrinkage to take (see `Preparation.trust`)."""
    shrink = trust * find_shrink(good, FEATURES[features], held)
    trials = []
    for method, ms in methods.items():
        taught = fit(good[~held], FEATURES[features], method, grid=grid, shrink=shrink, seed=seed)
        taught = place_blends(taught, good[held])
        tried = replace(taught, top_cells=max(1, round(len(counted) * min(TRIED_SHARE, taught.features.top_share))))
        scores = [tried.scores(taught.maps(stack) * counted) for stack in (good[held], damaged)]
        trials.append(
            Trial(
                prepared_as=prepared_as,
                features=features,
                method=method,
                shrink=shrink,
                separation=separation(scores[0], scores[1]),
                ms=ms,
            )
        )
    return trials
