"""Normal as a memory of cells seen on good parts, wherever they lay: the distance to the nearest one is the score.

What it is: choosing the memory (a coreset), scoring in numpy, and the same as ONNX operators. What it is not:
features or thresholds. The teaching process.

Method: Roth et al., "PatchCore" (2022); greedy k-centre selection in a random projection, as there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inspector.teach.graph import Floats, GraphBuilder


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """`bank` is float32 (m, D), whitened features of good cells; `parts` (m,) numbers the parts they were seen on."""

    bank: Floats
    parts: npt.NDArray[np.intp]

    def distance(self, features: Floats, without: npt.NDArray[np.intp] | None = None) -> Floats:
        """Distance to the nearest of the bank, of features (n, cells, D): float32 (n, cells).

        Of the pictures' own parts, numbered `without` (n,), nothing is remembered where given.

        The nearest is found by `|b|^2 / 2 - a b`, which is one product of matrices; its distance is then that of the
        difference itself, because `|a|^2 - 2 a b + |b|^2` of two numbers nearly alike is only rounding errors.
        """
        half = 0.5 * (self.bank * self.bank).sum(axis=1)
        result = np.empty(features.shape[:2], np.float32)
        for index, rows in enumerate(features):
            close = rows @ self.bank.T - half
            if without is not None:
                close[:, self.parts == without[index]] = -np.inf
            away = rows - self.bank[close.argmax(axis=1)]
            result[index] = np.sqrt(np.einsum("nd,nd->n", away, away))
        return result

    def append(self, builder: GraphBuilder, features: str) -> str:
        """Append `distance` on [cells, D]; the result is [cells]. Returns its name."""
        half = -0.5 * (self.bank * self.bank).sum(axis=1)
        bank = builder.constant(self.bank)
        close = builder.node("Gemm", features, bank, builder.constant(half.astype(np.float32)), transB=1)
        nearest = builder.node("Gather", bank, builder.node("ArgMax", close, axis=1, keepdims=0), axis=0)
        away = builder.node("Sub", features, nearest)
        return builder.node("Sqrt", builder.node("ReduceSumSquare", away, axes=[1], keepdims=0))


def fit_memory(rows: Floats, parts: npt.NDArray[np.intp], size: int, seed: int) -> Memory:
    """A coreset of `size` of the `rows` (n, D), of `parts` (n,): each next one is the farthest from those chosen."""
    rng = np.random.default_rng(seed)
    if len(rows) <= size:
        return Memory(bank=np.ascontiguousarray(rows, np.float32), parts=parts)
    spread = rng.standard_normal((rows.shape[1], min(32, rows.shape[1])), np.float32)
    points = rows @ spread
    chosen = [int(rng.integers(len(points)))]
    distance = np.full(len(points), np.inf, np.float32)
    for _ in range(size - 1):
        step = points - points[chosen[-1]]
        np.minimum(distance, np.einsum("nd,nd->n", step, step), out=distance)
        chosen.append(int(distance.argmax()))
    return Memory(bank=np.ascontiguousarray(rows[chosen], np.float32), parts=parts[chosen])
