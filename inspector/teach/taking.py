"""Which of the tried ways is taken: margins for what is dearer or unusual, and what known defects change.

What it is: the rules of the choice. What it is not: the trials themselves (trials, choose). Pure functions, any thread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from inspector.teach.choose import FEATURES, Trial
from inspector.teach.prepare import Preparation

# Of a preparation that costs twice as much made-up defects have to stand out more by this much.
DOUBLE = 0.01
# Sharp features have to be better by this much: smaller differences are the luck of the made-up defects, which are
# small and so flatter features without context. Fine ones are only tried where every cell shows the same place of a
# located part, and need no context to know it.
UNUSUAL = 0.04
# Locate, then inspect: a whole frame in which the part lies now here, now there, has to be better by this much.
UNLOCATED = 0.03
# The memory of cells costs half a backbone, and lets pass what is normal elsewhere: it has to be better by this much.
MEMORY = 0.02
# Mirror images are what nobody has photographed: where there are many pictures made-up defects have to rank higher with
# them, by this much. Few pictures rank roughly, and in favour of the way that has fewer to fit to: there images that
# pass for good parts are taken unless defects rank lower by this much.
MIRRORED_MANY = 0.02
MIRRORED_FEW = -0.01
FEW = 60
# Fine features end early in the backbone: 832 x 640 of theirs took three quarters of the time of 640 x 480 wide ones.
FINE_COST = 0.5
# So many known defects weigh as much as all the made-up ones.
KNOWN_HALF = 10

Tried = tuple[Preparation, Trial]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharpened:
    """What known defects did to the choice, each left out in turn: how many of `defects` are caught by the way taken
    without any of them, and by the way taken with the others (`caught`); it is `kept` where that is not fewer."""

    defects: int
    caught: tuple[int, int]
    kept: bool


def take(tried: Sequence[Tried], pictures: int = FEW) -> tuple[Tried, Sharpened | None]:
    """The way to teach. Known defects have a say, and a choice of how many cells score, where that helps by
    leave-one-out. First every way is settled to learn from mirror images, too, or not; `pictures` were tried on."""
    tried = _settled(tried, MIRRORED_FEW if pictures <= FEW else MIRRORED_MANY)
    plain = _take([pair for pair in tried if _usual_share(pair[1])], lambda trial: trial.separation)
    known = len(plain[1].known)
    if not known:
        return plain, None
    left_out = sum(_take(tried, partial(_with_known, without=i))[1].caught[i] for i in range(known))
    caught = (sum(plain[1].caught), left_out)
    kept = caught[1] >= caught[0]
    return (_take(tried, _with_known) if kept else plain), Sharpened(defects=known, caught=caught, kept=kept)


def _settled(tried: Sequence[Tried], margin: float) -> list[Tried]:
    """Of every way the one with mirror images or the one without: what they add, or blur, is the same for all that is
    asked of the way afterwards."""
    ways: dict[tuple[object, ...], list[Tried]] = {}
    for pair in tried:
        trial = pair[1]
        ways.setdefault((trial.prepared_as, trial.features, trial.method, trial.top_share), []).append(pair)
    return [max(pairs, key=lambda pair: pair[1].ranked - margin * bool(pair[1].mirrors)) for pairs in ways.values()]


def _usual_share(trial: Trial) -> bool:
    return trial.top_share == FEATURES[trial.features].top_share


def _with_known(trial: Trial, without: int | None = None) -> float:
    known = [value for index, value in enumerate(trial.known) if index != without]
    if not known:
        return trial.separation
    weight = len(known) / (len(known) + KNOWN_HALF)
    return (1 - weight) * trial.separation + weight * float(np.mean(known))


def _take(tried: Sequence[Tried], separation: Callable[[Trial], float]) -> Tried:
    """The best after the handicaps."""
    located = any(preparation.spec.kind == "rectify" for preparation, _ in tried)

    def worth(pair: Tried) -> float:
        preparation, trial = pair
        whole = preparation.spec.kind == "resize"
        handicap = UNUSUAL * (trial.features == "sharp") + UNLOCATED * (located and whole)
        dearer = DOUBLE * math.log2(_cost(pair))
        return separation(trial) - handicap - dearer - MEMORY * (trial.method == "both")

    return max(tried, key=worth)


def _cost(pair: Tried) -> float:
    """What a way costs in pixels of the usual features. Not the measured time: same pictures, same model."""
    spec = pair[0].spec
    return spec.height * spec.width * (FINE_COST if pair[1].features == "fine" else 1.0)
