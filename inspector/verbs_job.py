"""The hidden verb `inspector job`: the process of one job.

What it is: the table of what jobs can do, and exit codes for the supervisor. What it is not: the work (`work`).
Main thread of the job's process. Exit codes: 0 done, 1 it went wrong, 2 bad input, 3 cancelled.
"""

from __future__ import annotations

import importlib
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from inspector.errors import StationError, UsageError
from inspector.jobs.context import JobCancelled, JobContext
from inspector.jobs.folder import write_json
from inspector.jobs.runner import CANCELLED_CODE

WORK = {
    "check": "health:run",
    "what_if": "what_if:run",
    "examine": "teaching:examine_set",
    "teach": "teaching:teach_set",
    "unpack": "teaching:unpack_archive",
    "backup": "keeping:backup",
    "verify": "keeping:verify",
    "bundle": "keeping:bundle",
}


def register(app: typer.Typer) -> None:
    """Mount the verb on `app`."""
    app.command("job", hidden=True)(job_verb)


def job_verb(
    folder: Annotated[Path, typer.Argument(help="The job's folder.", exists=True, file_okay=False)],
    station: Annotated[Path, typer.Option("--station", help="The station file.")],
) -> None:
    """Do one job; only the supervisor calls this."""
    signal.signal(signal.SIGTERM, _stop)
    job = JobContext(folder, station)
    try:
        if job.kind not in WORK:
            raise UsageError(f"job.json: kind is {job.kind!r}, wanted one of {', '.join(WORK)}")
        module, _, name = WORK[job.kind].partition(":")
        result = getattr(importlib.import_module(f"inspector.work.{module}"), name)(job)
        write_json(folder / "result.json", result)
    except (JobCancelled, KeyboardInterrupt):
        raise typer.Exit(CANCELLED_CODE) from None
    except StationError as why:
        (folder / "trouble.txt").write_text(str(why), "utf-8")
        print(why, file=sys.stderr)
        raise typer.Exit(2 if isinstance(why, UsageError) else 1) from None


def _stop(_number: int, _frame: FrameType | None) -> None:
    """Unwind, so that half-written folders are removed on the way."""
    raise KeyboardInterrupt
