"""How well scores and maps tell bad from good: the measures the literature reports.

What it is: pure functions on arrays, checked against scikit-learn in the tests so that a station needs no scikit-learn.
What it is not: running a model (evaluate). Any thread.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.floating]
Truth = npt.NDArray[np.bool_]


def auroc(scores: Values, bad: Truth) -> float:
    """Area under the ROC curve: the chance that a bad one scores higher than a good one (ties count half).

    `nan` where one kind is missing. Source: Hanley & McNeil (1982), by ranks.
    """
    positives = int(bad.sum())
    negatives = len(bad) - positives
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2)[inverse]
    return float((ranks[bad].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def roc_curve(scores: Values, bad: Truth) -> tuple[Values, Values]:
    """(false reject rate, detection rate) at every threshold, from the strictest on."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(bad[order])
    alarms = np.cumsum(~bad[order])
    ends = np.append(np.diff(scores[order]) != 0, True)
    detected = np.append(0.0, hits[ends] / max(1, int(bad.sum())))
    rejected = np.append(0.0, alarms[ends] / max(1, int((~bad).sum())))
    return rejected, detected


def label_regions(mask: Truth) -> npt.NDArray[np.int32]:
    """8-connected regions of a mask numbered from 1, by union of row runs; 0 is background."""
    labels = np.zeros(mask.shape, np.int32)
    parent = [0]

    def root(label: int) -> int:
        while parent[label] != label:
            parent[label] = parent[parent[label]]
            label = parent[label]
        return label

    for row in range(mask.shape[0]):
        edges = np.diff(np.concatenate([[0], mask[row].astype(np.int8), [0]]))
        for start, end in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
            above = labels[row - 1, max(0, start - 1) : end + 1] if row else labels[:0, 0]
            touched = sorted({root(int(label)) for label in np.unique(above) if label})
            if not touched:
                parent.append(len(parent))
                touched = [len(parent) - 1]
            for other in touched[1:]:
                parent[other] = touched[0]
            labels[row, start:end] = touched[0]
    roots = np.array([root(label) for label in range(len(parent))])
    numbers = np.zeros(len(parent), np.int32)
    numbers[np.unique(roots)] = np.arange(len(np.unique(roots)))
    return np.asarray(numbers[roots][labels], np.int32)


def aupro(maps: list[Values], masks: list[Truth], limit: float = 0.3) -> float:
    """Area under the per-region-overlap curve up to a false positive rate of `limit`, normalised to 0..1.

    Every connected defect counts the same, however large. Source: Bergmann et al., "MVTec AD" (2021), section 5.1.
    """
    values = np.concatenate([np.asarray(m, np.float32).ravel() for m in maps])
    weights, count = [], 0
    for mask in masks:
        labels = label_regions(mask)
        sizes = np.bincount(labels.ravel())
        weights.append(np.where(labels > 0, 1.0 / sizes[labels], 0.0).ravel())
        count += len(sizes) - 1
    if not count:
        return float("nan")
    overlap = np.concatenate(weights)
    order = np.argsort(-values, kind="stable")
    background = overlap[order] == 0
    rate = np.cumsum(background) / max(1, int(background.sum()))
    mean_overlap = np.cumsum(overlap[order]) / count
    ends = np.append(np.diff(values[order]) != 0, True)
    x, y = np.append(0.0, rate[ends]), np.append(0.0, mean_overlap[ends])
    inside = x < limit
    x_cut = np.append(x[inside], limit)
    y_cut = np.append(y[inside], np.interp(limit, x, y))
    return float(np.trapezoid(y_cut, x_cut) / limit)
