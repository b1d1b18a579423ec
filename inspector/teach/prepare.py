"""From files to features: the ways a patch can be made of a part, and the features of many patches.

What it is: the candidates' patch sizes, and a `Station`-like pass from file to feature stack. What it is not: the
choice between them (trials). The teaching process.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from inspector.inference.extract import Extractor
from inspector.recipe import LocateLimits
from inspector.teach.features import FeatureSpec, append_features
from inspector.teach.graph import Floats, GraphBuilder
from inspector.types import Pixels
from inspector.vision.locate import Locator, Reference
from inspector.vision.patch import PatchMaker, PatchSpec

# 256 x 256: what a part costs by default. Of a long strip the narrow side decides what can be seen, and of a part that
# is located the resolution pays; both may cost more.
BASE_PX = 256 * 256
LARGE_PX = 640 * 256
HUGE_PX = 640 * 480
# Only with features of the first layers, which cost little and see what is small (see `kinds_of`).
FINE_PX = 832 * 640
STRIP_ASPECT = 2.0
COVERED = 0.3
# Of a cell that shows the belt through a hole: dust must be twice as far out as a defect, but nothing is out of sight.
THROUGH_HOLE = 0.5
MULTIPLE = 32


def patch_specs(reference: Reference) -> list[PatchSpec]:
    """The ways worth trying, the cheapest first: the whole frame, and the located part where its pose varies."""
    width, height = reference.picture_wh
    long_strip = max(width, height) / min(width, height) >= STRIP_ASPECT
    specs = [_sized("resize", width, height, px) for px in ([BASE_PX, LARGE_PX] if long_strip else [BASE_PX])]
    if reference.kind == "outline" and reference.pose_varies:
        width, height = (round(side) for side in reference.box_wh)
        specs += [_sized("rectify", width, height, px) for px in (BASE_PX, LARGE_PX, HUGE_PX, FINE_PX)]
    return list(dict.fromkeys(specs))


def kinds_of(spec: PatchSpec, specs: Sequence[PatchSpec], kinds: dict[str, FeatureSpec]) -> dict[str, FeatureSpec]:
    """Which of `kinds` are worth trying on a patch: those on the fine grid on a located part at its largest alone
    (a cell must always show the same place), and nothing else above `HUGE_PX`."""
    finest = spec.kind == "rectify" and spec == specs[-1]
    return {
        name: kind
        for name, kind in kinds.items()
        if (finest if kind.stride < 16 else spec.height * spec.width <= HUGE_PX)
    }


def part_cells(reference: Reference, spec: PatchSpec, stride: int = 16) -> Floats:
    """How much each cell of `stride` (8 or 16) pixels counts, float32 (cells,): of a whole frame all 1. Of a located
    part 1 where good parts cover it and 16 pixels around (a burr stands out there), `THROUGH_HOLE` where the belt shows
    through a hole, 0 elsewhere. The belt's dust is no defect."""
    if spec.kind == "resize":
        return np.ones((spec.height // stride) * (spec.width // stride), np.float32)
    covered = reference.mask > COVERED
    belt = float(np.median(reference.mean[reference.mask < 0.02]))
    bare = covered & (np.abs(reference.mean - belt) < reference.background.threshold)
    around = np.ones((3, 3), np.uint8)
    judged = cv2.dilate((_share_of_cells(reference, spec, covered) > 0.05).astype(np.float32), around)
    # The ring of cells along a hole's edge counts in full: what enters a hole touches it.
    hole = cv2.erode((_share_of_cells(reference, spec, bare) > 0.95).astype(np.float32), around)
    counted = judged * np.where(hole > 0, THROUGH_HOLE, 1)
    times = 16 // stride
    return np.asarray(counted.repeat(times, axis=0).repeat(times, axis=1), np.float32).ravel()


def _share_of_cells(reference: Reference, spec: PatchSpec, where: npt.NDArray[np.bool_]) -> Floats:
    """How much of each cell `where` (S, S), in the template frame, covers: float32 (rows, columns)."""
    scale = min(spec.width / reference.box_wh[0], spec.height / reference.box_wh[1])
    zoom = scale * reference.factor
    middle = (where.shape[0] - 1) / 2
    x, y = (
        (side - 1) / 2 - offset * scale - middle * zoom
        for side, offset in zip((spec.width, spec.height), reference.box_xy, strict=True)
    )
    size = (spec.width, spec.height)
    covered = cv2.warpAffine(where.astype(np.float32), np.array([[zoom, 0, x], [0, zoom, y]]), size)
    return np.asarray(covered.reshape(spec.height // 16, 16, spec.width // 16, 16).mean(axis=(1, 3)), np.float32)


def _sized(kind: str, width: int, height: int, px: int) -> PatchSpec:
    """The shape of (width, height) with about `px` pixels, never enlarged by more than the rounding."""
    scale = min(1.0, math.sqrt(px / (width * height)))
    sides = [max(2 * MULTIPLE, math.floor(side * scale / MULTIPLE + 0.5) * MULTIPLE) for side in (height, width)]
    return PatchSpec(kind="rectify" if kind == "rectify" else "resize", height=sides[0], width=sides[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """One way to make patches, with the extractor of the feature kinds asked for at its size; `counted`
    (cells,) of each kind is how much each cell counts (see `part_cells`), `strides` how many
    pixels a cell is wide."""

    spec: PatchSpec
    maker: PatchMaker
    extractor: Extractor
    kinds: tuple[str, ...]
    counted: dict[str, Floats]
    strides: dict[str, int]

    def cells(self, kind: str) -> tuple[int, int]:
        """(rows, columns) of the map."""
        return self.spec.height // self.strides[kind], self.spec.width // self.strides[kind]

    def trust(self, kind: str) -> float:
        """The share of the likeliest shrinkage to take, because defects show most where good parts hardly vary.

        Source: Rippel, Mertens & Merhof, "Modeling the Distribution of Normal Data in Pre-Trained Deep Features for
        Anomaly Detection" (2021). Of a rectified part those directions hold the noise of the warp: all of it there,
        but for the fine cells of a part at its largest, which is hardly warped."""
        return 1.0 if self.spec.kind == "rectify" and self.strides[kind] == 16 else 0.25

    @property
    def name(self) -> str:
        """In words, as it stands in the report."""
        return f"{self.spec.kind} {self.spec.width} x {self.spec.height}"

    def patch(self, pixels: Pixels) -> Pixels | None:
        """A new patch of a frame; None where the part is not found."""
        buffer = self.maker.empty()
        return buffer if self.maker.make(pixels, buffer) is not None else None

    def features(self, patch: Pixels) -> dict[str, Floats]:
        """Float32 (cells, C) for each feature kind; many of them are kept as float16."""
        outputs = self.extractor.run(patch)
        return {
            kind: outputs[f"features_{kind}"][0].reshape(outputs[f"features_{kind}"].shape[1], -1).T
            for kind in self.kinds
        }


def make_preparation(
    backbone: Extractor, spec: PatchSpec, reference: Reference, kinds: dict[str, FeatureSpec], threads: int
) -> Preparation:
    """The maker and the extractor for `spec`."""
    builder = GraphBuilder(backbone.model, spec.height, spec.width)
    for kind, features in kinds.items():
        shape = [1, features.channels, spec.height // features.stride, spec.width // features.stride]
        builder.output(f"features_{kind}", append_features(builder, features), shape)
    locator = Locator(reference, LocateLimits()) if spec.kind == "rectify" else None
    extractor = Extractor(builder.finish(), backbone.origin, threads=threads)
    return Preparation(
        spec=spec,
        maker=PatchMaker(spec, locator),
        extractor=extractor,
        kinds=tuple(kinds),
        counted={kind: part_cells(reference, spec, features.stride) for kind, features in kinds.items()},
        strides={kind: features.stride for kind, features in kinds.items()},
    )
