"""A folder of recorded pictures as a camera: one picture for each trigger, for ever.

What it is: pictures of a folder and all below it (so also a `good`, `scratch`, ... tree), sorted or in a seeded
shuffle, from the start again after the last. What it is not: a check of what they show (labels are joined by
`Frame.source`, the path inside the folder). The camera thread; `trigger` from any.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from inspector.camera.base import CameraCounters
from inspector.camera.trigger_line import TriggerLine
from inspector.clock import Clock
from inspector.config import CameraConfig
from inspector.errors import CameraError
from inspector.labels import picture_files
from inspector.types import Frame, Pixels

TRANSFER_NS = 5_000_000
"""From trigger to frame: what an industrial camera of this resolution needs for exposure and transfer."""


class _Exposure(NamedTuple):
    frame_id: int
    exposed_at_ns: int
    file: str


class FolderCamera:
    """See the module and `base`. `folder` is where the pictures lie; the order follows from `shuffle_seed` alone.

    A picture that does not decode, or is not of the configured size, is one exposure that came to nothing.
    """

    def __init__(self, config: CameraConfig, folder: Path, clock: Clock) -> None:
        self.name = config.name
        self.counters = CameraCounters()
        self._config = config
        self._folder = folder
        self._line: TriggerLine[_Exposure] = TriggerLine(config.name, clock)
        self._files: list[str] = []
        self._frame_id = 0

    def open(self) -> None:
        """See `base`; raises DatasetError for a folder that is missing or has no pictures."""
        if self._files:
            return
        files = picture_files(self._folder)
        if self._config.shuffle_seed is not None:
            order = np.random.default_rng(self._config.shuffle_seed).permutation(len(files))
            files = [files[at] for at in order]
        self._files = files

    def arm(self) -> None:
        """See `base`."""
        self._require_open()
        self._line.clear()

    def trigger(self, at_ns: int, part: object | None = None) -> int:  # noqa: ARG002 - see `base.FiredCamera`
        """See `base`."""
        if not self._files:
            return at_ns
        file = self._files[self._frame_id % len(self._files)]
        self._frame_id += 1
        exposed_at_ns = at_ns + self._config.trigger_delay_us * 1000
        self._line.put(exposed_at_ns + TRANSFER_NS, _Exposure(self._frame_id, exposed_at_ns, file))
        return at_ns

    def next_ready_ns(self) -> int | None:
        """See `base`."""
        return self._line.next_ready_ns()

    def next_frame(self, timeout_s: float) -> Frame:
        """See `base`."""
        self._require_open()
        exposure = self._line.take(timeout_s)
        pixels = self.read(exposure.file)
        self.counters.frames += 1
        return Frame(
            frame_id=exposure.frame_id,
            camera=self.name,
            exposed_at_ns=exposure.exposed_at_ns,
            pixels=pixels,
            source=exposure.file,
        )

    def adjust(self, config: CameraConfig) -> None:  # noqa: ARG002 - see `base`
        """See `base`; recorded pictures are as they are."""
        raise CameraError(f"camera {self.name!r}: recorded pictures have neither exposure nor gain")

    def close(self) -> None:
        """See `base`."""
        self._files = []
        self._line.clear()

    def settings(self) -> dict[str, str]:
        """See `base`."""
        order = "sorted" if self._config.shuffle_seed is None else f"shuffled by {self._config.shuffle_seed}"
        return {"source": str(self._folder), "pictures": str(len(self._files)), "order": order, "refused": ""}

    def _require_open(self) -> None:
        if not self._files:
            raise CameraError(f"camera {self.name!r}: is not open")

    def read(self, file: str) -> Pixels:
        """One picture of the folder, uint8; raises CameraError if it does not decode or has another size."""
        how = cv2.IMREAD_GRAYSCALE if self._config.pixel_format == "Mono8" else cv2.IMREAD_COLOR
        path = self._folder / file
        try:
            pixels = cv2.imdecode(np.fromfile(path, np.uint8), how)
        except (OSError, cv2.error) as why:
            pixels = None
            reason = getattr(why, "strerror", None) or "empty file"
        else:
            reason = "is not a picture that can be decoded"
        if pixels is None:
            self.counters.bad += 1
            raise CameraError(f"camera {self.name!r}: {path}: {reason}")
        self._check_size(pixels.shape, path)
        return np.ascontiguousarray(pixels, np.uint8)

    def _check_size(self, shape: tuple[int, ...], path: Path) -> None:
        wanted = (self._config.height or shape[0], self._config.width or shape[1])
        if shape[:2] != wanted:
            self.counters.bad += 1
            found = f"{shape[1]} x {shape[0]}"
            raise CameraError(f"camera {self.name!r}: {path}: is {found}, wanted {wanted[1]} x {wanted[0]}")
