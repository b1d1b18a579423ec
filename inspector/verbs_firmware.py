"""The verb `inspector firmware build | flash | info`.

What it is: arguments in, what was built, written or found out, an exit code. What it is not: the tools' work
(`firmware_bridge.flash`). Main thread. Exit codes: 0 done; 1 a tool failed, or the controller must be flashed; 2 bad
usage, or a tool or port is missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from firmware_bridge import flash
from firmware_bridge.protocol import PROTOCOL
from inspector.clock import SystemClock

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
PortOption = Annotated[str, typer.Option(help="The board's serial port, such as /dev/ttyACM0.")]


def register(app: typer.Typer) -> None:
    """Mount the three commands as `firmware`."""
    verbs = typer.Typer(help="The reject controller's firmware: docs/wiring.md.", no_args_is_help=True)
    verbs.command("build")(build_verb)
    verbs.command("flash")(flash_verb)
    verbs.command("info")(info_verb)
    app.add_typer(verbs, name="firmware")


def build_verb(
    out: Annotated[Path | None, typer.Option(help="Folder for controller.elf and controller.hex.")] = None,
    as_json: AsJson = False,
) -> None:
    """Build for the ATmega328P (Arduino Uno, Nano) with avr-gcc."""
    with _failing():
        built = flash.build(out)
    _tell(_of_built(built), _in_words(built), as_json)


def flash_verb(
    port: PortOption,
    board: Annotated[str, typer.Option(help=f"One of {', '.join(flash.BOARDS)}.")] = "uno",
    baud: Annotated[int, typer.Option(help="[controller] baud of the station.")] = 500_000,
    as_json: AsJson = False,
) -> None:
    """Build, write to the board through its bootloader, and ask the board who it is now. Stop the station first."""
    if board not in flash.BOARDS:
        typer.echo(f"--board is {board!r}, wanted one of {', '.join(flash.BOARDS)}", err=True)
        raise typer.Exit(2)
    with _failing():
        built = flash.build()
        flash.flash(port, built, board)
        ident = flash.ask(port, baud, SystemClock().now_ns, wait_s=5.0)
    document = _of_built(built) | {"port": port, "controller": asdict(ident)}
    _tell(document, f"{_in_words(built)}\nwritten to {port}: {flash.describe(ident)}", as_json)
    if ident.protocol != PROTOCOL:
        raise typer.Exit(1)


def info_verb(
    port: Annotated[str, typer.Option(help="Ask the controller on this port too.")] = "",
    baud: Annotated[int, typer.Option(help="[controller] baud of the station.")] = 500_000,
    as_json: AsJson = False,
) -> None:
    """Which protocol this version speaks, and the controller on a port; exit code 1 if it must be flashed."""
    document: dict[str, Any] = {"protocol": f"{PROTOCOL:08x}"}
    words, fits = f"this version speaks protocol {PROTOCOL:08x}", True
    if port:
        with _failing():
            ident = flash.ask(port, baud, SystemClock().now_ns)
        fits = ident.protocol == PROTOCOL
        document |= {"port": port, "controller": asdict(ident), "reflash": not fits}
        words += f"\n{port}: {flash.describe(ident)}"
    _tell(document, words, as_json)
    if not fits:
        raise typer.Exit(1)


@contextmanager
def _failing() -> Iterator[None]:
    try:
        yield
    except flash.ToolMissing as why:
        typer.echo(str(why), err=True)
        raise typer.Exit(2) from None
    except flash.FlashError as why:
        typer.echo(str(why), err=True)
        raise typer.Exit(1) from None


def _of_built(built: flash.Built) -> dict[str, Any]:
    return {
        "protocol": f"{PROTOCOL:08x}",
        "elf": str(built.elf),
        "hex": str(built.hex),
        "flash_bytes": built.flash_bytes,
        "flash_limit_bytes": flash.FLASH_BYTES,
        "ram_bytes": built.ram_bytes,
        "ram_limit_bytes": flash.RAM_BYTES,
    }


def _in_words(built: flash.Built) -> str:
    return (
        f"{built.hex}: protocol {PROTOCOL:08x}, flash {built.flash_bytes} of {flash.FLASH_BYTES} B, "
        f"RAM {built.ram_bytes} of {flash.RAM_BYTES} B (and the stack)"
    )


def _tell(document: dict[str, Any], words: str, as_json: bool) -> None:
    typer.echo(json.dumps(document) if as_json else words)
