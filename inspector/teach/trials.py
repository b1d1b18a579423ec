"""Trying every way of teaching on a part of the good pictures, and saying which one to take and why.

What it is: the loop over pictures, preparations and methods. What it is not: the measure (choose) or the damage
(synthetic). The teaching process; one picture in memory at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from inspector.teach.choose import Trial, try_methods
from inspector.teach.cost import Way
from inspector.teach.groups import hold_back
from inspector.teach.pictures import read_picture
from inspector.teach.prepare import Preparation
from inspector.teach.synthetic import KINDS, damage
from inspector.teach.taught import Stack
from inspector.teach.watch import Watch
from inspector.types import Pixels

MOST_GOOD = 160
DAMAGED = 72
FEWEST_FOR_TRIALS = 12
# A dearer preparation has to be better by this much to be taken, and so have sharp features: smaller differences are
# the luck of the made-up defects, which are small and so flatter features without context. Fine ones are only tried
# where every cell shows the same place of a located part, and need no context to know it.
WORTH = 0.02
UNUSUAL = 0.04
# Locate, then inspect: a whole frame in which the part lies now here, now there, has to be better by this much.
UNLOCATED = 0.03
# The memory of cells costs half a backbone and lets pass what is normal elsewhere: on a whole frame it has to be better
# by this much. On a located part it forgives what locating left over, and the Gaussian alone has to be better.
MEMORY = 0.02
USUAL = "wide"
_LOST = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was taken, all that was tried, and the reason in words."""

    preparation: Preparation
    trial: Trial
    trials: tuple[Trial, ...]
    reason: str


def choose(good: Sequence[Path], defects: Sequence[Path], ways: Sequence[Way], seed: int, watch: Watch) -> Choice:
    """Try `ways` on at most `MOST_GOOD` pictures; `defects` join the made-up ones."""
    usual = _usual(ways)
    if len(good) < FEWEST_FOR_TRIALS:
        reason = f"{len(good)} pictures are too few to try anything on (wanted {FEWEST_FOR_TRIALS}); the usual way"
        return Choice(preparation=usual.preparation, trial=_untried(usual), trials=(), reason=reason)
    used = [good[int(i)] for i in np.linspace(0, len(good) - 1, min(len(good), MOST_GOOD))]
    preparations = list({way.preparation.name: way.preparation for way in ways}.values())
    table, held = _collect(used, defects, preparations, usual, seed, watch)
    tried: list[tuple[Preparation, Trial]] = []
    for number, preparation in enumerate(preparations):
        gathered = table[preparation.name]
        if gathered.lost > _LOST * len(used):
            continue
        for kind in preparation.kinds:
            watch.step("trying", number, len(preparations))
            found = try_methods(
                preparation.name,
                kind,
                gathered.good(kind),
                gathered.bad(kind),
                held[gathered.found],
                preparation.counted[kind],
                preparation.trust,
                preparation.cells(kind),
                {way.method: way.ms for way in ways if way.preparation is preparation and way.features == kind},
                seed,
            )
            tried += [(preparation, trial) for trial in found]
    preparation, trial = _take(tried)
    trials = tuple(trial for _, trial in tried)
    return Choice(preparation=preparation, trial=trial, trials=trials, reason=_reason(trial, trials))


def _usual(ways: Sequence[Way]) -> Way:
    """The dearest patch with the usual features; of these the dearest method."""
    return ([way for way in ways if way.features == USUAL] or list(ways))[-1]


def _untried(way: Way) -> Trial:
    return Trial(
        prepared_as=way.preparation.name,
        features=way.features,
        method=way.method,
        shrink=50.0,
        separation=0.0,
        ms=way.ms,
    )


def _take(tried: list[tuple[Preparation, Trial]]) -> tuple[Preparation, Trial]:
    """The best after the handicaps; a cheaper preparation where it is as good but for `WORTH`."""

    located = any(preparation.spec.kind == "rectify" for preparation, _ in tried)

    def worth(pair: tuple[Preparation, Trial]) -> float:
        preparation, trial = pair
        whole = preparation.spec.kind == "resize"
        handicap = UNUSUAL * (trial.features == "sharp") + UNLOCATED * (located and whole)
        return trial.separation - handicap - MEMORY * (trial.method == "both") * (1 if whole else -1)

    top = max(map(worth, tried))
    near = [pair for pair in tried if worth(pair) >= top - WORTH]
    cheapest = min(preparation.spec.height * preparation.spec.width for preparation, _ in near)
    return max((p for p in near if p[0].spec.height * p[0].spec.width <= cheapest), key=worth)


def _reason(trial: Trial, trials: Sequence[Trial]) -> str:
    others = [other.separation for other in trials if other is not trial]
    return (
        f"made-up defects stand out {trial.separation:.3f} (of 1), the other {len(others)} ways "
        f"{min(others):.3f} to {max(others):.3f}"
    )


class _Gathered:
    """Features of one preparation, filled picture by picture."""

    def __init__(self, kinds: Sequence[str]) -> None:
        self._good: dict[str, list[Stack]] = {kind: [] for kind in kinds}
        self._bad: dict[str, list[Stack]] = {kind: [] for kind in kinds}
        self._found: list[bool] = []

    def add(self, preparation: Preparation, pixels: Pixels, good: bool) -> None:
        patch = preparation.patch(pixels)
        if good:
            self._found.append(patch is not None)
        if patch is not None:
            for kind, rows in preparation.features(patch).items():
                (self._good if good else self._bad)[kind].append(rows.astype(np.float16))

    @property
    def lost(self) -> int:
        return len(self._found) - sum(self._found)

    @property
    def found(self) -> npt.NDArray[np.bool_]:
        return np.array(self._found)

    def good(self, kind: str) -> Stack:
        """Of the good pictures in which the part was found: (n, cells, C)."""
        return np.stack(self._good[kind])

    def bad(self, kind: str) -> Stack:
        """Of the damaged ones."""
        return np.stack(self._bad[kind])


def _collect(
    used: Sequence[Path],
    defects: Sequence[Path],
    preparations: Sequence[Preparation],
    usual: Way,
    seed: int,
    watch: Watch,
) -> tuple[dict[str, _Gathered], npt.NDArray[np.bool_]]:
    """Features of everything, and which good pictures are held back."""
    table = {preparation.name: _Gathered(preparation.kinds) for preparation in preparations}
    total = len(used) + DAMAGED + len(defects)
    done = 0

    def add(pixels: Pixels, good: bool) -> None:
        nonlocal done
        watch.step("features for the trials", done, total)
        done += 1
        for preparation in preparations:
            table[preparation.name].add(preparation, pixels, good)

    for path in used:
        add(read_picture(path).pixels, True)
    rng = np.random.default_rng(seed)
    last = table[usual.preparation.name]
    held = np.zeros(len(used), np.bool_)
    # A picture in which the part was not found belongs to no one and stays.
    held[np.flatnonzero(last.found)] = hold_back(last.good(usual.features), 3, seed)
    hosts = [path for path, keep in zip(used, held, strict=True) if keep]
    for number in range(DAMAGED):
        add(damaged_picture(hosts, number, rng), False)
    for path in defects:
        add(read_picture(path).pixels, False)
    return table, held


def damaged_picture(hosts: Sequence[Path], number: int, rng: np.random.Generator) -> Pixels:
    """The `number`-th damaged picture: a host in turn, with a made-up defect where something is to be seen."""
    host = read_picture(hosts[number % len(hosts)]).pixels
    donor = read_picture(hosts[int(rng.integers(len(hosts)))]).pixels
    if donor.shape != host.shape:
        donor = np.asarray(cv2.resize(donor, (host.shape[1], host.shape[0])), np.uint8)
    return damage(host, [donor], KINDS[number % len(KINDS)], rng, busy_places(host))


def busy_places(pixels: Pixels) -> npt.NDArray[np.float32]:
    """Where the part is likely to be, float32 (H, W) of weights: blurred edges, squared, so that an empty background
    of any size draws few defects."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY).astype(np.float32)
    edges = np.abs(cv2.Sobel(grey, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    weights = cv2.blur(edges, (max(3, pixels.shape[1] // 16), max(3, pixels.shape[0] // 16)))
    return np.asarray((weights / (weights.mean() + 1e-6)) ** 2 + 1e-3, np.float32)
