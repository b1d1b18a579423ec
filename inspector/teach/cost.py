"""What a part will cost on the line, for every way of teaching, before anything is learned.

What it is: the list of ways, each timed on this machine from decoded picture to score. What it is not: a choice
(trials). The teaching process.

A model's time does not depend on the numbers in it, so a stand-in of the right shape is timed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inspector.clock import perf_ns
from inspector.errors import DatasetError
from inspector.inference.extract import Extractor
from inspector.teach.choose import FEATURES, METHODS
from inspector.teach.context import Context, squares_of
from inspector.teach.features import TAP_CHANNELS, TAP_DIMENSIONS, Whitening
from inspector.teach.fitting import BANK
from inspector.teach.gaussian import Gaussian
from inspector.teach.graph import GraphBuilder
from inspector.teach.memory import Memory
from inspector.teach.overall import Overall, how_many
from inspector.teach.prepare import Preparation
from inspector.teach.taught import Blend, Method, Taught
from inspector.types import Pixels

_RUNS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way of teaching: how patches are made, which features, which notion of normal; `ms` is what a part takes."""

    preparation: Preparation
    features: str
    method: Method
    ms: float


def list_ways(
    preparations: Sequence[Preparation],
    backbone: Extractor,
    frame: Pixels,
    pictures: int,
    threads: int,
    budget_ms: float | None,
) -> list[Way]:
    """Every way of learning from so many `pictures`, in the order of `preparations`, without those that take longer
    than `budget_ms` on `frame`.

    Raises DatasetError where none is left, naming the cheapest.
    """
    ways = list(_timed(preparations, backbone, frame, pictures, threads))
    kept = [way for way in ways if budget_ms is None or way.ms <= budget_ms]
    if not kept:
        cheapest = min(way.ms for way in ways)
        raise DatasetError(f"budget of {budget_ms} ms a part: the cheapest way takes {cheapest:.1f} ms here")
    return kept


def _timed(
    preparations: Sequence[Preparation], backbone: Extractor, frame: Pixels, pictures: int, threads: int
) -> Iterator[Way]:
    for preparation in preparations:
        for features in preparation.kinds:
            for method in METHODS[features]:
                model = _stand_in(preparation, features, method, backbone, pictures, threads)
                ms = _median_ms(preparation, model, frame)
                yield Way(preparation=preparation, features=features, method=method, ms=ms)


def _stand_in(
    preparation: Preparation, features: str, method: Method, backbone: Extractor, pictures: int, threads: int
) -> Extractor:
    spec = FEATURES[features]
    size = sum(TAP_DIMENSIONS[tap] for tap in spec.taps)
    counted = preparation.counted[features]
    # Every picture another part: what that may cost at the most.
    overall = how_many(pictures) if spec.is_coarse and method != "memory" else 0
    blends: list[Blend] = []
    if method in ("gaussian", "both"):
        blends += [
            Blend(model=_flat(int(np.count_nonzero(counted)), span.stop - span.start, overall), span=span)
            for _, span in spec.spans
        ]
    if method in ("memory", "both"):
        memory = Memory(bank=np.ones((BANK, size), np.float32), parts=np.zeros(BANK, np.intp))
        blends.append(Blend(model=memory, span=slice(0, size)))
    taught = Taught(
        features=spec,
        counted=counted,
        whitening=_plain(spec.channels, size),
        context=_around(preparation.cells(features), np.flatnonzero(counted)) if spec.has_context else None,
        overall=Overall(whitening=_plain(size, overall), limit=1.0) if overall else None,
        blends=tuple(blends),
        top_cells=max(1, round(len(counted) * spec.top_share)),
    )
    builder = GraphBuilder(backbone.model, preparation.spec.height, preparation.spec.width)
    taught.append(builder, preparation.cells(features), 1.0)
    return Extractor(builder.finish(), backbone.origin, threads=threads)


def _around(grid: tuple[int, int], kept: npt.NDArray[np.intp]) -> Context:
    channels = TAP_CHANNELS["context"]
    weaker = channels - TAP_DIMENSIONS["context"]
    used, place = squares_of(grid, kept)
    gaussian = _flat(len(used), weaker)
    return Context(whitening=_plain(channels, weaker), gaussian=gaussian, grid=grid, used=used, place=place)


def _flat(cells: int, size: int, overall: int = 0) -> Gaussian:
    root = np.broadcast_to(np.eye(size, dtype=np.float16), (cells, size, size))
    slope = np.zeros((overall, cells, size), np.float16)
    return Gaussian(mean=np.zeros((cells, size), np.float32), root=root, slope=slope)


def _plain(channels: int, size: int) -> Whitening:
    return Whitening(mean=np.zeros(channels, np.float32), matrix=np.eye(channels, size, dtype=np.float32))


def _median_ms(preparation: Preparation, model: Extractor, frame: Pixels) -> float:
    """Decoded picture to score; a part that is not found in `frame` is timed on an empty patch."""
    buffer = preparation.maker.empty()
    times = np.empty(_RUNS)
    for index in range(_RUNS):
        began = perf_ns()
        preparation.maker.make(frame, buffer)
        model.run(buffer)
        times[index] = (perf_ns() - began) / 1e6
    return float(np.median(times))
