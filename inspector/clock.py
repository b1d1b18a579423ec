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
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


class SystemClock:
    """The machine's own clocks. The minute's text is kept: every part asks, and a date is slow to make."""

    def __init__(self) -> None:
        self._minute = (0, "")

    def now_ns(self) -> int:
        """See `Clock`."""
        return time.monotonic_ns()

    def utc(self) -> str:
        """See `Clock`."""
        minute, rest_ms = divmod(time.time_ns() // 1_000_000, 60_000)
        if minute != self._minute[0]:
            text = datetime.datetime.fromtimestamp(minute * 60, datetime.UTC).strftime("%Y-%m-%dT%H:%M:")
            self._minute = (minute, text)
        return f"{self._minute[1]}{rest_ms // 1000:02d}.{rest_ms % 1000:03d}Z"


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
