"""A part laid in again: another pose, another light, other noise.

What it is: a picture of a part turned into another one of it, for studies without a fixture. What it is not: a
rendering of the part: a shadow turns with it, and what the first picture's noise did to an edge stays. Any thread.
"""

from __future__ import annotations

import cv2
import numpy as np

from inspector.types import Pixels

SHIFT_PX = 12.0
TURN_DEG = 2.0
LIGHT = 0.03
NOISE_GREY = 2.0


def present(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """`pixels`, uint8 (H, W) or (H, W, 3), moved by up to SHIFT_PX and TURN_DEG, its light changed by up to LIGHT, with
    NOISE_GREY of noise on top."""
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), float(random.uniform(-TURN_DEG, TURN_DEG)), 1.0)
    shift = np.zeros((2, 3))
    shift[:, 2] = random.uniform(-SHIFT_PX, SHIFT_PX, 2)
    matrix = np.asarray(turn, np.float64) + shift
    moved = cv2.warpAffine(pixels, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    lit = np.asarray(moved, np.float32) * float(random.uniform(1 - LIGHT, 1 + LIGHT))
    noisy = lit + random.normal(0, NOISE_GREY, lit.shape).astype(np.float32)
    return np.asarray(np.clip(np.rint(noisy), 0, 255), np.uint8)
