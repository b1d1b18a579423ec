"""Normal as one Gaussian for each cell: what this place of the part looks like, and how much it varies.

What it is: fitting, scoring in numpy, and the same as ONNX operators. What it is not: features or thresholds.
The teaching process, and two threads of it that fit.

Method: Defard et al., "PaDiM" (2020). The covariance of a cell is shrunk towards the identity of the whitened
features (Friedman, "Regularized Discriminant Analysis", 1989); how much is what makes good parts that were not
fitted to most likely. What a model without one part would say of it follows from the model of all by the matrix
inversion lemma (Woodbury, 1950), as the left-out residuals of a regression do (Cook & Weisberg, 1982): no second fit.
A cell's mean may depend on what its picture is like as a whole (overall): the Gaussian is then the conditional one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from inspector.teach.graph import Floats, GraphBuilder

SHRINKS = (2.0, 10.0, 50.0, 250.0, 1250.0)
# Of features, in one block of cells.
_BLOCK = 250_000
# Threads that fit, a block each: whatever their number, the model is the same.
_WORKERS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaussian:
    """Of whitened features: `mean` is float32 (cells, D), `root` float16 (cells, D, D), an upper
    triangular root of the precision; `slope` float16 (r, cells, D) is what a cell's mean gains by each of its
    picture's r covariates (see overall), r being 0 where there are none."""

    mean: Floats
    root: npt.NDArray[np.float16]
    slope: npt.NDArray[np.float16]

    def squares(self, features: Floats, overall: Floats | None = None) -> Floats:
        """Squared Mahalanobis distance of features (n, cells, D), with the covariates (n, r): float32 (n, cells)."""
        result = np.empty(features.shape[:2], np.float32)
        for cell in range(features.shape[1]):
            centred = features[:, cell] - self.mean[cell]
            if overall is not None:
                centred -= overall @ self.slope[:, cell].astype(np.float32)
            turned = centred @ self.root[cell].astype(np.float32)
            result[:, cell] = np.einsum("nd,nd->n", turned, turned)
        return result

    def append(self, builder: GraphBuilder, features: str, overall: str | None = None) -> str:
        """Append `squares` on [cells, D], with the covariates [1, r]; the result is [cells]. Returns its name.

        Of the triangular roots only the triangle is stored; the runtime unfolds it once, when the session is made."""
        cells, size = self.mean.shape
        upper = np.triu_indices(size)
        packed = np.concatenate([self.root[:, upper[0], upper[1]], np.zeros((cells, 1), np.float16)], axis=1)
        where = np.full((size, size), len(upper[0]), np.int64)
        where[upper] = np.arange(len(upper[0]))
        root = builder.node("Gather", builder.constant(packed), builder.constant(where), axis=1)
        mean = builder.constant(self.mean)
        if overall is not None:
            slope = builder.node("Cast", builder.constant(self.slope.reshape(-1, cells * size)), to=TensorProto.FLOAT)
            gained = builder.node("Reshape", builder.node("MatMul", overall, slope), builder.ints(cells, size))
            mean = builder.node("Add", mean, gained)
        centred = builder.node("Sub", features, mean)
        rows = builder.node("Reshape", centred, builder.ints(cells, 1, size))
        turned = builder.node("MatMul", rows, builder.node("Cast", root, to=TensorProto.FLOAT))
        return builder.node("ReduceSumSquare", turned, axes=[1, 2], keepdims=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kin:
    """Pictures whose part m of the fitted pictures show: their indexes `of` (k,), and those m pictures' (k, m)."""

    of: npt.NDArray[np.intp]
    members: npt.NDArray[np.intp]


def find_kin(groups: npt.NDArray[np.intp], guests: npt.NDArray[np.intp] | None = None) -> list[Kin]:
    """Everyone's kin, for each m in turn, from the number of the part (n,) of each picture. `guests` (g,) are the parts
    of further pictures, which come behind the n and are not fitted to (a good part's, damaged)."""
    sizes = np.bincount(groups)
    members = np.split(np.argsort(groups, kind="stable"), np.cumsum(sizes)[:-1])
    everyone = groups if guests is None else np.concatenate([groups, guests])
    found = []
    for size in np.unique(sizes[everyone]):
        of = np.flatnonzero(sizes[everyone] == size)
        found.append(Kin(of=of, members=np.stack([members[part] for part in everyone[of]])))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Covariates:
    """Numbers of whole pictures: `learned` (fitted, r) of those fitted to, uncorrelated, without a mean, and of
    variance 1; `judged` (n, r) of all n, as they are judged by."""

    learned: Floats
    judged: Floats


def in_blocks(cells: int, numbers: int) -> Iterator[slice]:
    """Slices of so many cells, `numbers` being those of one cell: few enough at a time to stay near the processor."""
    size = max(1, _BLOCK // max(1, numbers))
    for first in range(0, cells, size):
        yield slice(first, min(first + size, cells))


def fit_gaussian(
    blocks: Iterable[Floats], shrink: float, fitted: int, kin: Sequence[Kin] = (), covariates: Covariates | None = None
) -> tuple[Gaussian, Floats]:
    """Fit to the first `fitted` pictures' whitened features, in `blocks` of cells (b, n, D); the identity weighs as
    much as `shrink` pictures.

    Also float32 (n, cells): the squares that each of the n has in the model of all fitted pictures but those of its
    part; without `kin` there are none, (0, cells).
    """
    # A conditional distance is the joint one of features and covariates less that of the covariates.
    alone = judge_left_out(covariates.learned, covariates.judged, shrink, kin) if covariates and kin else np.float32(0)

    def fit(rows: Floats) -> tuple[Gaussian, Floats]:
        gaussian, squares = _fit_block(rows, shrink, fitted, kin, covariates)
        return gaussian, squares - alone if kin else squares

    waiting = iter(blocks)
    found: list[tuple[Gaussian, Floats]] = []
    with ThreadPoolExecutor(_WORKERS) as pool:
        # A block at a time for each: what is found is small, the blocks of all cells together are not.
        while some := list(islice(waiting, _WORKERS)):
            found += pool.map(fit, some)
    gaussians = [gaussian for gaussian, _ in found]
    whole = Gaussian(
        mean=np.concatenate([gaussian.mean for gaussian in gaussians]),
        root=np.concatenate([gaussian.root for gaussian in gaussians]),
        slope=np.concatenate([gaussian.slope for gaussian in gaussians], axis=1),
    )
    return whole, np.concatenate([squares for _, squares in found]).T


def _fit_block(
    rows: Floats, shrink: float, fitted: int, kin: Sequence[Kin], covariates: Covariates | None
) -> tuple[Gaussian, Floats]:
    """Of a block of cells (b, n, D) the Gaussian and, where there are kin, the joint squares (b, n) without them."""
    known = covariates.learned if covariates else np.zeros((fitted, 0), np.float32)
    weight = np.float32(fitted + shrink)
    mean = rows[:, :fitted].mean(axis=1, keepdims=True)
    centred = rows - mean
    given = centred[:, :fitted]
    # The joint covariance has a block of the covariates (1, thanks to their variance) and one of covariates and
    # features: the slope itself.
    slope = known.T @ given / weight
    prior = np.float32(shrink) * np.eye(rows.shape[2], dtype=np.float32)
    covariance = (given.swapaxes(1, 2) @ given + prior) / weight - slope.swapaxes(1, 2) @ slope
    root = np.linalg.inv(np.linalg.cholesky(covariance)).swapaxes(1, 2)
    half = np.float16
    gaussian = Gaussian(mean=mean[:, 0], root=root.astype(half), slope=slope.swapaxes(0, 1).astype(half))
    if not kin:
        return gaussian, np.zeros((len(rows), 0), np.float32)
    judged = centred @ root
    learned = judged[:, :fitted]
    if covariates:
        gained = slope @ root
        learned = _beside(known, learned - known @ gained)
        judged = _beside(covariates.judged, judged - covariates.judged @ gained)
    return gaussian, judge_left_out(learned, judged, shrink, kin)


def _beside(covariates: Floats, rows: Floats) -> Floats:
    """(n, r) before (b, n, D): (b, n, r + D)."""
    everywhere = np.broadcast_to(covariates, (len(rows), *covariates.shape))
    return np.concatenate([everywhere, rows], axis=2)


def judge_left_out(learned: Floats, judged: Floats, shrink: float, kin: Sequence[Kin]) -> Floats:
    """Squares, float32 (..., n), of `judged` (..., n, D), each by the model without its part. These and those `learned`
    from, (..., fitted, D), are differences from the mean times the root.

    Of a part's m pictures Y the mean loses sum(Y) / (fitted - m) and the scatter Y' inv(B) Y, where B = 1 - 1 / fitted
    is what the mean leaves of them; the inverse of the rest is that of m x m numbers.
    """
    squares = np.empty(judged.shape[:-1], np.float32)
    fitted = learned.shape[-2]
    weight = fitted + shrink
    for relatives in kin:
        rows = learned[..., relatives.members, :].astype(np.float64)
        size = relatives.members.shape[1]
        away = judged[..., relatives.of, :] + rows.sum(axis=-2) / (fitted - size)
        inner = np.eye(size) - 1 / fitted - np.einsum("...id,...jd->...ij", rows, rows) / weight
        along = np.einsum("...id,...d->...i", rows, away)
        inverse = np.linalg.inv(inner) if size > 1 else 1 / inner
        gained = np.einsum("...i,...ij,...j->...", along, inverse, along) / weight
        own = np.einsum("...d,...d->...", away, away)
        squares[..., relatives.of] = (own + gained) * (weight - size) / weight
    return squares


def _spectrum(rows: Floats, mean: Floats) -> tuple[Floats, Floats]:
    centred = rows - mean
    values, vectors = np.linalg.eigh(centred.T @ centred / np.float32(len(rows)))
    return np.maximum(values, 0), vectors


def choose_shrink(fitted: Floats, held_out: Floats) -> float:
    """The shrinkage under which `held_out` (m, cells, D) is most likely after a fit to `fitted` (n, cells, D)."""
    likelihood = dict.fromkeys(SHRINKS, 0.0)
    for cell in range(fitted.shape[1]):
        mean = fitted[:, cell].mean(axis=0)
        values, vectors = _spectrum(fitted[:, cell], mean)
        squares = ((held_out[:, cell] - mean) @ vectors) ** 2
        for shrink in SHRINKS:
            variance = (len(fitted) * values + shrink) / (len(fitted) + shrink)
            likelihood[shrink] -= float((squares / variance).mean(axis=0).sum() + np.log(variance).sum())
    return max(SHRINKS, key=lambda shrink: likelihood[shrink])
