"""The contract of every camera, in words and as types.

What it is: what the station may rely on, whatever stands behind it, and the counters that the screen shows. What it
is not: a camera. One thread calls a camera (its camera thread); `trigger` alone may come from another.

The contract
  open()          connects and applies every setting; may be called again, always after CameraLost, and then applies
                  them again. Raises CameraLost if the source is not there, CameraError or UsageError if it never
                  can be. Loses no trigger that was given since the last `open`, if the source is still there.
  arm()           from here on frames count: what was exposed before is dropped. Raises CameraError if not open.
  next_frame(t)   the next frame, waiting at most `t` seconds (0: only what is ready now). It returns a whole `Frame`
                  or raises; it never returns None, an empty picture, or the frame before.
                    FrameTimeout   none in time; the camera is well.
                    CameraLost     the source is gone; `open` may bring it back. Raised until it does.
                    CameraError    one exposure came to nothing (named in the message); the camera is well.
  adjust(config)  takes exposure and gain of `config`: at once if it is open, and at every later `open`. What the source
                  would not do is in `settings`. Raises CameraError, and keeps what it had, if it cannot work with them.
  close()         lets go of the source; may be called twice, and in any state.
  settings()      what the source really does, by name; `refused` names what it would not do.
Every frame has a `frame_id` that counts this camera's exposures from 1 (a gap is a lost exposure), `exposed_at_ns` on
the station's clock, a `status`, and a `source` that says where the pixels come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from inspector.config import CameraConfig
from inspector.types import Frame, Pixels


class Camera(Protocol):
    """See the module."""

    def open(self) -> None:
        """Connect and apply the settings."""
        ...

    def arm(self) -> None:
        """Drop what was exposed so far."""
        ...

    def next_frame(self, timeout_s: float) -> Frame:
        """The next frame; raises FrameTimeout, CameraLost or CameraError."""
        ...

    def adjust(self, config: CameraConfig) -> None:
        """Take exposure and gain of `config`."""
        ...

    def close(self) -> None:
        """Let go of the source."""
        ...

    def settings(self) -> dict[str, str]:
        """What the source really does."""
        ...


@runtime_checkable
class FiredCamera(Camera, Protocol):
    """A camera that this process can trigger."""

    def trigger(self, at_ns: int, part: object | None = None) -> int:
        """The trigger at `at_ns` on the station's clock: exactly one exposure; its time, by which its frame is known:
        `at_ns` of a trigger line, later of a camera that is `asked`. `part` is for whoever simulates; a camera does not
        look at it. Without effect while a twin is not open, as on a real line."""
        ...


@runtime_checkable
class TriggeredCamera(FiredCamera, Protocol):
    """A camera with a trigger line that this process drives: the twins."""

    def next_ready_ns(self) -> int | None:
        """When `next_frame(0)` will next have something to say; None if nothing is on its way."""
        ...


class Scene(Protocol):
    """What a simulated camera looks at."""

    def picture_at(self, at_ns: int) -> tuple[Pixels, str]:
        """The exposure at `at_ns`, uint8 `(H, W)` or `(H, W, 3)` BGR, and what it is a picture of."""
        ...


@dataclass(slots=True, kw_only=True)
class CameraCounters:
    """What happened since the start, for the screen. Written by the camera's threads, read by anyone.

    `frames` delivered; `timeouts` waits without a frame; `bad` exposures that came to nothing; `incomplete` frames the
    camera itself called so; `repeated` frames with the pixels or the id of the one before; `gaps` exposures missing
    between two ids; `dropped` frames nobody fetched in time; `lost` times the source went away, `reconnects` times it
    came back, `hung` grabs that never returned.
    """

    frames: int = 0
    timeouts: int = 0
    bad: int = 0
    incomplete: int = 0
    repeated: int = 0
    gaps: int = 0
    dropped: int = 0
    lost: int = 0
    reconnects: int = 0
    hung: int = 0
