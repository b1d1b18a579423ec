"""The guard: whatever the camera does, the line gets a frame, a clear error, or its time-out; and it is counted."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inspector.camera import open_camera
from inspector.camera.guard import MOST_ABANDONED, Guard, GuardLimits, pause_ns
from inspector.clock import SimulatedClock, SystemClock
from inspector.config import CameraConfig
from inspector.errors import CameraError, CameraLost, ConfigError, DatasetError, FrameTimeout
from inspector.types import Frame, FrameStatus

from .conftest import MjpegServer, NumberedScene, picture

S = 1_000_000_000
PATIENCE_S = 10.0


def frame(number: int, look: int | None = None) -> Frame:
    return Frame(frame_id=number, camera="cam", exposed_at_ns=number, pixels=picture(number if look is None else look))


class Scripted:
    """A camera that does what its script says: a Frame is given out, an exception raised, a callable called. At the
    script's end it waits for more, without a frame."""

    def __init__(self, script: deque[object], log: list[str]) -> None:
        self._script = script
        self._log = log

    def open(self) -> None:
        self._log.append("open")
        if self._script and isinstance(self._script[0], OSError | CameraLost) and self._script[0].args[0] == "at open":
            raise self._script.popleft()  # type: ignore[misc]

    def arm(self) -> None:
        self._log.append("arm")

    def next_frame(self, timeout_s: float) -> Frame:
        if not self._script:
            threading.Event().wait(0.005)
            raise FrameTimeout(f"nothing in {timeout_s}")
        step = self._script.popleft()
        if isinstance(step, BaseException):
            raise step
        return step() if callable(step) else step  # type: ignore[return-value]

    def adjust(self, config: CameraConfig) -> None:
        self._log.append(f"adjust {config.exposure_time_us}")
        if config.exposure_time_us == 13:
            raise CameraError("thirteen is not taken")

    def close(self) -> None:
        self._log.append("close")

    def settings(self) -> dict[str, str]:
        return {"source": "script", "opened": str(self._log.count("open"))}


class Bench:
    """A guard around a scripted camera, in simulated time that a test moves."""

    def __init__(self, limits: GuardLimits) -> None:
        self.clock = SimulatedClock()
        self.script: deque[object] = deque()
        self.log: list[str] = []
        self.guard = Guard("cam", lambda: Scripted(self.script, self.log), self.clock, limits)

    def soon(self, what: Callable[[], bool]) -> None:
        """Wait, in real time and only as long as needed, for the guard's thread to get somewhere."""
        for _ in range(int(PATIENCE_S / 0.005)):
            if what():
                return
            threading.Event().wait(0.005)
        raise AssertionError(f"the guard did not get there: {self.guard.counters}")

    def next(self) -> Frame:
        """The next frame or error, however long the guard's thread takes to bring it."""
        self.soon(lambda: self.guard.next_ready_ns() is not None)
        return self.guard.next_frame(0)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench(GuardLimits(hang_ns=2 * S, stall_ns=3 * S, queue=4))
    yield made
    made.guard.close()


def test_frames_pass_through_in_order(bench: Bench) -> None:
    bench.script.extend([frame(1), frame(2), frame(3)])
    bench.guard.open()
    assert [bench.next().frame_id for _ in range(3)] == [1, 2, 3]
    assert bench.guard.counters.frames == 3


def test_a_time_out_is_a_time_out(bench: Bench) -> None:
    bench.guard.open()
    with pytest.raises(FrameTimeout, match="cam"):
        bench.guard.next_frame(0)
    assert bench.guard.counters.timeouts == 1


def test_a_lost_source_is_told_once_and_reconnected_with_its_settings(bench: Bench) -> None:
    bench.script.extend([frame(1), CameraLost("pulled out"), frame(1, look=7)])
    bench.guard.open()
    assert bench.next().frame_id == 1
    with pytest.raises(CameraLost, match="pulled out"):
        bench.next()
    bench.clock.advance_to(bench.clock.now_ns() + S)
    assert bench.next().frame_id == 1
    assert bench.log == ["open", "arm", "close", "open", "arm"]
    assert bench.guard.settings()["opened"] == "2"
    counters = bench.guard.counters
    assert (counters.lost, counters.reconnects, counters.gaps, counters.repeated) == (1, 1, 0, 0)


def test_back_off_doubles_and_has_an_end() -> None:
    limits = GuardLimits(retry_first_ns=S // 10, retry_most_ns=5 * S)
    assert [pause_ns(failures, limits) / S for failures in (1, 2, 3, 6, 7, 100)] == [0.1, 0.2, 0.4, 3.2, 5.0, 5.0]


def test_no_attempt_before_its_time_and_one_telling_for_many_failures(bench: Bench) -> None:
    bench.script.extend(CameraLost("at open") for _ in range(3))
    bench.guard.open()
    for attempt in (1, 2, 3):
        bench.soon(lambda attempt=attempt: bench.log.count("close") == attempt)  # type: ignore[misc]
        assert bench.log.count("open") == attempt
        bench.clock.advance_to(bench.clock.now_ns() + pause_ns(attempt, GuardLimits()))
    bench.soon(lambda: bench.guard.wait_connected(0))
    with pytest.raises(CameraLost, match="at open"):
        bench.next()
    with pytest.raises(FrameTimeout):
        bench.guard.next_frame(0)
    assert bench.guard.counters.lost == 1


def test_a_source_that_stalls_is_lost(bench: Bench) -> None:
    bench.script.append(frame(1))
    bench.guard.open()
    bench.next()
    bench.clock.advance_to(4 * S)
    with pytest.raises(CameraLost, match="stalled"):
        bench.next()
    assert bench.guard.counters.lost == 1


def test_a_triggered_camera_may_be_quiet_for_hours() -> None:
    bench = Bench(GuardLimits(stall_ns=None))
    bench.script.append(frame(1))
    bench.guard.open()
    bench.next()
    bench.clock.advance_to(7200 * S)
    bench.script.append(frame(2))
    assert bench.next().frame_id == 2
    assert bench.guard.counters.lost == 0
    bench.guard.close()


def test_a_repeated_frame_is_not_judged_and_many_are_a_loss(bench: Bench) -> None:
    bench.script.extend([frame(1), *(frame(number, look=1) for number in range(2, 7))])
    bench.guard.open()
    first, second = bench.next(), bench.next()
    assert (first.status, second.status) == (FrameStatus.OK, FrameStatus.INCOMPLETE)
    with pytest.raises(CameraLost, match="the same frame 6 times"):
        [bench.next() for _ in range(6)]
    assert bench.guard.counters.repeated == 5


def test_the_same_id_twice_is_a_repeat_whatever_its_pixels(bench: Bench) -> None:
    bench.script.extend([frame(1), frame(1, look=9)])
    bench.guard.open()
    bench.next()
    assert bench.next().status is FrameStatus.INCOMPLETE


def test_an_id_gap_is_counted(bench: Bench) -> None:
    bench.script.extend([frame(1), frame(5)])
    bench.guard.open()
    bench.next()
    bench.next()
    assert bench.guard.counters.gaps == 3


def test_one_bad_exposure_is_reported_and_the_camera_goes_on(bench: Bench) -> None:
    bench.script.extend([CameraError("torn"), frame(2)])
    bench.guard.open()
    with pytest.raises(CameraError, match="torn"):
        bench.next()
    assert bench.next().frame_id == 2
    assert bench.guard.counters.bad == 1
    assert bench.log == ["open", "arm"]


def test_frames_nobody_fetches_are_dropped_and_counted() -> None:
    bench = Bench(GuardLimits(queue=2))
    bench.script.extend([frame(number) for number in range(1, 6)])
    bench.guard.open()
    bench.soon(lambda: bench.guard.counters.frames == 5)
    assert [bench.guard.next_frame(0).frame_id for _ in range(2)] == [1, 2]
    with pytest.raises(FrameTimeout):
        bench.guard.next_frame(0)
    assert bench.guard.counters.dropped == 3
    bench.guard.close()


def test_a_grab_that_never_returns_does_not_hang_the_line(bench: Bench) -> None:
    release, entered = threading.Event(), threading.Event()

    def hang() -> Frame:
        entered.set()
        release.wait(PATIENCE_S)
        return frame(99)

    bench.script.extend([frame(1), hang])
    bench.guard.open()
    bench.next()
    assert entered.wait(PATIENCE_S)
    with pytest.raises(FrameTimeout):
        bench.guard.next_frame(0)
    bench.clock.advance_to(3 * S)
    with pytest.raises(CameraLost, match="did not return"):
        bench.guard.next_frame(0)
    bench.script.append(frame(2))
    assert bench.next().frame_id == 2
    assert (bench.guard.counters.hung, bench.guard.counters.reconnects) == (1, 1)
    release.set()
    bench.soon(lambda: bench.log.count("close") == 1)
    with pytest.raises(FrameTimeout):
        bench.guard.next_frame(0)


def test_threads_left_behind_are_bounded(bench: Bench) -> None:
    release, entered = threading.Event(), threading.Semaphore(0)

    def hang() -> Frame:
        entered.release()
        release.wait(PATIENCE_S)
        raise CameraLost("woke up")

    bench.script.extend([hang] * (MOST_ABANDONED + 5))
    bench.guard.open()
    for _ in range(MOST_ABANDONED + 1):
        assert entered.acquire(timeout=PATIENCE_S)
        bench.clock.advance_to(bench.clock.now_ns() + 3 * S)
        with pytest.raises(CameraLost, match="did not return"):
            bench.guard.next_frame(0)
    with pytest.raises(CameraError, match="restart the station"):
        bench.guard.next_frame(0)
    assert not entered.acquire(timeout=0.1)
    assert bench.guard.counters.hung == MOST_ABANDONED + 1
    release.set()


def test_a_bug_in_a_driver_ends_in_an_error_not_in_silence(bench: Bench) -> None:
    bench.script.append(ZeroDivisionError("driver"))
    bench.guard.open()
    for _ in range(2):
        with pytest.raises(CameraError, match=r"cam.*ZeroDivisionError"):
            bench.next()


def test_closing_ends_the_thread() -> None:
    bench = Bench(GuardLimits())
    bench.guard.name = "to be closed"
    bench.guard.open()
    bench.soon(lambda: bench.guard.wait_connected(0))
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "camera-to be closed"]
    bench.guard.close()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert bench.log[-1] == "close"


def until_lost(guard: Guard) -> None:
    """Fetch until CameraLost comes out."""
    for _ in range(1000):
        with contextlib.suppress(FrameTimeout):
            guard.next_frame(PATIENCE_S)


# -- the real thing ------------------------------------------------------------------------------------------------


def test_a_network_camera_that_dies_and_comes_back(mjpeg: MjpegServer) -> None:
    config = CameraConfig(name="cam", kind="opencv", source=mjpeg.url, trigger_source="free_run", frame_timeout_ms=300)
    camera = open_camera(config, Path(), SystemClock())
    assert isinstance(camera, Guard)
    assert camera.next_frame(PATIENCE_S).pixels.shape == (48, 64, 3)
    mjpeg.stalled.set()
    with pytest.raises(CameraLost):
        until_lost(camera)
    mjpeg.stalled.clear()
    for _ in range(100):
        try:
            assert camera.next_frame(1.0).pixels.size
            break
        except (FrameTimeout, CameraLost):
            continue
    else:
        raise AssertionError("the stream did not come back")
    assert camera.counters.reconnects >= 1
    camera.close()


def test_a_guarded_folder_delivers_what_is_triggered(pictures: Path) -> None:
    clock = SystemClock()
    camera = open_camera(CameraConfig(name="cam", kind="folder", source=str(pictures)), Path(), clock)
    assert isinstance(camera, Guard)
    assert camera.wait_connected(PATIENCE_S)
    at_ns = clock.now_ns()
    camera.trigger(at_ns)
    got = camera.next_frame(PATIENCE_S)
    assert (got.exposed_at_ns, got.source) == (at_ns, "dent/d.png")
    camera.close()


def test_a_folder_that_is_missing_ends_the_guard_with_its_own_error(tmp_path: Path) -> None:
    camera = open_camera(CameraConfig(kind="folder", source="gone"), tmp_path, SystemClock())
    with pytest.raises(DatasetError, match="no such folder"):
        camera.next_frame(PATIENCE_S)


def test_without_threads_only_twins(pictures: Path, clock: SimulatedClock) -> None:
    config = CameraConfig(kind="folder", source=str(pictures))
    camera = open_camera(config, Path(), clock, threads=False)
    camera.trigger(0)
    clock.advance_to(S)
    assert camera.next_frame(0).frame_id == 1
    opencv = CameraConfig(kind="opencv", source="0", trigger_source="free_run")
    with pytest.raises(CameraError, match="no trigger line"):
        open_camera(opencv, Path(), clock, threads=False)


@pytest.mark.parametrize(("kind", "found"), [("folder", "source is empty"), ("opencv", "source is empty")])
def test_a_camera_without_a_source_is_refused(kind: str, found: str, clock: SimulatedClock) -> None:
    with pytest.raises(ConfigError, match=found):
        open_camera(CameraConfig(kind=kind), Path(), clock)  # type: ignore[arg-type]


def test_a_simulated_camera_needs_a_scene(clock: SimulatedClock) -> None:
    with pytest.raises(ConfigError, match="simulation"):
        open_camera(CameraConfig(kind="simulated"), Path(), clock)
    camera = open_camera(CameraConfig(kind="simulated"), Path(), clock, NumberedScene(), threads=False)
    assert camera.settings()["source"] == "simulated belt"


def test_exposure_is_set_in_the_cameras_own_thread_and_again_after_every_reconnection(bench: Bench) -> None:
    bench.script.append(frame(1))
    bench.guard.open()
    bench.next()
    bench.guard.adjust(CameraConfig(exposure_time_us=700))
    assert bench.log == ["open", "arm", "adjust 700"]
    bench.log.clear()
    go_on = threading.Event()
    bench.script.append(lambda: (go_on.wait(PATIENCE_S), frame(2))[1])
    bench.soon(lambda: not bench.script)
    bench.clock.advance_to(bench.clock.now_ns() + 3 * S)
    with pytest.raises(CameraLost, match="did not return"):
        bench.guard.next_frame(0)
    bench.soon(lambda: "arm" in bench.log)
    go_on.set()
    assert bench.log[:3] == ["adjust 700", "open", "arm"], "the camera in its place knows it before it is opened"


def test_an_exposure_that_the_camera_cannot_work_with_is_told_and_not_tried_again(bench: Bench) -> None:
    bench.script.append(frame(1))
    bench.guard.open()
    bench.next()
    bench.guard.adjust(CameraConfig(exposure_time_us=700))
    with pytest.raises(CameraError, match="thirteen is not taken"):
        bench.guard.adjust(CameraConfig(exposure_time_us=13))
    bench.script.append(frame(2))
    bench.next()
    assert bench.log.count("adjust 13") == 1
    bench.guard.adjust(CameraConfig(exposure_time_us=900))
    assert bench.log[-1] == "adjust 900"


def test_a_camera_that_does_not_answer_is_told_and_a_closed_one(bench: Bench) -> None:
    with pytest.raises(CameraError, match="is not open"):
        bench.guard.adjust(CameraConfig(exposure_time_us=700))
    go_on = threading.Event()
    bench.script.append(lambda: (go_on.wait(PATIENCE_S), frame(1))[1])
    bench.guard.open()
    bench.soon(lambda: not bench.script)
    with pytest.raises(CameraError, match="has not answered yet"):
        bench.guard.adjust(CameraConfig(exposure_time_us=700))
    go_on.set()
    bench.soon(lambda: "adjust 700" in bench.log)


def test_frames_of_the_set_up_are_compared_with_nothing_and_the_next_one_with_them(bench: Bench) -> None:
    bench.guard.free = True
    bench.script.extend(frame(number, look=1) for number in range(1, 12))
    bench.guard.open()
    assert [bench.next().status for _ in range(2)] == [FrameStatus.OK] * 2
    bench.soon(lambda: not bench.script)
    assert bench.guard.counters.repeated == bench.guard.counters.lost == 0
    bench.guard.arm()
    bench.guard.free = False
    bench.script.append(frame(12, look=1))
    assert bench.next().status is FrameStatus.INCOMPLETE, "a picture of the set-up under a part's number"
    bench.script.append(frame(13, look=2))
    assert bench.next().status is FrameStatus.OK
    assert bench.guard.counters.gaps == 0


def test_a_refusal_that_comes_late_does_not_undo_what_was_asked_for_since(bench: Bench) -> None:
    go_on = threading.Event()
    bench.script.append(lambda: (go_on.wait(PATIENCE_S), frame(1))[1])
    bench.guard.open()
    bench.soon(lambda: not bench.script)
    refused = Scripted.adjust

    def slow(self: Scripted, config: CameraConfig) -> None:
        if config.exposure_time_us == 13:
            bench.guard._adjusting = later  # asked for while the camera still thinks about the one before
        refused(self, config)

    later = CameraConfig(exposure_time_us=900)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scripted, "adjust", slow)
        with pytest.raises(CameraError, match="has not answered yet"):
            bench.guard.adjust(CameraConfig(exposure_time_us=13))
        go_on.set()
        bench.soon(lambda: "adjust 900" in bench.log)


def test_only_a_camera_that_is_there_is_made_to_expose(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    fired: list[int] = []

    def trigger(self: Scripted, at_ns: int, part: object | None = None) -> int:  # noqa: ARG001
        fired.append(at_ns)
        return at_ns

    monkeypatch.setattr(Scripted, "trigger", trigger, raising=False)
    assert not bench.guard.expose()
    bench.script.append(CameraLost("at open"))
    bench.guard.open()
    with pytest.raises(CameraLost):
        bench.next()
    assert not bench.guard.expose(), "it would raise at once, again and again"
    assert fired == []
    bench.script.append(frame(1))
    bench.clock.advance_to(bench.clock.now_ns() + 10 * S)
    bench.next()
    assert bench.guard.expose()
    assert len(fired) == 1
