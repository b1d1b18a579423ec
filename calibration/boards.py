"""The boards: chessboard and ChArUco, as they are printed and as they are looked for.

What it is: a board's description, its points in millimetres, and its picture. What it is not: the search in a picture
(`views`) or the printing (`printing`). Main thread of a tool.

A chessboard's size is counted in inner corners, as every tool does; a ChArUco board's in squares. Board coordinates:
x to the right, y down on the printed sheet, origin at the first inner corner (chessboard) or the sheet's first square's
outer corner (ChArUco).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np

from inspector.errors import UsageError
from inspector.lens import Points
from inspector.types import Pixels

MARKER_SHARE = 0.6
"""Side of a marker as a share of the square's: leaves the corner a clear ground of a fifth of a square."""
DICTIONARY = cv2.aruco.DICT_5X5_1000
_SIZE = re.compile(r"^(\d{1,3})x(\d{1,3})$")


@dataclass(frozen=True, slots=True)
class Board:
    """A board of `columns` x `rows` (see the module) with squares of `square_mm`."""

    kind: Literal["charuco", "chessboard"]
    columns: int
    rows: int
    square_mm: float

    @property
    def points_mm(self) -> Points:
        """Places of the inner corners, (N, 2) mm, in the order of their ids, row by row."""
        columns, rows = self.corners
        first = 1 if self.kind == "charuco" else 0
        down, across = np.mgrid[0:rows, 0:columns]
        return np.stack([across.ravel() + first, down.ravel() + first], axis=1) * float(self.square_mm)

    @property
    def corners(self) -> tuple[int, int]:
        """Inner corners across and down."""
        less = 1 if self.kind == "charuco" else 0
        return self.columns - less, self.rows - less

    @property
    def squares(self) -> tuple[int, int]:
        """Squares across and down."""
        more = 0 if self.kind == "charuco" else 1
        return self.columns + more, self.rows + more

    @property
    def words(self) -> str:
        """For messages."""
        count = "squares" if self.kind == "charuco" else "inner corners"
        return f"{self.kind} of {self.columns} x {self.rows} {count}"


def make_board(kind: str, size: str, square_mm: float) -> Board:
    """The board of a command line; raises UsageError."""
    match = _SIZE.match(size)
    least = 3 if kind == "chessboard" else 4
    if kind not in ("charuco", "chessboard"):
        raise UsageError(f"--board is {kind!r}, wanted charuco or chessboard")
    if match is None or min(int(match[1]), int(match[2])) < least:
        raise UsageError(f"--size is {size!r}, wanted COLUMNSxROWS, each at least {least}, as in 11x8")
    if not 0.1 <= square_mm <= 1000:
        raise UsageError(f"--square-mm is {square_mm}, wanted 0.1 to 1000")
    board = Board("charuco" if kind == "charuco" else "chessboard", int(match[1]), int(match[2]), square_mm)
    if board.kind == "charuco" and board.columns * board.rows // 2 > 1000:
        raise UsageError(f"--size is {size!r}: the board needs more than the 1000 markers there are")
    return board


def charuco(board: Board) -> Any:
    """OpenCV's object for a ChArUco board."""
    dictionary = cv2.aruco.getPredefinedDictionary(DICTIONARY)
    return cv2.aruco.CharucoBoard(
        (board.columns, board.rows), board.square_mm, MARKER_SHARE * board.square_mm, dictionary
    )


def picture(board: Board, px_per_square: int) -> Pixels:
    """The board without a margin, uint8 (H, W), squares of exactly `px_per_square`."""
    across, down = board.squares
    if board.kind == "charuco":
        size = (across * px_per_square, down * px_per_square)
        return np.asarray(charuco(board).generateImage(size, None, 0, 1), np.uint8)
    dark = (np.add.outer(np.arange(down), np.arange(across)) % 2) == 0
    squares = np.where(dark, 0, 255).astype(np.uint8)
    return np.asarray(squares.repeat(px_per_square, axis=0).repeat(px_per_square, axis=1), np.uint8)
