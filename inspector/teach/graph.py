"""Writing ONNX: the backbone at a fixed size, and the operators of a taught model behind it.

What it is: a small builder over `onnx.helper` with this product's few patterns (features on a grid, projection,
finish). What it is not: the methods (gaussian, memory). The teaching process.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
Floats = npt.NDArray[np.float32]


class GraphBuilder:
    """A copy of the backbone with a fixed input size, and what is appended to it. Names are made unique here."""

    def __init__(self, backbone: Any, height: int, width: int) -> None:
        self.model: Any = onnx.ModelProto()
        self.model.CopyFrom(backbone)
        self.graph: Any = self.model.graph
        dims = self.graph.input[0].type.tensor_type.shape.dim
        dims[1].dim_value, dims[2].dim_value = height, width
        del self.graph.output[:]
        self._count = 0

    def constant(self, value: npt.NDArray[Any]) -> str:
        """Store an array in the graph; returns its name."""
        self._count += 1
        name = f"c{self._count}"
        self.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Append an operator with one output; returns the output's name."""
        self._count += 1
        name = f"{op.lower()}{self._count}"
        self.graph.node.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def ints(self, *values: int) -> str:
        """Store a shape; returns its name."""
        return self.constant(np.array(values, np.int64))

    def scalar(self, value: float) -> str:
        """Store one number; returns its name."""
        return self.constant(np.array(value, np.float32))

    def top_values(self, source: str, count: int) -> str:
        """Append the `count` highest values of a vector; returns their name."""
        self._count += 1
        name = f"topk{self._count}"
        inputs = [source, self.ints(count)]
        self.graph.node.append(helper.make_node("TopK", inputs, [name, f"{name}_at"], name=name, sorted=0))
        return name

    def output(self, name: str, source: str, shape: list[int]) -> None:
        """Make `source` an output of the graph called `name`."""
        self.graph.node.append(helper.make_node("Identity", [source], [name], name=name))
        self.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def finish(self) -> bytes:
        """The checked model's bytes, the same for the same graph; nodes nobody needs are dropped."""
        _drop_unused(self.graph)
        onnx.checker.check_model(self.model, full_check=True)
        return bytes(self.model.SerializeToString(deterministic=True))


def _drop_unused(graph: Any) -> None:
    wanted = {output.name for output in graph.output}
    kept = []
    for node in reversed(list(graph.node)):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    del graph.node[:]
    graph.node.extend(reversed(kept))
    weights = [tensor for tensor in graph.initializer if tensor.name in wanted]
    del graph.initializer[:]
    graph.initializer.extend(weights)
