"""The real firmware binary in simavr, in the place of the simulated controller.

What it is: a lock-step binding of `firmware/simavr_harness.c` (virtual time, cycles), and on top of it a twin with the
interface of `simulator.SimulatedController`, so that the whole line runs on the machine code that is flashed. What it
is not: part of a station in production. Needs gcc, libsimavr-dev and libelf-dev; one thread at a time.

simavr is GPL: the harness is source only and is built on the user's machine when it is first used.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

from firmware_bridge.belt import Belt
from firmware_bridge.flash import FOLDER, FlashError, ToolMissing, build, cache, run_tool
from firmware_bridge.protocol import Input

HZ = 16_000_000
OUT_GATE, OUT_CAMERA, OUT_LINE_RUN = 0x01, 0x10, 0x20
_MANY = 65536
_B_AFTER = 320  # cycles from an edge of A to the following edge of B
_STEP_NS = 500_000
_INPUT_PINS = {Input.CONFIRM: 1, Input.BIN_FULL: 2, Input.LOW_AIR: 3}


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
        taken = (_Stimulus * _MANY)()
        count = self._lib.sim_stimuli(self._handle, taken)
        return [(item.cycle, item.what.decode(), item.number, item.level) for item in taken[:count]]

    def eeprom(self, address: int, data: bytes) -> None:
        """Overwrite its EEPROM."""
        self._lib.sim_eeprom(self._handle, address, data, len(data))

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


class _PartsView:
    """What a run asks of a controller's parts, read from the microcontroller's memory."""

    def __init__(self, chip: Simavr) -> None:
        self._chip = chip

    @property
    def next_part(self) -> int:
        """The number that the next part will get."""
        return self._chip.peek("parts_next") or 1

    @property
    def open_part(self) -> int:
        """All parts before it are decided."""
        return self._chip.peek("parts_open") or 1


class SimavrController:
    """`SimulatedController`, on the real binary. `clock_start` is what its 32-bit clock shows at 0 ns."""

    def __init__(self, belt: Belt, *, clock_start: int = 0, drift_ppm: float = 0.0, elf: Path | None = None) -> None:
        self._belt = belt
        self._rate = HZ / 1e9 * (1 + drift_ppm * 1e-6)
        self._chip = Simavr(elf or build().elf)
        self._output: list[tuple[int, bytes]] = []
        self._frame = bytearray()
        self._frame_ns = 0
        self._now_ns = 0
        self._count = belt.count_at(0)
        self._a = False
        self._levels = 0
        self.boot = 1
        self.seen_before = 0
        self.parts = _PartsView(self._chip)
        self._chip.run(HZ // 500)
        self._chip.poke("clock_high", clock_start >> 16, 2)

    @property
    def total_seen(self) -> int:
        """Parts seen over all boots."""
        return self.seen_before + self.parts.next_part - 1

    def receive(self, data: bytes, at_ns: int) -> None:
        """Bytes from the station, at the time their last one arrived."""
        self.advance(at_ns)
        self._chip.write(data)

    def take_output(self) -> list[tuple[int, bytes]]:
        """Frames sent since the last call, each with the time its first byte left."""
        output, self._output = self._output, []
        return output

    def next_event_ns(self) -> int:
        """When to look again: its inner life shows only in what it does."""
        return self._now_ns + _STEP_NS

    def set_input(self, which: Input, active: bool, at_ns: int) -> None:
        """An input pin changed: the confirmation sensor, bin full, low air."""
        self.advance(at_ns)
        self._chip.pin(self._chip.cycle, "B", _INPUT_PINS[which], active)

    def reset(self, at_ns: int, cause: int = 2) -> None:
        """The reset pin: outputs fall to their safe state, the boot counter in the EEPROM goes up."""
        self.advance(at_ns)
        self.seen_before += self.parts.next_part - 1
        self.boot += 1
        self._chip.reset(cause)
        self._chip.poke("parts_next", 1)
        self._watch_outputs()

    def advance(self, to_ns: int) -> None:
        """Run the microcontroller up to `to_ns`, moving its pins as the belt moves."""
        while self._now_ns < to_ns:
            due_ns, drive = self._next_stimulus(to_ns)
            reached = self._chip.run(self._cycle(due_ns), watch=True)
            if self._watch_outputs() and reached < self._cycle(due_ns):
                # An output has moved, and perhaps the belt with it: what was to come may not come.
                self._now_ns = max(self._now_ns, min(due_ns, self._ns(reached)))
                continue
            self._now_ns = due_ns
            if drive is not None:
                drive()
        self._collect()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _cycle(self, at_ns: int) -> int:
        return int(at_ns * self._rate)

    def _ns(self, cycle: int) -> int:
        return int(cycle / self._rate)

    def _next_stimulus(self, to_ns: int) -> tuple[int, Callable[[], None] | None]:
        due_ns, drive = to_ns, None
        count_ns = self._belt.when(self._count + 1)
        if count_ns is not None and count_ns < due_ns:
            due_ns, drive = count_ns, self._turn_encoder
        edge = self._belt.next_eye_edge()
        if edge is not None and edge[0] <= due_ns:
            due_ns, drive = edge[0], self._move_eye
        return max(self._now_ns, due_ns), drive

    def _turn_encoder(self) -> None:
        self._count += 1
        cycle = self._chip.cycle
        self._a = not self._a
        self._chip.pin(cycle, "D", 2, self._a)
        self._chip.pin(cycle + _B_AFTER, "D", 3, self._a)

    def _move_eye(self) -> None:
        edge = self._belt.next_eye_edge()
        assert edge is not None
        self._belt.pop_eye_edge()
        self._chip.pin(self._chip.cycle, "B", 0, edge[1])

    def _watch_outputs(self) -> bool:
        edges = self._chip.outputs()
        for cycle, levels in edges:
            at_ns, changed = self._ns(cycle), levels ^ self._levels
            self._levels = levels
            if changed & OUT_GATE:
                self._belt.set_gate(bool(levels & OUT_GATE), at_ns)
            if changed & levels & OUT_CAMERA:
                self._belt.trigger(at_ns)
            if changed & OUT_LINE_RUN:
                self._belt.set_running(bool(levels & OUT_LINE_RUN), at_ns)
        return bool(edges)

    def _collect(self) -> None:
        for cycle, byte in self._chip.sent():
            if not self._frame:
                self._frame_ns = self._ns(cycle)
            self._frame.append(byte)
            if byte == 0:
                self._output.append((self._frame_ns, bytes(self._frame)))
                self._frame.clear()
