"""The session that judges one patch: loaded with every doubt answered, then nothing but `run`.

What it is: onnxruntime behind a card. A model whose hash, shapes or reference outputs do not come out on this
machine is refused. What it is not: preparing patches, or deciding. One thread owns a `Runner` (the line's).
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from inspector.errors import ModelError
from inspector.inference.card import Card, FileRef, load_card
from inspector.types import Pixels

# onnxruntime's errors have no common base
REFUSALS = (
    RuntimeError,
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoModel,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)

FloatMap = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What the model says of one patch, on the calibrated scale (1.0 is the threshold).

    `map` is float32 (h, w), one value for each cell of the patch; it is the runner's own memory and is
    overwritten by the next `run`.
    """

    score: float
    map: FloatMap


def read_checked(folder: Path, ref: FileRef) -> bytes:
    """The bytes of a model folder's file; raises ModelError if it is missing or its sha256 is not the card's."""
    path = folder / ref.file
    try:
        content = path.read_bytes()
    except OSError as why:
        raise ModelError(f"{path}: cannot be read: {why.strerror}") from why
    found = hashlib.sha256(content).hexdigest()
    if found != ref.sha256:
        raise ModelError(f"{path}: sha256 is {found[:12]}..., the card wants {ref.sha256[:12]}...")
    return content


def session_options(threads: int, spinning: bool) -> Any:
    """onnxruntime options with `threads` intra-op threads; spinning trades an idle core for less latency."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spinning else "0")
    options.log_severity_level = 3
    return options


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)


def _refuse_external(model: Any, path: Path) -> None:
    for tensor in _tensors(model.graph):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            place = next((entry.value for entry in tensor.external_data if entry.key == "location"), "?")
            inside = (path.parent / place).resolve().is_relative_to(path.parent.resolve())
            where = "beside the model" if inside else "outside the model's folder"
            raise ModelError(f"{path}: weights of {tensor.name!r} lie in {place!r}, {where}; wanted all in one file")


def parse_model(content: bytes, path: Path) -> Any:
    """`content` as an ONNX model; raises ModelError if it is not ONNX, is truncated, or has external data."""
    try:
        model = onnx.load_model_from_string(content)
    except (DecodeError, ValueError) as why:
        raise ModelError(f"{path}: is not an ONNX model, or is truncated ({type(why).__name__})") from why
    if not model.graph.node:
        raise ModelError(f"{path}: is not an ONNX model: it has no graph")
    _refuse_external(model, path)
    return model


def make_session(content: bytes, path: Path, *, threads: int, spinning: bool) -> Any:
    """A CPU session of the ONNX model `content`; raises ModelError if onnxruntime refuses it."""
    try:
        return onnxruntime.InferenceSession(
            content, session_options(threads, spinning), providers=["CPUExecutionProvider"]
        )
    except REFUSALS as why:
        raise ModelError(f"{path}: onnxruntime refuses it: {str(why).splitlines()[0][:200]}") from why


def _check_shape(path: Path, what: str, found: tuple[str, list[Any]], wanted: tuple[str, list[int]]) -> None:
    if found != wanted:
        raise ModelError(f"{path}: {what} is {found[0]}{found[1]}, the card wants {wanted[0]}{wanted[1]} (batch 1)")


class Runner:
    """One model, ready to judge patches. `buffer` is the input it reads: write the patch there and copy nothing."""

    def __init__(self, folder: Path, *, threads: int = 2, spinning: bool = True) -> None:
        """Load the model folder `folder` and run its reference inputs.

        Raises ModelError: a card that lacks a key, a file that is missing or has another hash, not ONNX, shapes
        that are not the card's or not batch 1, or reference outputs that do not come out on this machine.
        """
        self.card: Card = load_card(folder)
        self.path = folder / self.card.model.file
        content = read_checked(folder, self.card.model)
        parse_model(content, self.path)
        self._session = make_session(content, self.path, threads=threads, spinning=spinning)
        self._check_signature()
        self._bind()
        self._check_reference(folder)

    @property
    def model_sha(self) -> str:
        """The sha256 of the model file, as it stands in every record."""
        return self.card.model.sha256

    def run(self, patch: Pixels) -> Output:
        """Judge one patch, uint8 (H, W, 3) BGR of the card's size; free of copies if `patch` is `buffer`."""
        if patch is not self.buffer:
            if patch.shape != self.buffer.shape:
                raise ModelError(f"{self.path}: patch is {list(patch.shape)}, wanted {list(self.buffer.shape)}")
            np.copyto(self.buffer, patch, casting="no")
        self._session.run_with_iobinding(self._binding)
        return Output(score=float(self._score[0]), map=self._map[0])

    def _check_signature(self) -> None:
        patch, output = self.card.patch, self.card.output
        inputs, outputs = self._session.get_inputs(), {o.name: o for o in self._session.get_outputs()}
        if len(inputs) != 1:
            raise ModelError(f"{self.path}: has {len(inputs)} inputs, wanted 1")
        found = (str(inputs[0].type), list(inputs[0].shape))
        _check_shape(self.path, "input", found, ("tensor(uint8)", [1, patch.height, patch.width, 3]))
        wanted = {output.score: [1], output.map: [1, output.map_height, output.map_width]}
        for name, shape in wanted.items():
            if name not in outputs:
                raise ModelError(f"{self.path}: has no output {name!r}, only {sorted(outputs)}")
            found = (str(outputs[name].type), list(outputs[name].shape))
            _check_shape(self.path, f"output {name!r}", found, ("tensor(float)", shape))

    def _bind(self) -> None:
        card = self.card
        self.buffer: Pixels = np.zeros((card.patch.height, card.patch.width, 3), np.uint8)
        self._score = np.zeros(1, np.float32)
        self._map = np.zeros((1, card.output.map_height, card.output.map_width), np.float32)
        self._binding = self._session.io_binding()
        name = self._session.get_inputs()[0].name
        shape = [1, *self.buffer.shape]
        self._binding.bind_input(name, "cpu", 0, np.uint8, shape, self.buffer.ctypes.data)
        for output, array in ((card.output.score, self._score), (card.output.map, self._map)):
            self._binding.bind_output(output, "cpu", 0, np.float32, list(array.shape), array.ctypes.data)

    def _check_reference(self, folder: Path) -> None:
        ref = self.card.reference
        path = folder / ref.file
        try:
            with np.load(io.BytesIO(read_checked(folder, ref)), allow_pickle=False) as stored:
                patches, scores, maps = stored["patches"], stored["scores"], stored["maps"]
        except (KeyError, ValueError, OSError, zipfile.BadZipFile) as why:
            raise ModelError(f"{path}: is not a file of reference patches, scores and maps: {why}") from why
        for patch, score, wanted in zip(patches, scores, maps, strict=True):
            output = self.run(patch)
            difference = max(abs(output.score - float(score)), float(np.abs(output.map - wanted).max()))
            if not difference <= ref.tolerance * max(1.0, float(np.abs(wanted).max())):
                raise ModelError(
                    f"{self.path}: reference output differs by {difference:.2e} on this machine, "
                    f"wanted at most {ref.tolerance:.0e}; do not run this model here"
                )
