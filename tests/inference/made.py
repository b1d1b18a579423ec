"""A tiny model folder for the inference tests: brightness of a patch's cells, in one small graph."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tomli_w
from onnx import TensorProto, helper, numpy_helper

SIDE = 32
CELLS = 4


def make_graph(*, batch: int = 1, gain: float = 1 / 128) -> Any:
    """Means of 8 x 8 pixels times `gain`, and the highest of them as the score."""
    nodes = [
        helper.make_node("Cast", ["patch"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("ReduceMean", ["planes"], ["grey"], axes=[1], keepdims=1),
        helper.make_node("AveragePool", ["grey"], ["cells"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Mul", ["cells", "gain"], ["scaled"]),
        helper.make_node("Squeeze", ["scaled", "one"], ["map"]),
        helper.make_node("ReduceMax", ["map"], ["score"], axes=[1, 2], keepdims=0),
    ]
    weights = [
        numpy_helper.from_array(np.array(gain, np.float32), "gain"),
        numpy_helper.from_array(np.array([1], np.int64), "one"),
    ]
    inputs = [helper.make_tensor_value_info("patch", TensorProto.UINT8, [batch, SIDE, SIDE, 3])]
    outputs = [
        helper.make_tensor_value_info("map", TensorProto.FLOAT, [batch, CELLS, CELLS]),
        helper.make_tensor_value_info("score", TensorProto.FLOAT, [batch]),
    ]
    graph = helper.make_graph(nodes, "brightness", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def file_ref(path: Path) -> dict[str, str]:
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def make_card(folder: Path) -> dict[str, Any]:
    """The card's tables for the files in `folder`."""
    return {
        "schema_version": 1,
        "name": "brightness",
        "revision": "r1",
        "method": "mean of 8 x 8 pixels",
        "backbone": "none",
        "backbone_sha256": "0" * 64,
        "seed": 1,
        "images": 1,
        "images_sha256": "0" * 64,
        "model": file_ref(folder / "model.onnx"),
        "patch": {
            "kind": "resize",
            "height": SIDE,
            "width": SIDE,
            "pixel_format": "BGR8",
            "normalisation": "in_graph",
        },
        "output": {
            "score": "score",
            "map": "map",
            "map_height": CELLS,
            "map_width": CELLS,
            "top_cells": 1,
            "labels": ["bright"],
        },
        "threshold": {
            "score": 1.0,
            "raw": 128.0,
            "false_rejects_at_most": 1.0,
            "false_rejects_seen": 0,
            "confidence": 0.95,
            "images": 1,
            "images_needed": 299,
            "target_false_rejects": 0.01,
            "method": "none",
        },
        "reference": file_ref(folder / "reference.npz") | {"tolerance": 1e-4},
    }


def make_folder(folder: Path, graph: Any | None = None) -> Path:
    """A whole model folder with a right card; a reference patch with one bright cell."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes((graph if graph is not None else make_graph()).SerializeToString())
    patch = np.zeros((1, SIDE, SIDE, 3), np.uint8)
    patch[:, 8:16, 16:24] = 192
    maps = np.zeros((1, CELLS, CELLS), np.float32)
    maps[0, 1, 2] = 1.5
    np.savez(folder / "reference.npz", patches=patch, scores=np.array([1.5], np.float32), maps=maps)
    write_card(folder, make_card(folder))
    return folder


def write_card(folder: Path, tables: dict[str, Any]) -> None:
    (folder / "card.toml").write_bytes(tomli_w.dumps(tables).encode())


def checked(model: Any) -> Any:
    onnx.checker.check_model(model)
    return model
