"""A USB camera that runs freely, asked for one picture at a time: the software trigger of what OpenCV opens.

What it is: of the frames that come anyway, the first whose exposure cannot have begun before the trigger; all others
are dropped undecoded. What it is not: a hardware trigger: the picture is taken up to one frame later, and a belt has
moved on. The camera thread; `trigger` is called by another and waits.

When an exposure began is worked out from the driver's own time stamp of the frame (Video4Linux, monotonic clock), never
from the moment of reading: what lay in the driver's buffers while this machine was busy would look new. The stamp lies
at most `trigger_delay_us` after the exposure's begin; that the integrator states, for a fixed exposure time.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import ClassVar

import cv2

from inspector.camera.opencv import OpenCvCamera
from inspector.clock import Clock
from inspector.config import CameraConfig
from inspector.errors import CameraError, CameraLost, ConfigError, FrameTimeout
from inspector.types import Frame

_OLDEST_NS = 2_000_000_000


class AskedCamera(OpenCvCamera):
    """See the module and `base`. Raises ConfigError unless the settings can prove what the module promises."""

    backend: ClassVar[int] = cv2.CAP_V4L2
    trigger_source: ClassVar[str] = "software"

    def __init__(self, config: CameraConfig, folder: Path, clock: Clock) -> None:
        super().__init__(config, folder, clock)
        _check(config)
        self._changed = threading.Condition()
        self._wanted_ns: int | None = None
        self._began_ns: int | None = None

    def open(self) -> None:
        """See `base`; raises CameraError where the camera keeps its own exposure time."""
        super().open()
        if trouble := self._no_fixed_exposure():
            self.close()
            raise CameraError(trouble)

    def adjust(self, config: CameraConfig) -> None:
        """See `base`."""
        before = self._config
        try:
            _check(config)
        except ConfigError as why:
            raise CameraError(f"camera {self.name!r}: {why}") from None
        super().adjust(config)
        if trouble := self._no_fixed_exposure():
            super().adjust(before)
            raise CameraError(trouble)

    def _no_fixed_exposure(self) -> str:
        if "exposure_time_us=" not in self._settings["refused"]:
            return ""
        return (
            f"camera {self.name!r}: does not take exposure_time_us = {self._config.exposure_time_us}: it cannot be "
            "said when its exposures begin, so it cannot be triggered by software"
        )

    def close(self) -> None:
        """See `base`; who waits for a picture is told."""
        super().close()
        with self._changed:
            self._wanted_ns = None
            self._changed.notify_all()

    def want(self, at_ns: int) -> None:
        """From here on a frame is wanted that began at `at_ns` or later."""
        with self._changed:
            self._wanted_ns, self._began_ns = at_ns, None

    def trigger(self, at_ns: int, part: object | None = None) -> int:  # noqa: ARG002 - see `base.FiredCamera`
        """See `base.FiredCamera`; waits for the picture, at most `frame_timeout_ms`, and raises CameraError then."""
        if self._capture is None:
            raise CameraError(f"camera {self.name!r}: is not open")
        self.want(at_ns)
        with self._changed:
            self._changed.wait_for(lambda: self._wanted_ns is None, self._config.frame_timeout_ms / 1000)
            began_ns, self._wanted_ns = self._began_ns, None
        if began_ns is None:
            raise CameraError(f"camera {self.name!r}: no picture that began after the trigger came in time")
        return began_ns

    def next_frame(self, timeout_s: float) -> Frame:
        """See `base`: the picture that is wanted. All frames are fetched meanwhile, so that none grows old."""
        until_ns = self._clock.now_ns() + int(timeout_s * 1e9)
        while True:
            began_ns = self._fetch()
            with self._changed:
                if self._wanted_ns is not None and began_ns >= self._wanted_ns:
                    frame = self._decoded(began_ns)
                    self._wanted_ns, self._began_ns = None, began_ns
                    self._changed.notify_all()
                    return frame
            if self._clock.now_ns() >= until_ns:
                raise FrameTimeout(f"camera {self.name!r}: no picture was asked for in {timeout_s:g} s")

    def _fetch(self) -> int:
        """Take the next frame from the driver; before when its exposure cannot have begun, on the station's clock."""
        if self._capture is None:
            raise CameraError(f"camera {self.name!r}: is not open")
        if not self._capture.grab():
            self.close()
            raise CameraLost(f"camera {self.name!r}: {self._config.source}: source gone")
        stamp_ns = round(self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
        age_ns = self._clock.now_ns() - stamp_ns
        if not 0 <= age_ns <= _OLDEST_NS:
            self.close()
            raise CameraLost(
                f"camera {self.name!r}: {self._config.source}: the driver's time stamps are not of the monotonic clock "
                f"(age {age_ns / 1e9:.3f} s, wanted 0 to {_OLDEST_NS / 1e9:g}): use trigger_source = 'free_run', or "
                "another camera"
            )
        return stamp_ns - self._config.trigger_delay_us * 1000

    def _decoded(self, began_ns: int) -> Frame:
        assert self._capture is not None
        done, picture = self._capture.retrieve()
        if not done or picture is None or picture.size == 0:
            raise CameraError(f"camera {self.name!r}: the picture does not decode")
        return self._framed(picture, began_ns)


def _check(config: CameraConfig) -> None:
    delay_us, exposure_us = config.trigger_delay_us, config.exposure_time_us
    if not config.source.isdigit():
        raise ConfigError(
            f"[camera] trigger_source is 'software' and source {config.source!r}, wanted a USB index: nothing says "
            "when the pictures of a stream or a file began"
        )
    if exposure_us is None:
        raise ConfigError("[camera] trigger_source is 'software', wanted exposure_time_us too: it must be fixed")
    if delay_us <= exposure_us:
        raise ConfigError(
            f"[camera] trigger_source is 'software' and trigger_delay_us {delay_us}, wanted more than exposure_time_us "
            f"({exposure_us}): the longest time from the begin of an exposure to the frame's time stamp"
        )
