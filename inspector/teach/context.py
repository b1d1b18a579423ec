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
from inspector.teach.gaussian import Gaussian, Kin, fit_gaussian, in_blocks
from inspector.teach.graph import Floats, GraphBuilder

TAP = "context"
_SAMPLED = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """`gaussian` is one of (m, D), of each of the squares `used` (m,), which are 2 x 2 cells of the map of (rows,
    columns) `grid`; `place` (kept,) is where among them that of each cell that counts is."""

    whitening: Whitening
    gaussian: Gaussian
    grid: tuple[int, int]
    used: npt.NDArray[np.intp]
    place: npt.NDArray[np.intp]

    def squares(self, stack: npt.NDArray[np.floating]) -> Floats:
        """What the squared distance of the cells that count gains, float32 (n, kept), of features (n, cells, C) that
        end with the tap."""
        rows = self.whitening.apply(first_cells(stack, self.grid)[:, self.used])
        return shared(self.gaussian.squares(rows), self.place)

    def append(self, builder: GraphBuilder) -> str:
        """Append `squares` behind the backbone, [kept]. Returns its name."""
        count = self.grid[0] * self.grid[1] // 4
        rows = self.whitening.append(builder, TAP, count)
        if len(self.used) < count:
            rows = builder.node("Gather", rows, builder.constant(self.used), axis=0)
        squares = self.gaussian.append(builder, rows)
        spread = builder.node("Gather", squares, builder.constant(self.place.astype(np.int64)), axis=0)
        return builder.node("Mul", spread, builder.scalar(0.25))


def squares_of(grid: tuple[int, int], kept: npt.NDArray[np.intp]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The squares (m,) in which the cells `kept` lie, and of each cell where among them its own is (kept,)."""
    rows, columns = np.divmod(kept, grid[1])
    used, place = np.unique(rows // 2 * (grid[1] // 2) + columns // 2, return_inverse=True)
    return used, place


def fit_context(
    stack: npt.NDArray[np.floating],
    guests: npt.NDArray[np.floating],
    grid: tuple[int, int],
    kept: npt.NDArray[np.intp],
    shrink: float,
    kin: Sequence[Kin] = (),
) -> tuple[Context, Floats]:
    """Fit to features (n, cells, C) that end with the tap; also what `squares` gains without each picture's own part,
    float32 (n + g, kept) with the `guests` (g, cells, C), see `fit_gaussian`."""
    used, place = squares_of(grid, kept)
    rows = first_cells(stack, grid)[:, used]
    whitening = _weaker(rows)
    everyone = np.concatenate([rows, first_cells(guests, grid)[:, used]])
    some = in_blocks(len(used), len(everyone) * whitening.matrix.shape[1])
    blocks = (np.ascontiguousarray(whitening.apply(everyone[:, block]).swapaxes(0, 1)) for block in some)
    gaussian, left_out = fit_gaussian(blocks, shrink, len(stack), kin)
    context = Context(whitening=whitening, gaussian=gaussian, grid=grid, used=used, place=place)
    return context, shared(left_out, place)


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


def shared(squares: Floats, place: npt.NDArray[np.intp]) -> Floats:
    """A quarter of each square's (n, m) for each of its cells, (n, kept)."""
    return squares[:, place] * np.float32(0.25)
