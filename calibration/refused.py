"""A refusal that shows why: the message, and the picture that goes with it.

What it is: bad input of a calibration tool. What it is not: a defect of the program. Main thread of a tool.
"""

from __future__ import annotations

import cv2
import numpy as np

from inspector.errors import UsageError
from inspector.types import Pixels


class Refused(UsageError):
    """Input that no result can be made from; `picture` shows why (uint8 BGR), the command line writes it to a file."""

    def __init__(self, text: str, picture: Pixels | None = None) -> None:
        super().__init__(text)
        self.picture = picture


def captioned(pixels: Pixels, text: str) -> Pixels:
    """A picture, grey or BGR, with its caption above it, at most 1280 pixels wide."""
    colour = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR) if pixels.ndim == 2 else pixels
    share = min(1.0, 1280 / colour.shape[1])
    small = np.asarray(cv2.resize(colour, None, fx=share, fy=share, interpolation=cv2.INTER_AREA), np.uint8)
    width = max(small.shape[1], 480)
    per_line = width // 9
    lines = [text[at : at + per_line] for at in range(0, len(text), per_line)]
    out = np.full((small.shape[0] + 24 * len(lines) + 8, width, 3), 30, np.uint8)
    for number, line in enumerate(lines):
        place = (6, 20 + 24 * number)
        cv2.putText(out, line, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (80, 200, 255), 1, cv2.LINE_AA)
    out[-small.shape[0] :, : small.shape[1]] = small
    return out
