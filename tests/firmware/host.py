"""The firmware's core, compiled for this computer and driven through ctypes: virtual time, no port, no thread.

What it is: the same C files as on the microcontroller, on `hal_host.c`. Times are ticks of 0.5 us. What it is not:
the microcontroller (`board` runs that). There is one controller to a library: a new `Host` replaces the last one.
"""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from firmware_bridge import framing
from firmware_bridge.protocol import (
    Command,
    Commit,
    Key,
    Lease,
    Message,
    Order,
    PartRow,
    Set,
    Status,
    config_crc,
    pack,
    unpack,
)

FOLDER = Path(__file__).parents[2] / "firmware_bridge" / "firmware"
CORE = ("parts.c", "outputs.c", "belt.c", "inputs.c", "comms.c", "framing.c")
FLAGS = ("-std=gnu99", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=default")
MS = 2000
GATE, CAMERA, LINE_RUN = 1, 16, 32
# Where `gcov` data goes when test_coverage.py runs the tests of this folder; nowhere otherwise.
COVERAGE = os.environ.get("FIRMWARE_COVERAGE", "")


class Event(ctypes.Structure):
    """The outputs as they were from a tick on."""

    _fields_ = (("tick", ctypes.c_uint64), ("outputs", ctypes.c_uint8))


def compile_core(folder: Path, sources: Path = FOLDER, flags: Iterable[str] = ("-O2",)) -> Path:
    """The core of these sources as a library in `folder`; skips without a compiler, fails under CI."""
    if shutil.which("gcc") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("gcc is missing: install the Debian package gcc")
        pytest.skip("gcc is missing: install the Debian package gcc")
    target = folder / "core.so"
    files = [sources / name for name in CORE] + [sources / "hal_host.c"]
    command = ["gcc", *FLAGS, *flags, f"-I{sources}", "-o", target, *files]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    return target


@functools.cache
def library() -> ctypes.CDLL:
    """The core as it is, compiled once for all tests."""
    if COVERAGE:
        return load(compile_core(Path(COVERAGE), flags=("-O0", "--coverage")))
    return load(compile_core(Path(tempfile.mkdtemp(prefix="firmware-"))))


def broken(folder: Path, file: str, find: str, put: str) -> ctypes.CDLL:
    """The core with one deliberate mistake."""
    sources = folder / "sources"
    shutil.copytree(FOLDER, sources)
    text = (sources / file).read_text()
    assert text.count(find) == 1, f"{file} has {text.count(find)} times {find!r}"
    (sources / file).write_text(text.replace(find, put))
    return load(compile_core(folder, sources, ("-O2", "-Wno-error")))


def load(path: Path) -> ctypes.CDLL:
    """The library with the types of its functions."""
    lib = ctypes.CDLL(str(path))
    u8, u16, u32, u64 = ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32, ctypes.c_uint64
    data = ctypes.POINTER(u8)
    types: dict[str, tuple[list[type], type | None]] = {
        "host_new": ([], None),
        "host_start": ([u32, u32, u8, u32, u32], None),
        "host_encoder": ([u32, ctypes.c_bool], None),
        "host_belt": ([u32, ctypes.POINTER(u32), u8], None),
        "host_turn_every": ([u32], None),
        "host_inputs": ([u8], None),
        "host_stick": ([u8], None),
        "host_race": ([u8], None),
        "host_now": ([], u64),
        "host_outputs": ([], u8),
        "host_count": ([], u32),
        "host_config": ([], ctypes.POINTER(u16)),
        "host_eye": ([ctypes.c_bool], None),
        "host_write": ([ctypes.c_char_p, u32], None),
        "host_read": ([data], u32),
        "host_events": ([ctypes.POINTER(Event)], u32),
        "host_run": ([u64], None),
        "host_parts": ([], u32),
        "host_feed": ([ctypes.c_char_p, u32, data, ctypes.POINTER(u16)], u8),
        "host_frame": ([ctypes.c_char_p, u8, data], u8),
    }
    for name, (arguments, result) in types.items():
        function = getattr(lib, name)
        function.argtypes, function.restype = arguments, result
    return lib


class Host:
    """One controller. `clock` and `count` are what its counters show when it is born."""

    def __init__(self, lib: ctypes.CDLL | None = None, *, clock: int = 0, count: int = 0, turn: int = 800) -> None:
        self.lib = lib or library()
        self._read = (ctypes.c_uint8 * 8192)()
        self._events = (Event * 65536)()
        self._deframer = framing.Deframer()
        self.boot = 1
        self.heard: list[Message] = []
        self.edges: list[tuple[int, int]] = []
        self.lib.host_new()
        self.lib.host_turn_every(turn)
        self.lib.host_start(1, 0, 1, clock, count)

    @property
    def now(self) -> int:
        """Ticks since the world began."""
        return int(self.lib.host_now())

    @property
    def outputs(self) -> int:
        """The level of every output now."""
        return int(self.lib.host_outputs())

    def reset(self, cause: int = 2) -> None:
        """The reset pin, or another cause as in MCUSR."""
        self.boot += 1
        self.lib.host_start(self.boot, self.lib.host_parts(), cause, self.now, 0)

    def run(self, ticks: int) -> None:
        """Let time pass, then hear what was said and done."""
        self.run_to(self.now + ticks)

    def run_to(self, tick: int) -> None:
        """As `run`, up to a tick."""
        self.lib.host_run(tick)
        self.take()

    def take(self) -> None:
        """Hear what was said and done."""
        for payload in self._deframer.feed(self.read()):
            message = unpack(payload)
            assert message is not None, payload
            self.heard.append(message)
        self.edges += self.events()

    def read(self) -> bytes:
        """The bytes that the controller has sent."""
        return bytes(self._read[: self.lib.host_read(self._read)])

    def events(self) -> list[tuple[int, int]]:
        """The output edges since the last call: tick and levels."""
        count = self.lib.host_events(self._events)
        return [(event.tick, event.outputs) for event in self._events[:count]]

    def say(self, *messages: Message) -> None:
        """Send frames; they arrive at 500 kbaud."""
        self.write(b"".join(framing.encode(pack(message)) for message in messages))

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self.lib.host_write(data, len(data))

    def configure(self, settings: dict[Key, int]) -> None:
        """Push a configuration and wait until it is taken or refused."""
        self.say(*(Set(key, value) for key, value in settings.items()), Commit(config_crc(settings.items())))
        self.run(60 * MS)

    def start(self, settings: dict[Key, int], lease_ms: int = 60_000) -> None:
        """Configure and let the belt run."""
        self.configure(settings)
        self.say(Lease(1, lease_ms), Command(Order.RUN))
        self.run(10 * MS)
        assert self.outputs & LINE_RUN

    def part(self, ticks: int) -> None:
        """A part goes by the eye in so many ticks."""
        self.lib.host_eye(True)
        self.run(ticks)
        self.lib.host_eye(False)
        self.run(2 * MS)

    def rows(self) -> dict[int, PartRow]:
        """The newest row of each part of this boot."""
        return {m.part: m for m in self.heard if isinstance(m, PartRow) and m.boot == self.boot}

    def status(self) -> Status:
        """Ask for it; keeps the lease as long as it was asked for before."""
        self.say(Command(0))
        self.run(10 * MS)
        return next(m for m in reversed(self.heard) if isinstance(m, Status))
