"""What lies around a cell, seen finely: a Gaussian of the context tap's weaker components on that tap's own grid.

What it is: fitting, scoring in numpy, and the same as ONNX operators. What it is not: the Gaussian of a cell itself,
which already holds the context's strongest components beside the finer tap. The teaching process.

Why: parts that lack something large differ from good ones in components that vary little among good parts (Rippel,
Mertens & Merhof, 2021), and one Gaussian with all of them for each cell would cost four times the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inspector.teach.features import TAP_CHANNELS, TAP_DIMENSIONS, Whitening, fit_whitening
from inspector.teach.gaussian import Gaussian, Kin, fit_gaussian
from inspector.teach.graph import Floats, GraphBuilder

TAP = "context"
_SAMPLED = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """`gaussian` is one of (squares, D), each square being 2 x 2 cells of the map of (rows, columns) `grid`."""

    whitening: Whitening
    gaussian: Gaussian
    grid: tuple[int, int]

    def squares(self, stack: npt.NDArray[np.floating]) -> Floats:
        """What a cell's squared distance gains, float32 (n, cells), of features (n, cells, C) that end with the tap."""
        return shared(self.gaussian.squares(self.whitening.apply(first_cells(stack, self.grid))), self.grid)

    def append(self, builder: GraphBuilder, kept: npt.NDArray[np.intp]) -> str:
        """Append `squares` of the cells `kept`, [kept], behind the backbone. Returns its name."""
        parents = _parents(self.grid)[kept]
        used, place = np.unique(parents, return_inverse=True)
        rows = self.whitening.append(builder, TAP, len(self.gaussian.mean))
        if len(used) < len(self.gaussian.mean):
            rows = builder.node("Gather", rows, builder.constant(used), axis=0)
        squares = self.gaussian.only(used).append(builder, rows)
        spread = builder.node("Gather", squares, builder.constant(place.astype(np.int64)), axis=0)
        return builder.node("Mul", spread, builder.scalar(0.25))


def fit_context(
    stack: npt.NDArray[np.floating],
    guests: npt.NDArray[np.floating],
    grid: tuple[int, int],
    shrink: float,
    kin: Sequence[Kin] = (),
) -> tuple[Context, Floats]:
    """Fit to features (n, cells, C) that end with the tap; also what `squares` gains without each picture's own part,
    float32 (n + g, cells) with the `guests` (g, cells, C), see `fit_gaussian`."""
    rows = first_cells(stack, grid)
    whitening = _weaker(rows)
    everyone = np.concatenate([rows, first_cells(guests, grid)])
    cells = (whitening.apply(everyone[:, cell]) for cell in range(rows.shape[1]))
    gaussian, left_out = fit_gaussian(cells, shrink, len(stack), kin)
    return Context(whitening=whitening, gaussian=gaussian, grid=grid), shared(left_out, grid)


def _weaker(rows: npt.NDArray[np.floating]) -> Whitening:
    """Of the tap's components those that a cell's Gaussian leaves out."""
    flat = rows.reshape(-1, rows.shape[2])
    whole = fit_whitening(flat[:: max(1, len(flat) // _SAMPLED)].astype(np.float32), TAP_CHANNELS[TAP])
    return Whitening(mean=whole.mean, matrix=np.ascontiguousarray(whole.matrix[:, TAP_DIMENSIONS[TAP] :]))


def first_cells(stack: npt.NDArray[np.floating], grid: tuple[int, int]) -> npt.NDArray[np.floating]:
    """The tap's numbers (n, squares, C) of each square of 2 x 2 cells; all four have the same."""
    rows, columns = grid
    pictures = stack.reshape(len(stack), rows, columns, stack.shape[2])[:, ::2, ::2, -TAP_CHANNELS[TAP] :]
    return pictures.reshape(len(stack), (rows // 2) * (columns // 2), pictures.shape[3])


def shared(squares: Floats, grid: tuple[int, int]) -> Floats:
    """A quarter of each square's (n, squares) for each of its four cells (n, cells)."""
    return squares[:, _parents(grid)] * np.float32(0.25)


def _parents(grid: tuple[int, int]) -> npt.NDArray[np.intp]:
    """The square (cells,) each cell lies in."""
    rows, columns = np.indices(grid) // 2
    return np.asarray(rows * (grid[1] // 2) + columns, np.intp).ravel()
