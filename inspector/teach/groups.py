"""Which good pictures show the same part: they must not vouch for each other.

What it is: groups of pictures that are far more alike than the others are. What it is not: the data doctor's search
for copies (that is byte for byte). The teaching process.

Why: people photograph one part several times. A model fitted to one of those pictures knows the others, and a
threshold placed by them throws out every part it has not met (measured on rendered parts: 100 % false rejects).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from inspector.teach.features import fit_whitening
from inspector.teach.graph import Floats
from inspector.teach.taught import Stack

# Shares of a squared distance: of that to pictures that are not the nearest, or of the median pair's. The second finds
# parts of which so many pictures were taken that those, too, show the same part.
ALIKE = 0.6
ALIKE_FAR = 0.4
_AROUND = 0.1
_FEWEST_AROUND = 5
_CELLS = 96
_DIMENSIONS = 48
_LARGEST_SHARE = 0.25


def find_groups(stack: Stack) -> npt.NDArray[np.intp]:
    """A group number (n,) for each picture, from features (n, cells, C) of one tap; most are alone in theirs.

    Two pictures belong together if their squared distance, after whitening, is below `ALIKE` of what each of them has
    to a tenth of the others, or below `ALIKE_FAR` of the median pair's: where good parts come in several kinds (two
    moulds, two suppliers), parts of one kind are alike, but no more than all of that kind are. Where a group would hold
    more than a quarter of all pictures the second rule is dropped, then the share of the first falls.
    """
    count = len(stack)
    if count < 4:
        return np.arange(count)
    distance = _distances(stack)
    around = np.sort(distance, axis=1)[:, min(count - 2, max(_FEWEST_AROUND, int(_AROUND * count)))]
    near = ALIKE * np.minimum(around[:, None], around[None, :])
    far = ALIKE_FAR * float(np.median(distance[np.isfinite(distance)]))
    groups = _linked(distance < np.maximum(near, far))
    strict = 1.0
    while np.bincount(groups).max() > max(2, _LARGEST_SHARE * count) and strict > 0.1:
        groups = _linked(distance < strict * near)
        strict *= 0.85
    # Pictures so alike that nothing tells parts apart: each is taken for one, or nobody would be left to learn from.
    return groups if np.bincount(groups).max() <= count / 2 else np.arange(count)


def _distances(stack: Stack) -> Floats:
    """Squared distances of all pairs of pictures, whitened, float32 (n, n); of a picture to itself infinite."""
    cells = np.unique(np.linspace(0, stack.shape[1] - 1, _CELLS).astype(int))
    rows = stack[:, cells].astype(np.float32)
    whitening = fit_whitening(rows.reshape(-1, rows.shape[2])[::3], _DIMENSIONS)
    flat = whitening.apply(rows).reshape(len(stack), -1)
    flat -= flat.mean(axis=0)
    squares = (flat * flat).sum(axis=1)
    distance = squares[:, None] + squares[None, :] - 2 * flat @ flat.T
    np.fill_diagonal(distance, np.inf)
    return np.asarray(distance, np.float32)


def _linked(near: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Connected components of a symmetric matrix of links."""
    groups = np.full(len(near), -1)
    number = 0
    for start in range(len(near)):
        if groups[start] >= 0:
            continue
        todo = [start]
        groups[start] = number
        while todo:
            fresh = np.flatnonzero(near[todo.pop()] & (groups < 0))
            groups[fresh] = number
            todo.extend(fresh.tolist())
        number += 1
    return groups


def spread_groups(groups: npt.NDArray[np.intp], folds: int, seed: int) -> npt.NDArray[np.intp]:
    """A fold (n,) for each picture: no group is torn apart, and the folds are as even as that allows."""
    order = np.random.default_rng(seed).permutation(int(groups.max()) + 1)
    sizes = np.bincount(groups)
    load = np.zeros(folds)
    fold_of = np.zeros(len(sizes), np.intp)
    for group in sorted(order, key=lambda g: -sizes[g]):
        fold_of[group] = int(load.argmin())
        load[fold_of[group]] += sizes[group]
    return fold_of[groups]


def hold_back(groups: npt.NDArray[np.intp], share: int, seed: int) -> npt.NDArray[np.bool_]:
    """One picture in `share` of those whose parts are numbered `groups` (n,), as a mask (n,).

    Where every part was photographed three times or more, whole parts are held back; else pictures at random, which
    rank ways more steadily (the threshold's claim never rests on this).
    """
    if 3 * (int(groups.max()) + 1) <= len(groups):
        return np.asarray(spread_groups(groups, share, seed) == 0)
    return np.asarray(np.random.default_rng(seed).permutation(len(groups)) % share == 0)
