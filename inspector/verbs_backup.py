"""The verbs `inspector backup` and `inspector restore`.

What it is: arguments, what came of it in words, exit codes. What it is not: the archive (`backup`). Main thread of a
command. Exit codes: 0 done, 1 it went wrong, 2 bad input.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from inspector.backup.archive import make_backup, unpack_backup
from inspector.backup.restore import put_in_place
from inspector.clock import SystemClock
from inspector.config import load_station
from inspector.errors import StationError, UsageError
from inspector.jobs.folder import JobFolder
from inspector.verbs_run import StationFile


def register(app: typer.Typer) -> None:
    """Mount both verbs on `app`."""
    app.command("backup")(backup_verb)
    app.command("restore")(restore_verb)


def backup_verb(
    target: Annotated[Path, typer.Argument(help="The file to write, something.tar.gz.")],
    station: StationFile = Path("sample_images/station.toml"),
    records: Annotated[bool, typer.Option(help="The records too.")] = False,
    pictures: Annotated[bool, typer.Option(help="The pictures of the parts too.")] = False,
) -> None:
    """Write the whole station into one file; it may run meanwhile."""
    try:
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("packing")
            manifest = make_backup(
                station,
                target,
                SystemClock().utc(),
                lambda done, total: bar.update(task, completed=done, total=total),
                records=records,
                pictures=pictures,
            )
    except (StationError, OSError) as why:
        typer.echo(str(why), err=True)
        raise typer.Exit(2 if isinstance(why, UsageError) else 1) from None
    typer.echo(f"{target}: {len(manifest.entries)} files; not in it: {'; '.join(manifest.left_out)}")


def restore_verb(
    archive: Annotated[Path, typer.Argument(help="The backup.", exists=True, dir_okay=False)],
    station: Annotated[Path, typer.Option("--station", help="Where the station file shall be.")],
) -> None:
    """Check a backup and put it in place of this station, which must not run; what is there is kept aside."""
    clock = SystemClock()
    stamp = clock.utc()[:19].replace(":", "")
    unpacked = station.parent / f".restore-{stamp}"
    try:
        _refuse_running(station)
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("checking")
            unpack_backup(archive, unpacked, lambda done, total: bar.update(task, completed=done, total=total))
        aside = station.parent / f"replaced-{stamp}"
        manifest = put_in_place(unpacked, station, aside.resolve())
    except (StationError, OSError) as why:
        typer.echo(str(why), err=True)
        raise typer.Exit(2 if isinstance(why, UsageError) else 1) from None
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    kept = f"; what was there lies in {aside}" if aside.exists() else ""
    typer.echo(f"{station}: restored {len(manifest.entries)} files of {manifest.made_at_utc}{kept}")


def _refuse_running(station: Path) -> None:
    if not station.is_file():
        return
    try:
        config = load_station(station)
    except UsageError:
        return  # a broken station file is what a restore is for
    if JobFolder(config.path(config.web.work) / "jobs").served():
        raise UsageError(f"{station}: this station runs; end it first")
