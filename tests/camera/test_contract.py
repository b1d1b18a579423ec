"""What `camera/base.py` promises, asked of every camera alike."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from inspector.camera.base import Camera
from inspector.camera.checks import Checked
from inspector.camera.folder import FolderCamera
from inspector.camera.guard import Guard
from inspector.camera.guard_limits import GuardLimits
from inspector.camera.opencv import OpenCvCamera
from inspector.camera.simulated import SimulatedCamera
from inspector.clock import SimulatedClock, SystemClock
from inspector.config import CameraConfig
from inspector.errors import CameraError, CameraLost, FrameTimeout

from .conftest import MjpegServer, NumberedScene

MS = 1_000_000


@dataclass
class Bench:
    """A camera, and how to make it expose: `expose(n)` brings `n` frames on their way and ready."""

    camera: Camera
    expose: Callable[[int], None]
    wait_s: float = 0.0


def _twin(camera: Camera, clock: SimulatedClock) -> Bench:
    def expose(count: int) -> None:
        for _ in range(count):
            camera.trigger(clock.now_ns())  # type: ignore[attr-defined]
            clock.advance_to(clock.now_ns() + 100 * MS)

    return Bench(camera, expose)


def _guarded(make: Callable[[], Camera]) -> Bench:
    clock = SystemClock()
    guard = Guard("guarded", make, clock, GuardLimits(wait_s=0.02, queue=8))

    def expose(count: int) -> None:
        assert guard.wait_connected(5)
        for _ in range(count):
            guard.trigger(clock.now_ns())

    return Bench(guard, expose, wait_s=5.0)


@pytest.fixture(params=["folder", "simulated", "checked", "video", "stream", "guarded"])
def bench(
    request: pytest.FixtureRequest, pictures: Path, write_video: Callable[[int], Path], mjpeg: MjpegServer
) -> Iterator[Bench]:
    clock, config = SimulatedClock(), CameraConfig(name="cam")
    if request.param == "folder":
        made = _twin(FolderCamera(config, pictures, clock), clock)
    elif request.param == "simulated":
        made = _twin(SimulatedCamera(config, clock, NumberedScene()), clock)
    elif request.param == "checked":
        made = _twin(Checked(SimulatedCamera(config, clock, NumberedScene())), clock)
    elif request.param == "guarded":
        made = _guarded(lambda: SimulatedCamera(config, SystemClock(), NumberedScene()))
    else:
        source = str(write_video(12)) if request.param == "video" else mjpeg.url
        set_up = CameraConfig(name="cam", kind="opencv", source=source, trigger_source="free_run")
        made = Bench(OpenCvCamera(set_up, Path(), SystemClock()), lambda _count: None, wait_s=5.0)
    yield made
    made.camera.close()


def test_frames_are_whole_and_numbered_from_one(bench: Bench) -> None:
    bench.camera.open()
    bench.camera.arm()
    bench.expose(4)
    frames = [bench.camera.next_frame(bench.wait_s) for _ in range(4)]
    assert [frame.frame_id for frame in frames] == [1, 2, 3, 4]
    assert all(frame.pixels.shape == (48, 64, 3) and frame.pixels.dtype == np.uint8 for frame in frames)
    assert all(not frame.pixels.flags.writeable for frame in frames)
    assert len({frame.source for frame in frames}) == 4
    assert all(not np.array_equal(a.pixels, b.pixels) for a, b in itertools.pairwise(frames))


def test_exposure_times_rise(bench: Bench) -> None:
    bench.camera.open()
    bench.camera.arm()
    bench.expose(3)
    times = [bench.camera.next_frame(bench.wait_s).exposed_at_ns for _ in range(3)]
    assert times == sorted(times)
    assert len(set(times)) == 3


def test_a_camera_that_is_not_open_says_so(bench: Bench) -> None:
    if isinstance(bench.camera, Guard):
        with pytest.raises(FrameTimeout):
            bench.camera.next_frame(0)
    else:
        with pytest.raises(CameraError, match="is not open"):
            bench.camera.next_frame(0)
    with pytest.raises(CameraError, match="is not open"):
        bench.camera.arm()


def test_closing_twice_and_opening_again(bench: Bench) -> None:
    bench.camera.open()
    bench.camera.close()
    bench.camera.close()
    bench.camera.open()
    bench.camera.arm()
    bench.expose(1)
    assert bench.camera.next_frame(bench.wait_s).pixels.size


def test_settings_name_the_source_and_what_was_refused(bench: Bench) -> None:
    bench.camera.open()
    bench.expose(0)
    found = bench.camera.settings()
    assert found["source"]
    assert "refused" in found


def test_triggered_cameras_time_out_without_a_trigger_and_drop_on_arm(bench: Bench) -> None:
    if isinstance(bench.camera, OpenCvCamera | Guard):
        pytest.skip("runs freely, or waits for real: see test_opencv and test_guard")
    bench.camera.open()
    bench.camera.arm()
    with pytest.raises(FrameTimeout):
        bench.camera.next_frame(0)
    bench.expose(2)
    bench.camera.arm()
    with pytest.raises(FrameTimeout):
        bench.camera.next_frame(0)


def test_a_lost_source_is_lost_until_it_is_opened_again(write_video: Callable[[int], Path]) -> None:
    config = CameraConfig(name="cam", kind="opencv", source=str(write_video(3)), trigger_source="free_run")
    camera = OpenCvCamera(config, Path(), SystemClock())
    camera.open()
    for _ in range(3):
        camera.next_frame(1)
    with pytest.raises(CameraLost, match="end of stream"):
        camera.next_frame(1)
    with pytest.raises(CameraError):
        camera.next_frame(1)
    camera.open()
    assert camera.next_frame(1).frame_id == 1
    camera.close()
