"""A free-running USB camera that a PLC triggers: no picture that may have begun before the trigger is ever handed out.

There is no Video4Linux device here: `Driver` stands for one, with what its interface promises (buffers in order, a time
stamp of the monotonic clock when a frame began to arrive) and what it does not (how late frames are read).
"""

from __future__ import annotations

import queue
import random
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.camera import Guard, make_camera
from inspector.camera.asked import AskedCamera
from inspector.clock import Clock, SimulatedClock, SystemClock
from inspector.config import CameraConfig
from inspector.errors import CameraError, CameraLost, ConfigError, FrameTimeout
from inspector.plc_controller import Firing

MS = 1_000_000
BUFFERS = 4


def config(**keys: Any) -> CameraConfig:
    own = {"trigger_source": "software", "exposure_time_us": 5000, "trigger_delay_us": 30_000, "frame_timeout_ms": 500}
    return CameraConfig(name="cam", kind="opencv", source="0", **(own | keys))


class Driver:
    """A driver with four buffers, behind `cv2.VideoCapture`. Each frame's pixels say when its exposure really began.

    `delays_ns` from exposure to stamp and from stamp to being there; `stalls_ns` for which this machine does not read.
    """

    clock: Clock
    period_ns = 33 * MS
    delays_ns = ((20 * MS, 29 * MS), (0, 8 * MS))
    stalls_ns: tuple[int, ...] = ()
    takes_exposure = True
    shift_ns = 0
    began: list[int]

    def __init__(self) -> None:
        self._random = random.Random(7)
        self._full: list[tuple[int, int, int]] = []
        self._next_ns = 0
        self._made: list[tuple[int, int, int]] = []
        self._now: tuple[int, int, int] = (0, 0, 0)
        self._values: dict[int, float] = {}

    def open(self, *_: object) -> bool:
        self._next_ns = self.clock.now_ns()
        return True

    def _fill(self) -> None:
        """Frames that are there by now; one that finds every buffer full is lost, as in a driver."""
        while self._next_ns <= self.clock.now_ns():
            stamp_ns = self._next_ns + self._random.randint(*self.delays_ns[0])
            self._made.append((stamp_ns + self._random.randint(*self.delays_ns[1]), stamp_ns, self._next_ns))
            self._next_ns += self.period_ns
        while self._made and self._made[0][0] <= self.clock.now_ns():
            frame = self._made.pop(0)
            if len(self._full) < BUFFERS:
                self._full.append(frame)

    def _wait(self) -> None:
        until_ns = self._made[0][0] if self._made else self._next_ns
        if isinstance(self.clock, SimulatedClock):
            self.clock.advance_to(max(until_ns, self.clock.now_ns()))
        else:
            threading.Event().wait(max(0.0005, (until_ns - self.clock.now_ns()) / 1e9))

    def grab(self) -> bool:
        if self.stalls_ns and isinstance(self.clock, SimulatedClock):
            self.clock.advance_to(self.clock.now_ns() + self._random.choice(self.stalls_ns))
        self._fill()
        while not self._full:
            self._wait()
            self._fill()
        self._now = self._full.pop(0)
        return True

    def retrieve(self) -> tuple[bool, Any]:
        pixels = np.random.default_rng(self._now[2] % 2**32).integers(0, 256, (24, 32, 3), np.uint8)
        pixels[0, :8, 0] = np.frombuffer(self._now[2].to_bytes(8, "little"), np.uint8)
        return True, pixels

    def set(self, prop: int, value: float) -> bool:
        if prop != cv2.CAP_PROP_EXPOSURE or self.takes_exposure:
            self._values[prop] = value
        return True

    def get(self, prop: int) -> float:
        return (self._now[1] + self.shift_ns) / MS if prop == cv2.CAP_PROP_POS_MSEC else self._values.get(prop, 0.0)

    def release(self) -> None:
        pass


def began_ns(pixels: Any) -> int:
    """When the exposure really began, as the driver wrote it into the picture."""
    return int.from_bytes(pixels[0, :8, 0].tobytes(), "little")


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> type[Driver]:
    made = type("Made", (Driver,), {"clock": SimulatedClock()})
    monkeypatch.setattr(cv2, "VideoCapture", made)
    return made


@settings(max_examples=150, deadline=None)
@given(
    period_ms=st.integers(5, 70),
    stalls_ms=st.lists(st.sampled_from([0, 0, 0, 3, 40, 200]), max_size=6),
    waits_ms=st.lists(st.floats(0, 150), min_size=1, max_size=12),
)
def test_no_picture_began_before_its_trigger_however_late_it_is_read(
    period_ms: int, stalls_ms: list[int], waits_ms: list[float]
) -> None:
    clock = SimulatedClock()
    keys = {"clock": clock, "period_ns": period_ms * MS, "stalls_ns": tuple(stall * MS for stall in stalls_ms)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cv2, "VideoCapture", type("Made", (Driver,), keys))
        camera = AskedCamera(config(), Path(), clock)
        camera.open()
        for number, wait_ms in enumerate(waits_ms, 1):
            with pytest.raises(FrameTimeout):  # nothing is wanted: whatever comes is dropped
                camera.next_frame(wait_ms / 1000)
            at_ns = clock.now_ns()
            camera.want(at_ns)
            frame = camera.next_frame(10.0)
            assert at_ns <= frame.exposed_at_ns <= began_ns(frame.pixels)
            assert frame.frame_id == number


def test_the_driver_does_hold_pictures_that_only_look_new(driver: type[Driver]) -> None:
    """What the test above would find in a camera that takes the next picture it reads after the trigger."""
    driver.stalls_ns = (0, 0, 120 * MS)
    capture, stale = driver(), 0
    capture.open()
    for _ in range(50):
        at_ns = driver.clock.now_ns()
        capture.grab()
        stale += began_ns(capture.retrieve()[1]) < at_ns
    assert stale > 25


def test_the_picture_is_the_first_that_is_sure(driver: type[Driver]) -> None:
    camera = AskedCamera(config(), Path(), driver.clock)
    camera.open()
    for _ in range(20):
        at_ns = driver.clock.now_ns()
        camera.want(at_ns)
        frame = camera.next_frame(1.0)
        # The next frame began at most a period later; of it and its successor one is sure.
        assert frame.exposed_at_ns - at_ns <= driver.period_ns + 10 * MS
        assert began_ns(frame.pixels) - at_ns <= 2 * driver.period_ns


def test_a_driver_with_another_clock_is_not_trusted(driver: type[Driver]) -> None:
    driver.shift_ns = 5000 * MS
    camera = AskedCamera(config(), Path(), driver.clock)
    camera.open()
    with pytest.raises(CameraLost, match="not of the monotonic clock"):
        camera.next_frame(1.0)


def test_a_camera_that_keeps_its_own_exposure_time_is_not_trusted(driver: type[Driver]) -> None:
    driver.takes_exposure = False
    with pytest.raises(CameraError, match="does not take exposure_time_us = 5000"):
        AskedCamera(config(), Path(), driver.clock).open()


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"source": "rtsp://camera/1"}, "wanted a USB index"),
        ({"source": "film.avi"}, "wanted a USB index"),
        ({"exposure_time_us": None}, "wanted exposure_time_us too"),
        ({"trigger_delay_us": 0}, r"wanted more than exposure_time_us \(5000\)"),
        ({"trigger_delay_us": 5000}, "wanted more than"),
    ],
)
def test_what_could_not_be_proved_is_refused_at_start_up(keys: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        make_camera(
            config(**{k: v for k, v in keys.items() if k != "source"}).model_copy(update=keys), Path(), SystemClock()
        )


def test_whoever_waits_is_told_when_the_camera_goes_or_nothing_comes(driver: type[Driver]) -> None:
    camera = AskedCamera(config(frame_timeout_ms=20), Path(), SystemClock())
    with pytest.raises(CameraError, match="is not open"):
        camera.trigger(1)
    driver.clock = SystemClock()
    camera.open()
    with pytest.raises(CameraError, match="no picture that began after the trigger"):
        camera.trigger(driver.clock.now_ns())
    patient = AskedCamera(config(frame_timeout_ms=60_000), Path(), SystemClock())
    patient.open()
    threading.Timer(0.05, patient.close).start()
    with pytest.raises(CameraError, match="no picture"):
        patient.trigger(driver.clock.now_ns())


def test_in_real_threads_each_part_gets_its_own_picture(driver: type[Driver]) -> None:
    clock = driver.clock = SystemClock()
    driver.period_ns, driver.delays_ns = 10 * MS, ((2 * MS, 7 * MS), (0, 2 * MS))
    keys = config(exposure_time_us=1000, trigger_delay_us=8000)
    guard = Guard("cam", lambda: AskedCamera(keys, Path(), clock), clock)
    guard.open()
    assert guard.wait_connected(5.0)
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()
    firing = Firing(guard, clock, told.put, told.put)
    firing.start()
    for _ in range(25):
        asked_ns = clock.now_ns()
        firing.fire(None)
        frame = guard.next_frame(2.0)
        assert asked_ns <= frame.exposed_at_ns <= began_ns(frame.pixels)
        assert firing.tested.get(timeout=2.0) == ""
        with pytest.raises(FrameTimeout):
            guard.next_frame(0.015)
    firing.stop()
    guard.close()
    assert guard.counters.gaps == guard.counters.repeated == 0


def test_an_exposure_under_which_no_begin_can_be_told_is_not_kept(driver: type[Driver]) -> None:
    camera = AskedCamera(config(), Path(), driver.clock)
    camera.open()
    with pytest.raises(CameraError, match=r"wanted more than exposure_time_us \(30000\)"):
        camera.adjust(config(exposure_time_us=30_000))
    driver.takes_exposure = False
    with pytest.raises(CameraError, match="does not take exposure_time_us = 4000"):
        camera.adjust(config(exposure_time_us=4000))
    driver.takes_exposure = True
    camera.adjust(config(exposure_time_us=4000))
    at_ns = driver.clock.now_ns()
    camera.want(at_ns)
    assert camera.next_frame(1.0).exposed_at_ns >= at_ns
