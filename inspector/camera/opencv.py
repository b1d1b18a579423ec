"""Cameras and streams that OpenCV opens: a USB index, an RTSP or HTTP URL, a video file.

What it is: `cv2.VideoCapture` behind the contract, with its known lies caught: a read that says success and brings
nothing, settings that are silently not taken. What it is not: safe on its own against a grab that never returns;
that is what `guard` is for. The camera thread.

Such sources run freely and do not say when they exposed: `exposed_at_ns` is the moment of arrival less
`trigger_delay_us`, the delay that `calibration timing` measures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np

from inspector.camera.base import CameraCounters
from inspector.clock import Clock
from inspector.config import CameraConfig
from inspector.errors import CameraError, CameraLost, ConfigError
from inspector.types import Frame, Pixels

_OPEN_TIMEOUT_MS = 5000
_MANUAL_EXPOSURE = 1  # Video4Linux's V4L2_EXPOSURE_MANUAL
_V4L_EXPOSURE_UNIT_US = 100
_ADJUSTABLE = ("exposure_time_us", "gain_db")
_ALL = ("width", "height", *_ADJUSTABLE)


class OpenCvCamera:
    """See the module and `base`. `config.source` is an index ("0"), a URL, or a file relative to `folder`."""

    backend: ClassVar[int] = cv2.CAP_ANY
    trigger_source: ClassVar[str] = "free_run"

    def __init__(self, config: CameraConfig, folder: Path, clock: Clock) -> None:
        if not config.source:
            raise ConfigError("camera.source is empty, wanted a USB index, a URL or a video file")
        self.name = config.name
        self.counters = CameraCounters()
        self._config = config
        self._clock = clock
        self._source = _place(config.source, folder)
        self._capture: cv2.VideoCapture | None = None
        self._frame_id = 0
        self._settings: dict[str, str] = {}

    def open(self) -> None:
        """See `base`."""
        self.close()
        capture = cv2.VideoCapture()
        if isinstance(self._source, int):
            opened = capture.open(self._source, self.backend)
        else:
            opened = capture.open(self._source, cv2.CAP_FFMPEG, self._timeouts())
        if not opened:
            capture.release()
            raise CameraLost(f"camera {self.name!r}: {self._config.source}: cannot be opened")
        self._capture = capture
        self._frame_id = 0
        self._settings = self._apply(capture)

    def arm(self) -> None:
        """See `base`; a live source drops what its driver has buffered with the next frame that is waited for."""
        if self._capture is None:
            raise CameraError(f"camera {self.name!r}: is not open")

    def next_frame(self, timeout_s: float) -> Frame:  # noqa: ARG002 - the grab itself cannot be bounded, see `guard`
        """See `base`; a read that fails, or succeeds without a picture, is a lost source: OpenCV does not say why."""
        if self._capture is None:
            raise CameraError(f"camera {self.name!r}: is not open")
        done, picture = self._capture.read()
        arrived_ns = self._clock.now_ns()
        if not done or picture is None or picture.size == 0:
            said = "end of stream or source gone" if not done else "read said success without a picture"
            self.close()
            raise CameraLost(f"camera {self.name!r}: {self._config.source}: {said}")
        return self._framed(picture, arrived_ns - self._config.trigger_delay_us * 1000)

    def _framed(self, picture: Any, exposed_at_ns: int) -> Frame:
        self._frame_id += 1
        pixels = self._formatted(np.asarray(picture))
        self.counters.frames += 1
        return Frame(
            frame_id=self._frame_id,
            camera=self.name,
            exposed_at_ns=exposed_at_ns,
            pixels=pixels,
            source=f"{self._config.source}:{self._frame_id}",
        )

    def adjust(self, config: CameraConfig) -> None:
        """See `base`; a stream or a file takes nothing. The size is left alone: drivers stop the stream for it."""
        self._config = config
        if self._capture is not None:
            self._settings = self._apply(self._capture, _ADJUSTABLE)

    def close(self) -> None:
        """See `base`."""
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()

    def settings(self) -> dict[str, str]:
        """See `base`."""
        return dict(self._settings)

    def _timeouts(self) -> list[int]:
        read_ms = self._config.frame_timeout_ms
        return [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPEN_TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, read_ms]

    def _apply(self, capture: cv2.VideoCapture, these: tuple[str, ...] = _ALL) -> dict[str, str]:
        """Set `these` as they are configured, read everything back, and name what was refused."""
        config, refused, found = self._config, [], {}
        if isinstance(self._source, int) and config.exposure_time_us is not None:
            capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, _MANUAL_EXPOSURE)
        for name, prop, wanted, unit in self._wanted():
            if wanted is not None and isinstance(self._source, int) and name in these:
                capture.set(prop, wanted / unit)
            value = capture.get(prop) * unit
            found[name] = f"{value:g}"
            if wanted is not None and abs(value - wanted) > 0.01 * abs(wanted):
                refused.append(f"{name}={wanted:g}")
        if config.trigger_source != self.trigger_source:
            refused.append(f"trigger_source={config.trigger_source}")
        return {"source": config.source, **found, "trigger_source": self.trigger_source, "refused": ", ".join(refused)}

    def _wanted(self) -> list[tuple[str, int, float | None, int]]:
        """Name, OpenCV's property, what is wanted, and how much of it is one of the driver's. Gain is the driver's own
        number: no driver says what it is in dB."""
        config = self._config
        return [
            ("width", cv2.CAP_PROP_FRAME_WIDTH, config.width, 1),
            ("height", cv2.CAP_PROP_FRAME_HEIGHT, config.height, 1),
            ("exposure_time_us", cv2.CAP_PROP_EXPOSURE, config.exposure_time_us, _V4L_EXPOSURE_UNIT_US),
            ("gain_db", cv2.CAP_PROP_GAIN, config.gain_db, 1),
        ]

    def _formatted(self, picture: Pixels) -> Pixels:
        if self._config.pixel_format == "Mono8" and picture.ndim == 3:
            return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)  # type: ignore[return-value]
        if self._config.pixel_format == "BGR8" and picture.ndim == 2:
            return cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)  # type: ignore[return-value]
        return np.ascontiguousarray(picture)


def _place(source: str, folder: Path) -> int | str:
    if source.isdigit():
        return int(source)
    return source if "://" in source else str((folder / source).resolve())
