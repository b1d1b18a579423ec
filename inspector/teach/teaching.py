"""Teaching from good pictures: read, prepare, learn, place the threshold, write the folder.

What it is: `teach`, the whole of it in order. What it is not: the methods, which are beside it. One process of its
own at low priority; `progress` is called between steps and `cancelled` asked there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from inspector.clock import perf_ns
from inspector.errors import DatasetError
from inspector.inference.extract import Extractor
from inspector.inference.runner import Runner
from inspector.recipe import LocateLimits
from inspector.teach.features import FeatureSpec, Whitening, append_features, fit_whitening
from inspector.teach.folder import appears_whole, file_ref, refuse_existing, write_card
from inspector.teach.gaussian import fit_gaussian
from inspector.teach.graph import Floats, GraphBuilder
from inspector.teach.options import Cancelled, Progress, TeachOptions, TeachResult
from inspector.teach.pictures import read_picture
from inspector.teach.threshold import CONFIDENCE, Threshold, place_threshold
from inspector.types import Pixels
from inspector.vision.locate import Locator, Reference, patch_size
from inspector.vision.patch import PatchMaker, PatchSpec
from inspector.vision.teaching import teach_reference

DIMENSIONS = 100
SHRINK = 100.0
FOLDS = 5
Report = Callable[[Progress], None]
Stop = Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Patches of the good pictures and how they were made."""

    spec: PatchSpec
    reference: Reference
    patches: list[Pixels]
    digest: str


class Watch:
    """Progress with the time left, and the question whether to stop."""

    def __init__(self, progress: Report, cancelled: Stop) -> None:
        self._progress, self._cancelled = progress, cancelled
        self._stage, self._since = "", perf_ns()

    def step(self, stage: str, done: int, total: int) -> None:
        """Tell of `done` of `total`; raises Cancelled if the caller wants to stop."""
        if self._cancelled():
            raise Cancelled("teaching was cancelled; nothing was written")
        if stage != self._stage:
            self._stage, self._since = stage, perf_ns()
        spent = (perf_ns() - self._since) / 1e9
        left = spent / done * (total - done) if done else None
        self._progress(Progress(stage=stage, done=done, total=total, eta_s=left))


def teach(good: Sequence[Path], out: Path, options: TeachOptions, progress: Report, cancelled: Stop) -> TeachResult:
    """Learn a model from the pictures `good` and write it as the folder `out`.

    Raises DatasetError (too few pictures, `out` exists), ImageError (a picture that cannot be used), ModelError,
    StationError (disk), Cancelled. Nothing is left behind when it raises.
    """
    started = perf_ns()
    refuse_existing(out)
    if len(good) < 3:
        raise DatasetError(f"{len(good)} good pictures, wanted at least 3 (and better 50 or more) to teach from")
    watch = Watch(progress, cancelled)
    prepared = prepare(good, watch)
    model = learn(prepared, options, watch)
    with appears_whole(out) as folder:
        write_model(folder, out, prepared, model, options)
        Runner(folder, threads=options.threads, spinning=False)
    return TeachResult(
        folder=out,
        model_sha=hashlib.sha256((out / "model.onnx").read_bytes()).hexdigest(),
        chosen=model.chosen,
        images=len(good),
        suspects=(),
        threshold_raw=model.threshold.raw,
        false_rejects_at_most=model.threshold.at_most,
        images_needed=model.threshold.images_needed,
        seconds=(perf_ns() - started) / 1e9,
    )


def prepare(good: Sequence[Path], watch: Watch) -> Prepared:
    """Read every picture, learn where the part lies, and cut the patches."""
    step = max(1.0, len(good) / 60)
    sample = []
    for index in np.arange(0, len(good), step):
        watch.step("pose", int(index), len(good))
        sample.append(read_picture(good[int(index)]).pixels)
    reference = teach_reference(sample)
    spec = _patch_spec(reference)
    locator = Locator(reference, LocateLimits()) if spec.kind == "rectify" else None
    maker = PatchMaker(spec, locator)
    patches, digest = [], hashlib.sha256()
    for index, path in enumerate(good):
        watch.step("reading", index, len(good))
        picture = read_picture(path)
        digest.update(picture.pixels.tobytes())
        buffer = maker.empty()
        if maker.make(picture.pixels, buffer) is not None:
            patches.append(buffer)
    return Prepared(
        spec=spec,
        reference=reference,
        patches=patches,
        digest=digest.hexdigest(),
    )


def _patch_spec(reference: Reference) -> PatchSpec:
    if reference.kind == "outline" and reference.pose_varies:
        width, height = patch_size(reference)
        return PatchSpec(kind="rectify", height=height, width=width)
    return PatchSpec(kind="resize", height=256, width=256)


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """The taught graph and its threshold."""

    content: bytes
    backbone_sha: str
    threshold: Threshold
    map_shape: tuple[int, int]
    chosen: str


def learn(prepared: Prepared, options: TeachOptions, watch: Watch) -> Learned:
    """Features, cross-validated scores, threshold, and the graph of the model fitted to all."""
    content = options.backbone.read_bytes()
    backbone = Extractor(content, options.backbone, threads=options.threads)
    spec = prepared.spec
    features = FeatureSpec(taps=("stride16", "deep"), stride=16)
    cells = (spec.height // 16, spec.width // 16)
    extractor = _feature_extractor(backbone, spec, features, options)
    rows = []
    for index, patch in enumerate(prepared.patches):
        watch.step("features", index, len(prepared.patches))
        maps = extractor.run(patch)["features"][0]
        rows.append(maps.reshape(features.channels, -1).T.astype(np.float16))
    stack = np.stack(rows)
    threshold = place_threshold(_held_out(stack, watch), options.target_false_rejects)
    whitening = _whitening(stack)
    gaussian = fit_gaussian(whitening.apply(stack), SHRINK)
    builder = GraphBuilder(backbone.model, spec.height, spec.width)
    name = whitening.append(builder, append_features(builder, features), cells[0] * cells[1])
    distance = gaussian.append(builder, name)
    scaled = builder.node("Div", distance, builder.constant(np.array(threshold.raw, np.float32)))
    shaped = builder.node("Reshape", scaled, builder.ints(1, *cells))
    builder.output("map", shaped, [1, *cells])
    builder.output("score", builder.node("ReduceMax", shaped, axes=[1, 2], keepdims=0), [1])
    return Learned(
        content=builder.finish(),
        backbone_sha=backbone.sha256,
        threshold=threshold,
        map_shape=cells,
        chosen=f"{spec.kind} {spec.width} x {spec.height}, Gaussian for each of {cells[0]} x {cells[1]} cells",
    )


def _feature_extractor(backbone: Extractor, spec: PatchSpec, features: FeatureSpec, options: TeachOptions) -> Extractor:
    builder = GraphBuilder(backbone.model, spec.height, spec.width)
    shape = [1, features.channels, spec.height // features.stride, spec.width // features.stride]
    builder.output("features", append_features(builder, features), shape)
    return Extractor(builder.finish(), options.backbone, threads=options.threads)


def _whitening(stack: npt.NDArray[np.float16]) -> Whitening:
    rows = stack.reshape(-1, stack.shape[2])
    return fit_whitening(rows[:: max(1, len(rows) // 20000)].astype(np.float32), DIMENSIONS)


def _held_out(stack: npt.NDArray[np.float16], watch: Watch) -> Floats:
    count = len(stack)
    scores = np.zeros(count, np.float32)
    folds = min(FOLDS, count)
    for fold in range(folds):
        watch.step("cross-validation", fold, folds)
        held = np.arange(fold, count, folds)
        taught = np.setdiff1d(np.arange(count), held)
        whitening = _whitening(stack[taught])
        gaussian = fit_gaussian(whitening.apply(stack[taught]), SHRINK)
        for index in held:
            scores[index] = gaussian.distance(whitening.apply(stack[index])).max()
    return scores


def write_model(folder: Path, out: Path, prepared: Prepared, model: Learned, options: TeachOptions) -> None:
    """model.onnx, reference.npz, locate.npz, and card.toml."""
    (folder / "model.onnx").write_bytes(model.content)
    _write_reference(folder, prepared, model, options)
    threshold, spec = model.threshold, prepared.spec
    patch: dict[str, object] = {
        "kind": spec.kind,
        "height": spec.height,
        "width": spec.width,
        "pixel_format": "BGR8",
        "normalisation": "in_graph",
    }
    # Also where the patch is the whole frame: the health of a picture is measured against the reference.
    prepared.reference.save(folder / "locate.npz")
    patch["locate"] = file_ref(folder / "locate.npz")
    card = {
        "schema_version": 1,
        "name": out.resolve().parent.name or out.name,
        "revision": out.name,
        "method": model.chosen,
        "backbone": options.backbone.parent.parent.name + "/" + options.backbone.parent.name,
        "backbone_sha256": model.backbone_sha,
        "seed": options.seed,
        "images": len(prepared.patches),
        "images_sha256": prepared.digest,
        "model": file_ref(folder / "model.onnx"),
        "patch": patch,
        "output": {
            "score": "score",
            "map": "map",
            "map_height": model.map_shape[0],
            "map_width": model.map_shape[1],
            "labels": ["anomaly"],
        },
        "threshold": {
            "score": 1.0,
            "raw": threshold.raw,
            "false_rejects_at_most": threshold.at_most,
            "false_rejects_seen": threshold.seen,
            "confidence": CONFIDENCE,
            "images": threshold.images,
            "images_needed": threshold.images_needed,
            "target_false_rejects": threshold.target,
            "method": "order statistic of cross-validated scores of good images (Wilks 1941, ISO 16269-6)",
        },
        "reference": file_ref(folder / "reference.npz") | {"tolerance": 1e-4},
    }
    write_card(folder, card)


def _write_reference(folder: Path, prepared: Prepared, model: Learned, options: TeachOptions) -> None:
    session = Extractor(model.content, folder / "model.onnx", threads=options.threads)
    patches = np.stack([prepared.patches[index] for index in (0, len(prepared.patches) // 2)])
    outputs = [session.run(patch) for patch in patches]
    np.savez_compressed(
        folder / "reference.npz",
        patches=patches,
        scores=np.stack([output["score"][0] for output in outputs]),
        maps=np.stack([output["map"][0] for output in outputs]),
    )
