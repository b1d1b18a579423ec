"""A taught model: whitened features, one or two notions of normal on them, blended to a map and a score.

What it is: fitting, cross-validated scores, and the whole as one ONNX graph. What it is not: which method to take
(choose), or where the threshold lies (threshold). The teaching process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from inspector.teach.context import Context, fit_context
from inspector.teach.features import FeatureSpec, Whitening, append_features, fit_block_whitening
from inspector.teach.gaussian import Gaussian, choose_shrink, find_kin, fit_gaussian
from inspector.teach.graph import Floats, GraphBuilder
from inspector.teach.memory import Memory, fit_memory
from inspector.teach.overall import Overall, fit_overall, how_many

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
    """A fitted model. The score of a picture is the mean of the `top_cells` highest cells of its map; `context` adds
    to the squared distance of a Gaussian, `overall` moves its mean."""

    features: FeatureSpec
    whitening: Whitening
    context: Context | None
    overall: Overall | None
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
                if isinstance(blend.model, Memory):
                    distances[some] = blend.model.distance(rows)
                    continue
                squares = blend.model.squares(rows, self.overall.of(rows) if self.overall else None)
                distances[some] = np.sqrt(squares + self.context.squares(stack[some]) if self.context else squares)
        return found

    def scores(self, maps: Floats) -> Floats:
        """Scores (n,) of maps (n, cells)."""
        return np.asarray(np.sort(maps, axis=1)[:, -self.top_cells :].mean(axis=1), np.float32)

    def append(self, builder: GraphBuilder, cells: tuple[int, int], threshold: float, counted: Floats) -> None:
        """Append the whole of it behind the backbone, with `map` [1, h, w] and `score` [1] as outputs; `counted`
        (cells,) is how much each cell counts, 0 for ignored ones."""
        count = cells[0] * cells[1]
        rows = self.whitening.append(builder, append_features(builder, self.features), count)
        overall = self.overall.append(builder, rows) if self.overall else None
        kept = np.flatnonzero(counted)
        if len(kept) < count:
            rows = builder.node("Gather", rows, builder.constant(kept), axis=0)
        terms = []
        for blend in self.blends:
            gain = 1.0 / (blend.width * threshold)
            distance = self._append_distance(builder, blend.model, rows, overall, kept)
            scaled = builder.node("Mul", distance, builder.scalar(gain))
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

    def _append_distance(
        self,
        builder: GraphBuilder,
        model: Gaussian | Memory,
        rows: str,
        overall: str | None,
        kept: npt.NDArray[np.intp],
    ) -> str:
        if isinstance(model, Memory):
            return model.append(builder, rows)
        squares = model.only(kept).append(builder, rows, overall)
        if self.context:
            squares = builder.node("Add", squares, self.context.append(builder, kept))
        return builder.node("Sqrt", squares)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What to fit: features (n, cells, C) `stack` of `features`, the cells being (rows, columns) `grid`, and the number
    (n,) of each picture's part `groups`. `guests` (g, cells, C) are judged beside them, not fitted to; `hosts` (g,)
    number their parts. The first `pictures` of the stack are pictures, what is behind them their mirror images."""

    stack: Stack
    features: FeatureSpec
    grid: tuple[int, int]
    groups: npt.NDArray[np.intp]
    guests: Stack
    hosts: npt.NDArray[np.intp]
    pictures: int


def lesson(
    stack: Stack,
    features: FeatureSpec,
    grid: tuple[int, int],
    groups: npt.NDArray[np.intp],
    guests: Stack | None = None,
    hosts: npt.NDArray[np.intp] | None = None,
) -> Lesson:
    """A lesson; no guests where none are given."""
    return Lesson(
        stack=stack,
        features=features,
        grid=grid,
        groups=groups,
        guests=stack[:0] if guests is None else guests,
        hosts=np.zeros(0, np.intp) if hosts is None else hosts,
        pictures=len(stack),
    )


def fit_apart(
    given: Lesson, method: Method, *, shrink: float, seed: int, step: Callable[[int, int], None]
) -> tuple[Taught, list[Floats]]:
    """The model of a lesson, and the distances (n + g, cells) of each of its notions of normal, every picture being
    judged by the model without its part; `blend_maps` makes maps of them.

    Places and widths are those of the n fitted pictures' distances. The whitening alone, one rotation for all cells of
    all pictures together, has seen the picture; of few pictures (see `refit_apart`) that is too much. `step` is told
    (done, total).
    """
    whitening = fit_block_whitening(_sample(given.stack, _SAMPLED_ROWS)[0], given.features)
    models: list[Gaussian | Memory] = []
    distances: list[Floats] = []
    context = overall = None
    if method in ("gaussian", "both"):
        kin = find_kin(given.groups, given.hosts)
        covariates = None
        count = how_many(len(np.unique(given.groups)))
        if count and given.features.is_coarse:
            overall, covariates = fit_overall(whitening.apply(_means(given)), len(given.stack), count, shrink, kin)
        cells = _whitened_cells(given, whitening, step)
        gaussian, squares = fit_gaussian(cells, shrink, len(given.stack), kin, covariates)
        if given.features.has_context:
            context, around = fit_context(given.stack, given.guests, given.grid, shrink, kin)
            squares += around
        models.append(gaussian)
        distances.append(np.sqrt(squares))
    if method in ("memory", "both"):
        rows, pictures = _sample(given.stack, _BANK_ROWS)
        memory = fit_memory(whitening.apply(rows), given.groups[pictures], BANK, seed)
        models.append(memory)
        distances.append(_remembered(memory, given, whitening, step))
    places = [_place(some[: len(given.stack)]) for some in distances]
    blends = tuple(
        Blend(model=model, middle=middle, width=width) for model, (middle, width) in zip(models, places, strict=True)
    )
    top_cells = max(1, round(given.stack.shape[1] * given.features.top_share))
    taught = Taught(
        features=given.features,
        whitening=whitening,
        context=context,
        overall=overall,
        blends=blends,
        top_cells=top_cells,
    )
    return taught, distances


def refit_apart(
    given: Lesson, method: Method, *, shrink: float, seed: int, step: Callable[[int, int], None]
) -> tuple[Taught, list[Floats]]:
    """As `fit_apart`, without guests, by a second fit for each part: not even the whitening has seen its pictures."""
    whole, _ = fit_apart(given, method, shrink=shrink, seed=seed, step=step)
    distances = [np.empty(given.stack.shape[:2], np.float32) for _ in whole.blends]
    for part in np.unique(given.groups):
        held = given.groups == part
        others = np.unique(given.groups[~held], return_inverse=True)[1]
        without = lesson(given.stack[~held], given.features, given.grid, others)
        taught, _ = fit_apart(without, method, shrink=shrink, seed=seed, step=step)
        for every, found in zip(distances, taught.distances(given.stack[held]), strict=True):
            every[held] = found
    places = map(_place, distances)
    blends = tuple(
        replace(blend, middle=middle, width=width) for blend, (middle, width) in zip(whole.blends, places, strict=True)
    )
    return replace(whole, blends=blends), distances


def _means(given: Lesson) -> Floats:
    """Of every picture and guest the mean of all cells, float32 (n + g, C)."""
    stacks = (given.stack, given.guests)
    return np.concatenate([np.asarray(some.mean(axis=1, dtype=np.float32)) for some in stacks])


def _whitened_cells(given: Lesson, whitening: Whitening, step: Callable[[int, int], None]) -> Iterator[Floats]:
    for cell in range(given.stack.shape[1]):
        step(cell, given.stack.shape[1])
        yield whitening.apply(np.concatenate([given.stack[:, cell], given.guests[:, cell]]))


def _remembered(memory: Memory, given: Lesson, whitening: Whitening, step: Callable[[int, int], None]) -> Floats:
    """Distances (n + g, cells) to what is remembered of other parts."""
    found = []
    for stack, parts in ((given.stack, given.groups), (given.guests, given.hosts)):
        for start in range(0, len(stack), _AT_ONCE):
            step(start, len(stack))
            some = slice(start, start + _AT_ONCE)
            found.append(memory.distance(whitening.apply(stack[some]), parts[some]))
    return np.concatenate(found)


def _sample(stack: npt.NDArray[np.floating], most: int) -> tuple[Floats, npt.NDArray[np.intp]]:
    """Rows (m, C) of features (n, cells, C) from all over, at most about `most`, and the picture (m,) of each."""
    rows = stack.reshape(-1, stack.shape[-1])
    # A step that shares no factor with the number of cells visits all places evenly.
    step = max(1, len(rows) // most)
    while step > 1 and np.gcd(step, stack.shape[1]) > 1:
        step += 1
    return rows[::step].astype(np.float32), np.arange(0, len(rows), step) // stack.shape[1]


def find_shrink(stack: Stack, features: FeatureSpec, held: npt.NDArray[np.bool_]) -> float:
    """The Gaussian's shrinkage by likelihood of the `held` pictures after a fit to the others."""
    whitening = fit_block_whitening(_sample(stack[~held], _SAMPLED_ROWS)[0], features)
    probed = stack[:, np.unique(np.linspace(0, stack.shape[1] - 1, _PROBED_CELLS).astype(int))]
    return choose_shrink(whitening.apply(probed[~held]), whitening.apply(probed[held]))


def _place(distances: Floats) -> tuple[float, float]:
    middle, high = np.percentile(distances, [50, 99])
    return float(middle), float(max(high - middle, 1e-6))


def blend_maps(blends: Sequence[Blend], distances: Sequence[Floats]) -> Floats:
    """The blended maps (n, cells) of each blend's distances (n, cells); those of further ones are not used."""
    total = np.zeros(distances[0].shape, np.float32)
    for blend, distance in zip(blends, distances[: len(blends)], strict=True):
        total += (distance - np.float32(blend.middle)) / np.float32(blend.width)
    return total
