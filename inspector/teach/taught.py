"""A taught model: whitened features, one or two notions of normal on them, blended to a map and a score.

What it is: what such a model says of features, in numpy, and the whole as one ONNX graph. What it is not: the fit
(fitting), which method to take (choose), or where the threshold lies (threshold). The teaching process.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from inspector.teach.context import Context
from inspector.teach.features import FeatureSpec, Whitening, append_features
from inspector.teach.gaussian import Gaussian
from inspector.teach.graph import Floats, GraphBuilder
from inspector.teach.memory import Memory
from inspector.teach.overall import Overall

Method = Literal["gaussian", "memory", "both"]
Stack = npt.NDArray[np.float16]
# Pictures that are whitened at a time: all of them as float32 would take several times the memory of the stack.
AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend:
    """One notion of normal with the place and the width its distances have on good parts that it was not fitted to:
    the blended map is the sum of `(distance - middle) / width`, or the highest where taps are looked at apart. `span`
    are the whitened numbers it looks at."""

    model: Gaussian | Memory
    span: slice
    middle: float = 0.0
    width: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """A fitted model. `counted` (cells,) is how much each cell counts; those that count nothing are not looked at.
    The score of a picture is the mean of the `top_cells` highest cells of its map; `context` adds to the squared
    distance of a Gaussian, `overall` moves its mean."""

    features: FeatureSpec
    counted: Floats
    whitening: Whitening
    context: Context | None
    overall: Overall | None
    blends: tuple[Blend, ...]
    top_cells: int

    def maps(self, stack: npt.NDArray[np.floating]) -> Floats:
        """Maps of features (n, cells, C), of any precision: float32 (n, cells), before the threshold's scale."""
        return self.blended(self.distances(stack))

    def blended(self, distances: Sequence[Floats]) -> Floats:
        """The map (n, cells) of what each of its blends says of the cells that count, (n, kept); what further ones say
        is not used."""
        every = [
            (distance - np.float32(blend.middle)) / np.float32(blend.width)
            for blend, distance in zip(self.blends, distances[: len(self.blends)], strict=True)
        ]
        kept = np.flatnonzero(self.counted)
        maps = np.zeros((len(every[0]), len(self.counted)), np.float32)
        maps[:, kept] = functools.reduce(np.maximum if self.features.apart else np.add, every) * self.counted[kept]
        return maps

    def distances(self, stack: npt.NDArray[np.floating]) -> list[Floats]:
        """What each blend's model says of features (n, cells, C): float32 (n, kept) of each."""
        kept = np.flatnonzero(self.counted)
        found = [np.empty((len(stack), len(kept)), np.float32) for _ in self.blends]
        for start in range(0, len(stack), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            whitened = self.whitening.apply(stack[some][:, kept])
            overall = self.overall.of(whitened.mean(axis=1)) if self.overall else None
            for distances, blend in zip(found, self.blends, strict=True):
                rows = whitened[:, :, blend.span]
                if isinstance(blend.model, Memory):
                    distances[some] = blend.model.distance(rows)
                    continue
                squares = blend.model.squares(rows, overall)
                distances[some] = np.sqrt(squares + self.context.squares(stack[some]) if self.context else squares)
        return found

    def scores(self, maps: Floats) -> Floats:
        """Scores (n,) of maps (n, cells)."""
        return np.asarray(np.sort(maps, axis=1)[:, -self.top_cells :].mean(axis=1), np.float32)

    def append(self, builder: GraphBuilder, cells: tuple[int, int], threshold: float) -> None:
        """Append the whole of it behind the backbone, with `map` [1, h, w] and `score` [1] as outputs."""
        count = cells[0] * cells[1]
        rows = self.whitening.append(builder, append_features(builder, self.features), count)
        kept = np.flatnonzero(self.counted)
        if len(kept) < count:
            rows = builder.node("Gather", rows, builder.constant(kept), axis=0)
        overall = self.overall.append(builder, rows) if self.overall else None
        terms = []
        for blend in self.blends:
            gain = 1.0 / (blend.width * threshold)
            distance = self._append_distance(builder, blend, rows, overall)
            scaled = builder.node("Mul", distance, builder.scalar(gain))
            terms.append(builder.node("Sub", scaled, builder.scalar(blend.middle * gain)))
        total = builder.node("Max" if self.features.apart else "Sum", *terms) if len(terms) > 1 else terms[0]
        if (self.counted != 1).any():
            total = builder.node("Mul", total, builder.constant(self.counted[kept]))
        if len(kept) < count:
            # Cells that do not count are 0: all of them read the one number behind the others.
            place = np.full(count, len(kept), np.int64)
            place[kept] = np.arange(len(kept))
            padded = builder.node("Concat", total, builder.constant(np.zeros(1, np.float32)), axis=0)
            total = builder.node("Gather", padded, builder.constant(place), axis=0)
        builder.output("map", builder.node("Reshape", total, builder.ints(1, *cells)), [1, *cells])
        highest = builder.top_values(total, self.top_cells)
        builder.output("score", builder.node("ReduceMean", highest, axes=[0], keepdims=1), [1])

    def _append_distance(self, builder: GraphBuilder, blend: Blend, rows: str, overall: str | None) -> str:
        if self.features.apart:
            rows = builder.node("Gather", rows, builder.constant(np.arange(blend.span.start, blend.span.stop)), axis=1)
        if isinstance(blend.model, Memory):
            return blend.model.append(builder, rows)
        squares = blend.model.append(builder, rows, overall)
        if self.context:
            squares = builder.node("Add", squares, self.context.append(builder))
        return builder.node("Sqrt", squares)
