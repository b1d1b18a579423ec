"""The verb `inspector bench`: what a part costs on this machine.

What it is: arguments, the printed table, an exit code. What it is not: the measuring (`benchmark`). Main thread.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from inspector.benchmark import bench
from inspector.config import load_station
from inspector.errors import StationError, UsageError
from inspector.verbs_run import SAMPLE, StationFile


def register(app: typer.Typer) -> None:
    """Mount the verb on `app`."""
    app.command("bench")(bench_verb)


def bench_verb(
    station: StationFile = SAMPLE,
    rounds: Annotated[int, typer.Option(min=3, help="Turns of ten bare runs and ten parts.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Measure throughput against the bare model, and each stage's share."""
    try:
        config = load_station(station)
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("measuring", total=rounds)
            document = bench(config, rounds, lambda turn: bar.update(task, completed=turn))
    except StationError as why:
        typer.echo(str(why), err=True)
        raise typer.Exit(2 if isinstance(why, UsageError) else 1) from None
    if as_json:
        typer.echo(json.dumps(document))
    else:
        _print(document)


def _print(document: dict[str, Any]) -> None:
    table = Table("stage", "median ms", "p99 ms", "share")
    for row in document["stages"]:
        table.add_row(row["stage"], f"{row['median_ms']:.3f}", f"{row['p99_ms']:.3f}", f"{100 * row['share']:.1f} %")
    console = Console()
    console.print(table)
    for key, value in document.items():
        if key != "stages":
            console.print(f"{key}: {value}")
