"""Teaching from good pictures: examine, choose a way, learn, place the threshold, write the folder.

What it is: `teach`, the whole of it in order. What it is not: the methods, which are beside it. One process of its
own at low priority; `progress` is called between steps and `cancelled` asked there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from inspector.clock import perf_ns
from inspector.errors import DatasetError, ModelError
from inspector.inference.extract import Extractor
from inspector.inference.runner import Runner
from inspector.teach.choose import FEATURES
from inspector.teach.cost import list_ways
from inspector.teach.doctor import Checkup, examine
from inspector.teach.folder import appears_whole, refuse_existing
from inspector.teach.learning import FEWEST, Learned, build, learn
from inspector.teach.options import Progress, TeachOptions, TeachResult
from inspector.teach.pictures import list_pictures, read_picture
from inspector.teach.prepare import kinds_of, make_preparation, patch_specs
from inspector.teach.report import ReportData, write_report
from inspector.teach.trials import Choice, choose
from inspector.teach.watch import Watch
from inspector.teach.writing import Written, write_model
from inspector.vision.reference import Reference
from inspector.vision.teaching import MOST_PICTURES, teach_reference

SAME = 1e-4
"""How far the exported model's numbers may lie from the taught ones', in thresholds or, above it, of the number."""


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
    # Products of matrices split between threads are rounded otherwise: with one, the model is the same everywhere.
    with threadpool_limits(1, user_api="blas"):
        return _teach(good, out, options, Watch(progress, cancelled))


def _teach(good: Sequence[Path], out: Path, options: TeachOptions, watch: Watch) -> TeachResult:
    started = perf_ns()
    refuse_existing(out)
    checkup = examine(good, watch)
    _refuse_too_few(checkup, len(good))
    reference = _reference(checkup.usable, watch)
    choice = _choose(checkup.usable, reference, options, watch)
    learned = learn(checkup.usable, choice, options, watch)
    with appears_whole(out) as folder:
        content = build(learned, choice, options)
        written = Written(
            content=content,
            preparation=choice.preparation,
            reference=reference,
            threshold=learned.threshold,
            cells=choice.preparation.cells(choice.trial.features),
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
        report = _report(f"{out.resolve().parent.name}/{out.name}", checkup, choice, learned, _time(runner), seconds)
        write_report(folder / "report.html", report, choice.preparation)
        sha = runner.model_sha
    return TeachResult(
        folder=out,
        model_sha=sha,
        chosen=in_words(choice),
        reason=choice.reason,
        images=len(learned.files),
        suspects=tuple(str(path) for path in learned.suspects),
        findings=tuple(finding.text for finding in report.findings),
        threshold_raw=learned.threshold.raw,
        false_rejects_at_most=learned.threshold.at_most,
        images_needed=learned.threshold.images_needed,
        ms_per_part=report.ms,
        seconds=seconds,
    )


def _report(name: str, checkup: Checkup, choice: Choice, learned: Learned, ms: float, seconds: float) -> ReportData:
    scale = learned.threshold.raw
    return ReportData(
        name=name,
        choice=choice,
        chosen=in_words(choice),
        threshold=learned.threshold,
        gain=learned.gain,
        files=learned.files,
        scores=learned.scores / scale,
        groups=learned.groups,
        maps=learned.maps / scale,
        findings=(*checkup.findings, *learned.findings),
        defect_scores=learned.defect_scores / scale,
        ms=ms,
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
    specs = patch_specs(reference)
    preparations = [
        make_preparation(backbone, spec, reference, kinds_of(spec, specs, FEATURES), options.threads) for spec in specs
    ]
    frame = read_picture(files[0]).pixels
    watch.step("timing", 0, 1)
    ways = list_ways(preparations, backbone, frame, len(files), options.threads, options.budget_ms)
    defects = list_pictures(options.defects) if options.defects else []
    return choose(files, defects, ways, options, watch)


def in_words(choice: Choice) -> str:
    """The choice as one line."""
    way = {"gaussian": "a Gaussian for each cell", "memory": "a memory of cells"}.get(
        choice.trial.method, "a Gaussian for each cell and a memory of cells"
    )
    mirrored = ", mirror images learned from too" if choice.trial.mirrors else ""
    return f"{choice.preparation.name}, {choice.trial.features} features, {way}{mirrored}"


def _refuse_changed(runner: Runner, learned: Learned) -> None:
    """Exported must be taught: the graph's maps and scores against those of the arrays it was written from."""
    scores = learned.taught.scores(learned.example_maps)
    for patch, cells, score in zip(learned.examples, learned.example_maps, scores, strict=True):
        output = runner.run(patch)
        wanted = np.append(cells, score) / np.float32(learned.threshold.raw)
        found = np.append(output.map.ravel(), np.float32(output.score))
        difference = float(np.abs(found - wanted).max()) / max(1.0, float(np.abs(wanted).max()))
        if not difference <= SAME:
            raise ModelError(
                f"{runner.path}: the exported model's output differs by {difference:.2e} from the taught one's, "
                f"wanted at most {SAME:.0e}"
            )


def _time(runner: Runner) -> float:
    times: npt.NDArray[np.float64] = np.empty(15)
    for index in range(len(times)):
        began = perf_ns()
        runner.run(runner.buffer)
        times[index] = (perf_ns() - began) / 1e6
    return float(np.median(times))
