"""The verb `inspector check`: is this station fit to run, and if not, what to do about it.

What it is: arguments, the printed table, an exit code. What it is not: the looking (`checkup`). Main thread.
Exit codes: 0 fit (with or without warnings), 1 not fit, 2 the station file itself is bad.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from inspector.checkup import Finding, check
from inspector.clock import SystemClock
from inspector.config import load_station
from inspector.errors import UsageError
from inspector.verbs_run import SAMPLE, StationFile


def register(app: typer.Typer) -> None:
    """Mount the verb on `app`."""
    app.command("check")(check_verb)


def check_verb(
    station_file: StationFile = SAMPLE,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Look at camera, model, calibration, port, store, disk and clock, and say what to do."""
    try:
        config = load_station(station_file)
    except UsageError as why:
        typer.echo(str(why), err=True)
        raise typer.Exit(2) from None
    findings = list(check(config, SystemClock()))
    fit = all(finding.level != "fail" for finding in findings)
    if as_json:
        typer.echo(json.dumps({"fit": fit, "findings": [asdict(finding) for finding in findings]}))
    else:
        _print(findings, fit)
    raise typer.Exit(0 if fit else 1)


def _print(findings: list[Finding], fit: bool) -> None:
    table = Table("", "", "found", "what to do")
    colours = {"ok": "green", "warn": "yellow", "fail": "red"}
    for finding in findings:
        colour = colours[finding.level]
        table.add_row(finding.what, f"[{colour}]{finding.level}[/{colour}]", finding.found, finding.advice)
    console = Console()
    console.print(table)
    console.print("fit to run" if fit else "NOT fit to run")
