"""Is this frame a new one? What no driver can be trusted to say.

What it is: the checks on every frame of any camera, without a thread: repeated pixels or id - the frame before, or one
of the last 16, as a driver with a ring of buffers hands them out - gaps, incomplete buffers. What it is not: a
judgement of the picture (`vision.health`). The camera thread.

`Checked` puts them around a camera that is used directly, as in simulated time; `Guard` uses them in its own thread.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from inspector.camera.base import Camera, CameraCounters, TriggeredCamera
from inspector.config import CameraConfig
from inspector.errors import CameraError
from inspector.types import Frame, FrameStatus

Finish = Callable[[Frame], Frame]
"""What is done to every frame after the checks, which want the camera's own pixels."""
_SPARSE = 16
_RING = 16


class FrameChecks:
    """Compares each frame with the one before. `pixels` says whether equal pixels mean a repeated frame: they do for
    anything with a sensor, and do not for recorded pictures."""

    def __init__(self, counters: CameraCounters, pixels: bool = True) -> None:
        self.counters = counters
        self.repeats_in_a_row = 0
        self._pixels = pixels
        self._before: Frame | None = None
        self._digests: deque[int] = deque(maxlen=_RING)

    def restart(self) -> None:
        """The camera was opened anew and counts from 1 again; its pixels are still compared with the last ones."""
        if self._before is not None:
            self._before = replace(self._before, frame_id=0)
        self.repeats_in_a_row = 0

    def skip(self, frame: Frame) -> None:
        """A frame of the set-up, which nobody judges: the next one follows on it."""
        self._before = frame
        self.counters.frames += 1
        if self._pixels:
            self._digests.append(digest(frame))
        self.repeats_in_a_row = 0

    def examine(self, frame: Frame) -> Frame:
        """`frame`, marked INCOMPLETE if it was handed out before, or may be one that is missing: it is not judged."""
        before, self._before = self._before, frame
        self.counters.frames += 1
        if before is not None:
            gap = max(0, frame.frame_id - before.frame_id - 1)
            self.counters.gaps += gap
            if frame.frame_id == before.frame_id or (self._pixels and self._is_old(frame, before)):
                self.counters.repeated += 1
                self.repeats_in_a_row += 1
                return replace(frame, status=FrameStatus.INCOMPLETE)
            if gap and self._pixels:
                # It may be the missing exposure's buffer under a new number: what to compare it with is not here.
                return replace(frame, status=FrameStatus.INCOMPLETE)
        elif self._pixels:
            self._digests.append(digest(frame))
        self.repeats_in_a_row = 0
        self.counters.incomplete += frame.status is FrameStatus.INCOMPLETE
        return frame

    def _is_old(self, frame: Frame, before: Frame) -> bool:
        known = digest(frame)
        # A picture of one grey value has no identity, and is not fit to be judged anyway (`vision.health`).
        old = same_pixels(frame, before) or (known != 0 and known in self._digests)
        self._digests.append(known)
        return old


def as_it_is(frame: Frame) -> Frame:
    """The `Finish` that does nothing."""
    return frame


def digest(frame: Frame) -> int:
    """A number for a few rows of a frame, the same only for the same exposure (a sensor's noise sees to it); 0 for
    rows of one grey value."""
    rows = np.ascontiguousarray(frame.pixels[::_SPARSE])
    return 0 if rows.min() == rows.max() else zlib.crc32(rows.data) or 1


def same_pixels(one: Frame, other: Frame) -> bool:
    """Whether two frames are equal in every pixel; a few rows settle it for nearly all."""
    if one.pixels is other.pixels:
        return True
    if not np.array_equal(one.pixels[::_SPARSE], other.pixels[::_SPARSE]):
        return False
    return bool(np.array_equal(one.pixels, other.pixels))


class Checked:
    """A triggered camera with `FrameChecks`, in the caller's thread. See `base` for the methods, `open_camera` for
    `finish`."""

    def __init__(self, camera: TriggeredCamera, pixels: bool = True, finish: Finish | None = None) -> None:
        self.counters = CameraCounters()
        self._finish = finish or as_it_is
        self._camera = camera
        self._checks = FrameChecks(self.counters, pixels)

    def open(self) -> None:
        """See `base`."""
        self._camera.open()

    def arm(self) -> None:
        """See `base`."""
        self._camera.arm()

    def trigger(self, at_ns: int, part: object | None = None) -> int:
        """See `base`."""
        return self._camera.trigger(at_ns, part)

    def next_ready_ns(self) -> int | None:
        """See `base`."""
        return self._camera.next_ready_ns()

    def next_frame(self, timeout_s: float) -> Frame:
        """See `base`."""
        return self._finish(self._checks.examine(self._camera.next_frame(timeout_s)))

    def adjust(self, config: CameraConfig) -> None:
        """See `base`."""
        self._camera.adjust(config)

    def close(self) -> None:
        """See `base`."""
        self._camera.close()

    def settings(self) -> dict[str, str]:
        """See `base`."""
        return self._camera.settings()


def driven(camera: Camera) -> TriggeredCamera:
    """`camera` as one with a trigger line; raises CameraError if it has none."""
    if not isinstance(camera, TriggeredCamera):
        raise CameraError(f"{type(camera).__name__} has no trigger line of its own")
    return camera
