"""`inspector firmware flash` with the real avrdude, through the real bootloader of an Uno, into an empty chip.

The chip is simavr's, and its serial port a pty. A pty has no DTR: the board is reset when somebody opens it, as an Uno
is. The bootloader is built from the source in Debian's package: its hex file is 20 bytes too long for its place.
"""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.flash import build
from firmware_bridge.protocol import PROTOCOL
from firmware_bridge.simavr import HZ, Simavr
from inspector.clock import perf_ns
from tests.firmware.board import need_simavr

ROOT = Path(__file__).parents[2]
OPTIBOOT = Path("/usr/share/arduino/hardware/arduino/avr/bootloaders/optiboot/optiboot.c")
FLASH_END, BOOT_START = 0x8000, 0x7C00
BOOT_FLAGS = (
    *("-w", "-Os", "-fno-inline-small-functions", "-fno-split-wide-types", "-mmcu=atmega328p", "-DF_CPU=16000000L"),
    *("-DLED_START_FLASHES=3", "-DBAUD_RATE=115200", "-nostartfiles", "-nostdlib", "-Wl,--relax"),
    *(f"-Wl,--section-start=.text={BOOT_START:#x}", "-Wl,--section-start=.version=0x7ffe"),
)
SLICE = HZ // 2000
SPEEDS = {termios.B57600: 57_600, termios.B115200: 115_200, termios.B500000: 500_000}


def need(path: Path | str, package: str) -> None:
    found = any((Path(folder) / path).exists() for folder in os.environ["PATH"].split(os.pathsep))
    if not found:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{path} is missing: install the Debian package {package}")
        pytest.skip(f"{path} is missing: install the Debian package {package}")


def binary(source: Path, folder: Path, kind: str = "ihex") -> bytes:
    target = folder / f"{source.stem}.bin"
    subprocess.run(["avr-objcopy", "-I", kind, "-O", "binary", "--gap-fill", "0xff", source, target], check=True)
    return target.read_bytes()


def optiboot(folder: Path) -> bytes:
    elf = folder / "optiboot.elf"
    subprocess.run(["avr-gcc", *BOOT_FLAGS, "-o", elf, OPTIBOOT], check=True)
    return binary(elf, folder, "elf32-avr")


class Uno(threading.Thread):
    """A board with a bootloader on a pty, in real time: no faster than a real one, whose bootloader waits a second."""

    def __init__(self, elf: Path, bootloader: bytes) -> None:
        super().__init__(daemon=True)
        self.chip = Simavr(elf)
        self.chip.program(0, b"\xff" * BOOT_START + bootloader, BOOT_START)
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        os.close(slave)
        self._open = self._stopping = False
        self.resets = 0
        self._waiting = bytearray()

    def run(self) -> None:
        self._reset()
        while not self._stopping:
            self._look()
            behind = self._began + (perf_ns() - self._began_ns) * (HZ // 1_000_000) // 1000 - self.chip.cycle
            if behind <= 0:
                select.select([self._master] if self._open else [], [], [], 0.0005)
                continue
            self._feed(self.chip.cycle + SLICE)
            if sent := bytes(byte for _, byte in self.chip.sent()):
                os.write(self._master, sent)

    def stop(self) -> None:
        self._stopping = True
        self.join()
        os.close(self._master)
        self.chip.close()

    def _reset(self) -> None:
        self.chip.reset()
        self._waiting.clear()
        self._began, self._began_ns = self.chip.cycle, perf_ns()

    def _look(self) -> None:
        """Who opens the port resets the board; what is written is taken up."""
        poll = select.poll()
        poll.register(self._master, select.POLLIN)
        events = poll.poll(0)
        hung = any(event & select.POLLHUP for _, event in events)
        if self._open == hung:
            self._open = not hung
            if self._open:
                self.resets += 1
                self._reset()
        if any(event & select.POLLIN for _, event in events) and not hung:
            self._waiting += os.read(self._master, 4096)

    def _feed(self, until: int) -> None:
        """Bytes come as fast as the speed of the line lets them, since the bootloader has no room for more than one."""
        if self._waiting:
            cycles = 11 * HZ // SPEEDS[termios.tcgetattr(self._master)[4]]
            while self._waiting and self.chip.cycle < until:
                self.chip.write(bytes([self._waiting.pop(0)]))
                self.chip.run(self.chip.cycle + cycles)
        if self.chip.cycle < until:
            self.chip.run(until)


@pytest.fixture
def uno(tmp_path: Path) -> Iterator[Uno]:
    elf = need_simavr()
    need("avrdude", "avrdude")
    need(OPTIBOOT, "arduino-core-avr")
    board = Uno(elf, optiboot(tmp_path))
    board.start()
    yield board
    board.stop()


def firmware(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "inspector", "firmware", *words, "--json"]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=240, check=False)


@pytest.mark.soak
def test_the_real_avrdude_writes_it_and_it_introduces_itself(uno: Uno, tmp_path: Path) -> None:
    wanted = binary(build().hex, tmp_path)
    assert uno.chip.flash(0, len(wanted)) == b"\xff" * len(wanted)
    boot = uno.chip.flash(BOOT_START, FLASH_END - BOOT_START)
    began_ns = perf_ns()
    done = firmware("flash", "--port", uno.port)
    print(f"{len(wanted)} bytes in {(perf_ns() - began_ns) / 1e9:.1f} s")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["controller"]["protocol"] == PROTOCOL
    assert told["controller"]["boot"] == 1
    assert told["controller"]["reset_cause"] == 0, "this bootloader keeps it to itself"
    assert uno.chip.flash(0, len(wanted)) == wanted
    assert uno.chip.flash(BOOT_START, FLASH_END - BOOT_START) == boot, "the bootloader is still there"
    assert uno.resets >= 2
    again = firmware("info", "--port", uno.port)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["controller"]["boot"] >= 2
