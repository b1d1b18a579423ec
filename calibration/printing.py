"""`board`: a board on paper in true scale, as PDF (vectors) or PNG (with its dots per metre).

What it is: a PDF writer of the few operators a board needs - filled rectangles, a line, a text - and PNG with a pHYs
chunk. What it is not: a drawing library; why there is none is in decisions/0161. Main thread of a tool.

Every sheet carries a line of 100 mm and the options that its board is found with: a printer that scales is caught
with a ruler before it falsifies every measurement.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from calibration.boards import DICTIONARY, Board, charuco, picture
from inspector.errors import UsageError
from inspector.types import Pixels

PAPERS_MM = {"a4": (297.0, 210.0), "a3": (420.0, 297.0), "a2": (594.0, 420.0), "letter": (279.4, 215.9)}
RULER_MM = 100.0
_FOOT_MM = 12.0
_MARGIN_MM = 6.0
_POINTS_PER_MM = 72 / 25.4
_MODULES = 7


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A filled rectangle on the sheet: left, top, width, height in mm from the sheet's upper left corner."""

    left: float
    top: float
    width: float
    height: float


def sheet_mm(board: Board, paper: str) -> tuple[float, float]:
    """Width and height of the paper, lying; raises UsageError if the board does not fit on it."""
    if paper not in PAPERS_MM:
        raise UsageError(f"--paper is {paper!r}, wanted one of {', '.join(PAPERS_MM)}")
    width, height = PAPERS_MM[paper]
    across, down = (count * board.square_mm for count in board.squares)
    room = (width - 2 * _MARGIN_MM, height - 2 * _MARGIN_MM - _FOOT_MM)
    if across > room[0] or down > room[1]:
        text = f"the board is {across:g} x {down:g} mm, {paper} has room for {room[0]:g} x {room[1]:g} mm"
        raise UsageError(f"{text}: choose a larger --paper, or a smaller --square-mm or --size")
    return width, height


def rectangles(board: Board, paper: str) -> Iterator[Rectangle]:
    """The black of the board, in the middle of the sheet."""
    width, height = sheet_mm(board, paper)
    across, down = board.squares
    side = board.square_mm
    left, top = (width - across * side) / 2, (height - _FOOT_MM - down * side) / 2
    for row in range(down):
        for column in range(row % 2, across, 2):
            yield Rectangle(left + column * side, top + row * side, side, side)
    if board.kind == "charuco":
        yield from _markers(board, left, top)


def _markers(board: Board, left: float, top: float) -> Iterator[Rectangle]:
    drawn = charuco(board)
    dictionary = cv2.aruco.getPredefinedDictionary(DICTIONARY)
    for number, corners in zip(np.ravel(drawn.getIds()), drawn.getObjPoints(), strict=True):
        x, y = (float(value) for value in corners[0][:2])
        module = float(corners[1][0] - corners[0][0]) / _MODULES
        bits = cv2.aruco.generateImageMarker(dictionary, int(number), _MODULES) == 0
        for row, line in enumerate(np.asarray(bits)):
            edges = np.flatnonzero(np.diff(np.r_[0, line.astype(np.int8), 0])).reshape(-1, 2)
            for begin, end in edges:
                place = (left + x + begin * module, top + y + row * module)
                yield Rectangle(*place, (end - begin) * module, module)


def caption(board: Board) -> str:
    """What the sheet says of itself."""
    option = f"--board {board.kind} --size {board.columns}x{board.rows} --square-mm {board.square_mm:g}"
    return f"{option}   The line is 100 mm long: print at 100 %, check with a ruler."


def pdf(board: Board, paper: str) -> bytes:
    """The sheet as a PDF 1.4 of one page, drawn in vectors."""
    width, height = sheet_mm(board, paper)
    k = _POINTS_PER_MM
    drawn = [
        f"{one.left * k:.4f} {(height - one.top - one.height) * k:.4f} {one.width * k:.4f} {one.height * k:.4f} re"
        for one in rectangles(board, paper)
    ]
    foot = _MARGIN_MM + 4
    ruler = f"0.3 w {_MARGIN_MM * k:.4f} {foot * k:.4f} m {(_MARGIN_MM + RULER_MM) * k:.4f} {foot * k:.4f} l S"
    ends = "".join(
        f" {x * k:.4f} {(foot - 1) * k:.4f} m {x * k:.4f} {(foot + 1) * k:.4f} l S"
        for x in (_MARGIN_MM, _MARGIN_MM + RULER_MM)
    )
    text = f"BT /F 8 Tf {_MARGIN_MM * k:.4f} {(_MARGIN_MM - 1) * k:.4f} Td ({caption(board)}) Tj ET"
    return _document("\n".join([*drawn, "f", ruler + ends, text]).encode(), width * k, height * k)


def _document(content: bytes, width: float, height: float) -> bytes:
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    packed = zlib.compress(content, 9)
    page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width:.4f} {height:.4f}] /Contents 4 0 R"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R /ViewerPreferences << /PrintScaling /None >> >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"{page} /Resources << /Font << /F 5 0 R >> >> >>".encode(),
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n" % len(packed) + packed + b"\nendstream",
        font,
    ]
    out, places = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    tail = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(out))
    return out + head + table + tail


def png(board: Board, dots_per_inch: int = 300) -> bytes:
    """The board with a white margin of one square as a PNG that knows its scale; squares are whole pixels, at least
    as fine as asked for."""
    per = max(8, -(-int(board.square_mm * dots_per_inch) // 25))
    if board.kind == "charuco":
        per = -(-per // 35) * 35  # whole modules: a marker is 0.6 of a square and 7 modules wide
    image: Pixels = cv2.copyMakeBorder(picture(board, per), per, per, per, per, cv2.BORDER_CONSTANT, value=255)  # type: ignore[assignment]
    _, encoded = cv2.imencode(".png", image)
    data = encoded.tobytes()
    per_metre = round(per / board.square_mm * 1000)
    chunk = b"pHYs" + struct.pack(">IIB", per_metre, per_metre, 1)
    after = data.index(b"IDAT") - 4
    return data[:after] + struct.pack(">I", 9) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[after:]
