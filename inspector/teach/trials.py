"""Trying every way of teaching on a part of the good pictures, and saying which one to take and why.

What it is: the loop over pictures, preparations and methods. What it is not: the measure (choose) or the damage
(synthetic). The teaching process, and a thread of it that makes the next picture: two are in memory at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from inspector.errors import DatasetError
from inspector.teach.choose import FEATURES, Shown, Trial, try_methods
from inspector.teach.cost import Way
from inspector.teach.features import FeatureSpec
from inspector.teach.fitting import find_shrink, lesson
from inspector.teach.groups import find_groups, hold_back
from inspector.teach.mirrored import IMAGES, PROBED, features_of_images, may_mirror, pass_for_good, with_images
from inspector.teach.options import TeachOptions
from inspector.teach.pictures import one_ahead, read_ahead, read_picture
from inspector.teach.prepare import Preparation
from inspector.teach.synthetic import KINDS, damage
from inspector.teach.taking import Sharpened, take
from inspector.teach.taught import Stack
from inspector.teach.watch import Watch
from inspector.types import Pixels

MOST_GOOD = 120
DAMAGED = 96
FEWEST_FOR_TRIALS = 12
USUAL = "wide"
_LOST = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was taken, all that was tried, the reason in words, and what known defects changed."""

    preparation: Preparation
    trial: Trial
    trials: tuple[Trial, ...]
    reason: str
    sharpened: Sharpened | None = None

    @property
    def features(self) -> FeatureSpec:
        """The features, with the share of cells that score."""
        return replace(FEATURES[self.trial.features], top_share=self.trial.top_share)


def choose(
    good: Sequence[Path], defects: Sequence[Path], ways: Sequence[Way], options: TeachOptions, watch: Watch
) -> Choice:
    """Try `ways` on at most `MOST_GOOD` pictures; known `defects` have a say in the choice (see `taking`)."""
    usual = _usual(ways)
    if len(good) < FEWEST_FOR_TRIALS:
        reason = f"{len(good)} pictures are too few to try anything on (wanted {FEWEST_FOR_TRIALS}); the usual way"
        return Choice(preparation=usual.preparation, trial=_untried(usual), trials=(), reason=reason)
    used = [good[int(i)] for i in np.linspace(0, len(good) - 1, min(len(good), MOST_GOOD))]
    preparations = list({way.preparation.name: way.preparation for way in ways}.values())
    seed = options.seed
    table, groups = _collect(used, defects, preparations, usual, seed, watch)
    tried: list[tuple[Preparation, Trial]] = []
    for number, preparation in enumerate(preparations):
        gathered = table.pop(preparation.name)
        if gathered.lost > _LOST * len(used):
            continue
        mirrors: tuple[int, ...] = ()
        images: dict[str, Stack] = {}
        if may_mirror(preparation, len(good)):
            mirrors, images = _images(used, gathered, preparation, groups, seed, watch)
        for kind in preparation.kinds:
            shown = gathered.shown(preparation, kind, groups, seed)
            for some in ((), mirrors) if mirrors else ((),):
                found = try_methods(
                    preparation.name,
                    kind,
                    _with_images(shown, images[kind]) if some else shown,
                    {way.method: way.ms for way in ways if way.preparation is preparation and way.features == kind},
                    seed,
                    options.target_false_rejects,
                    lambda *_, number=number: watch.step("trying", number, len(preparations)),
                    some,
                )
                tried += [(preparation, trial) for trial in found]
    (preparation, trial), sharpened = take(tried, len(used))
    trials = tuple(trial for _, trial in tried)
    reason = _reason(trial, trials)
    return Choice(preparation=preparation, trial=trial, trials=trials, reason=reason, sharpened=sharpened)


def _usual(ways: Sequence[Way]) -> Way:
    """The dearest patch with the usual features; of these the dearest method."""
    return ([way for way in ways if way.features == USUAL] or list(ways))[-1]


def _untried(way: Way) -> Trial:
    return Trial(
        prepared_as=way.preparation.name,
        features=way.features,
        method=way.method,
        top_share=FEATURES[way.features].top_share,
        shrink=50.0,
        separation=0.0,
        ms=way.ms,
    )


def _reason(trial: Trial, trials: Sequence[Trial]) -> str:
    others = [other.separation for other in trials if other is not trial]
    return (
        f"made-up defects stand out {trial.separation:.3f} (of 1), the other {len(others)} ways "
        f"{min(others):.3f} to {max(others):.3f}"
    )


def _images(
    used: Sequence[Path],
    gathered: _Gathered,
    preparation: Preparation,
    groups: npt.NDArray[np.intp],
    seed: int,
    watch: Watch,
) -> tuple[tuple[int, ...], dict[str, Stack]]:
    """The mirror images that pass for good parts, and their features (n, k, cells, C)."""

    def step(done: int, total: int) -> None:
        watch.step("mirror images", done, total)

    kind = USUAL if USUAL in preparation.kinds else preparation.kinds[0]
    shown = gathered.shown(preparation, kind, groups, seed)
    probed = [int(i) for i in np.linspace(0, len(used) - 1, min(PROBED, len(used)))]
    seen = features_of_images([used[i] for i in probed], preparation, IMAGES, step)[kind]
    shrink = shown.trust * find_shrink(shown.given, shown.held)
    mirrors = pass_for_good(shown.given, probed, seen, shrink, seed)
    return mirrors, features_of_images(used, preparation, mirrors, step) if mirrors else {}


def _with_images(shown: Shown, images: Stack) -> Shown:
    held = np.concatenate([shown.held, shown.held.repeat(images.shape[1])])
    return replace(shown, given=with_images(shown.given, images), held=held)


class _Rows:
    """Features of up to `most` pictures, each written where it stays: a list of them would need the memory twice."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self._rows: Stack | None = None

    def add(self, features: npt.NDArray[np.float32]) -> None:
        if self._rows is None:
            self._rows = np.empty((self._most, *features.shape), np.float16)
        self._rows[self._count] = features
        self._count += 1

    def stack(self) -> Stack | None:
        """The features (n, cells, C) so far; None where there are none."""
        return None if self._rows is None else self._rows[: self._count]


class _Gathered:
    """Features of one preparation, filled picture by picture: good ones, damaged ones with the number of the good one
    they were made from, and known defects."""

    def __init__(self, kinds: Sequence[str], good: int, defects: int) -> None:
        self._good = {kind: _Rows(good) for kind in kinds}
        self._damaged = {kind: _Rows(DAMAGED) for kind in kinds}
        self._defects = {kind: _Rows(defects) for kind in kinds}
        self._hosts: list[int] = []
        self._found: list[bool] = []
        self._located: list[bool] = []

    def add_good(self, preparation: Preparation, pixels: Pixels) -> None:
        self._found.append(self._add(preparation, pixels, self._good))

    def add_damaged(self, preparation: Preparation, pixels: Pixels, host: int) -> None:
        if self._found[host] and self._add(preparation, pixels, self._damaged):
            self._hosts.append(host)

    def add_defect(self, preparation: Preparation, pixels: Pixels) -> None:
        self._located.append(self._add(preparation, pixels, self._defects))

    def _add(self, preparation: Preparation, pixels: Pixels, table: dict[str, _Rows]) -> bool:
        patch = preparation.patch(pixels)
        if patch is not None:
            for kind, rows in preparation.features(patch).items():
                table[kind].add(rows)
        return patch is not None

    @property
    def lost(self) -> int:
        return len(self._found) - sum(self._found)

    @property
    def found(self) -> npt.NDArray[np.bool_]:
        return np.array(self._found)

    def good(self, kind: str) -> Stack:
        """Of the good pictures in which the part was found: (n, cells, C)."""
        stack = self._good[kind].stack()
        if stack is None:
            raise DatasetError(f"the part was found in none of {len(self._found)} good pictures")
        return stack

    def shown(self, preparation: Preparation, kind: str, groups: npt.NDArray[np.intp], seed: int) -> Shown:
        """What a way is tried on; `groups` number the parts of all good pictures."""
        _, known = np.unique(groups[self.found], return_inverse=True)
        number = np.zeros(len(groups), np.intp)
        number[self.found] = known
        stack, defects = self.good(kind), self._defects[kind].stack()
        return Shown(
            given=lesson(
                stack,
                FEATURES[kind],
                preparation.cells(kind),
                known,
                self._damaged[kind].stack(),
                number[self._hosts],
                preparation.counted[kind],
            ),
            defects=stack[:0] if defects is None else defects,
            located=np.array(self._located, np.bool_),
            trust=preparation.trust(kind),
            held=hold_back(known, 3, seed),
        )


def _collect(
    used: Sequence[Path],
    defects: Sequence[Path],
    preparations: Sequence[Preparation],
    usual: Way,
    seed: int,
    watch: Watch,
) -> tuple[dict[str, _Gathered], npt.NDArray[np.intp]]:
    """Features of everything, and which part (n,) each good picture shows."""
    table = {preparation.name: _Gathered(preparation.kinds, len(used), len(defects)) for preparation in preparations}
    total = len(used) + DAMAGED + len(defects)
    for number, pixels in enumerate(read_ahead(used)):
        watch.step("features for the trials", number, total)
        for preparation in preparations:
            table[preparation.name].add_good(preparation, pixels)
    rng = np.random.default_rng(seed)
    order = np.random.default_rng(seed).permutation(len(used))
    hosts = [used[index] for index in order]
    for number, pixels in enumerate(one_ahead(damaged_picture(hosts, number, rng) for number in range(DAMAGED))):
        watch.step("features for the trials", len(used) + number, total)
        for preparation in preparations:
            table[preparation.name].add_damaged(preparation, pixels, int(order[number % len(used)]))
    for number, pixels in enumerate(read_ahead(defects)):
        watch.step("features for the trials", len(used) + DAMAGED + number, total)
        for preparation in preparations:
            table[preparation.name].add_defect(preparation, pixels)
    last = table[usual.preparation.name]
    # A picture in which the part was not found stands alone.
    groups = np.arange(len(used)) + len(used)
    groups[last.found] = find_groups(FEATURES[usual.features].finest(last.good(usual.features)))
    return table, groups


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
