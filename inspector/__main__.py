"""The command line: `inspector run | replay | teach | evaluate | bench | check | web`.

What it is: the verbs, each in a module of its own, under one name. What it is not: any work. Main thread.
Exit codes: 0 done, 1 the work itself failed, 2 bad usage or bad input. Logs go to stderr.
"""

from __future__ import annotations

import typer

from inspector import verbs_bench, verbs_check, verbs_replay, verbs_run, verbs_teach, verbs_web

app = typer.Typer(
    name="inspector",
    help="The open inspection station.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for verbs in (verbs_run, verbs_replay, verbs_teach, verbs_check, verbs_bench, verbs_web):
    verbs.register(app)


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
