"""Normal as one Gaussian for each cell: what this place of the part looks like, and how much it varies.

What it is: fitting, scoring in numpy, and the same as ONNX operators. What it is not: features or thresholds.
The teaching process.

Method: Defard et al., "PaDiM" (2020). The covariance of a cell is shrunk towards the identity of the whitened
features (Friedman, "Regularized Discriminant Analysis", 1989); how much is what makes good parts that were not
fitted to most likely.
"""

from __future__ import annotations

from collections.abc import Iterable
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

    def distance(self, features: Floats) -> Floats:
        """Mahalanobis distance of features (n, cells, D): float32 (n, cells)."""
        result = np.empty(features.shape[:2], np.float32)
        for cell in range(features.shape[1]):
            turned = (features[:, cell] - self.mean[cell]) @ self.root[cell].astype(np.float32)
            result[:, cell] = np.sqrt(np.einsum("nd,nd->n", turned, turned))
        return result

    def only(self, cells: npt.NDArray[np.intp]) -> Gaussian:
        """Of these cells alone."""
        return Gaussian(mean=self.mean[cells], root=self.root[cells])

    def append(self, builder: GraphBuilder, features: str) -> str:
        """Append `distance` on [cells, D]; the result is [cells]. Returns its name.

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
        squares = builder.node("ReduceSumSquare", turned, axes=[1, 2], keepdims=0)
        return builder.node("Sqrt", squares)


def fit_gaussian(cells: Iterable[Floats], shrink: float) -> Gaussian:
    """Fit to the whitened features (n, D) of each cell in turn; the identity weighs as much as `shrink` pictures."""
    means, roots = [], []
    for rows in cells:
        mean = rows.mean(axis=0)
        centred = rows - mean
        prior = np.float32(shrink) * np.eye(rows.shape[1], dtype=np.float32)
        covariance = (centred.T @ centred + prior) / np.float32(len(rows) + shrink)
        means.append(mean)
        roots.append(np.linalg.inv(np.linalg.cholesky(covariance)).T.astype(np.float16))
    return Gaussian(mean=np.stack(means), root=np.stack(roots))


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
