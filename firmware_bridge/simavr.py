"""The real firmware binary in simavr, in lock-step: virtual time, in CPU cycles.

What it is: a binding of `firmware/simavr_harness.c`. What it is not: part of a station in production, or a twin of the
controller (`simavr_controller`). Needs gcc, libsimavr-dev and libelf-dev; one thread at a time.

simavr is GPL: the harness is source only and is built on the user's machine when it is first used.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from firmware_bridge.flash import FOLDER, FlashError, ToolMissing, cache, run_tool

HZ = 16_000_000
_MANY = 65536


class _Stamped(ctypes.Structure):
    _fields_ = (("cycle", ctypes.c_uint64), ("value", ctypes.c_uint32))


class _Stimulus(ctypes.Structure):
    _fields_ = (
        ("cycle", ctypes.c_uint64),
        ("what", ctypes.c_char),
        ("number", ctypes.c_uint8),
        ("level", ctypes.c_uint8),
    )


def library(folder: Path | None = None) -> Path:
    """The harness as a shared library, built if needed; raises FlashError naming the package that is missing."""
    target = (folder or cache()) / "libsimavr_harness.so"
    if not target.exists():
        if not Path("/usr/include/simavr/sim_avr.h").exists():
            raise ToolMissing("simavr's headers are missing: install the Debian packages libsimavr-dev libelf-dev")
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_suffix(f".{os.getpid()}")
        source = FOLDER / "simavr_harness.c"
        run_tool(
            "gcc", "gcc", "-O2", "-shared", "-fPIC", "-I/usr/include/simavr", "-o", fresh, source, "-lsimavr", "-lelf"
        )
        fresh.replace(target)
    return target


def symbols(elf: Path) -> dict[str, int]:
    """Addresses of the firmware's variables in RAM, by name."""
    found = {}
    for line in run_tool("avr-nm", "binutils-avr", elf).splitlines():
        address, _, name = line.split(maxsplit=2) if len(line.split()) == 3 else ("", "", "")
        if address.startswith("0080"):
            found[name.partition(".")[0]] = int(address, 16) & 0xFFFF
    return found


class Simavr:
    """One microcontroller in virtual time. Cycles count over all resets; 16 are a microsecond."""

    def __init__(self, elf: Path) -> None:
        self._lib = ctypes.CDLL(str(library()))
        self._lib.sim_open.restype = ctypes.c_void_p
        for function in (self._lib.sim_run, self._lib.sim_until, self._lib.sim_cycle):
            function.restype = ctypes.c_uint64
        handle = self._lib.sim_open(str(elf).encode())
        if not handle:
            raise FlashError(f"simavr cannot load {elf}")
        self._handle = ctypes.c_void_p(handle)
        self._buffer = (_Stamped * _MANY)()
        self._taken = (_Stimulus * _MANY)()
        self.symbols = symbols(elf)

    def close(self) -> None:
        """Free it."""
        self._lib.sim_close(self._handle)

    @property
    def cycle(self) -> int:
        """Now."""
        return int(self._lib.sim_cycle(self._handle))

    def run(self, until: int, watch: bool = False) -> int:
        """Run to cycle `until`, or with `watch` to the next edge of an output; gives the cycle reached.

        Raises FlashError if the firmware has crashed.
        """
        reached = int(self._lib.sim_run(self._handle, ctypes.c_uint64(until), watch))
        if not reached:
            raise FlashError("the firmware crashed in simavr")
        return reached

    def until(self, address: int, mask: int, limit: int) -> int:
        """Run until a bit of `mask` is set at a data address, or to cycle `limit`; gives the cycle reached."""
        return int(self._lib.sim_until(self._handle, address, mask, ctypes.c_uint64(limit)))

    def pin(self, cycle: int, port: str, number: int, level: bool) -> None:
        """Drive an input pin at `cycle`."""
        self._lib.sim_pin(self._handle, ctypes.c_uint64(cycle), ord(port), number, level)

    def cancel(self) -> None:
        """Forget the pins that were to be driven later than now."""
        self._lib.sim_cancel(self._handle)

    def encoder(self, cycles: int, back: bool = False) -> None:
        """Turn the quadrature encoder: one count each `cycles`; 0 stops it."""
        self._lib.sim_encoder(self._handle, cycles, back)

    def write(self, data: bytes) -> None:
        """Bytes to its serial port, at line rate."""
        self._lib.sim_write(self._handle, data, len(data))

    def outputs(self) -> list[tuple[int, int]]:
        """Every edge since the last call: cycle and the outputs' new levels."""
        count = self._lib.sim_outputs(self._handle, self._buffer)
        return [(item.cycle, item.value) for item in self._buffer[:count]]

    def sent(self) -> list[tuple[int, int]]:
        """Every byte that it sent since the last call, with the cycle."""
        count = self._lib.sim_sent(self._handle, self._buffer)
        return [(item.cycle, item.value) for item in self._buffer[:count]]

    def stimuli(self) -> list[tuple[int, str, int, int]]:
        """What was done to it since the last call, but for the encoder: cycle due, port or 'R', pin, level or byte."""
        count = self._lib.sim_stimuli(self._handle, self._taken)
        return [(item.cycle, item.what.decode(), item.number, item.level) for item in self._taken[:count]]

    def eeprom(self, address: int, data: bytes) -> None:
        """Overwrite its EEPROM."""
        self._lib.sim_eeprom(self._handle, address, data, len(data))

    def program(self, address: int, code: bytes, begin: int) -> None:
        """Write its flash, and let it begin at `begin` after every reset: where a bootloader is, say."""
        self._lib.sim_program(self._handle, address, code, len(code), begin)

    def flash(self, address: int, length: int) -> bytes:
        """What its flash holds."""
        data = ctypes.create_string_buffer(length)
        self._lib.sim_flash(self._handle, address, data, length)
        return data.raw

    def reset(self, cause: int = 2) -> None:
        """Pull the reset pin; `cause` is what MCUSR will say. RAM and EEPROM stay."""
        self._lib.sim_reset(self._handle, cause)

    def memory(self, address: int, length: int) -> bytes:
        """Its data memory: registers from 0, RAM from 0x100."""
        data = ctypes.create_string_buffer(length)
        self._lib.sim_peek(self._handle, address, data, length)
        return data.raw

    def poke_at(self, address: int, data: bytes) -> None:
        """Overwrite data memory."""
        self._lib.sim_poke(self._handle, address, data, len(data))

    def peek(self, symbol: str, size: int = 4) -> int:
        """The little-endian value of a variable."""
        return int.from_bytes(self.memory(self.symbols[symbol], size), "little")

    def poke(self, symbol: str, value: int, size: int = 4) -> None:
        """Overwrite a variable."""
        self.poke_at(self.symbols[symbol], value.to_bytes(size, "little"))
