"""Learning the chosen way: features of all good pictures, cross-validation, threshold, the fit to all, the graph.

What it is: `learn` and `build`. What it is not: the choice (trials) or the files (writing). The teaching process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from inspector.errors import DatasetError
from inspector.inference.extract import Extractor
from inspector.inference.outputs import shrink_mask
from inspector.teach.choose import FEATURES, Trial
from inspector.teach.doctor import Finding, rank_unlike
from inspector.teach.fitting import fit_apart, lesson, refit_apart
from inspector.teach.graph import Floats, GraphBuilder
from inspector.teach.groups import find_groups
from inspector.teach.mirrored import mirrored_features, with_images
from inspector.teach.options import TeachOptions
from inspector.teach.pictures import list_pictures, read_ahead, read_picture
from inspector.teach.prepare import Preparation
from inspector.teach.synthetic import damage
from inspector.teach.taught import Stack, Taught
from inspector.teach.threshold import (
    DefectGain,
    Threshold,
    defect_gain,
    place_by_cost,
    place_threshold,
    sharpen_threshold,
)
from inspector.teach.trials import Choice
from inspector.teach.watch import Watch
from inspector.types import Pixels
from inspector.vision.patch import load_mask

FEWEST = 3
# Of so few pictures even the whitening has to be fitted without the one that is judged (castings, five pictures: 149 of
# 150 good ones above the threshold otherwise).
FEW = 20
# Of features, at 2 bytes a number: 440 parts with fine cells at the most pixels, 6,400 at 256 x 256.
MOST_BYTES = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """The fitted model with what was found on the way; `scores` (n,) and `maps` (n, cells) are cross-validated,
    `groups` (n,) number the parts on them.

    `examples` are patches, good and damaged, `example_maps` (m, cells) what the arrays of the model make of them."""

    taught: Taught
    threshold: Threshold
    gain: DefectGain
    files: tuple[Path, ...]
    scores: Floats
    groups: npt.NDArray[np.intp]
    maps: Floats
    findings: tuple[Finding, ...]
    suspects: tuple[Path, ...]
    defect_scores: Floats
    examples: tuple[Pixels, ...]
    example_maps: Floats


def learn(files: Sequence[Path], choice: Choice, options: TeachOptions, watch: Watch) -> Learned:
    """Fit the chosen way to all pictures; scores, suspects and threshold by cross-validation."""
    preparation, kind = choice.preparation, choice.trial.features
    used = _affordable(files, preparation, kind)
    stack, images, kept, examples = _features(used, preparation, choice.trial, watch)
    findings = [
        Finding(path=path, code="not_found", text=f"{path.name}: the part was not found in it; left out")
        for path in sorted(set(used) - set(kept))
    ]
    if len(used) < len(files):
        text = f"{len(used)} of {len(files)} pictures were taken, evenly: more do not fit in {MOST_BYTES / 1e9:g} GB"
        findings.append(Finding(path=files[0].parent, code="too_many", text=text))
    counted = _counted(options, preparation, kind)
    groups = find_groups(FEATURES[kind].finest(stack))
    taught, maps, scores = _fit(stack, images, groups, choice, counted, options, watch)
    order, odd = rank_unlike(kept, scores)
    findings += [
        Finding(path=kept[index], code="unlike", text=f"{kept[index].name}: unlike the other good ones")
        for index in odd
    ]
    suspects = tuple(kept[index] for index in order[:5])
    if options.exclude_suspects and odd:
        keep = np.setdiff1d(np.arange(len(kept)), odd)
        stack, images, kept = stack[keep], images[keep], [kept[index] for index in keep]
        groups = find_groups(FEATURES[kind].finest(stack))
        taught, maps, scores = _fit(stack, images, groups, choice, counted, options, watch)
    defect_scores = _defect_scores(taught, preparation, kind, options)
    placed = place_threshold(scores, options.target_false_rejects, groups)

    def settle(known: npt.NDArray[np.floating]) -> Threshold:
        if options.escape_cost is None or not len(known):
            return sharpen_threshold(placed, known)
        return place_by_cost(scores, groups, known, options.escape_cost, options.target_false_rejects)

    example_rows = np.stack([preparation.features(patch)[kind] for patch in examples])
    return Learned(
        taught=taught,
        threshold=settle(defect_scores),
        gain=defect_gain(placed, scores, defect_scores, settle),
        files=tuple(kept),
        scores=scores,
        groups=groups,
        maps=maps,
        findings=tuple(findings),
        suspects=suspects,
        defect_scores=defect_scores,
        examples=examples,
        example_maps=taught.maps(example_rows),
    )


def _features(
    files: Sequence[Path], preparation: Preparation, trial: Trial, watch: Watch
) -> tuple[Stack, Stack, list[Path], tuple[Pixels, ...]]:
    """Features (n, cells, C), those of mirror images (n, k, cells, C), the files and examples of patches."""
    kind = trial.features
    rows, columns = preparation.cells(kind)
    images = []
    stack = np.empty((len(files), rows * columns, FEATURES[kind].channels), np.float16)
    kept: list[Path] = []
    patches: list[Pixels] = []
    for index, (path, pixels) in enumerate(zip(files, read_ahead(files), strict=True)):
        watch.step("features", index, len(files))
        patch = preparation.patch(pixels)
        if patch is None:
            continue
        stack[len(kept)] = preparation.features(patch)[kind]
        kept.append(path)
        if trial.mirrors:
            images.append(mirrored_features(preparation, patch, trial.mirrors)[kind])
        if len(patches) < 2:
            patches.append(patch)
    if len(kept) < FEWEST:
        raise DatasetError(f"the part was found in {len(kept)} pictures, wanted at least {FEWEST}")
    stack = stack[: len(kept)]
    return stack, np.stack(images) if images else stack[:, None][:, :0], kept, _examples(*patches[:2])


def _affordable(files: Sequence[Path], preparation: Preparation, kind: str) -> list[Path]:
    """As many of `files` as `MOST_BYTES` of features hold, from all over the list."""
    rows, columns = preparation.cells(kind)
    most = max(FEWEST, MOST_BYTES // (2 * rows * columns * FEATURES[kind].channels))
    return [files[int(i)] for i in np.linspace(0, len(files) - 1, min(len(files), most))]


def _examples(good: Pixels, other: Pixels) -> tuple[Pixels, ...]:
    """A good patch and a damaged one, because the line must find both as the teacher did."""
    everywhere = np.ones(good.shape[:2], np.float32)
    return good, damage(good, [other], "stain", np.random.default_rng(0), everywhere)


def _counted(options: TeachOptions, preparation: Preparation, kind: str) -> Floats:
    if options.ignore is None:
        return preparation.counted[kind]
    ignored = shrink_mask(load_mask(options.ignore), preparation.cells(kind)).ravel()
    counted = np.where(ignored, np.float32(0), preparation.counted[kind])
    if not counted.any():
        raise DatasetError(f"{options.ignore}: ignores the whole part, wanted some of it black")
    return counted


def _fit(
    stack: Stack,
    images: Stack,
    groups: npt.NDArray[np.intp],
    choice: Choice,
    counted: Floats,
    options: TeachOptions,
    watch: Watch,
) -> tuple[Taught, Floats, Floats]:
    """The model, and the maps (n, cells) and scores (n,) of every picture by the model without its part."""
    trial = choice.trial
    fitting = fit_apart if len(stack) > FEW else refit_apart
    given = lesson(stack, choice.features, choice.preparation.cells(trial.features), groups, counted=counted)
    taught, distances = fitting(
        with_images(given, images) if trial.mirrors else given,
        trial.method,
        shrink=trial.shrink,
        seed=options.seed,
        step=lambda done, total: watch.step("learning", done, total),
    )
    maps = taught.blended([some[: len(stack)] for some in distances])
    return taught, maps, taught.scores(maps)


def _defect_scores(taught: Taught, preparation: Preparation, kind: str, options: TeachOptions) -> Floats:
    rows = []
    for path in list_pictures(options.defects) if options.defects else []:
        patch = preparation.patch(read_picture(path).pixels)
        if patch is not None:
            rows.append(preparation.features(patch)[kind].astype(np.float16))
    return taught.scores(taught.maps(np.stack(rows))) if rows else np.zeros(0, np.float32)


def build(learned: Learned, choice: Choice, options: TeachOptions) -> bytes:
    """The whole model as one ONNX graph."""
    backbone = Extractor(options.backbone.read_bytes(), options.backbone, threads=options.threads)
    preparation = choice.preparation
    builder = GraphBuilder(backbone.model, preparation.spec.height, preparation.spec.width)
    learned.taught.append(builder, preparation.cells(choice.trial.features), learned.threshold.raw)
    return builder.finish()
