"""A model folder is believed only when everything about it comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, numpy_helper

from inspector.errors import ModelError
from inspector.inference.runner import Runner
from tests.inference.made import SIDE, make_card, make_folder, make_graph, write_card


def load(folder: Path) -> Runner:
    return Runner(folder, threads=1, spinning=False)


def test_a_right_folder_runs_from_its_buffer_and_from_a_copy(tmp_path: Path) -> None:
    runner = load(make_folder(tmp_path / "m"))
    patch = np.zeros((SIDE, SIDE, 3), np.uint8)
    patch[24:, :8] = 255
    output = runner.run(patch)
    assert output.score == pytest.approx(255 / 128)
    assert output.map.shape == (4, 4)
    assert output.map[3, 0] == pytest.approx(255 / 128)
    runner.buffer[:] = 0
    assert runner.run(runner.buffer).score == 0.0


def test_a_patch_of_another_size_is_refused(tmp_path: Path) -> None:
    runner = load(make_folder(tmp_path / "m"))
    with pytest.raises(ModelError, match=r"patch is \[8, 8, 3\], wanted \[32, 32, 3\]"):
        runner.run(np.zeros((8, 8, 3), np.uint8))


def refused(folder: Path, words: str) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        load(folder)
    assert "\n" not in str(caught.value)


def test_no_folder(tmp_path: Path) -> None:
    refused(tmp_path / "none", "cannot be read")


@pytest.mark.parametrize("key", ["threshold", "reference", "model", "patch", "output", "seed"])
def test_a_card_that_lacks_a_key(tmp_path: Path, key: str) -> None:
    folder = make_folder(tmp_path / "m")
    tables = make_card(folder)
    del tables[key]
    write_card(folder, tables)
    refused(folder, f"key '{key}' is missing")


def test_a_misspelt_key(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m")
    tables = make_card(folder)
    tables["output"]["top_cell"] = tables["output"].pop("top_cells")
    write_card(folder, tables)
    refused(folder, "top_cell")


def test_another_hash(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m")
    (folder / "model.onnx").write_bytes(make_graph(gain=1 / 100).SerializeToString())
    refused(folder, "sha256 is")


def rewritten(folder: Path, content: bytes) -> Path:
    """The folder with other model bytes and a card that knows their hash."""
    (folder / "model.onnx").write_bytes(content)
    write_card(folder, make_card(folder))
    return folder


@pytest.mark.parametrize("content", [b"", b"not a model at all", b"\x08\x08"])
def test_not_onnx(tmp_path: Path, content: bytes) -> None:
    refused(rewritten(make_folder(tmp_path / "m"), content), "not an ONNX model|refuses it")


def test_truncated(tmp_path: Path) -> None:
    content = make_graph().SerializeToString()
    refused(rewritten(make_folder(tmp_path / "m"), content[: len(content) // 2]), "truncated|refuses it")


@pytest.mark.parametrize(("place", "words"), [("../weights.bin", "outside"), ("weights.bin", "one file")])
def test_external_weights(tmp_path: Path, place: str, words: str) -> None:
    graph: Any = make_graph()
    (tmp_path / "weights.bin").write_bytes(np.float32(1).tobytes())
    tensor = numpy_helper.from_array(np.array(1.0, np.float32), "gain")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", place
    graph.graph.initializer[0].CopyFrom(tensor)
    refused(rewritten(make_folder(tmp_path / "m"), graph.SerializeToString()), words)


def test_a_batch_of_two(tmp_path: Path) -> None:
    refused(make_folder(tmp_path / "m", make_graph(batch=2)), "batch 1")


def test_reference_outputs_that_do_not_come_out(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m", make_graph(gain=1.001 / 128))
    refused(folder, "reference output differs by 1.50e-03")


def test_reference_file_that_is_something_else(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m")
    (folder / "reference.npz").write_bytes(b"PK nothing")
    write_card(folder, make_card(folder))
    refused(folder, "is not a file of reference patches")
