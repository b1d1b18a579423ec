"""Normal as one Gaussian for each cell: what this place of the part looks like, and how much it varies.

What it is: fitting, scoring in numpy, and the same as ONNX operators. What it is not: features or thresholds.
The teaching process.

Method: Defard et al., "PaDiM" (2020). The covariance of a cell is shrunk towards the identity of the whitened
features (Friedman, "Regularized Discriminant Analysis", 1989); how much is what makes good parts that were not
fitted to most likely. What a model without one part would say of it follows from the model of all by the matrix
inversion lemma (Woodbury, 1950), as the left-out residuals of a regression do (Cook & Weisberg, 1982): no second fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from inspector.teach.graph import Floats, GraphBuilder

SHRINKS = (2.0, 10.0, 50.0, 250.0, 1250.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaussian:
    """Of whitened features: `mean` is float32 (cells, D), `root` float16 (cells, D, D), an upper
    triangular root of the precision."""

    mean: Floats
    root: npt.NDArray[np.float16]

    def squares(self, features: Floats) -> Floats:
        """Squared Mahalanobis distance of features (n, cells, D): float32 (n, cells)."""
        result = np.empty(features.shape[:2], np.float32)
        for cell in range(features.shape[1]):
            turned = (features[:, cell] - self.mean[cell]) @ self.root[cell].astype(np.float32)
            result[:, cell] = np.einsum("nd,nd->n", turned, turned)
        return result

    def only(self, cells: npt.NDArray[np.intp]) -> Gaussian:
        """Of these cells alone."""
        return Gaussian(mean=self.mean[cells], root=self.root[cells])

    def append(self, builder: GraphBuilder, features: str) -> str:
        """Append `squares` on [cells, D]; the result is [cells]. Returns its name.

        Of the triangular roots only the triangle is stored; the runtime unfolds it once, when the session is made."""
        cells, size = self.mean.shape
        upper = np.triu_indices(size)
        packed = np.concatenate([self.root[:, upper[0], upper[1]], np.zeros((cells, 1), np.float16)], axis=1)
        where = np.full((size, size), len(upper[0]), np.int64)
        where[upper] = np.arange(len(upper[0]))
        root = builder.node("Gather", builder.constant(packed), builder.constant(where), axis=1)
        centred = builder.node("Sub", features, builder.constant(self.mean))
        rows = builder.node("Reshape", centred, builder.ints(cells, 1, size))
        turned = builder.node("MatMul", rows, builder.node("Cast", root, to=TensorProto.FLOAT))
        return builder.node("ReduceSumSquare", turned, axes=[1, 2], keepdims=0)


def fit_gaussian(
    cells: Iterable[Floats], shrink: float, parts: Sequence[npt.NDArray[np.intp]] = ()
) -> tuple[Gaussian, Floats]:
    """Fit to the whitened features (n, D) of each cell in turn; the identity weighs as much as `shrink` pictures.

    Also float32 (n, cells): the squares that each picture has in the model of all pictures but those of its part.
    `parts` holds for each number of pictures m of a part the pictures' indexes (parts, m), see `parts_by_size`; without
    it there are no such squares (0, cells).
    """
    means, roots, left_out = [], [], []
    for rows in cells:
        mean = rows.mean(axis=0)
        centred = rows - mean
        prior = np.float32(shrink) * np.eye(rows.shape[1], dtype=np.float32)
        covariance = (centred.T @ centred + prior) / np.float32(len(rows) + shrink)
        root = np.linalg.inv(np.linalg.cholesky(covariance)).T
        means.append(mean)
        roots.append(root.astype(np.float16))
        left_out.append(_left_out(centred @ root, shrink, parts) if parts else np.zeros(0, np.float32))
    return Gaussian(mean=np.stack(means), root=np.stack(roots)), np.stack(left_out, axis=1)


def _left_out(turned: Floats, shrink: float, parts: Sequence[npt.NDArray[np.intp]]) -> Floats:
    """Squares (n,) of residuals `turned` (n, D), each by the model without its part.

    With H = 1/n the hat matrix of the mean, B = 1 - H of one part's m pictures, K their inner products in the inverse
    scatter: the squares are the diagonal of inv(B) K inv(B - K), times the weight of what is left.
    """
    count = len(turned)
    squares = np.empty(count, np.float32)
    for members in parts:
        rows = turned[members].astype(np.float64)
        inner = rows @ rows.swapaxes(1, 2) / (count + shrink)
        kept = np.eye(members.shape[1]) - 1 / count
        found = np.linalg.inv(kept) @ inner @ np.linalg.inv(kept - inner)
        squares[members] = np.diagonal(found, axis1=1, axis2=2) * (count - members.shape[1] + shrink)
    return squares


def parts_by_size(groups: npt.NDArray[np.intp]) -> list[npt.NDArray[np.intp]]:
    """The pictures of each part, indexes (parts, m) for each m in turn, from the number (n,) of each picture's part."""
    sizes = np.bincount(groups)
    members = np.split(np.argsort(groups, kind="stable"), np.cumsum(sizes)[:-1])
    return [np.stack([members[part] for part in np.flatnonzero(sizes == size)]) for size in np.unique(sizes)]


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
