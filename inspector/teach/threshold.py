"""Where to put the threshold, and what can be claimed of it.

What it is: order statistics of scores that no image gave itself. What it is not: the scores (cross-validation).
Pure functions, any thread.

Source: Wilks, "Determination of sample sizes for setting tolerance limits" (1941); ISO 16269-6 (distribution-free
one-sided statistical tolerance intervals). With the threshold on a good image's score that k of n scores exceed, the
share of all good parts above it is Beta(k + 1, n - k) distributed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from inspector.metrics import auroc

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """`raw` on the model's own scale; `seen` of `images` good parts lie above it, so at most `at_most` of all good
    parts do, at 95 % confidence. `images_needed` good parts without one above would show `target`."""

    raw: float
    seen: int
    images: int
    at_most: float
    target: float
    images_needed: int
    method: str = "order statistic of cross-validated scores of good images (Wilks 1941, ISO 16269-6)"


def at_most(seen: int, images: int, confidence: float = CONFIDENCE) -> float:
    """The upper confidence limit of a share when `seen` of `images` were counted (Clopper & Pearson, 1934)."""
    if seen >= images:
        return 1.0
    low, high = seen / images, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _chance_of_at_most(seen, images, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def _chance_of_at_most(seen: int, images: int, share: float) -> float:
    if share >= 1.0:
        return 0.0
    logs = [
        math.lgamma(images + 1)
        - math.lgamma(k + 1)
        - math.lgamma(images - k + 1)
        + (k * math.log(share) if k else 0.0)
        + (images - k) * math.log1p(-share)
        for k in range(seen + 1)
    ]
    return math.fsum(math.exp(value) for value in logs)


def area_under_curve(low: npt.NDArray[np.floating], high: npt.NDArray[np.floating]) -> float:
    """How often one of the scores `high` (m,) lies above one of `low` (n,), ties half: 0.5 where they are alike."""
    return auroc(np.concatenate([low, high]), np.arange(len(low) + len(high)) >= len(low))


def images_needed(target: float, confidence: float = CONFIDENCE) -> int:
    """Good images, none above the threshold, that show a share of at most `target`: 598 for 0.5 %."""
    return math.ceil(math.log(1 - confidence) / math.log1p(-target))


def place_threshold(
    scores: npt.NDArray[np.floating], target: float, groups: npt.NDArray[np.intp] | None = None
) -> Threshold:
    """The lowest threshold whose claim keeps `target`; the highest score where so few images allow no such claim.

    Pictures with the same number in `groups` (n,) show one part and count as one, by their highest score.

    The threshold lies a hair above a score, so that the image that gave it passes.
    """
    ordered = _of_parts(scores, groups)
    seen = 0
    while seen + 1 < len(ordered) and at_most(seen + 1, len(ordered)) <= target:
        seen += 1
    return _leaving(ordered, seen, target, CONFIDENCE)


def place_by_cost(
    scores: npt.NDArray[np.floating],
    groups: npt.NDArray[np.intp],
    defect_scores: npt.NDArray[np.floating],
    escape_cost: float,
    target: float,
) -> Threshold:
    """The threshold at which the share of good parts above it and `escape_cost` times that of the defects below it are
    least together, among those that leave 0, 1, 2, 4 ... good parts above, at most a quarter.

    The claim holds for all of these at once (Bonferroni), because the defects choose between them."""
    ordered = _of_parts(scores, groups)
    counts = [0, *(2**k for k in range(20) if 2**k <= len(ordered) // 4)]
    confidence = 1 - (1 - CONFIDENCE) / len(counts)

    def cost(threshold: Threshold) -> float:
        return threshold.seen / len(ordered) + escape_cost * float((defect_scores <= threshold.raw).mean())

    placed = min((_leaving(ordered, seen, target, confidence) for seen in counts), key=cost)
    how = f"{len(defect_scores)} defects weighing {escape_cost:g} times chose it of {len(counts)}, all claimed at once"
    return replace(placed, method=f"{placed.method}; {how}")


def _of_parts(scores: npt.NDArray[np.floating], groups: npt.NDArray[np.intp] | None) -> npt.NDArray[np.float64]:
    """The highest score of each part, the highest first."""
    if groups is not None:
        highest = np.full(int(groups.max()) + 1, -np.inf)
        np.maximum.at(highest, groups, scores)
        scores = highest
    return np.asarray(np.sort(scores.astype(np.float64))[::-1])


def _leaving(ordered: npt.NDArray[np.float64], seen: int, target: float, confidence: float) -> Threshold:
    """The threshold with `seen` of the `ordered` scores above."""
    return Threshold(
        raw=float(ordered[seen]) * (1 + 1e-4),
        seen=seen,
        images=len(ordered),
        at_most=at_most(seen, len(ordered), confidence),
        target=target,
        images_needed=images_needed(target),
    )


def sharpen_threshold(threshold: Threshold, defect_scores: npt.NDArray[np.floating]) -> Threshold:
    """`threshold`, raised halfway to the lowest defect's score where every defect lies above it.

    Raising it never makes the claim on false rejects worse, and lets no known defect pass that was caught before.
    """
    if not len(defect_scores) or float(defect_scores.min()) <= threshold.raw:
        return threshold
    raw = (threshold.raw + float(defect_scores.min())) / 2
    method = f"{threshold.method}; raised halfway to the lowest of {len(defect_scores)} defects"
    return replace(threshold, raw=raw, method=method)


@dataclass(frozen=True, slots=True, kw_only=True)
class DefectGain:
    """What `defects` defect pictures changed, as counts: how many are `caught` by the threshold placed from good parts
    alone and by one placed from all the other defects too (each left out in turn), and how many of the cross-validated
    good parts lie above (`rejected`) before and after."""

    defects: int
    caught: tuple[int, int]
    rejected: tuple[int, int]


def defect_gain(
    threshold: Threshold,
    scores: npt.NDArray[np.floating],
    defect_scores: npt.NDArray[np.floating],
    settle: Callable[[npt.NDArray[np.floating]], Threshold] | None = None,
) -> DefectGain:
    """The gain of `settle`, a threshold placed with defects (`sharpen_threshold` where not given), by leave-one-out;
    `threshold` was placed from the `scores` of good parts."""
    settle = settle or partial(sharpen_threshold, threshold)
    left_out = [float(score) > settle(np.delete(defect_scores, index)).raw for index, score in enumerate(defect_scores)]
    after = settle(defect_scores).raw
    return DefectGain(
        defects=len(defect_scores),
        caught=(int((defect_scores > threshold.raw).sum()), sum(left_out)),
        rejected=(int((scores > threshold.raw).sum()), int((scores > after).sum())),
    )
