"""Time, handed in from outside.

What it is: the one place that reads the machine's clocks. What it is not: a scheduler. Any thread.
A test or `--fast` run hands in `SimulatedClock` and the same code runs in simulated time.
"""

from __future__ import annotations

import datetime
import time
from typing import Protocol


class Clock(Protocol):
    """Monotonic nanoseconds for durations, UTC for records."""

    def now_ns(self) -> int:
        """Monotonic time in ns; only differences mean something."""
        ...

    def utc(self) -> str:
        """Wall time, ISO 8601 with milliseconds and `Z`."""
        ...


def _iso(moment: datetime.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


class SystemClock:
    """The machine's own clocks."""

    def now_ns(self) -> int:
        """See `Clock`."""
        return time.monotonic_ns()

    def utc(self) -> str:
        """See `Clock`."""
        return _iso(datetime.datetime.now(datetime.UTC))


class SimulatedClock:
    """A clock that stands still until it is moved; `start_utc` is the wall time at 0 ns."""

    def __init__(self, start_utc: datetime.datetime | None = None) -> None:
        self._now_ns = 0
        self._start = start_utc or datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)

    def now_ns(self) -> int:
        """See `Clock`."""
        return self._now_ns

    def advance_to(self, at_ns: int) -> None:
        """Move forward to `at_ns`; never backward."""
        self._now_ns = max(self._now_ns, at_ns)

    def utc(self) -> str:
        """See `Clock`."""
        return _iso(self._start + datetime.timedelta(microseconds=self._now_ns // 1000))


def perf_ns() -> int:
    """Real nanoseconds for stage timings, also in a simulated run: what the work costs is always measured."""
    return time.perf_counter_ns()
