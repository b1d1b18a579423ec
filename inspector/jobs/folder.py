"""The jobs as files: asked for by the web, run by the supervisor, reported on by the job's own process.

What it is: one folder for each job, and who writes what in it. What it is not: the running (`runner`) or the work
(`work`). Any process, any thread.

    job.json       what is asked, by whom        the web, once; the folder appears whole
    cancel         somebody wants it to end      the web
    state.json     running, done, failed ...     the supervisor; none yet means queued
    progress.json  stage, done, total, eta_s     the job
    result.json    what came of it               the job, before it ends with 0
    trouble.txt    why it could not be done      the job, before it ends with another code
    log.txt        its standard output and error
    out/           files that came of it         the job
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inspector.errors import UsageError

QUEUED, RUNNING, DONE, FAILED, CANCELLED, CRASHED = "queued", "running", "done", "failed", "cancelled", "crashed"
OVER = (DONE, FAILED, CANCELLED, CRASHED)
KEPT = 100
MOST_QUEUED = 10
LOCK = ".runner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job as its files say. `state` is one of the module's six words; `trouble` says why it did not get done."""

    id: int
    folder: Path
    kind: str
    title: str
    by: str
    asked_at_utc: str
    arguments: dict[str, Any]
    state: str = QUEUED
    started_at_utc: str = ""
    ended_at_utc: str = ""
    trouble: str = ""
    progress: dict[str, Any] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in OVER

    @property
    def cancelling(self) -> bool:
        """Whether somebody asked it to end and it has not yet."""
        return not self.over and (self.folder / "cancel").exists()

    def result(self) -> dict[str, Any]:
        """What came of it; empty unless it is done."""
        return read_json(self.folder / "result.json") if self.state == DONE else {}

    def log(self, most: int = 20_000) -> str:
        """The end of what it printed."""
        with contextlib.suppress(OSError), (self.folder / "log.txt").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - most))
            return file.read().decode("utf-8", "replace")
        return ""


class JobFolder:
    """All jobs of a station, below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def ask(self, kind: str, title: str, by: str, at_utc: str, arguments: dict[str, Any]) -> Job:
        """Queue a job; raises UsageError while MOST_QUEUED wait already, OSError where the disk refuses."""
        waiting = [job for job in self.all() if job.state == QUEUED]
        if len(waiting) >= MOST_QUEUED:
            raise UsageError(f"{len(waiting)} jobs wait already; wait for one, or cancel one")
        self.root.mkdir(parents=True, exist_ok=True)
        half = Path(tempfile.mkdtemp(prefix=".half-", dir=self.root))
        asked = {"kind": kind, "title": title, "by": by, "asked_at_utc": at_utc, "arguments": arguments}
        write_json(half / "job.json", asked)
        (half / "out").mkdir()
        half.chmod(0o755)
        number = max(self._numbers(), default=0) + 1
        while True:
            try:
                # Onto a folder with files in it this fails: two who ask at once get two numbers.
                os.rename(half, self.root / f"{number:06d}")
                break
            except OSError:
                if not (self.root / f"{number:06d}").exists():
                    shutil.rmtree(half, ignore_errors=True)
                    raise
                number += 1
        self._forget_old()
        return self.get(number)

    def get(self, number: int) -> Job:
        """The job of this number; raises UsageError if there is none."""
        folder = self.root / f"{number:06d}"
        asked = read_json(folder / "job.json")
        if not asked:
            raise UsageError(f"there is no job {number}")
        state = read_json(folder / "state.json")
        return Job(
            id=number,
            folder=folder,
            **asked,
            **{key: state[key] for key in ("state", "started_at_utc", "ended_at_utc", "trouble") if key in state},
            progress=read_json(folder / "progress.json"),
        )

    def all(self, kind: str | None = None) -> list[Job]:
        """Every job, newest first; only those of `kind` where it is given."""
        jobs = []
        for number in sorted(self._numbers(), reverse=True):
            with contextlib.suppress(UsageError):  # forgotten meanwhile
                jobs.append(self.get(number))
        return [job for job in jobs if kind in (None, job.kind)]

    def cancel(self, number: int) -> None:
        """Ask a job to end; one that is over stays as it is."""
        job = self.get(number)
        if not job.over:
            (job.folder / "cancel").touch()

    def served(self) -> bool:
        """Whether a supervisor is there that runs jobs."""
        with contextlib.suppress(OSError), (self.root / LOCK).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _numbers(self) -> Iterator[int]:
        with contextlib.suppress(FileNotFoundError):
            yield from (int(entry.name) for entry in os.scandir(self.root) if entry.name.isdigit())

    def _forget_old(self) -> None:
        for number in sorted(self._numbers(), reverse=True)[KEPT:]:
            with contextlib.suppress(UsageError):
                job = self.get(number)
                if job.over:
                    shutil.rmtree(job.folder, ignore_errors=True)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file; empty where it is missing or is not one."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write an object so that readers see the old one or the new one, whole."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(value, allow_nan=False), "utf-8")
    draft.replace(path)
