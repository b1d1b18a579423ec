"""Normal as one Gaussian for each cell: what this place of the part looks like, and how much it varies.

What it is: fitting, scoring in numpy, and the same as ONNX operators. What it is not: features or thresholds.
The teaching process.

Method: Defard et al., "PaDiM" (2020). The covariance of a cell is shrunk towards the identity of the whitened
features (Friedman, "Regularized Discriminant Analysis", 1989), so that few good images suffice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inspector.teach.graph import Floats, GraphBuilder


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaussian:
    """Of whitened features: `mean` is float32 (cells, D), `root` float32 (cells, D, D), a root of the precision."""

    mean: Floats
    root: Floats

    def distance(self, features: Floats) -> Floats:
        """Mahalanobis distance of features (cells, D) of one picture: float32 (cells,)."""
        turned = np.matmul((features - self.mean)[:, None, :], self.root)[:, 0]
        return np.asarray(np.sqrt((turned * turned).sum(axis=1)), np.float32)

    def append(self, builder: GraphBuilder, features: str) -> str:
        """Append `distance` on [cells, D]; the result is [cells]. Returns its name."""
        cells, size = self.mean.shape
        centred = builder.node("Sub", features, builder.constant(self.mean))
        rows = builder.node("Reshape", centred, builder.ints(cells, 1, size))
        turned = builder.node("MatMul", rows, builder.constant(self.root))
        squares = builder.node("ReduceSumSquare", turned, axes=[1, 2], keepdims=0)
        return builder.node("Sqrt", squares)


def fit_gaussian(features: Floats, shrink: float) -> Gaussian:
    """Fit to whitened features (n, cells, D); the identity weighs as much as `shrink` pictures."""
    count, cells, size = features.shape
    mean = features.mean(axis=0, dtype=np.float64)
    root = np.empty((cells, size, size), np.float32)
    identity = np.eye(size)
    for cell in range(cells):
        centred = features[:, cell].astype(np.float64) - mean[cell]
        covariance = (centred.T @ centred + shrink * identity) / (count + shrink)
        root[cell] = np.linalg.inv(np.linalg.cholesky(covariance)).T
    return Gaussian(mean=mean.astype(np.float32), root=root)
