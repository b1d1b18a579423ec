"""The laser mark of the part: text, logo and a readable DataMatrix as a coverage map.

Every function returns coverage 0..1 on the part's own grid (row 0 is the lowest y).
It is not a font engine: Pillow's built-in font is used, so that no font file is needed.
Not run by itself; imported by part.py and defects.py.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from ppf.datamatrix import DataMatrix
from shapes import HALF_X, HALF_Y, PITCH, SHAPE, Field, X, Y, circle, rbox, soft

NUMBER, BATCH = "OIS 4711-03", "B  26-17  L2"
OVER = 4  # oversampling while drawing


def text(content: str, cx: float, cy: float, height: float, deg: float = 0.0) -> Field:
    """Draw text centred on (cx, cy); height is that of a capital letter, in mm."""
    size = int(height / PITCH * OVER / 0.72)
    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(content)
    tile = Image.new("L", (int(right - left) + 8, int(bottom - top) + 8))
    ImageDraw.Draw(tile).text((4 - left, 4 - top), content, 255, font=font, stroke_width=size // 40)
    tile = tile.rotate(deg, expand=True, resample=Image.Resampling.BICUBIC)
    tile = tile.resize((max(1, tile.width // OVER), max(1, tile.height // OVER)), Image.Resampling.LANCZOS)
    return place(np.asarray(tile, np.float32)[::-1] / 255, cx, cy)


def place(tile: Field, cx: float, cy: float) -> Field:
    """Put a small map, given lowest row first, into an empty map of the part, centred."""
    out = np.zeros(SHAPE, np.float32)
    row = int((cy + HALF_Y) / PITCH - tile.shape[0] / 2)
    col = int((cx + HALF_X) / PITCH - tile.shape[1] / 2)
    out[row : row + tile.shape[0], col : col + tile.shape[1]] = tile
    return out


def matrix(content: str, cx: float, cy: float, module: float) -> Field:
    """Draw a DataMatrix (ECC 200) with modules of the given size in mm."""
    cells = np.array(DataMatrix(content).matrix, np.float32)
    side = int(module / PITCH)
    return place(np.kron(cells[::-1], np.ones((side, side), np.float32)), cx, cy)


def logo(cx: float, cy: float) -> Field:
    """Draw the maker's mark: a ring, a lens and a stroke."""
    ring = np.abs(circle(cx, cy, 3.6)) - 0.45
    lens = circle(cx - 0.4, cy + 0.4, 1.6)
    stroke = rbox(cx + 1.9, cy - 1.9, 1.6, 0.45, 0.4, -45)
    return soft(np.minimum(np.minimum(ring, lens), stroke))


def datum() -> Field:
    """Draw the datum mark (letter in a frame, standing on a filled triangle) on the boss face."""
    cx, cy, a = -7.9, 14.0, np.radians(30)
    frame = np.abs(rbox(cx + 0.5 * np.cos(a), cy + 0.5 * np.sin(a), 1.6, 1.6, 0.1, 30)) - 0.2
    u, v = (X - cx) * np.cos(a) + (Y - cy) * np.sin(a), -(X - cx) * np.sin(a) + (Y - cy) * np.cos(a)
    tri = np.maximum(np.abs(v) - 0.55 * (-1.1 - u + 0.0) * -1 - 1.1, np.maximum(u + 1.1, -2.9 - u))
    return np.maximum(soft(np.minimum(frame, tri)), text("A", cx + 0.43, cy + 0.25, 1.7, 30))


def pad_print(number: str = NUMBER, batch: str = BATCH, code: str = "OIS471103B") -> Field:
    """Draw the whole mark on the print pad."""
    parts = [logo(9.3, 9), text(number, 26.2, 11.3, 3.1), text(batch, 26.2, 5.9, 2.3), matrix(code, 44.3, 9, 0.6)]
    return np.maximum.reduce(parts)
