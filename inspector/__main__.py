"""The command line: `inspector run | replay | teach | evaluate | bench | check | web | reset-user | firmware`.

What it is: the verbs, each in a module of its own, under one name; only the module of the verb that is asked for is
loaded, since a station's start and its web process wait for nothing else. What it is not: any work. Main thread.
Exit codes: 0 done, 1 the work itself failed, 2 bad usage or bad input. Logs go to stderr.
"""

from __future__ import annotations

import importlib
import sys

import typer

VERBS = {
    "run": "verbs_run",
    "replay": "verbs_replay",
    "teach": "verbs_teach",
    "evaluate": "verbs_teach",
    "check": "verbs_check",
    "bench": "verbs_bench",
    "gauge-study": "verbs_gauge",
    "web": "verbs_web",
    "reset-user": "verbs_web",
    "firmware": "verbs_firmware",
    "job": "verbs_job",
    "backup": "verbs_backup",
    "restore": "verbs_backup",
}


def application(asked: str | None) -> typer.Typer:
    """The command line with the verb `asked`, or with all of them where it is none of ours."""
    app = typer.Typer(
        name="inspector",
        help="The open inspection station.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    # Without it typer takes a single verb for the whole program.
    app.callback()(_no_options)
    for module in dict.fromkeys([VERBS[asked]] if asked in VERBS else VERBS.values()):
        importlib.import_module(f"inspector.{module}").register(app)
    return app


def _no_options() -> None:
    """The open inspection station."""


def main() -> None:
    """The console script."""
    application(sys.argv[1] if len(sys.argv) > 1 else None)()


if __name__ == "__main__":
    main()
