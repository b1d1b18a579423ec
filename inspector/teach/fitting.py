"""The fit of a model to features of good pictures, and what it would say of each without that picture's part.

What it is: lessons, the fit, and how far to shrink. What it is not: the model itself (taught). The teaching process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from inspector.teach.context import fit_context
from inspector.teach.features import FeatureSpec, Whitening, fit_block_whitening
from inspector.teach.gaussian import Gaussian, choose_shrink, find_kin, fit_gaussian, in_blocks
from inspector.teach.graph import Floats
from inspector.teach.memory import Memory, fit_memory
from inspector.teach.overall import fit_overall, how_many
from inspector.teach.taught import AT_ONCE, Blend, Method, Stack, Taught

BANK = 1500
_SAMPLED_ROWS = 20_000
_BANK_ROWS = 15_000
_PROBED_CELLS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What to fit: features (n, cells, C) `stack` of `features`, the cells being (rows, columns) `grid`, and the number
    (n,) of each picture's part `groups`. `guests` (g, cells, C) are judged beside them, not fitted to; `hosts` (g,)
    number their parts. The first `pictures` of the stack are pictures, what is behind them their mirror images.
    `counted` (cells,) is how much each cell counts; those of 0 are not looked at."""

    stack: Stack
    features: FeatureSpec
    grid: tuple[int, int]
    groups: npt.NDArray[np.intp]
    guests: Stack
    hosts: npt.NDArray[np.intp]
    pictures: int
    counted: Floats

    @property
    def kept(self) -> npt.NDArray[np.intp]:
        """The cells that count, (kept,)."""
        return np.flatnonzero(self.counted)


def lesson(
    stack: Stack,
    features: FeatureSpec,
    grid: tuple[int, int],
    groups: npt.NDArray[np.intp],
    guests: Stack | None = None,
    hosts: npt.NDArray[np.intp] | None = None,
    counted: Floats | None = None,
) -> Lesson:
    """A lesson; no guests where none are given, and all cells count alike where nothing else is."""
    return Lesson(
        stack=stack,
        features=features,
        grid=grid,
        groups=groups,
        guests=stack[:0] if guests is None else guests,
        hosts=np.zeros(0, np.intp) if hosts is None else hosts,
        pictures=len(stack),
        counted=np.ones(stack.shape[1], np.float32) if counted is None else counted,
    )


def fit_apart(
    given: Lesson, method: Method, *, shrink: float, seed: int, step: Callable[[int, int], None]
) -> tuple[Taught, list[Floats]]:
    """The model of a lesson, and the distances (n + g, kept) of each of its notions of normal, every picture being
    judged by the model without its part; `Taught.blended` makes maps of them.

    Places and widths are those of the n fitted pictures' distances. Only what all cells of all pictures share has seen
    the picture: the whitening, and which numbers of a whole picture are covariates. Of few pictures (see `refit_apart`)
    that is too much. `step` is told (done, total).
    """
    kept = given.kept
    whitening = fit_block_whitening(_sample(given.stack, kept, _SAMPLED_ROWS)[0], given.features)
    models: list[tuple[Gaussian | Memory, slice]] = []
    distances: list[Floats] = []
    context = overall = None
    if method in ("gaussian", "both"):
        kin = find_kin(given.groups, given.hosts)
        covariates = None
        count = how_many(len(np.unique(given.groups)))
        if count and given.features.is_coarse:
            means = whitening.apply(np.concatenate([_mean(given.stack, kept), _mean(given.guests, kept)]))
            overall, covariates = fit_overall(means, len(given.stack), count, shrink, kin)
        for number, (part, span) in enumerate(given.features.spans):
            blocks = _whitened_blocks(given, part, whitening.only(part, span), number, step)
            gaussian, squares = fit_gaussian(blocks, shrink, len(given.stack), kin, covariates)
            models.append((gaussian, span))
            distances.append(squares)
        if given.features.has_context:
            context, around = fit_context(given.stack, given.guests, given.grid, kept, shrink, kin)
            distances[0] += around
        distances = [np.sqrt(squares) for squares in distances]
    if method in ("memory", "both"):
        rows, pictures = _sample(given.stack, kept, _BANK_ROWS)
        memory = fit_memory(whitening.apply(rows), given.groups[pictures], BANK, seed)
        models.append((memory, slice(0, memory.bank.shape[1])))
        distances.append(_remembered(memory, given, whitening, step))
    places = [_place(some[: len(given.stack)]) for some in distances]
    blends = tuple(
        Blend(model=model, span=span, middle=middle, width=width)
        for (model, span), (middle, width) in zip(models, places, strict=True)
    )
    top_cells = max(1, round(given.stack.shape[1] * given.features.top_share))
    taught = Taught(
        features=given.features,
        counted=given.counted,
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
    distances = [np.empty((len(given.stack), len(given.kept)), np.float32) for _ in whole.blends]
    for part in np.unique(given.groups):
        held = given.groups == part
        others = np.unique(given.groups[~held], return_inverse=True)[1]
        without = lesson(given.stack[~held], given.features, given.grid, others, counted=given.counted)
        taught, _ = fit_apart(without, method, shrink=shrink, seed=seed, step=step)
        for every, found in zip(distances, taught.distances(given.stack[held]), strict=True):
            every[held] = found
    places = map(_place, distances)
    blends = tuple(
        replace(blend, middle=middle, width=width) for blend, (middle, width) in zip(whole.blends, places, strict=True)
    )
    return replace(whole, blends=blends), distances


def _mean(stack: Stack, kept: npt.NDArray[np.intp]) -> Floats:
    """Of every picture the mean of the cells `kept`, float32 (n, C), of features (n, cells, C)."""
    total = np.zeros((len(stack), stack.shape[2]), np.float32)
    for cell in kept:
        total += stack[:, cell]
    return total / np.float32(len(kept))


def _whitened_blocks(
    given: Lesson, part: slice, whitening: Whitening, number: int, step: Callable[[int, int], None]
) -> Iterator[Floats]:
    """Of the cells that count the `part` of all pictures' features that `whitening` is of, in blocks (b, n + g, D); the
    part is the `number`-th that is fitted to."""
    kept = given.kept
    judged = len(given.stack) + len(given.guests)
    for block in in_blocks(len(kept), judged * whitening.matrix.shape[1]):
        step(number * len(kept) + block.start, len(given.features.spans) * len(kept))
        rows = np.empty((block.stop - block.start, judged, whitening.matrix.shape[1]), np.float32)
        for row, cell in zip(rows, kept[block], strict=True):
            row[:] = whitening.apply(np.concatenate([given.stack[:, cell, part], given.guests[:, cell, part]]))
        yield rows


def _remembered(memory: Memory, given: Lesson, whitening: Whitening, step: Callable[[int, int], None]) -> Floats:
    """Distances (n + g, kept) to what is remembered of other parts."""
    found = []
    for stack, parts in ((given.stack, given.groups), (given.guests, given.hosts)):
        for start in range(0, len(stack), AT_ONCE):
            step(start, len(stack))
            some = slice(start, start + AT_ONCE)
            found.append(memory.distance(whitening.apply(stack[some][:, given.kept]), parts[some]))
    return np.concatenate(found)


def _sample(
    stack: npt.NDArray[np.floating], kept: npt.NDArray[np.intp], most: int
) -> tuple[Floats, npt.NDArray[np.intp]]:
    """Rows (m, C) of the cells `kept` of features (n, cells, C) from all over, at most about `most`, and the picture
    (m,) of each."""
    count = len(stack) * len(kept)
    # A step that shares no factor with the number of cells visits all places evenly.
    step = max(1, count // most)
    while step > 1 and np.gcd(step, len(kept)) > 1:
        step += 1
    pictures, places = np.divmod(np.arange(0, count, step), len(kept))
    return stack[pictures, kept[places]].astype(np.float32), pictures


def find_shrink(given: Lesson, held: npt.NDArray[np.bool_]) -> float:
    """The Gaussian's shrinkage by likelihood of the `held` pictures after a fit to the others."""
    stack, kept = given.stack, given.kept
    whitening = fit_block_whitening(_sample(stack[~held], kept, _SAMPLED_ROWS)[0], given.features)
    probed = stack[:, kept[np.unique(np.linspace(0, len(kept) - 1, _PROBED_CELLS).astype(int))]]
    return choose_shrink(whitening.apply(probed[~held]), whitening.apply(probed[held]))


def _place(distances: Floats) -> tuple[float, float]:
    middle, high = np.percentile(distances, [50, 99])
    return float(middle), float(max(high - middle, 1e-6))
