"""Features of a patch on a grid of cells: which taps of the backbone, brought to one grid, and their whitening.

What it is: the first half of every taught model, as ONNX operators, and the numbers those need. What it is not: a
score (gaussian, memory). The teaching process.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inspector.teach.graph import Floats, GraphBuilder

TAP_STRIDE = {"stride4": 4, "stride8": 8, "stride16": 16, "deep": 16, "context": 32}
# Of stride4 the four places that a cell of 8 pixels has, 24 numbers each, side by side: a stroke's place is kept.
TAP_CHANNELS = {"stride4": 96, "stride8": 40, "stride16": 80, "deep": 112, "context": 192}
# Kept principal components: of the context, and of four places beside each other, the first ones carry what helps.
TAP_DIMENSIONS = {"stride4": 24, "stride8": 40, "stride16": 80, "deep": 112, "context": 48}
# The backbone's own name of a tap that is no output of it.
_INNER = {"stride4": "block2_out"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSpec:
    """Taps of the backbone on a grid with one cell each `stride` pixels; a part's score is the mean of the `top_share`
    highest cells, so that one noisy cell does not throw a part out. Where taps are looked at `apart`, each has a
    Gaussian of its own, and a cell is as odd as it is to the one that finds it oddest."""

    taps: tuple[str, ...] = ("deep", "context")
    stride: int = 16
    top_share: float = 0.02
    apart: bool = False

    def finest(self, stack: npt.NDArray[np.float16]) -> npt.NDArray[np.float16]:
        """Of features (n, cells, C) those of the first tap: a cell itself more than what lies around it."""
        return stack[:, :, : TAP_CHANNELS[self.taps[0]]]

    @property
    def has_context(self) -> bool:
        """Whether a Gaussian of what lies around (see `context`) belongs to it: its features end with that tap."""
        return self.taps[-1] == "context" and self.is_coarse

    @property
    def is_coarse(self) -> bool:
        """Whether a cell is 16 pixels wide: so few of them can afford what belongs to the whole picture (overall)."""
        return self.stride == 16

    @property
    def spans(self) -> list[tuple[slice, slice]]:
        """What a Gaussian looks at together: of a cell's features, and of its whitened numbers."""
        given = np.cumsum([0] + [TAP_CHANNELS[tap] for tap in self.taps]).tolist()
        kept = np.cumsum([0] + [TAP_DIMENSIONS[tap] for tap in self.taps]).tolist()
        if not self.apart:
            return [(slice(0, given[-1]), slice(0, kept[-1]))]
        return [(slice(*given[i : i + 2]), slice(*kept[i : i + 2])) for i in range(len(self.taps))]

    @property
    def channels(self) -> int:
        """Numbers a cell has."""
        return sum(TAP_CHANNELS[tap] for tap in self.taps)


def append_features(builder: GraphBuilder, spec: FeatureSpec) -> str:
    """Append the taps of `spec`, brought to its grid: a float [1, channels, h, w]. Returns its name."""
    return builder.node("Concat", *[_on_grid(builder, tap, spec) for tap in spec.taps], axis=1)


def _on_grid(builder: GraphBuilder, tap: str, spec: FeatureSpec) -> str:
    name, stride = _INNER.get(tap, tap), TAP_STRIDE[tap]
    if stride < spec.stride:
        k = spec.stride // stride
        if tap == "stride4":
            return builder.node("SpaceToDepth", name, blocksize=k)
        return builder.node("AveragePool", name, kernel_shape=[k, k], strides=[k, k])
    if stride > spec.stride:
        times = stride // spec.stride
        scales = builder.constant(np.array([1, 1, times, times], np.float32))
        return builder.node(
            "Resize",
            name,
            "",
            scales,
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class Whitening:
    """`(x - mean) @ matrix`: `mean` is float32 (C,), `matrix` float32 (C, D)."""

    mean: Floats
    matrix: Floats

    def apply(self, features: npt.NDArray[np.floating]) -> Floats:
        """Float32 (..., D) of features (..., C)."""
        return np.asarray((features.astype(np.float32) - self.mean) @ self.matrix, np.float32)

    def only(self, given: slice, kept: slice) -> Whitening:
        """Of a part of the features a part of the whitened numbers."""
        return Whitening(mean=self.mean[given], matrix=np.ascontiguousarray(self.matrix[given, kept]))

    def append(self, builder: GraphBuilder, features: str, cells: int) -> str:
        """Append it as a 1 x 1 convolution on [1, C, h, w]; the result is [cells, D]. Returns its name."""
        kernel = builder.constant(self.matrix.T[:, :, None, None].astype(np.float32))
        bias = builder.constant((-(self.mean.astype(np.float64) @ self.matrix)).astype(np.float32))
        turned = builder.node("Conv", features, kernel, bias, kernel_shape=[1, 1])
        flat = builder.node("Reshape", turned, builder.ints(self.matrix.shape[1], cells))
        return builder.node("Transpose", flat, perm=[1, 0])


def fit_block_whitening(rows: npt.NDArray[np.floating], spec: FeatureSpec) -> Whitening:
    """Whitening of features (n, C) tap by tap, so that a tap with many channels does not crowd out another."""
    blocks, at = [], 0
    for tap in spec.taps:
        blocks.append(fit_whitening(rows[:, at : at + TAP_CHANNELS[tap]], TAP_DIMENSIONS[tap]))
        at += TAP_CHANNELS[tap]
    matrix = np.zeros((at, sum(block.matrix.shape[1] for block in blocks)), np.float32)
    row = column = 0
    for block in blocks:
        height, width = block.matrix.shape
        matrix[row : row + height, column : column + width] = block.matrix
        row, column = row + height, column + width
    return Whitening(mean=np.concatenate([block.mean for block in blocks]), matrix=matrix)


def fit_whitening(rows: npt.NDArray[np.floating], dimensions: int, floor: float = 1e-2) -> Whitening:
    """Principal components of `rows` (n, C), scaled to unit variance; `floor` (of the mean) tames the weak ones.

    Source: principal component whitening, e.g. Kessy, Lewin & Strimmer, "Optimal whitening and decorrelation" (2018).
    """
    rows = rows.astype(np.float64)
    mean = rows.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(rows, rowvar=False))
    values, vectors = values[::-1][:dimensions], vectors[:, ::-1][:, :dimensions]
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])])
    matrix = vectors * signs / np.sqrt(np.maximum(values, 0) + floor * max(float(values.mean()), 1e-12))
    return Whitening(mean=mean.astype(np.float32), matrix=matrix.astype(np.float32))
