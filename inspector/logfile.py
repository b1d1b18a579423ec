"""The log of a process of the station, in a file that cannot fill the disk.

What it is: the standard library's logging behind a bounded queue, so that no thread of the station ever waits for the
disk, and a thread `log` that writes. What it is not: a record of parts (`record`) or of who changed what
(`people.audit`). Any thread logs; the thread `log` writes.

Each process has a file of its own, `<name>.log`, and at most KEPT older ones, each of MOST_BYTES at most. A full queue
loses the line and counts it; a disk that refuses loses it too: the station goes on. Passwords in URLs and values of
keys that mean a secret are blanked out before anything is written.
"""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import queue
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

MOST_BYTES = 1_000_000
KEPT = 4
WAITING = 1000
# user:password@ of a URL, and what stands behind words that mean a secret.
_SECRET = re.compile(
    r"(://[^:/@\s\"]*:)[^@\s\"]+@|((?:password|token|secret|\bpin)\w*[\"']?\s*[=:]\s*)(?:\"[^\"]*\"|'[^']*'|[^\s\"',}]+)",
    re.IGNORECASE,
)


def without_secrets(text: str) -> str:
    """`text` with passwords of URLs, and values of keys that mean a secret, blanked out."""
    return _SECRET.sub(lambda found: f"{found[1]}***@" if found[1] else f'{found[2]}"***"', text)


class _Queue(logging.handlers.QueueHandler):
    """Hands over without ever waiting; counts what found no room."""

    lost = 0

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.lost += 1


class _File(logging.handlers.RotatingFileHandler):
    """A file that may fail: what it cannot write is lost, and nobody is told a second time."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - the library's name
        return


class _Line(logging.Formatter):
    """Time in UTC, level, thread, where from, and the text, of which only the first line stands at the margin."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802
        return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"

    def format(self, record: logging.LogRecord) -> str:
        # What came from outside must not be able to look like a line of its own.
        return without_secrets(super().format(record)).replace("\r", "").replace("\n", "\n    ")


@contextlib.contextmanager
def log_to(folder: Path, name: str) -> Iterator[logging.Logger]:
    """Write what this process logs, from INFO on, and what it dies of, to `<name>.log` in `folder` while this is open.

    Where the file cannot be had, the station says so on standard error and goes on without it.
    """
    root, log = logging.getLogger(), logging.getLogger(f"inspector.{name}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = _File(folder / f"{name}.log", maxBytes=MOST_BYTES, backupCount=KEPT, encoding="utf-8")
    except OSError as why:
        print(f"{folder / name}.log: cannot be written: {why.strerror}; there is no log", file=sys.stderr, flush=True)
        yield log
        return
    file.setFormatter(_Line("%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"))
    handler = _Queue(queue.Queue(WAITING))
    listener = logging.handlers.QueueListener(handler.queue, file)
    before = root.level
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    listener.start()
    log.info("started")
    try:
        yield log
    except Exception:
        log.critical("ended by an error", exc_info=True)
        raise
    finally:
        log.info("ended; %d lines were lost", handler.lost)
        root.removeHandler(handler)
        root.setLevel(before)
        listener.stop()
        with contextlib.suppress(OSError):  # what a full disk has not taken is lost
            file.close()
