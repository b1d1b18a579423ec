"""The exported graph computes what the arrays it was written from compute: every method on every kind of features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inspector.inference.extract import Extractor
from inspector.teach.choose import FEATURES, METHODS
from inspector.teach.features import append_features
from inspector.teach.fitting import fit_apart, lesson
from inspector.teach.graph import GraphBuilder
from inspector.teach.options import BACKBONE
from inspector.teach.taught import Method
from inspector.teach.teaching import SAME
from tests.teach.made import quiet

SIDE = 96
THRESHOLD = 1.7


@pytest.fixture(scope="module")
def backbone() -> Extractor:
    return Extractor(BACKBONE.read_bytes(), BACKBONE, threads=1)


def pictures(count: int) -> list[np.ndarray]:  # type: ignore[type-arg]
    rng = np.random.default_rng(1)
    ground = rng.integers(0, 200, (SIDE // 8, SIDE // 8, 3)).repeat(8, 0).repeat(8, 1)
    return [np.clip(ground + rng.normal(0, 12, ground.shape), 0, 255).astype(np.uint8) for _ in range(count)]


@pytest.mark.parametrize("ignoring", [False, True])
@pytest.mark.parametrize("count", [12, 72])
@pytest.mark.parametrize(("kind", "method"), [(kind, method) for kind in FEATURES for method in METHODS[kind]])
def test_exported_is_taught(backbone: Extractor, kind: str, method: Method, count: int, ignoring: bool) -> None:
    spec = FEATURES[kind]
    cells = (SIDE // spec.stride, SIDE // spec.stride)
    builder = GraphBuilder(backbone.model, SIDE, SIDE)
    builder.output("features", append_features(builder, spec), [1, spec.channels, *cells])
    extractor = Extractor(builder.finish(), Path("features"), threads=1)
    seen = pictures(count + 2)
    seen[-1] //= 3
    rows = [extractor.run(picture)["features"][0].reshape(spec.channels, -1).T for picture in seen]
    stack = np.stack(rows[:count]).astype(np.float16)
    counted = np.ones(cells[0] * cells[1], np.float32)
    if ignoring:
        counted[: len(counted) // 3], counted[-3:] = 0, 0.5
    given = lesson(stack, spec, cells, np.arange(count), counted=counted)
    taught, _ = fit_apart(given, method, shrink=10.0, seed=1, step=quiet)
    assert (taught.overall is not None) == (count > 64 and spec.is_coarse)
    graph = GraphBuilder(backbone.model, SIDE, SIDE)
    taught.append(graph, cells, THRESHOLD)
    exported = Extractor(graph.finish(), Path("exported"), threads=1)
    # The first were fitted to: cells of theirs lie in the memory itself, at a distance of zero.
    some = slice(None, None, -13) if count > 14 else slice(None)
    maps = taught.maps(np.stack(rows)[some])
    for picture, wanted, score in zip(seen[some], maps, taught.scores(maps), strict=True):
        found = exported.run(picture)
        limit = SAME * max(1.0, float(np.abs(wanted).max()) / THRESHOLD)
        assert np.abs(found["map"].ravel() - wanted / THRESHOLD).max() <= limit
        assert abs(float(found["score"][0]) - score / THRESHOLD) <= limit
