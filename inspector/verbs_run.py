"""The verb `inspector run`.

What it is: arguments in, progress on stderr, one result on stdout, an exit code. What it is not: the run (`runs`),
which only the line's own process loads: the parent that watches it needs no vision and no model. Main thread.
Exit codes: 0 done, 1 a part law broken or the station failed, 2 bad usage or bad input.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from inspector.clock import SystemClock
from inspector.config import StationConfig, load_station
from inspector.errors import StationError, UsageError
from inspector.jobs.folder import JobFolder
from inspector.jobs.runner import JobRunner
from inspector.logfile import log_to
from inspector.supervisor import supervise

if TYPE_CHECKING:
    from inspector.runs import RunResult

StationFile = Annotated[Path, typer.Option("--station", help="The station file.")]
_LOG = logging.getLogger(__name__)
SAMPLE = Path("sample_images/station.toml")


def register(app: typer.Typer) -> None:
    """Mount the verb on `app`."""
    app.command("run")(run_verb)


def run_verb(
    station: StationFile = SAMPLE,
    parts: Annotated[int | None, typer.Option(min=1, help="End after so many parts; without it, run for ever.")] = None,
    fast: Annotated[bool, typer.Option("--fast/--realtime", help="Simulated time, or the real one.")] = False,
    web: Annotated[bool, typer.Option("--web/--no-web", help="The API and the screens beside the line.")] = True,
    controller: Annotated[
        str, typer.Option(help="What stands in for the controller at 'sim://': python, or simavr, its real firmware.")
    ] = "python",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
    line_only: Annotated[bool, typer.Option("--line-only", hidden=True)] = False,
) -> None:
    """Run the station: inspect parts until told to stop."""
    try:
        config = load_station(station)
        if fast:
            result = _fast(config, parts, controller)
        elif web and not line_only:
            raise typer.Exit(_with_web(config, station, parts, controller, as_json))
        else:
            result = _realtime(config, parts, controller, with_link=line_only)
    except StationError as why:
        typer.echo(str(why), err=True)
        raise typer.Exit(2 if isinstance(why, UsageError) else 1) from None
    _print(result, as_json)
    raise typer.Exit(0 if result.law_holds else 1)


def _fast(config: StationConfig, parts: int | None, controller: str) -> RunResult:
    if parts is None:
        raise UsageError("--fast needs --parts: in simulated time nobody comes to stop it")
    from inspector.runs import run_fast

    columns = (TextColumn("inspecting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("parts", total=parts)
        return run_fast(config, parts, lambda seen: bar.update(task, completed=seen), controller)


def _realtime(config: StationConfig, parts: int | None, controller: str, *, with_link: bool) -> RunResult:
    from inspector.runs import build_realtime

    with log_to(config.path(config.web.work) / "log", "line") as log:
        run = build_realtime(config, parts, with_link=with_link, controller=controller)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: run.running.stopping.set())
        result = run.run()
        log.info("%s", json.dumps(result.document))
        return result


def _with_web(config: StationConfig, station: Path, parts: int | None, controller: str, as_json: bool) -> int:
    me = [sys.executable, "-m", "inspector"]
    line = [*me, "run", "--station", str(station), "--realtime", "--line-only"]
    line += ["--parts", str(parts)] if parts else []
    line += ["--controller", controller]
    line += ["--json"] if as_json else []
    clock, web = SystemClock(), [*me, "web", "--station", str(station)]
    work = config.path(config.web.work)
    if (work / "restore" / "restore.json").exists():
        from inspector.backup.restore import restore_waiting

        if restored := restore_waiting(station, work, clock):
            _say(f"supervisor: {restored}")
            config = load_station(station)
    with log_to(work / "log", "station"):
        jobs = JobRunner(JobFolder(work / "jobs"), [*me, "job", "--station", str(station)], clock, _say)
        return supervise(line=line, web=web, clock=clock, say=_say, jobs=jobs)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
    _LOG.warning("%s", text)


def _print(result: RunResult, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(result.document))
        return
    table = Table("", "", show_header=False)
    for key, value in result.document.items():
        table.add_row(key, _words(value))
    Console().print(table)
    if not result.law_holds:
        typer.echo("the part law is broken: seen != records, a part was recorded twice, or one escaped", err=True)


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items()) or "-"
    return "unknown" if value is None else str(value)
