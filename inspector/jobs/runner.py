"""One job at a time, each a process of its own at the lowest priority; for the supervisor's loop.

What it is: starts the oldest queued job, watches it, ends it when asked, and writes down what became of it. What it is
not: the work (`work`); it reads nothing but exit codes and one line of trouble. The supervisor's main thread.

A job is the first to be killed where memory runs out, runs only while the line leaves a core idle, and dies with the
supervisor, whatever ends that. Two supervisors never share a folder: a lock is held.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from inspector.clock import Clock
from inspector.jobs.folder import (
    CANCELLED,
    CRASHED,
    DONE,
    FAILED,
    LOCK,
    QUEUED,
    RUNNING,
    Job,
    JobFolder,
    read_json,
    write_json,
)

CANCELLED_CODE = 3
_LOOK_NS = 300_000_000
# A step of the work may take a while before it asks; after this the process is told, and then killed.
PATIENCE_S = 20.0
GRACE_S = 5.0
_NICE = 19
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class JobRunner:
    """See the module. `command` starts a job when its folder is appended; `say` tells the operator's terminal."""

    def __init__(self, jobs: JobFolder, command: Sequence[str], clock: Clock, say: Callable[[str], None]) -> None:
        self._jobs = jobs
        self._command = list(command)
        self._clock = clock
        self._say = say
        self._lock: IO[bytes] | None = None
        self._job: Job | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._look_at_ns = 0
        self._asked_to_end_ns: int | None = None
        self._terminated = False

    def begin(self) -> bool:
        """Take the folder, and settle what a station that was killed has left; False if another has it."""
        try:
            self._jobs.root.mkdir(parents=True, exist_ok=True)
            self._lock = (self._jobs.root / LOCK).open("wb")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as why:
            self._lock = None
            self._say(f"supervisor: no jobs are run: {self._jobs.root}: {why.strerror}")
            return False
        for job in self._jobs.all():
            if job.state == RUNNING:
                self._write(job, CRASHED, "the station ended while it ran")
        return True

    def tend(self) -> None:
        """Start, watch or end; called often, and returns at once."""
        now_ns = self._clock.now_ns()
        if self._lock is None or now_ns < self._look_at_ns:
            return
        self._look_at_ns = now_ns + _LOOK_NS
        if self._process is None:
            self._start_next()
        elif self._process.poll() is not None:
            self._settle()
        else:
            self._hurry(now_ns)

    def end(self) -> None:
        """The station ends: so does the job, at once and for good."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            assert self._job is not None
            self._write(self._job, CRASHED, "the station ended while it ran")
            self._process = self._job = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _start_next(self) -> None:
        queued = [job for job in self._jobs.all() if job.state == QUEUED]
        for job in reversed(queued):
            if job.cancelling:
                self._write(job, CANCELLED, "")
                continue
            self._job, self._asked_to_end_ns, self._terminated = job, None, False
            try:
                with (job.folder / "log.txt").open("ab") as log:
                    self._process = _spawn([*self._command, str(job.folder)], log)
            except OSError as why:
                self._write(job, CRASHED, f"could not be started: {why}")
                continue
            self._write(job, RUNNING, "")
            return

    def _hurry(self, now_ns: int) -> None:
        assert self._job is not None
        assert self._process is not None
        if not self._job.cancelling:
            return
        if self._asked_to_end_ns is None:
            self._asked_to_end_ns = now_ns
        waited_s = (now_ns - self._asked_to_end_ns) / 1e9
        if waited_s > PATIENCE_S + GRACE_S:
            self._process.kill()
        elif waited_s > PATIENCE_S and not self._terminated:
            self._terminated = True
            self._process.terminate()

    def _settle(self) -> None:
        assert self._job is not None
        assert self._process is not None
        code, job = self._process.returncode, self._job
        self._process = self._job = None
        if code == 0:
            self._write(job, DONE, "")
        elif code == CANCELLED_CODE or job.cancelling:
            self._write(job, CANCELLED, "")
        else:
            trouble = _text(job.folder / "trouble.txt")
            reason = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            self._write(job, FAILED if trouble else CRASHED, trouble or f"it ended with {reason}; its log has more")
            self._say(f"supervisor: job {job.id} ({job.kind}) ended with {reason}")

    def _write(self, job: Job, state: str, trouble: str) -> None:
        now, key = self._clock.utc(), "started_at_utc" if state == RUNNING else "ended_at_utc"
        before = read_json(job.folder / "state.json")
        with contextlib.suppress(OSError):  # a full disk must not end the station
            write_json(job.folder / "state.json", before | {"state": state, "trouble": trouble, key: now})


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError:
        return ""


def _spawn(command: Sequence[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    parent = os.getpid()

    def lowest_and_mortal() -> None:
        os.nice(_NICE)
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
            with contextlib.suppress(OSError):
                Path("/proc/self/oom_score_adj").write_text("1000")
            assert _LIBC is not None
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died between fork and here
            os._exit(1)

    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        process_group=0,
        preexec_fn=lowest_and_mortal,
    )
