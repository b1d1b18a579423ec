"""Building the controller's firmware and writing it to a board.

What it is: avr-gcc and avrdude, called with the firmware's own files, and the question who is on a port. What it is
not: the firmware. Called from the command line and the tests.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge import framing, header
from firmware_bridge.port import Port, PortGone
from firmware_bridge.protocol import PROTOCOL, Hello, Ident, pack, unpack

FOLDER = Path(__file__).parent / "firmware"
CORE = ("parts.c", "outputs.c", "belt.c", "inputs.c", "comms.c", "framing.c")
FLASH_BYTES = 16 * 1024
RAM_BYTES = 1536
_ASK_S = 0.2
HAL = ("hal_avr.c", "hal_avr_inputs.c", "hal_avr_main.c")
_FLAGS = (
    *("-mmcu=atmega328p", "-DF_CPU=16000000UL", "-std=gnu99", "-Wall", "-Wextra", "-Werror"),
    *("-Os", "-flto", "-mrelax", "-mstrict-X", "-fshort-enums"),
    # Found by trying each: what the compiler does for speed costs 270 bytes of the 16 KB here.
    *("-fno-tree-sra", "-fno-tree-loop-im", "-fno-move-loop-invariants", "-maccumulate-args", "-mcall-prologues"),
)


class FlashError(Exception):
    """The firmware cannot be built or written; the text says why."""


class ToolMissing(FlashError):
    """A program or a library is not installed; the text names its Debian package."""


@dataclass(frozen=True, slots=True)
class Built:
    """A built firmware: its files, and what it takes of the microcontroller."""

    elf: Path
    hex: Path
    flash_bytes: int
    ram_bytes: int


def run_tool(tool: str, package: str, *arguments: str | Path) -> str:
    """Run a program and give what it printed; raises FlashError if it is missing or fails."""
    if shutil.which(tool) is None:
        raise ToolMissing(f"{tool} is missing: install the Debian package {package}")
    done = subprocess.run([tool, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise FlashError(f"{tool} failed: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout + done.stderr


def cache() -> Path:
    """Where built files lie: one folder for each state of the sources, so that nothing stale is ever used."""
    base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    digest = hashlib.sha256(" ".join(_FLAGS).encode())
    for path in sorted(FOLDER.glob("*.[ch]")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return base / "open-inspection-station" / f"firmware-{digest.hexdigest()[:16]}"


def build(folder: Path | None = None) -> Built:
    """Build for the ATmega328P into `folder` (a cache if None), unless it lies there already.

    Raises FlashError if a tool is missing, the header does not match the protocol, or the result is too large.
    """
    if header.PATH.read_text(encoding="utf-8") != header.header():
        raise FlashError(f"{header.PATH.name} does not match protocol.py: write it anew with firmware_bridge.header")
    target = folder or cache()
    target.mkdir(parents=True, exist_ok=True)
    elf, hexfile = target / "controller.elf", target / "controller.hex"
    if folder is not None or not hexfile.exists():
        fresh = target / f"controller.{os.getpid()}.elf"
        sources = [FOLDER / name for name in (*CORE, *HAL)]
        run_tool("avr-gcc", "gcc-avr avr-libc", *_FLAGS, "-o", fresh, *sources)
        fresh.replace(elf)
        run_tool("avr-objcopy", "binutils-avr", "-O", "ihex", "-R", ".eeprom", elf, hexfile)
    flash_bytes, ram_bytes = _sizes(elf)
    if flash_bytes > FLASH_BYTES or ram_bytes > RAM_BYTES:
        raise FlashError(
            f"firmware takes {flash_bytes} B flash and {ram_bytes} B RAM, wanted {FLASH_BYTES}, {RAM_BYTES}"
        )
    return Built(elf, hexfile, flash_bytes, ram_bytes)


def _sizes(elf: Path) -> tuple[int, int]:
    sizes = {"text": 0, "data": 0, "bss": 0, "noinit": 0}
    for line in run_tool("avr-size", "binutils-avr", "-A", elf).splitlines():
        words = line.split()
        if words and words[0].lstrip(".") in sizes:
            sizes[words[0].lstrip(".")] = int(words[1])
    return sizes["text"] + sizes["data"], sizes["data"] + sizes["bss"] + sizes["noinit"]


# The bootloader's speed: boards sold as Nano before 2018 have the slow one.
BOARDS = {"uno": 115_200, "nano": 115_200, "nano-old": 57_600}


def flash(port: str, built: Built, board: str) -> str:
    """Write a built firmware through the board's bootloader, and read it back; gives avrdude's words.

    Raises FlashError: another board's chip, no such port, no answer, or a difference when read back.
    """
    return run_tool(
        "avrdude", "avrdude", "-p", "atmega328p", "-c", "arduino", "-P", port, "-b", str(BOARDS[board]), "-D", "-U",
        f"flash:w:{built.hex}:i",
    )  # fmt: skip


def ask(port_url: str, baud: int, now_ns: Callable[[], int], wait_s: float = 3.0) -> Ident:
    """Who is on this port? Raises FlashError if nobody answers or the port cannot be opened."""
    try:
        port = Port(port_url, baud)
    except PortGone as why:
        raise FlashError(str(why)) from why
    deframer = framing.Deframer()
    try:
        end_ns = now_ns() + int(wait_s * 1e9)
        while now_ns() < end_ns:
            # A board with a bootloader is reset when the port opens, and hears nothing for a second or two.
            port.write(framing.encode(pack(Hello(PROTOCOL))))
            for payload in deframer.feed(port.wait(_ASK_S)):
                message = unpack(payload)
                if isinstance(message, Ident):
                    return message
    except PortGone as why:
        raise FlashError(str(why)) from why
    finally:
        port.close()
    raise FlashError(f"no reject controller answers on {port_url} at {baud} baud: is it flashed, is the port right?")


def describe(ident: Ident) -> str:
    """One controller in words; says when it must be flashed."""
    fits = ident.protocol == PROTOCOL
    verdict = "matches this version" if fits else f"this version speaks {PROTOCOL:08x}: flash it"
    config = f"{ident.config_crc:08x}" if ident.config_crc else "none"
    return (
        f"protocol {ident.protocol:08x} ({verdict}), boot {ident.boot}, configuration {config}, "
        f"clock {ident.clock_hz} Hz, ring of {ident.ring} parts, last reset cause 0x{ident.reset_cause:02x}"
    )
