"""Normal as a memory of cells seen on good parts, wherever they lay: the distance to the nearest one is the score.

What it is: choosing the memory (a coreset), scoring in numpy, and the same as ONNX operators. What it is not:
features or thresholds. The teaching process.

Method: Roth et al., "PatchCore" (2022); greedy k-centre selection in a random projection, as there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inspector.teach.graph import Floats, GraphBuilder


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """`bank` is float32 (m, D), whitened features of good cells."""

    bank: Floats

    def distance(self, features: Floats) -> Floats:
        """Distance to the nearest of the bank, of features (n, cells, D): float32 (n, cells)."""
        half = 0.5 * (self.bank * self.bank).sum(axis=1)
        result = np.empty(features.shape[:2], np.float32)
        for index, rows in enumerate(features):
            nearest = (rows @ self.bank.T - half).max(axis=1)
            result[index] = np.sqrt(np.maximum((rows * rows).sum(axis=1) - 2 * nearest, 0))
        return result

    def append(self, builder: GraphBuilder, features: str) -> str:
        """Append `distance` on [cells, D]; the result is [cells]. Returns its name."""
        half = -0.5 * (self.bank * self.bank).sum(axis=1)
        close = builder.node("Gemm", features, builder.constant(self.bank.T), builder.constant(half.astype(np.float32)))
        nearest = builder.node("ReduceMax", close, axes=[1], keepdims=0)
        own = builder.node("ReduceSumSquare", features, axes=[1], keepdims=0)
        twice = builder.node("Mul", nearest, builder.constant(np.array(2.0, np.float32)))
        squares = builder.node("Relu", builder.node("Sub", own, twice))
        return builder.node("Sqrt", squares)


def fit_memory(rows: Floats, size: int, seed: int) -> Memory:
    """A coreset of `size` of the `rows` (n, D): each next one is the farthest from those already chosen."""
    rng = np.random.default_rng(seed)
    if len(rows) <= size:
        return Memory(bank=np.ascontiguousarray(rows, np.float32))
    spread = rng.standard_normal((rows.shape[1], min(32, rows.shape[1])), np.float32)
    points = rows @ spread
    chosen = [int(rng.integers(len(points)))]
    distance = np.full(len(points), np.inf, np.float32)
    for _ in range(size - 1):
        step = points - points[chosen[-1]]
        np.minimum(distance, np.einsum("nd,nd->n", step, step), out=distance)
        chosen.append(int(distance.argmax()))
    return Memory(bank=np.ascontiguousarray(rows[chosen], np.float32))
