"""What the verbs share: options, failing with a picture, and the one document on standard output.

What it is: the border between the tools and the person. What it is not: the tools. Main thread.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import cv2
import typer

from calibration.refused import Refused
from calibration.writing import write_atomically
from inspector.errors import StationError, UsageError

BoardKind = Annotated[str, typer.Option("--board", help="charuco or chessboard.")]
Size = Annotated[str, typer.Option("--size", help="COLUMNSxROWS: squares (charuco) or inner corners (chessboard).")]
SquareMm = Annotated[float, typer.Option("--square-mm", help="Side of a square as measured on the print.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output and nothing else.")]
Out = Annotated[Path | None, typer.Option("--out", help="Result file to write, TOML.")]
Serial = Annotated[str, typer.Option("--camera-serial", help="Whose result this is.")]
LensSetting = Annotated[str, typer.Option("--lens-setting", help="Lens, aperture and focus, in your words.")]
Why = Annotated[Path, typer.Option("--why", help="Where the picture goes that shows why there is no result.")]
WHY = Path("calibration_why.png")


@contextlib.contextmanager
def failing(why_file: Path = WHY) -> Iterator[None]:
    """Errors as one line on stderr and an exit code; a refusal's picture is written to `why_file`."""
    try:
        yield
    except StationError as why:
        text = str(why)
        if isinstance(why, Refused) and why.picture is not None:
            _, encoded = cv2.imencode(".png", why.picture)
            with contextlib.suppress(UsageError):
                write_atomically(why_file, encoded.tobytes())
                text = f"{text} (see {why_file})"
        typer.echo(text, err=True)
        raise typer.Exit(2 if isinstance(why, UsageError) else 1) from None


def tell(document: dict[str, Any], words: str, as_json: bool) -> None:
    """The outcome on standard output."""
    typer.echo(json.dumps(document) if as_json else words)


def require_camera(out: Path | None, serial: str, lens_setting: str) -> None:
    """A result file must say whose it is; raises UsageError."""
    if out is not None and not (serial and lens_setting):
        raise UsageError("--out needs --camera-serial and --lens-setting: a result is true for one camera and setting")
