"""Teaching from good pictures: examine, choose a way, learn, place the threshold, write the folder.

What it is: `teach`, the whole of it in order. What it is not: the methods, which are beside it. One process of its
own at low priority; `progress` is called between steps and `cancelled` asked there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from inspector.clock import perf_ns
from inspector.errors import DatasetError, ModelError
from inspector.inference.extract import Extractor
from inspector.inference.outputs import shrink_mask
from inspector.inference.runner import Runner
from inspector.teach.choose import FEATURES
from inspector.teach.doctor import Checkup, Finding, examine, rank_unlike
from inspector.teach.folder import appears_whole, refuse_existing
from inspector.teach.graph import Floats, GraphBuilder
from inspector.teach.groups import find_groups, spread_groups
from inspector.teach.options import Progress, TeachOptions, TeachResult
from inspector.teach.pictures import list_pictures, read_picture
from inspector.teach.prepare import Preparation, make_preparation, patch_specs
from inspector.teach.report import ReportData, write_report
from inspector.teach.taught import Blend, Stack, Taught, cross_validate, find_shrink, fit
from inspector.teach.threshold import Threshold, place_threshold, sharpen_threshold
from inspector.teach.trials import FEWEST_FOR_TRIALS, Choice, choose
from inspector.teach.watch import Watch
from inspector.teach.writing import Written, write_model
from inspector.types import Pixels
from inspector.vision.patch import load_mask
from inspector.vision.reference import Reference
from inspector.vision.teaching import MOST_PICTURES, teach_reference

FOLDS = 5
FEWEST = 3


def teach(
    good: Sequence[Path],
    out: Path,
    options: TeachOptions,
    progress: Callable[[Progress], None],
    cancelled: Callable[[], bool],
) -> TeachResult:
    """Learn a model from the pictures `good` and write it as the folder `out`.

    Raises DatasetError (too few pictures, `out` exists), ModelError, StationError (disk), Cancelled. Nothing is left
    behind when it raises. A picture that cannot be read is left out and told of.
    """
    started = perf_ns()
    refuse_existing(out)
    watch = Watch(progress, cancelled)
    checkup = examine(good, watch)
    _refuse_too_few(checkup, len(good))
    reference = _reference(checkup.usable, watch)
    choice = _choose(checkup.usable, reference, options, watch)
    learned = learn(checkup.usable, choice, options, watch)
    with appears_whole(out) as folder:
        content = build(learned, choice.preparation, options)
        written = Written(
            content=content,
            preparation=choice.preparation,
            reference=reference,
            threshold=learned.threshold,
            top_cells=learned.taught.top_cells,
            chosen=in_words(choice),
            images=len(learned.files),
            images_sha256=checkup.digest,
            examples=learned.examples,
        )
        write_model(folder, out, written, options)
        runner = Runner(folder, threads=options.threads, spinning=False)
        _refuse_changed(runner, learned)
        seconds = (perf_ns() - started) / 1e9
        findings = (*checkup.findings, *learned.findings)
        report = ReportData(
            name=f"{out.resolve().parent.name}/{out.name}",
            choice=choice,
            chosen=in_words(choice),
            threshold=learned.threshold,
            files=learned.files,
            scores=learned.scores / learned.threshold.raw,
            maps=learned.maps / learned.threshold.raw,
            findings=findings,
            defect_scores=learned.defect_scores / learned.threshold.raw,
            ms=_time(runner),
            seconds=seconds,
        )
        write_report(folder / "report.html", report, choice.preparation)
        sha = runner.model_sha
    return TeachResult(
        folder=out,
        model_sha=sha,
        chosen=in_words(choice),
        reason=choice.reason,
        images=len(learned.files),
        suspects=tuple(str(path) for path in learned.suspects),
        findings=tuple(finding.text for finding in findings),
        threshold_raw=learned.threshold.raw,
        false_rejects_at_most=learned.threshold.at_most,
        images_needed=learned.threshold.images_needed,
        ms_per_part=report.ms,
        seconds=seconds,
    )


def _refuse_too_few(checkup: Checkup, files: int) -> None:
    if len(checkup.usable) < FEWEST:
        why = f"; {checkup.findings[0].text}" if checkup.findings else ""
        raise DatasetError(
            f"{len(checkup.usable)} usable good pictures of {files} files, wanted at least {FEWEST} (better 50 or more)"
            + why
        )


def _reference(files: Sequence[Path], watch: Watch) -> Reference:
    step = max(1.0, len(files) / MOST_PICTURES)
    sample = []
    for index in np.arange(0, len(files), step):
        watch.step("learning the pose", int(index), len(files))
        sample.append(read_picture(files[int(index)]).pixels)
    return teach_reference(sample)


def _choose(files: Sequence[Path], reference: Reference, options: TeachOptions, watch: Watch) -> Choice:
    backbone = Extractor(options.backbone.read_bytes(), options.backbone, threads=options.threads)
    preparations = [
        make_preparation(backbone, spec, reference, FEATURES, options.threads) for spec in patch_specs(reference)
    ]
    if options.budget_ms is not None:
        preparations = _within_budget(preparations, options.budget_ms)
    defects = list_pictures(options.defects) if options.defects else []
    return choose(files, defects, preparations, options.seed, watch)


def _within_budget(preparations: list[Preparation], budget_ms: float) -> list[Preparation]:
    cost = {}
    for preparation in preparations:
        patch = preparation.maker.empty()
        times = []
        for _ in range(9):
            began = perf_ns()
            preparation.extractor.run(patch)
            times.append((perf_ns() - began) / 1e6)
        cost[preparation.name] = float(np.median(times))
    kept = [preparation for preparation in preparations if cost[preparation.name] <= budget_ms]
    if not kept:
        raise DatasetError(f"budget of {budget_ms} ms a part: the cheapest way takes {min(cost.values()):.1f} ms here")
    return kept


def in_words(choice: Choice) -> str:
    """The choice as one line."""
    way = {"gaussian": "a Gaussian for each cell", "memory": "a memory of cells"}.get(
        choice.trial.method, "a Gaussian for each cell and a memory of cells"
    )
    return f"{choice.preparation.name}, {choice.trial.features} features, {way}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """The fitted model with what was found on the way; `scores` (n,) and `maps` (n, cells) are cross-validated."""

    taught: Taught
    threshold: Threshold
    files: tuple[Path, ...]
    scores: Floats
    maps: Floats
    counted: Floats
    findings: tuple[Finding, ...]
    suspects: tuple[Path, ...]
    defect_scores: Floats
    examples: tuple[Pixels, ...]
    example_scores: Floats


def learn(files: Sequence[Path], choice: Choice, options: TeachOptions, watch: Watch) -> Learned:
    """Fit the chosen way to all pictures; scores, suspects and threshold by cross-validation."""
    preparation, kind = choice.preparation, choice.trial.features
    stack, kept, examples = _features(files, preparation, kind, watch)
    findings = [
        Finding(path=path, code="not_found", text=f"{path.name}: the part was not found in it; left out")
        for path in sorted(set(files) - set(kept))
    ]
    counted = _counted(options, preparation)
    groups = find_groups(stack)
    shrink = choice.trial.shrink
    if len(stack) >= FEWEST_FOR_TRIALS:
        held = np.random.default_rng(options.seed).permutation(len(stack)) % 4 == 0
        shrink = find_shrink(stack, FEATURES[kind], held)
    blends, maps, scores = _validate(stack, groups, choice, shrink, counted, options, watch)
    order, odd = rank_unlike(kept, scores)
    findings += [
        Finding(path=kept[index], code="unlike", text=f"{kept[index].name}: unlike the other good ones")
        for index in odd
    ]
    suspects = tuple(kept[index] for index in order[:5])
    if options.exclude_suspects and odd:
        keep = np.setdiff1d(np.arange(len(kept)), odd)
        stack, kept = stack[keep], [kept[index] for index in keep]
        groups = find_groups(stack)
        blends, maps, scores = _validate(stack, groups, choice, shrink, counted, options, watch)
    taught = fit(stack, FEATURES[kind], choice.trial.method, shrink=shrink, seed=options.seed, blends=blends)
    defect_scores = _defect_scores(taught, preparation, kind, counted, options)
    threshold = sharpen_threshold(place_threshold(scores, options.target_false_rejects, groups), defect_scores)
    example_rows = np.stack([preparation.features(patch)[kind] for patch in examples])
    return Learned(
        taught=taught,
        threshold=threshold,
        files=tuple(kept),
        scores=scores,
        maps=maps,
        counted=counted,
        findings=tuple(findings),
        suspects=suspects,
        defect_scores=defect_scores,
        examples=examples,
        example_scores=taught.scores(taught.maps(example_rows) * counted),
    )


def _features(
    files: Sequence[Path], preparation: Preparation, kind: str, watch: Watch
) -> tuple[Stack, list[Path], tuple[Pixels, ...]]:
    rows: list[Stack] = []
    kept: list[Path] = []
    examples: list[Pixels] = []
    for index, path in enumerate(files):
        watch.step("features", index, len(files))
        patch = preparation.patch(read_picture(path).pixels)
        if patch is None:
            continue
        rows.append(preparation.features(patch)[kind])
        kept.append(path)
        if len(examples) < 2:
            examples.append(patch)
    if len(rows) < FEWEST:
        raise DatasetError(f"the part was found in {len(rows)} pictures, wanted at least {FEWEST}")
    return np.stack(rows), kept, tuple(examples)


def _counted(options: TeachOptions, preparation: Preparation) -> Floats:
    if options.ignore is None:
        return preparation.counted
    ignored = shrink_mask(load_mask(options.ignore), preparation.cells).ravel()
    counted = np.where(ignored, np.float32(0), preparation.counted)
    if not counted.any():
        raise DatasetError(f"{options.ignore}: ignores the whole part, wanted some of it black")
    return counted


def _validate(
    stack: Stack,
    groups: npt.NDArray[np.intp],
    choice: Choice,
    shrink: float,
    counted: Floats,
    options: TeachOptions,
    watch: Watch,
) -> tuple[tuple[Blend, ...], Floats, Floats]:
    folds = min(FOLDS, int(groups.max()) + 1)
    blends, maps, top = cross_validate(
        stack,
        FEATURES[choice.trial.features],
        choice.trial.method,
        shrink=shrink,
        seed=options.seed,
        fold_of=spread_groups(groups, folds, options.seed),
        step=lambda fold: watch.step("cross-validation", fold, folds),
    )
    maps *= counted
    return blends, maps, np.sort(maps, axis=1)[:, -top:].mean(axis=1)


def _defect_scores(
    taught: Taught, preparation: Preparation, kind: str, counted: Floats, options: TeachOptions
) -> Floats:
    rows = []
    for path in list_pictures(options.defects) if options.defects else []:
        patch = preparation.patch(read_picture(path).pixels)
        if patch is not None:
            rows.append(preparation.features(patch)[kind])
    return taught.scores(taught.maps(np.stack(rows)) * counted) if rows else np.zeros(0, np.float32)


def build(learned: Learned, preparation: Preparation, options: TeachOptions) -> bytes:
    """The whole model as one ONNX graph."""
    backbone = Extractor(options.backbone.read_bytes(), options.backbone, threads=options.threads)
    builder = GraphBuilder(backbone.model, preparation.spec.height, preparation.spec.width)
    learned.taught.append(builder, preparation.cells, learned.threshold.raw, learned.counted)
    return builder.finish()


def _refuse_changed(runner: Runner, learned: Learned) -> None:
    """Exported must be taught: the graph's scores against those of the arrays it was written from."""
    for patch, score in zip(learned.examples, learned.example_scores / learned.threshold.raw, strict=True):
        difference = abs(runner.run(patch).score - float(score))
        # The arrays were fed features rounded to float16.
        if difference > 2e-3 * max(1.0, abs(float(score))):
            raise ModelError(
                f"{runner.path}: the exported model's score differs by {difference:.2e} from the taught one's"
            )


def _time(runner: Runner) -> float:
    times: npt.NDArray[np.float64] = np.empty(15)
    for index in range(len(times)):
        began = perf_ns()
        runner.run(runner.buffer)
        times[index] = (perf_ns() - began) / 1e6
    return float(np.median(times))
