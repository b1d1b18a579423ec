"""The verbs `inspector web`, the API and the screens as a process of their own, and `inspector reset-user`.

What it is: arguments and exit codes. What it is not: the server (`web.server`) or the rules (`people.accounts`). Main
thread.
"""

from __future__ import annotations

import getpass
import signal
import sys
from typing import Annotated

import typer

from inspector.clock import SystemClock
from inspector.config import load_station
from inspector.errors import AccountError, StationError, UsageError
from inspector.logfile import log_to
from inspector.people.accounts import Accounts
from inspector.people.audit import Actor
from inspector.people.store import WebStore
from inspector.record.reader import store_url
from inspector.verbs_run import SAMPLE, StationFile
from inspector.web.server import serve


def register(app: typer.Typer) -> None:
    """Mount the verb on `app`."""
    app.command("web")(web_verb)
    app.command("reset-user")(reset_user_verb)


def web_verb(station: StationFile = SAMPLE) -> None:
    """Serve the API and the screens; the line may come and go meanwhile."""
    # The server ends as it should and then raises the signal again: the log must still be written to its end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        config = load_station(station)
        with log_to(config.path(config.web.work) / "log", "web"):
            serve(config, config.path(config.line.link))
    except StationError as why:
        typer.echo(str(why), err=True)
        raise typer.Exit(2 if isinstance(why, UsageError) else 1) from None


def reset_user_verb(
    name: Annotated[str, typer.Argument(help="Whose PIN or password is lost.")], station: StationFile = SAMPLE
) -> None:
    """Give a user a new PIN or password and unlock them, when no administrator can; the station may run meanwhile."""
    try:
        config = load_station(station)
        store = WebStore(store_url(config.web.store, config.folder), SystemClock())
        accounts = Accounts(store)
        known = [account.name for account in accounts.all()]
        if name not in known:
            raise AccountError(f"{store.name}: there is no user {name!r}; there are: {', '.join(known) or 'none'}")
        secret = typer.prompt("New PIN or password", hide_input=True, confirmation_prompt=True)
        accounts.set_secret(name, secret, Actor(name=getpass.getuser(), role="", by="console", address=""))
        store.close()
    except StationError as why:
        typer.echo(str(why), err=True)
        raise typer.Exit(2 if isinstance(why, UsageError) else 1) from None
    typer.echo(f"{name} has a new PIN or password; logins that are open end with the web process")
