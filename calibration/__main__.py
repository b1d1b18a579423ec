"""The command line `python -m calibration board | lens | plane | robot | illumination | timing`.

What it is: the verbs under one name. What it is not: any work. Main thread. Exit codes: 0 done, 1 the work itself
failed, 2 bad usage or bad input (one line, and a picture that shows why where there is one).
"""

from __future__ import annotations

import os

# Small matrices: with threads of its own, the linear algebra is ten times slower beside any other load (measured).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import typer

from calibration import verbs_geometry, verbs_line

app = typer.Typer(
    name="calibration",
    help="Tools that turn a camera into a measuring instrument.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for verbs in (verbs_geometry, verbs_line):
    verbs.register(app)


def main() -> None:
    """The console entry."""
    app()


if __name__ == "__main__":
    main()
