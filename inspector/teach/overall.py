"""What a picture is like as a whole: how bright, how rough, which of several lots. A cell is then judged as what it is
in such a picture.

What it is: a few numbers of the mean of the cells that count, in numpy and as ONNX operators. What it is not: a score;
a picture that is unlike all others is told by its cells. The teaching process.

Method: the means' principal components as covariates of every cell (an analysis of covariance; Anderson, "An
Introduction to Multivariate Statistical Analysis", 2003, chapter 8). A picture farther out than half of the good ones
is taken for one at that distance (Winsor's way with outliers), or a defect would explain itself away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inspector.teach.features import Whitening, fit_whitening
from inspector.teach.gaussian import Covariates, Kin, judge_left_out
from inspector.teach.graph import Floats, GraphBuilder

# At the most, and at the fewest: of fewer than 64 parts nothing was gained.
MOST = 48
FEWEST = 16
PARTS_FOR_EACH = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Overall:
    """`whitening` makes of a mean of whitened features (D,) numbers of unit variance (r,); `limit` is the greatest
    length of these that is believed."""

    whitening: Whitening
    limit: float

    def of(self, means: Floats) -> Floats:
        """Of the mean of a picture's whitened features (n, D) its covariates, float32 (n, r)."""
        found = self.whitening.apply(means)
        return _shortened(found, np.sqrt((found * found).sum(axis=1)), self.limit)

    def append(self, builder: GraphBuilder, rows: str) -> str:
        """Append `of` on the cells that count [kept, D]; the result is [1, r]. Returns its name."""
        mean = builder.node("ReduceMean", rows, axes=[0], keepdims=1)
        matrix = self.whitening.matrix
        bias = (-(self.whitening.mean.astype(np.float64) @ matrix)).astype(np.float32)
        found = builder.node("Gemm", mean, builder.constant(matrix), builder.constant(bias))
        length = builder.node("ReduceL2", found, axes=[1], keepdims=1)
        least = builder.scalar(self.limit)
        share = builder.node("Div", least, builder.node("Max", length, least))
        return builder.node("Mul", found, share)


def how_many(parts: int) -> int:
    """How many covariates pictures of so many parts allow; 0 where they are too few for any."""
    count = min(MOST, parts // PARTS_FOR_EACH)
    return count if count >= FEWEST else 0


def fit_overall(
    means: Floats, fitted: int, count: int, shrink: float, kin: Sequence[Kin]
) -> tuple[Overall, Covariates]:
    """Fit `count` covariates to the first `fitted` of the pictures' mean whitened features (n, D). Where a part is left
    out, unit variance weighs as much as `shrink` pictures, as in the Gaussians.

    Also the covariates; as they are judged by, each is shortened by the length it has without its part.
    """
    plain = fit_whitening(means[:fitted], count, floor=1e-6)
    # Of variance 1 over the pictures themselves, not of an estimate from them: the fit of a cell builds on that.
    whitening = Whitening(mean=plain.mean, matrix=plain.matrix * np.float32(np.sqrt(fitted / (fitted - 1))))
    found = whitening.apply(means)
    lengths = np.sqrt(judge_left_out(found[:fitted], found, shrink, kin))
    # Pictures that are all the same have no length at all.
    limit = max(float(np.median(lengths[:fitted])), 1e-6)
    judged = _shortened(found, lengths, limit)
    return Overall(whitening=whitening, limit=limit), Covariates(learned=found[:fitted], judged=judged)


def _shortened(found: Floats, lengths: npt.NDArray[np.floating], limit: float) -> Floats:
    return np.asarray(found * (limit / np.maximum(lengths, limit))[:, None], np.float32)
