"""Progress with the time left, and the question whether to stop.

What it is: what every loop of a teaching calls. What it is not: a display. The teaching process.
"""

from __future__ import annotations

from collections.abc import Callable

from inspector.clock import perf_ns
from inspector.teach.options import Cancelled, Progress


class Watch:
    """Hands steps to the caller's `progress`, and asks its `cancelled`."""

    def __init__(self, progress: Callable[[Progress], None], cancelled: Callable[[], bool]) -> None:
        self._progress, self._cancelled = progress, cancelled
        self._stage, self._since = "", perf_ns()

    def step(self, stage: str, done: int, total: int) -> None:
        """Tell of `done` of `total`; raises Cancelled if the caller wants to stop."""
        if self._cancelled():
            raise Cancelled("teaching was cancelled; nothing was written")
        if stage != self._stage:
            self._stage, self._since = stage, perf_ns()
        spent = (perf_ns() - self._since) / 1e9
        left = spent / done * (total - done) if done else None
        self._progress(Progress(stage=stage, done=done, total=total, eta_s=left))
