"""What makes any camera trustworthy: a thread around it that the line does not depend on.

What it is: the grab runs in its own thread; a watchdog, repeated frames and lost sources end in a reconnect with
exponential back-off, with all settings applied anew, and everything is counted. A grab that never returns costs its
thread, which is left behind and replaced, at most `MOST_ABANDONED` times at once. What it is not: used in simulated
time (`checks.Checked` is). `next_frame` belongs to the line's camera thread; `_serve` is the guard's own.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from inspector.camera.base import Camera, CameraCounters, FiredCamera
from inspector.camera.checks import Finish, FrameChecks, as_it_is
from inspector.camera.guard_limits import GuardLimits, Worker, pause_ns
from inspector.clock import Clock
from inspector.config import CameraConfig
from inspector.errors import CameraError, CameraLost, FrameTimeout, StationError
from inspector.types import Frame

MOST_ABANDONED = 3
ANSWER_S = 0.4
_LOOK_S = 0.02
_MOST_TROUBLE = 8

Result = TypeVar("Result")


class Guard:
    """See the module and `base`. `make` builds the camera; it is called again for a camera that hangs.

    `lost` sources are raised once as CameraLost and then looked for without further asking; until they are back
    `next_frame` raises FrameTimeout. `check_pixels` is as in `checks.FrameChecks`.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], Camera],
        clock: Clock,
        limits: GuardLimits | None = None,
        check_pixels: bool = True,
        finish: Finish | None = None,
    ) -> None:
        self.name = name
        self._finish = finish or as_it_is
        self.counters = CameraCounters()
        self._make = make
        self._clock = clock
        self._limits = limits or GuardLimits()
        self._checks = FrameChecks(self.counters, check_pixels)
        self._changed = threading.Condition()
        self._news: deque[Frame | CameraError] = deque()
        self._fatal: StationError | None = None
        self._worker: Worker | None = None
        self._abandoned = 0
        self._ever_connected = False
        self._settings: dict[str, str] = {}
        self._adjusting: CameraConfig | None = None
        self._adjust_trouble = ""
        self.free = False  # while set, frames are for the set-up: nobody judges them, and equal ones are no fault

    def open(self) -> None:
        """Start looking for the source, in the guard's thread; returns at once. Later calls change nothing."""
        with self._changed:
            if self._worker is None:
                self._fatal = None
                self._start()

    def arm(self) -> None:
        """See `base`."""
        with self._changed:
            if self._worker is None:
                raise CameraError(f"camera {self.name!r}: is not open")
            self._news.clear()

    def wait_connected(self, timeout_s: float) -> bool:
        """Whether the source is there, after at most `timeout_s` of real time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._worker is not None and self._worker.connected, timeout_s)

    def trigger(self, at_ns: int, part: object | None = None) -> int:
        """See `base.FiredCamera`; raises CameraError if the camera cannot be triggered."""
        worker = self._worker
        if worker is None:
            return at_ns
        if not isinstance(worker.camera, FiredCamera):
            raise CameraError(f"{type(worker.camera).__name__} has no trigger line, and no software trigger")
        return worker.camera.trigger(at_ns, part)

    def expose(self) -> bool:
        """One exposure now, of a camera that is fired; False of one that runs freely, or is not there."""
        worker = self._worker
        if worker is None or not worker.connected or not isinstance(worker.camera, FiredCamera):
            return False
        worker.camera.trigger(self._clock.now_ns())
        return True

    def adjust(self, config: CameraConfig) -> None:
        """See `base`; waits for the camera, and raises CameraError too where it does not answer in `ANSWER_S`, and then
        does it later."""
        with self._changed:
            self._adjusting, self._adjust_trouble = config, ""
            worker = self._worker
            if worker is None:
                raise CameraError(f"camera {self.name!r}: is not open")
            self._changed.wait_for(lambda: worker.adjusted is config or self._adjusting is not config, ANSWER_S)
            if worker.adjusted is not config:
                raise CameraError(self._adjust_trouble or f"camera {self.name!r}: has not answered yet")

    def next_ready_ns(self) -> int | None:
        """See `base`: now, if a frame or a trouble waits."""
        with self._changed:
            return self._clock.now_ns() if self._news or self._fatal else None

    def next_frame(self, timeout_s: float) -> Frame:
        """See `base`. Raises the plain CameraError or UsageError that ended the guard, for good, if one did."""
        news = self._next_news(timeout_s)
        if isinstance(news, CameraError):
            raise news
        return self._finish(news)

    def _next_news(self, timeout_s: float) -> Frame | CameraError:
        deadline_ns = self._clock.now_ns() + int(timeout_s * 1e9)
        with self._changed:
            while True:
                self._watch()
                if self._news:
                    return self._news.popleft()
                if self._fatal is not None:
                    raise self._fatal
                left_ns = deadline_ns - self._clock.now_ns()
                if left_ns <= 0:
                    self.counters.timeouts += 1
                    raise FrameTimeout(f"camera {self.name!r}: no frame in {timeout_s:g} s")
                self._changed.wait(min(left_ns / 1e9, _LOOK_S))

    def close(self) -> None:
        """See `base`; a thread that hangs is left to itself."""
        with self._changed:
            worker, self._worker = self._worker, None
            if worker is not None:
                worker.current = False
            self._news.clear()
            self._changed.notify_all()

    def settings(self) -> dict[str, str]:
        """See `base`: as they were found at the last connection."""
        return dict(self._settings)

    # -- under the condition ---------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._worker = Worker(self._make())
        threading.Thread(target=self._serve, args=(self._worker,), name=f"camera-{self.name}", daemon=True).start()

    def _watch(self) -> None:
        worker = self._worker
        if worker is None or worker.calling_since_ns is None:
            return
        if self._clock.now_ns() - worker.calling_since_ns <= self._limits.hang_ns:
            return
        worker.current, worker.abandoned = False, True
        self._abandoned += 1
        self.counters.hung += 1
        self._lost(CameraLost(f"camera {self.name!r}: a grab did not return in {self._limits.hang_ns / 1e9:g} s"))
        if self._abandoned > MOST_ABANDONED:
            self._worker = None
            self._fatal = CameraError(f"camera {self.name!r}: {self._abandoned} grabs hang; restart the station")
        else:
            self._start()

    def _lost(self, why: CameraError) -> None:
        self.counters.lost += 1
        self._tell(why)

    def _tell(self, news: Frame | CameraError) -> None:
        """Hand over in the order of events. What nobody fetches is dropped: frames first, then the oldest trouble."""
        kept = sum(isinstance(known, Frame) for known in self._news)
        if isinstance(news, Frame) and kept >= self._limits.queue:
            self.counters.dropped += 1
            return
        if len(self._news) - kept >= _MOST_TROUBLE:
            self._news.remove(next(known for known in self._news if not isinstance(known, Frame)))
        self._news.append(news)
        self._changed.notify_all()

    # -- the guard's thread ----------------------------------------------------------------------------------------

    def _serve(self, worker: Worker) -> None:
        """Connect, grab, and again, until the worker is no longer the current one."""
        failures = 0
        while worker.current:
            try:
                self._adjust(worker)
                if not worker.connected:
                    self._connect(worker)
                self._grab(worker)
                failures = 0
            except CameraLost as why:
                self._disconnect(worker, why)
                failures += 1
                self._back_off(worker, failures)
            except CameraError as why:
                self._report(worker, why)
            except Exception as why:  # noqa: BLE001 - the outermost line of this thread
                self._end(worker, why)
        worker.camera.close()
        with self._changed:
            self._abandoned -= worker.abandoned

    def _call(self, worker: Worker, call: Callable[[], Result]) -> Result:
        """`call` into the camera, under the watchdog."""
        with self._changed:
            worker.calling_since_ns = self._clock.now_ns()
        try:
            return call()
        finally:
            with self._changed:
                worker.calling_since_ns = None

    def _connect(self, worker: Worker) -> None:
        self._call(worker, worker.camera.open)
        self._call(worker, worker.camera.arm)
        with self._changed:
            if worker.current:
                worker.connected, worker.told = True, False
                worker.heard_ns = self._clock.now_ns()
                self._settings = worker.camera.settings()
                self.counters.reconnects += self._ever_connected
                self._ever_connected = True
                self._checks.restart()
                self._changed.notify_all()

    def _adjust(self, worker: Worker) -> None:
        wanted, before = self._adjusting, worker.adjusted
        if wanted is None or wanted is before:
            return
        try:
            self._call(worker, lambda: worker.camera.adjust(wanted))
        except CameraLost:
            raise
        except CameraError as why:
            with self._changed:
                if self._adjusting is wanted:  # else another has been asked for meanwhile
                    self._adjusting, self._adjust_trouble = before, str(why)
                self._changed.notify_all()
            return
        with self._changed:
            worker.adjusted = wanted
            self._settings = worker.camera.settings()
            self._changed.notify_all()

    def _grab(self, worker: Worker) -> None:
        try:
            frame = self._call(worker, lambda: worker.camera.next_frame(self._limits.wait_s))
        except FrameTimeout:
            quiet_ns, stall_ns = self._clock.now_ns() - worker.heard_ns, self._limits.stall_ns
            if stall_ns is not None and quiet_ns > stall_ns:
                raise CameraLost(f"camera {self.name!r}: no frame for {quiet_ns / 1e9:.1f} s, stalled") from None
            return
        with self._changed:
            if worker.current:
                worker.heard_ns = self._clock.now_ns()
                if self.free:
                    self._checks.skip(frame)
                self._tell(frame if self.free else self._checks.examine(frame))
        if self._checks.repeats_in_a_row >= self._limits.repeats_most:
            raise CameraLost(f"camera {self.name!r}: the same frame {self._checks.repeats_in_a_row + 1} times, stalled")

    def _disconnect(self, worker: Worker, why: CameraLost) -> None:
        with self._changed:
            worker.connected = False
            if worker.current and not worker.told:
                worker.told = True
                self._lost(why)
        self._call(worker, worker.camera.close)

    def _back_off(self, worker: Worker, failures: int) -> None:
        until_ns = self._clock.now_ns() + pause_ns(failures, self._limits)
        with self._changed:
            while worker.current and (left_ns := until_ns - self._clock.now_ns()) > 0:
                self._changed.wait(min(left_ns / 1e9, _LOOK_S))

    def _report(self, worker: Worker, why: CameraError) -> None:
        with self._changed:
            if worker.current:
                self.counters.bad += 1
                self._tell(why)

    def _end(self, worker: Worker, why: Exception) -> None:
        fatal = why if isinstance(why, StationError) else CameraError(f"camera {self.name!r}: {why!r}")
        with self._changed:
            if worker.current:
                worker.current = False
                self._worker, self._fatal = None, fatal
                self._changed.notify_all()
