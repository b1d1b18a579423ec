"""The parent of the line process and the web process.

What it is: starts both, starts again whichever dies, ends both, and runs jobs beside them. What it is not: a judge of
anything they do; it reads nothing but exit codes. Its own process, main thread; the children die with it, also when it
is killed.

The web may die at any time and is started again, with back-off. The line's death is worse, and is answered the same
way, save for exit code 0 (it was asked to end) and 2 (bad input, which the next start would meet as well): these end
the station, with that code.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from inspector.clock import Clock
from inspector.jobs.runner import JobRunner

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
# A child that has run this long was healthy: its next death is answered at once again.
HEALTHY_S = 60.0
GRACE_S = 5.0
_POLL_S = 0.1
_USAGE = 2
_WEB_NICE = 10
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(slots=True)
class _Child:
    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started_at_ns: int = 0
    start_at_ns: int = 0
    wait_s: float = FIRST_WAIT_S


def supervise(
    line: Sequence[str],
    web: Sequence[str] | None,
    clock: Clock,
    say: Callable[[str], None] = lambda text: print(text, file=sys.stderr, flush=True),
    jobs: JobRunner | None = None,
) -> int:
    """Run the station until the line ends or SIGINT or SIGTERM comes; the line's exit code (0 after a signal).

    `line` and `web` are the commands of the two processes; no web process for None. `jobs` are run beside them. Must be
    called on the main thread.
    """
    stop = threading.Event()
    previous = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    children = [_Child("line", line)] + ([] if web is None else [_Child("web", web)])
    if jobs is not None:
        jobs.begin()
    try:
        while not stop.is_set():
            for child in children:
                code = _tend(child, clock, say)
                if child.name == "line" and code in (0, _USAGE):
                    return code
            if jobs is not None:
                jobs.tend()
            stop.wait(_POLL_S)
        return 0
    finally:
        if jobs is not None:
            jobs.end()
        _end(children, say)
        for number, handler in previous.items():
            signal.signal(number, handler)


def _tend(child: _Child, clock: Clock, say: Callable[[str], None]) -> int | None:
    """Start the child if it is due; its exit code if it has just died."""
    now_ns = clock.now_ns()
    if child.process is None:
        if now_ns >= child.start_at_ns:
            child.process = _start(child)
            child.started_at_ns = now_ns
        return None
    code = child.process.poll()
    if code is None:
        return None
    child.process = None
    if now_ns - child.started_at_ns > HEALTHY_S * 1e9:
        child.wait_s = FIRST_WAIT_S
    child.start_at_ns = now_ns + int(child.wait_s * 1e9)
    if child.name != "line" or code not in (0, _USAGE):
        say(f"supervisor: the {child.name} process ended with {_reason(code)}; starts again in {child.wait_s:g} s")
    child.wait_s = min(2 * child.wait_s, LONGEST_WAIT_S)
    return code


def _end(children: Sequence[_Child], say: Callable[[str], None]) -> None:
    """TERM, a time of grace for both together, KILL."""
    running = [(child.name, child.process) for child in children if child.process is not None]
    for _, process in running:
        process.terminate()
    patience = threading.Event()
    for _ in range(int(GRACE_S / _POLL_S)):
        if all(process.poll() is not None for _, process in running):
            return
        patience.wait(_POLL_S)
    for name, process in running:
        if process.poll() is None:
            say(f"supervisor: the {name} process did not end in {GRACE_S:g} s and is killed")
            process.kill()
            process.wait()


def _start(child: _Child) -> subprocess.Popen[bytes]:
    parent = os.getpid()
    # The line is asked to end when the supervisor is killed; the web owns nothing, and may be one that does not listen.
    last_word = signal.SIGTERM if child.name == "line" else signal.SIGKILL

    def die_with_parent() -> None:
        # A crowd at the web must not take the processor from the line: two cores are all there is.
        if child.name == "web":
            os.nice(_WEB_NICE)
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, last_word)
        if os.getppid() != parent:  # it died between fork and here
            os._exit(1)

    # A group of their own: Ctrl-C reaches the supervisor only, which ends them in its own way.
    return subprocess.Popen(child.command, process_group=0, preexec_fn=die_with_parent)


def _reason(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
