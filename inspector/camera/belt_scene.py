"""What the simulated camera sees: pictures of parts on the simulated belt.

What it is: the scene of `camera.simulated` - which recorded picture lies under the lens at a time, moved a few
pixels along the belt each time. What it is not: the belt (`simulation.World`) or the camera. The thread that triggers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from inspector.errors import ImageError
from inspector.simulation import World, source_of
from inspector.types import Pixels

_SHIFT_PX = 6


class BeltScene:
    """See the module. `files` are the looks of the parts, relative to `folder`; `World` numbers them.

    `empty` and `crowded` are the pictures shown while no part, or more than one, lies in the field; without them
    the belt is mid-grey, or the nearest part is shown alone under a name that says there were two.
    Raises ImageError for a picture that does not decode, or whose size is not that of the first.
    """

    def __init__(
        self, world: World, folder: Path, files: Sequence[str], empty: str | None, crowded: str | None
    ) -> None:
        self._world = world
        self._folder = folder
        self._files = files
        self._empty = empty
        self._crowded = crowded
        self._stored: dict[str, bytes] = {}
        self._shape = self._decode(files[0]).shape

    def picture_at(self, at_ns: int) -> tuple[Pixels, str]:
        """The exposure at `at_ns`, and the file and physical part it is a picture of."""
        parts = self._world.in_field(at_ns)
        if not parts:
            pixels = self._decode(self._empty) if self._empty else np.full(self._shape, 90, np.uint8)
            return pixels, self._empty or "empty belt"
        file = self._files[parts[0].picture]
        if len(parts) > 1 and self._crowded:
            return self._decode(self._crowded), self._crowded
        name = source_of(file, parts[0].uid) if len(parts) == 1 else f"{file} and another"
        return self._moved(self._decode(file), parts[0].uid), name

    def _moved(self, pixels: Pixels, uid: int) -> Pixels:
        dx, dy = uid * 7 % (2 * _SHIFT_PX + 1) - _SHIFT_PX, uid * 5 % (2 * _SHIFT_PX + 1) - _SHIFT_PX
        matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float64)
        size = (pixels.shape[1], pixels.shape[0])
        moved = cv2.warpAffine(pixels, matrix, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
        return np.ascontiguousarray(moved, np.uint8)

    def _decode(self, file: str) -> Pixels:
        if file not in self._stored:
            try:
                self._stored[file] = (self._folder / file).read_bytes()
            except OSError as why:
                raise ImageError(f"{self._folder / file}: cannot be read: {why.strerror}") from why
        pixels = cv2.imdecode(np.frombuffer(self._stored[file], np.uint8), cv2.IMREAD_COLOR)
        if pixels is None:
            raise ImageError(f"{self._folder / file}: is not a picture that can be decoded")
        return np.ascontiguousarray(pixels, np.uint8)
