"""The verb `inspector web`: the API and the screens, as a process of their own.

What it is: arguments and exit codes. What it is not: the server (`web.server`). Main thread of the web process.
"""

from __future__ import annotations

import typer

from inspector.config import load_station
from inspector.errors import StationError, UsageError
from inspector.verbs_run import SAMPLE, StationFile
from inspector.web.server import serve


def register(app: typer.Typer) -> None:
    """Mount the verb on `app`."""
    app.command("web")(web_verb)


def web_verb(station: StationFile = SAMPLE) -> None:
    """Serve the API and the screens; the line may come and go meanwhile."""
    try:
        config = load_station(station)
        serve(config, config.path(config.line.link))
    except StationError as why:
        typer.echo(str(why), err=True)
        raise typer.Exit(2 if isinstance(why, UsageError) else 1) from None
