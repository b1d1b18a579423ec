"""How good is a model: `test/good`, `test/<defect>`, `ground_truth` of a data set, judged as the line would.

What it is: `evaluate`, the numbers of a model folder on a labelled data set. What it is not: teaching (the model
never sees these pictures), or the line. A command's main thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from inspector.clock import perf_ns
from inspector.errors import DatasetError
from inspector.inference.extract import Extractor
from inspector.inference.runner import Runner
from inspector.metrics import aupro, auroc
from inspector.recipe import LocateLimits
from inspector.teach.options import BACKBONE
from inspector.teach.pictures import list_pictures, read_mask, read_picture, warp_map
from inspector.vision.locate import Locator, Reference
from inspector.vision.patch import PatchMaker, PatchSpec

GOOD = "good"
PIXEL_SIDE = 256
BLOCKS = 6
WARMING = 15
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One picture: its kind (`good` or the defect), the score (1.0 is the threshold), and the map on the picture.

    `score` is infinite where the part was not found, which the line rejects; `map` and `mask` are at most 256 pixels
    on the longer side, None where the data set has no masks.
    """

    path: Path
    kind: str
    score: float
    map: Floats | None
    mask: npt.NDArray[np.bool_] | None
    ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The numbers of `inspector evaluate`; rates are shares at the model's own threshold, times are medians."""

    image_auroc: float
    pixel_auroc: float | None
    aupro: float | None
    false_reject_rate: float
    escape_rate: float
    per_defect: dict[str, float]
    good: int
    bad: int
    not_found: int
    ms_per_image: float
    backbone_ms: float
    model_sha: str
    judged: tuple[Judged, ...]


def load_maker(runner: Runner) -> PatchMaker:
    """The patch maker of a loaded model, with its locate reference where the card names one."""
    patch = runner.card.patch
    spec = PatchSpec(kind=patch.kind, height=patch.height, width=patch.width)
    if patch.locate is None:
        return PatchMaker(spec)
    reference = Reference.load(runner.card.folder / patch.locate.file)
    return PatchMaker(spec, Locator(reference, LocateLimits()))


def evaluate(model: Path, dataset: Path, *, threads: int = 2, progress: Callable[[int, int], None]) -> Evaluation:
    """Judge every test picture of `dataset` with the model folder `model`.

    Raises ModelError, DatasetError (no `test/good`, no pictures), ImageError. `progress` is told (done, total).
    """
    runner = Runner(model, threads=threads)
    maker = load_maker(runner)
    files = list_tests(dataset)
    backbone = Extractor(BACKBONE.read_bytes(), BACKBONE, threads=threads)
    bare = np.zeros((256, 256, 3), np.uint8)
    judged, bare_ms = [], []
    for index, (path, kind) in enumerate(files):
        progress(index, len(files))
        judged.append(_judge(runner, maker, path, kind, dataset))
        if index % max(1, len(files) // BLOCKS) == 0:
            bare_ms += _bare_ms(backbone, bare)
    return _summary(judged, float(np.median(bare_ms)), runner.model_sha)


def _bare_ms(backbone: Extractor, bare: npt.NDArray[np.uint8]) -> list[float]:
    """Milliseconds of a few runs in a row, as the model runs too: the first ones are slower, while its threads spin."""
    taken = []
    for _ in range(WARMING + 10):
        began = perf_ns()
        backbone.run(bare)
        taken.append((perf_ns() - began) / 1e6)
    return taken[WARMING:]


def list_tests(dataset: Path) -> list[tuple[Path, str]]:
    """(file, kind) of every test picture; raises DatasetError if `test/good` or the pictures are missing."""
    test = dataset / "test"
    if not (test / GOOD).is_dir():
        raise DatasetError(f"{test / GOOD}: is not a folder; wanted test/good and test/<defect> with pictures")
    kinds = sorted(folder.name for folder in test.iterdir() if folder.is_dir())
    files = [(path, kind) for kind in kinds for path in list_pictures(test / kind)]
    if not files:
        raise DatasetError(f"{test}: holds no pictures")
    return files


def _judge(runner: Runner, maker: PatchMaker, path: Path, kind: str, dataset: Path) -> Judged:
    pixels = read_picture(path).pixels
    began = perf_ns()
    prepared = maker.make(pixels, runner.buffer)
    output = runner.run(runner.buffer) if prepared is not None else None
    ms = (perf_ns() - began) / 1e6
    score = output.score if output is not None else float("inf")
    scale = min(1.0, PIXEL_SIDE / max(pixels.shape[:2]))
    size = (max(1, round(pixels.shape[0] * scale)), max(1, round(pixels.shape[1] * scale)))
    mask = _mask(dataset, path, kind, size)
    on_picture: Floats | None = None
    if mask is not None:
        on_picture = np.zeros(size, np.float32)
        if prepared is not None and output is not None:
            on_picture = warp_map(output.map, prepared.transform, runner.buffer.shape[:2], pixels.shape[:2], size)
    return Judged(path=path, kind=kind, score=score, map=on_picture, mask=mask, ms=ms)


def _mask(dataset: Path, path: Path, kind: str, size: tuple[int, int]) -> npt.NDArray[np.bool_] | None:
    if not (dataset / "ground_truth").is_dir():
        return None
    if kind == GOOD:
        return np.zeros(size, np.bool_)
    found = dataset / "ground_truth" / kind / f"{path.stem}_mask.png"
    return read_mask(found, size) if found.is_file() else None


def _summary(judged: list[Judged], backbone_ms: float, model_sha: str) -> Evaluation:
    scores = np.array([item.score for item in judged])
    bad = np.array([item.kind != GOOD for item in judged])
    masked = [item for item in judged if item.mask is not None and (item.kind == GOOD or item.mask.any())]
    pixel = region = None
    if any(item.kind != GOOD for item in masked):
        maps = [item.map for item in masked if item.map is not None]
        masks = [item.mask for item in masked if item.mask is not None]
        pixel = auroc(np.concatenate([m.ravel() for m in maps]), np.concatenate([m.ravel() for m in masks]))
        region = aupro(list(maps), masks)
    kinds = sorted({item.kind for item in judged} - {GOOD})
    return Evaluation(
        image_auroc=auroc(scores, bad),
        pixel_auroc=pixel,
        aupro=region,
        false_reject_rate=_share([s > 1.0 for s in scores[~bad]]),
        escape_rate=_share([s <= 1.0 for s in scores[bad]]),
        per_defect={kind: _share([item.score <= 1.0 for item in judged if item.kind == kind]) for kind in kinds},
        good=int((~bad).sum()),
        bad=int(bad.sum()),
        not_found=int(np.isinf(scores).sum()),
        ms_per_image=float(np.median([item.ms for item in judged])),
        backbone_ms=backbone_ms,
        model_sha=model_sha,
        judged=tuple(judged),
    )


def _share(flags: list[bool]) -> float:
    return sum(map(bool, flags)) / len(flags) if flags else float("nan")
