"""The trigger line of the twins: exposures on their way from a trigger to `next_frame`.

What it is: a small heap in the order of arrival, safe between the thread that triggers and the one that waits; in
simulated time nobody waits and no thread is needed. What it is not: a camera; `folder` and `simulated` are.
"""

from __future__ import annotations

import heapq
import threading
from typing import Generic, TypeVar

from inspector.clock import Clock
from inspector.errors import CameraLost, FrameTimeout

Exposure = TypeVar("Exposure")


class TriggerLine(Generic[Exposure]):
    """Exposures by the time they are ready; `name` is the camera's, for messages."""

    def __init__(self, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: list[tuple[int, int, Exposure]] = []
        self._serial = 0
        self._lost: str | None = None
        self._lost_told = False

    def put(self, ready_ns: int, exposure: Exposure) -> None:
        """An exposure that `take` gives out from `ready_ns` on."""
        with self._changed:
            self._serial += 1
            heapq.heappush(self._waiting, (ready_ns, self._serial, exposure))
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget what is on its way."""
        with self._changed:
            self._waiting.clear()

    def lose(self, why: str) -> None:
        """The source is gone: what was on its way is lost, and `take` raises until `restore`."""
        with self._changed:
            self._waiting.clear()
            self._lost, self._lost_told = why, False
            self._changed.notify_all()

    def restore(self) -> None:
        """The source is back."""
        with self._changed:
            self._lost = None

    @property
    def lost(self) -> bool:
        """Whether the source is gone."""
        return self._lost is not None

    def next_ready_ns(self) -> int | None:
        """When `take(0)` will have something to say: an exposure, or, once, that the source is gone."""
        with self._changed:
            if self._lost is not None:
                return None if self._lost_told else self._clock.now_ns()
            return self._waiting[0][0] if self._waiting else None

    def take(self, timeout_s: float) -> Exposure:
        """The next exposure that is ready, in at most `timeout_s`; raises FrameTimeout or CameraLost."""
        deadline_ns = self._clock.now_ns() + int(timeout_s * 1e9)
        with self._changed:
            while True:
                if self._lost is not None:
                    self._lost_told = True
                    raise CameraLost(f"camera {self._name!r}: {self._lost}")
                now_ns = self._clock.now_ns()
                if self._waiting and self._waiting[0][0] <= now_ns:
                    return heapq.heappop(self._waiting)[2]
                if now_ns >= deadline_ns:
                    raise FrameTimeout(f"camera {self._name!r}: no frame in {timeout_s:g} s")
                until_ns = min(deadline_ns, self._waiting[0][0]) if self._waiting else deadline_ns
                self._changed.wait((until_ns - now_ns) / 1e9)
