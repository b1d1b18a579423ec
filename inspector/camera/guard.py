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
from dataclasses import dataclass
from typing import TypeVar

from inspector.camera.base import Camera, CameraCounters, FiredCamera
from inspector.camera.checks import Finish, FrameChecks, as_it_is
from inspector.clock import Clock
from inspector.errors import CameraError, CameraLost, FrameTimeout, StationError
from inspector.types import Frame

MOST_ABANDONED = 3
_LOOK_S = 0.02
_MOST_TROUBLE = 8

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardLimits:
    """`hang_ns`: a call into the camera that takes longer never returns. `stall_ns`: a source that runs freely and
    brings nothing for so long is lost (None for a triggered one, where no part means no frame). `repeats_most`:
    repeated frames in a row before the source is lost. Back-off doubles from `retry_first_ns` to `retry_most_ns`.
    `queue`: frames kept for the line; what comes on top is dropped and counted."""

    hang_ns: int = 8_000_000_000
    stall_ns: int | None = None
    repeats_most: int = 5
    wait_s: float = 0.2
    retry_first_ns: int = 100_000_000
    retry_most_ns: int = 5_000_000_000
    queue: int = 2


class _Worker:
    """One thread's camera, and what the watchdog needs of it. Guarded by the guard's condition, but for the camera."""

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        self.connected = False
        self.told = False
        self.current = True
        self.abandoned = False
        self.heard_ns = 0
        self.calling_since_ns: int | None = None


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
        self._worker: _Worker | None = None
        self._abandoned = 0
        self._ever_connected = False
        self._settings: dict[str, str] = {}

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

    def next_ready_ns(self) -> int | None:
        """See `base`: now, if a frame or a trouble waits."""
        with self._changed:
            return self._clock.now_ns() if self._news or self._fatal else None

    def next_frame(self, timeout_s: float) -> Frame:
        """See `base`. Raises the plain CameraError or UsageError that ended the guard, for good, if one did."""
        return self._finish(_given(self._next_news(timeout_s)))

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
        self._worker = _Worker(self._make())
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

    def _serve(self, worker: _Worker) -> None:
        """Connect, grab, and again, until the worker is no longer the current one."""
        failures = 0
        while worker.current:
            try:
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

    def _call(self, worker: _Worker, call: Callable[[], Result]) -> Result:
        """`call` into the camera, under the watchdog."""
        with self._changed:
            worker.calling_since_ns = self._clock.now_ns()
        try:
            return call()
        finally:
            with self._changed:
                worker.calling_since_ns = None

    def _connect(self, worker: _Worker) -> None:
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

    def _grab(self, worker: _Worker) -> None:
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
                self._tell(self._checks.examine(frame))
        if self._checks.repeats_in_a_row >= self._limits.repeats_most:
            raise CameraLost(f"camera {self.name!r}: the same frame {self._checks.repeats_in_a_row + 1} times, stalled")

    def _disconnect(self, worker: _Worker, why: CameraLost) -> None:
        with self._changed:
            worker.connected = False
            if worker.current and not worker.told:
                worker.told = True
                self._lost(why)
        self._call(worker, worker.camera.close)

    def _back_off(self, worker: _Worker, failures: int) -> None:
        until_ns = self._clock.now_ns() + pause_ns(failures, self._limits)
        with self._changed:
            while worker.current and (left_ns := until_ns - self._clock.now_ns()) > 0:
                self._changed.wait(min(left_ns / 1e9, _LOOK_S))

    def _report(self, worker: _Worker, why: CameraError) -> None:
        with self._changed:
            if worker.current:
                self.counters.bad += 1
                self._tell(why)

    def _end(self, worker: _Worker, why: Exception) -> None:
        fatal = why if isinstance(why, StationError) else CameraError(f"camera {self.name!r}: {why!r}")
        with self._changed:
            if worker.current:
                worker.current = False
                self._worker, self._fatal = None, fatal
                self._changed.notify_all()


def pause_ns(failures: int, limits: GuardLimits) -> int:
    """How long to wait after so many failures in a row: doubling, up to a limit."""
    return min(limits.retry_most_ns, limits.retry_first_ns << min(failures - 1, 16))


def _given(news: Frame | CameraError) -> Frame:
    if isinstance(news, CameraError):
        raise news
    return news
