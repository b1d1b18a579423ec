"""The lamp's unevenness taken out of every frame: flat-field correction.

What it is: the grey card's brightness over the field, as the illumination calibration stored it, turned into a gain for
each pixel and multiplied onto each frame, so that a part looks the same wherever it lies. What it is not: a correction
of dark current or of single pixels (cameras do that), or of a lamp that ages (`vision.drift` watches it). The camera
thread; in simulated time, the main thread.

The gain is the mean of the card over the card at that place (EMVA 1288, section on spatial nonuniformity, calls it the
photo response), so the frame's mean brightness stays as it is. What was saturated stays saturated where the gain is 1
or more; elsewhere its true value is unknown, and it is left at what the gain makes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from inspector.errors import ConfigError
from inspector.types import Frame, Pixels

MAX_GAIN = 4.0
"""A darker corner than a quarter of the mean is a lamp to be moved, not a picture to be repaired: noise grows alike."""


class FlatField:
    """Corrects frames by `grid`, the card's brightness in cells of the field, rows of shares of their mean.

    Raises ConfigError where a cell needs a gain above `MAX_GAIN`.
    """

    def __init__(self, grid: Sequence[Sequence[float]]) -> None:
        cells = np.asarray(grid, np.float32)
        darkest = float(cells.min()) if cells.ndim == 2 and cells.size else 0.0
        if darkest <= 1 / MAX_GAIN:
            text = f"darkest cell of the illumination result has {darkest:.0%} of the mean brightness"
            raise ConfigError(f"[calibration] flat_field: the {text}, wanted more than {1 / MAX_GAIN:.0%}")
        self._cells = cells
        self._gains: dict[tuple[int, ...], Pixels] = {}
        self._unit = float((1 / cells).max() * 1.25 / 255)

    def __call__(self, frame: Frame) -> Frame:
        """The corrected frame, a new picture of the same shape; rounding is below one grey level."""
        shape = frame.pixels.shape
        if shape not in self._gains:
            self._gains = {shape: self._gain(shape)}
        # One 8-bit gain per pixel and a common unit: 0.9 ms for 1280 x 960 x 3, where floats take 1.6 ms.
        pixels = np.asarray(cv2.multiply(frame.pixels, self._gains[shape], scale=self._unit), np.uint8)
        pixels.flags.writeable = False
        return replace(frame, pixels=pixels)

    def _gain(self, shape: tuple[int, ...]) -> Pixels:
        height, width = shape[:2]
        share = smooth(self._cells, height, width)
        gain = np.clip(np.round(1 / np.maximum(share, 1 / MAX_GAIN) / self._unit), 0, 255).astype(np.uint8)
        return gain if len(shape) == 2 else np.ascontiguousarray(np.repeat(gain[:, :, None], shape[2], axis=2))


def smooth(cells: np.ndarray[tuple[int, int], np.dtype[np.float32]], height: int, width: int) -> Pixels:
    """Brightness at every pixel, float32 (height, width), from the means of cells: the cells' centres joined by cubic
    curves, and gone on with at the same slope to the border."""
    padded = cv2.copyMakeBorder(cells, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    padded = np.asarray(padded, np.float32)
    for side, near, far in ((0, 1, 2), (-1, -2, -3)):
        padded[side] = 2 * padded[near] - padded[far]
        padded[:, side] = 2 * padded[:, near] - padded[:, far]
    rows, columns = cells.shape
    down = (np.arange(height, dtype=np.float32) + 0.5) * rows / height + 0.5
    across = (np.arange(width, dtype=np.float32) + 0.5) * columns / width + 0.5
    map_x, map_y = np.meshgrid(across, down)
    smooth_cells: Pixels = cv2.remap(padded, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[assignment]
    return smooth_cells
