"""A taught model: whitened features, one or two notions of normal on them, blended to a map and a score.

What it is: fitting, cross-validated scores, and the whole as one ONNX graph. What it is not: which method to take
(choose), or where the threshold lies (threshold). The teaching process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from inspector.teach.features import FeatureSpec, Whitening, append_features, fit_block_whitening
from inspector.teach.gaussian import Gaussian, choose_shrink, fit_gaussian
from inspector.teach.graph import Floats, GraphBuilder
from inspector.teach.memory import Memory, fit_memory

Method = Literal["gaussian", "memory", "both"]
Stack = npt.NDArray[np.float16]
BANK = 1500
_SAMPLED_ROWS = 20_000
_BANK_ROWS = 15_000
_PROBED_CELLS = 24
# Pictures that are whitened at a time: all of them as float32 would take several times the memory of the stack.
_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend:
    """One notion of normal with the place and the width its distances have on good parts that it was not fitted to:
    the blended map is the sum of `(distance - middle) / width`."""

    model: Gaussian | Memory
    middle: float = 0.0
    width: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """A fitted model. The score of a picture is the mean of the `top_cells` highest cells of its map."""

    features: FeatureSpec
    whitening: Whitening
    blends: tuple[Blend, ...]
    top_cells: int

    def maps(self, stack: npt.NDArray[np.floating]) -> Floats:
        """Maps of features (n, cells, C), of any precision: float32 (n, cells), before the threshold's scale."""
        return blend_maps(self.blends, self.distances(stack))

    def distances(self, stack: npt.NDArray[np.floating]) -> list[Floats]:
        """What each blend's model says of features (n, cells, C): float32 (n, cells) of each."""
        found = [np.empty(stack.shape[:2], np.float32) for _ in self.blends]
        for start in range(0, len(stack), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            rows = self.whitening.apply(stack[some])
            for distances, blend in zip(found, self.blends, strict=True):
                distances[some] = blend.model.distance(rows)
        return found

    def scores(self, maps: Floats) -> Floats:
        """Scores (n,) of maps (n, cells)."""
        return np.asarray(np.sort(maps, axis=1)[:, -self.top_cells :].mean(axis=1), np.float32)

    def append(self, builder: GraphBuilder, cells: tuple[int, int], threshold: float, counted: Floats) -> None:
        """Append the whole of it behind the backbone, with `map` [1, h, w] and `score` [1] as outputs; `counted`
        (cells,) is how much each cell counts, 0 for ignored ones."""
        count = cells[0] * cells[1]
        rows = self.whitening.append(builder, append_features(builder, self.features), count)
        kept = np.flatnonzero(counted)
        if len(kept) < count:
            rows = builder.node("Gather", rows, builder.constant(kept), axis=0)
        terms = []
        for blend in self.blends:
            gain = 1.0 / (blend.width * threshold)
            model = blend.model.only(kept) if isinstance(blend.model, Gaussian) else blend.model
            scaled = builder.node("Mul", model.append(builder, rows), builder.scalar(gain))
            terms.append(builder.node("Sub", scaled, builder.scalar(blend.middle * gain)))
        total = builder.node("Sum", *terms) if len(terms) > 1 else terms[0]
        if (counted != 1).any():
            total = builder.node("Mul", total, builder.constant(counted[kept]))
        if len(kept) < count:
            # Cells that do not count are 0: all of them read the one number behind the others.
            place = np.full(count, len(kept), np.int64)
            place[kept] = np.arange(len(kept))
            padded = builder.node("Concat", total, builder.constant(np.zeros(1, np.float32)), axis=0)
            total = builder.node("Gather", padded, builder.constant(place), axis=0)
        builder.output("map", builder.node("Reshape", total, builder.ints(1, *cells)), [1, *cells])
        highest = builder.top_values(total, self.top_cells)
        builder.output("score", builder.node("ReduceMean", highest, axes=[0], keepdims=1), [1])


def fit(
    stack: Stack, features: FeatureSpec, method: Method, *, shrink: float, seed: int, blends: tuple[Blend, ...] = ()
) -> Taught:
    """Fit to features (n, cells, C); the places and widths are those of `blends` where given."""
    whitening = fit_block_whitening(_sample(stack, _SAMPLED_ROWS), features)
    models: list[Gaussian | Memory] = []
    if method in ("gaussian", "both"):
        models.append(fit_gaussian((whitening.apply(stack[:, cell]) for cell in range(stack.shape[1])), shrink))
    if method in ("memory", "both"):
        models.append(fit_memory(whitening.apply(_sample(stack, _BANK_ROWS)), BANK, seed))
    known = blends or tuple(Blend(model=model) for model in models)
    fitted = tuple(replace(blend, model=model) for blend, model in zip(known, models, strict=True))
    top_cells = max(1, round(stack.shape[1] * features.top_share))
    return Taught(features=features, whitening=whitening, blends=fitted, top_cells=top_cells)


def _sample(stack: npt.NDArray[np.floating], most: int) -> Floats:
    rows = stack.reshape(-1, stack.shape[-1])
    # A step that shares no factor with the number of cells visits all places evenly.
    step = max(1, len(rows) // most)
    while step > 1 and np.gcd(step, stack.shape[1]) > 1:
        step += 1
    return rows[::step].astype(np.float32)


def find_shrink(stack: Stack, features: FeatureSpec, held: npt.NDArray[np.bool_]) -> float:
    """The Gaussian's shrinkage by likelihood of the `held` pictures after a fit to the others."""
    whitening = fit_block_whitening(_sample(stack[~held], _SAMPLED_ROWS), features)
    probed = stack[:, np.unique(np.linspace(0, stack.shape[1] - 1, _PROBED_CELLS).astype(int))]
    return choose_shrink(whitening.apply(probed[~held]), whitening.apply(probed[held]))


def place_blends(taught: Taught, held_out: Stack) -> Taught:
    """`taught` with the places and widths its distances have on `held_out` pictures."""
    places = [_place(distances) for distances in taught.distances(held_out)]
    blends = (
        replace(blend, middle=middle, width=width) for blend, (middle, width) in zip(taught.blends, places, strict=True)
    )
    return replace(taught, blends=tuple(blends))


def _place(distances: Floats) -> tuple[float, float]:
    middle, high = np.percentile(distances, [50, 99])
    return float(middle), float(max(high - middle, 1e-6))


def blend_maps(blends: Sequence[Blend], distances: Sequence[Floats]) -> Floats:
    """The blended maps (n, cells) of each blend's distances (n, cells)."""
    total = np.zeros(distances[0].shape, np.float32)
    for blend, distance in zip(blends, distances, strict=True):
        total += (distance - np.float32(blend.middle)) / np.float32(blend.width)
    return total


def cross_validate(
    stack: Stack,
    features: FeatureSpec,
    method: Method,
    *,
    shrink: float,
    seed: int,
    fold_of: npt.NDArray[np.intp],
    step: Callable[[int], None],
) -> tuple[tuple[Blend, ...], Floats, int]:
    """(places and widths, maps (n, cells), top cells): every picture is judged by a model that was not fitted to its
    fold; `fold_of` (n,) numbers the folds."""
    distances: list[Floats] = []
    places: list[list[tuple[float, float]]] = []
    for fold in range(int(fold_of.max()) + 1):
        step(fold)
        held = fold_of == fold
        taught = fit(stack[~held], features, method, shrink=shrink, seed=seed)
        found = taught.distances(stack[held])
        distances = distances or [np.empty(stack.shape[:2], np.float32) for _ in found]
        for whole, part in zip(distances, found, strict=True):
            whole[held] = part
        places.append([_place(part) for part in found])
    middles, widths = np.moveaxis(np.mean(places, axis=0), 1, 0)
    blends = tuple(
        replace(blend, middle=float(middle), width=float(width))
        for blend, middle, width in zip(taught.blends, middles, widths, strict=True)
    )
    return blends, blend_maps(blends, distances), taught.top_cells
