"""What a job's process has: its arguments, a way to say how far it is, and the question whether to stop.

What it is: the job's end of its folder. What it is not: the work (`work`). Main thread of the job's process.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inspector.clock import perf_ns
from inspector.jobs.folder import read_json, write_json

_OFTEN_NS = 200_000_000


class JobCancelled(Exception):
    """Somebody asked this job to end; nothing half done is left."""


class JobContext:
    """See the module. `out` is the folder for files that come of the work; `by` asked for it."""

    def __init__(self, folder: Path, station: Path) -> None:
        self.folder = folder
        self.station = station
        self.out = folder / "out"
        asked = read_json(folder / "job.json")
        self.kind: str = asked.get("kind", "")
        self.by: str = asked.get("by", "")
        self.arguments: dict[str, Any] = asked.get("arguments", {})
        self._stage, self._since_ns, self._told_ns = "", perf_ns(), 0

    def step(self, stage: str, done: int, total: int) -> None:
        """Tell of `done` of `total`, with the time left; raises JobCancelled if somebody asked the job to end."""
        if self.cancelled():
            raise JobCancelled(f"cancelled while {stage}")
        now_ns = perf_ns()
        if stage != self._stage:
            self._stage, self._since_ns = stage, now_ns
        left = (now_ns - self._since_ns) / 1e9 / done * (total - done) if done else None
        self.tell(stage, done, total, left)

    def tell(self, stage: str, done: int, total: int, eta_s: float | None) -> None:
        """Write the progress down, a few times a second at most."""
        now_ns = perf_ns()
        told = {"stage": stage, "done": done, "total": total, "eta_s": eta_s}
        if now_ns - self._told_ns > _OFTEN_NS:
            write_json(self.folder / "progress.json", told)
            self._told_ns = now_ns

    def cancelled(self) -> bool:
        """Whether somebody asked this job to end."""
        return (self.folder / "cancel").exists()
