"""What stands in a taught model's folder: model.onnx, reference.npz, locate.npz, card.toml.

What it is: these four files from what was learned. What it is not: the learning, or the atomic move (folder). The
teaching process.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inspector.inference.extract import Extractor
from inspector.teach.folder import file_ref, write_card
from inspector.teach.options import TeachOptions
from inspector.teach.prepare import Preparation
from inspector.teach.threshold import CONFIDENCE, Threshold
from inspector.types import Pixels
from inspector.vision.reference import Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Everything the files are made of; `examples` are patches whose outputs the card promises."""

    content: bytes
    preparation: Preparation
    reference: Reference
    threshold: Threshold
    cells: tuple[int, int]
    top_cells: int
    chosen: str
    images: int
    images_sha256: str
    examples: tuple[Pixels, ...]


def write_model(folder: Path, out: Path, written: Written, options: TeachOptions) -> None:
    """Write the files into `folder`, which will be `out`."""
    (folder / "model.onnx").write_bytes(written.content)
    _write_outputs(folder, written, options)
    # Also where the patch is the whole frame: the health of a picture is measured against the reference.
    written.reference.save(folder / "locate.npz")
    backbone = options.backbone.parent
    card: dict[str, Any] = {
        "schema_version": 1,
        "name": out.resolve().parent.name,
        "revision": out.name,
        "method": written.chosen,
        "backbone": f"{backbone.parent.name}/{backbone.name}",
        "backbone_sha256": file_ref(options.backbone)["sha256"],
        "seed": options.seed,
        "images": written.images,
        "images_sha256": written.images_sha256,
        "model": file_ref(folder / "model.onnx"),
        "patch": _patch(folder, written),
        "output": _output(written),
        "threshold": _threshold(written.threshold),
        "reference": file_ref(folder / "reference.npz") | {"tolerance": 1e-4},
    }
    write_card(folder, card)


def _patch(folder: Path, written: Written) -> dict[str, Any]:
    spec = written.preparation.spec
    return {
        "kind": spec.kind,
        "height": spec.height,
        "width": spec.width,
        "pixel_format": "BGR8",
        "normalisation": "in_graph",
        "locate": file_ref(folder / "locate.npz"),
    }


def _output(written: Written) -> dict[str, Any]:
    rows, columns = written.cells
    return {
        "score": "score",
        "map": "map",
        "map_height": rows,
        "map_width": columns,
        "top_cells": written.top_cells,
        "labels": ["anomaly"],
    }


def _threshold(threshold: Threshold) -> dict[str, Any]:
    return {
        "score": 1.0,
        "raw": threshold.raw,
        "false_rejects_at_most": threshold.at_most,
        "false_rejects_seen": threshold.seen,
        "confidence": CONFIDENCE,
        "images": threshold.images,
        "images_needed": threshold.images_needed,
        "target_false_rejects": threshold.target,
        "method": threshold.method,
    }


def _write_outputs(folder: Path, written: Written, options: TeachOptions) -> None:
    session = Extractor(written.content, folder / "model.onnx", threads=options.threads)
    outputs = [session.run(patch) for patch in written.examples]
    np.savez_compressed(
        folder / "reference.npz",
        patches=np.stack(written.examples),
        scores=np.stack([output["score"][0] for output in outputs]),
        maps=np.stack([output["map"][0] for output in outputs]),
    )
