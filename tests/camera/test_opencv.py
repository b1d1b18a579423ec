"""The OpenCV camera: files, a stream that dies, reads that lie, settings that are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest

from inspector.camera.opencv import OpenCvCamera
from inspector.clock import SimulatedClock, SystemClock
from inspector.config import CameraConfig
from inspector.errors import CameraLost

from .conftest import MjpegServer, picture


def config(source: str, **keys: Any) -> CameraConfig:
    return CameraConfig(name="cam", kind="opencv", source=source, **({"trigger_source": "free_run"} | keys))


class LyingCapture:
    """A driver as they are: reads that say success, settings that are not taken."""

    answers: ClassVar[list[tuple[bool, Any]]] = []
    settable: ClassVar[dict[int, float]] = {}
    log: ClassVar[list[tuple[int, float]]] = []

    def __init__(self) -> None:
        self.values: dict[int, float] = {cv2.CAP_PROP_FRAME_WIDTH: 640.0, cv2.CAP_PROP_FRAME_HEIGHT: 480.0}

    def open(self, *_: object) -> bool:
        return True

    def read(self) -> tuple[bool, Any]:
        return self.answers.pop(0)

    def set(self, prop: int, value: float) -> bool:
        self.log.append((prop, value))
        if prop in self.settable:
            self.values[prop] = value
        return True

    def get(self, prop: int) -> float:
        return self.values.get(prop, 0.0)

    def release(self) -> None:
        pass


@pytest.fixture
def lying(monkeypatch: pytest.MonkeyPatch) -> type[LyingCapture]:
    LyingCapture.answers, LyingCapture.settable, LyingCapture.log = [], {}, []
    monkeypatch.setattr(cv2, "VideoCapture", LyingCapture)
    return LyingCapture


def test_a_file_is_read_to_its_end(write_video: Callable[[int], Path], clock: SimulatedClock) -> None:
    path = write_video(5)
    camera = OpenCvCamera(config(path.name, trigger_delay_us=3000), path.parent, clock)
    camera.open()
    clock.advance_to(10_000_000)
    frames = [camera.next_frame(1) for _ in range(5)]
    assert [frame.frame_id for frame in frames] == [1, 2, 3, 4, 5]
    assert frames[0].exposed_at_ns == 7_000_000
    assert np.abs(frames[2].pixels.astype(int).mean() - picture(2).mean()) < 3
    with pytest.raises(CameraLost, match=r"film\.avi: end of stream"):
        camera.next_frame(1)


def test_grey_on_request(write_video: Callable[[int], Path], clock: SimulatedClock) -> None:
    camera = OpenCvCamera(config(str(write_video(1)), pixel_format="Mono8"), Path(), clock)
    camera.open()
    assert camera.next_frame(1).pixels.shape == (48, 64)


@pytest.mark.parametrize("source", ["missing.avi", "http://127.0.0.1:9/none"])
def test_a_source_that_is_not_there_is_lost(tmp_path: Path, clock: SimulatedClock, source: str) -> None:
    with pytest.raises(CameraLost, match="cannot be opened"):
        OpenCvCamera(config(source), tmp_path, clock).open()


@pytest.mark.parametrize("nothing", [None, np.zeros((0, 0, 3), np.uint8)])
def test_success_without_a_picture_is_a_lost_source(
    lying: type[LyingCapture], clock: SimulatedClock, nothing: Any
) -> None:
    lying.answers = [(True, picture(1)), (True, nothing)]
    camera = OpenCvCamera(config("0"), Path(), clock)
    camera.open()
    assert camera.next_frame(1).frame_id == 1
    with pytest.raises(CameraLost, match="success without a picture"):
        camera.next_frame(1)


def test_settings_are_applied_at_every_open_and_refusals_are_named(
    lying: type[LyingCapture], clock: SimulatedClock
) -> None:
    lying.settable = {cv2.CAP_PROP_FRAME_WIDTH: 0, cv2.CAP_PROP_FRAME_HEIGHT: 0}
    camera = OpenCvCamera(config("0", width=1280, height=960, exposure_time_us=2000, gain_db=3.0), Path(), clock)
    camera.open()
    first = list(lying.log)
    assert (cv2.CAP_PROP_FRAME_WIDTH, 1280) in first
    assert (cv2.CAP_PROP_EXPOSURE, 20.0) in first
    assert camera.settings()["width"] == "1280"
    assert camera.settings()["refused"] == "exposure_time_us=2000, gain_db=3"
    camera.open()
    assert lying.log == first * 2


@pytest.mark.usefixtures("lying")
def test_a_free_running_source_does_not_pretend_to_be_triggered(clock: SimulatedClock) -> None:
    camera = OpenCvCamera(config("0", trigger_source="line"), Path(), clock)
    camera.open()
    assert camera.settings()["refused"] == "trigger_source=line"


def test_a_stream_that_stalls_is_lost_in_its_time(mjpeg: MjpegServer) -> None:
    camera = OpenCvCamera(config(mjpeg.url, frame_timeout_ms=300), Path(), SystemClock())
    camera.open()
    assert camera.next_frame(1).pixels.shape == (48, 64, 3)
    mjpeg.stalled.set()
    with pytest.raises(CameraLost):
        [camera.next_frame(1) for _ in range(1000)]
    camera.close()


def test_a_stream_whose_server_dies_is_lost(mjpeg: MjpegServer) -> None:
    camera = OpenCvCamera(config(mjpeg.url, frame_timeout_ms=1000), Path(), SystemClock())
    camera.open()
    camera.next_frame(1)
    mjpeg.dead.set()
    with pytest.raises(CameraLost):
        [camera.next_frame(1) for _ in range(1000)]
    mjpeg.close()
    with pytest.raises(CameraLost, match="cannot be opened"):
        camera.open()


def test_exposure_is_adjusted_at_once_and_at_every_later_open(lying: type[LyingCapture], clock: SimulatedClock) -> None:
    lying.settable = {cv2.CAP_PROP_EXPOSURE: 0}
    camera = OpenCvCamera(config("0", width=1280), Path(), clock)
    camera.open()
    lying.log.clear()
    camera.adjust(config("0", width=1280, exposure_time_us=3000, gain_db=2.0))
    assert lying.log == [(cv2.CAP_PROP_AUTO_EXPOSURE, 1), (cv2.CAP_PROP_EXPOSURE, 30.0), (cv2.CAP_PROP_GAIN, 2.0)]
    assert (camera.settings()["exposure_time_us"], camera.settings()["refused"]) == ("3000", "width=1280, gain_db=2")
    camera.close()
    lying.log.clear()
    camera.adjust(config("0", exposure_time_us=4000))
    assert lying.log == []
    camera.open()
    assert (cv2.CAP_PROP_EXPOSURE, 40.0) in lying.log
