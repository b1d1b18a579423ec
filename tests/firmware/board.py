"""The real binary on a bench: configured, leased, its pins driven, everything it says and does stamped with cycles."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge import framing
from firmware_bridge.flash import ToolMissing, build
from firmware_bridge.protocol import (
    Command,
    Commit,
    Hello,
    Ident,
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
from firmware_bridge.simavr import HZ, Simavr, library
from tests.firmware_bridge.made import SETTINGS

MS = HZ // 1000
US = HZ // 1_000_000
TCCR1B = 0x81
TICK = 8  # cycles in one tick of the controller's clock
GATE, SORTER_1, SORTER_2, SORTER_3, CAMERA, LINE_RUN = 1, 2, 4, 8, 16, 32


def need_simavr() -> Path:
    """The built firmware, if this machine can run it; else the test skips, or fails under CI."""
    try:
        library()
        return build().elf
    except ToolMissing as why:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(why))


class Board:
    """One controller. `run` keeps the lease alive; `lease_ms` 0 leaves it silent."""

    def __init__(self, elf: Path | None = None) -> None:
        self.chip = Simavr(elf or need_simavr())
        self.edges: list[tuple[int, int]] = []
        self.heard: list[tuple[int, Message]] = []
        self.deeds: list[tuple[int, str, int, int]] = []
        self.lease_ms = 500
        self._deframer = framing.Deframer()
        self._frame = bytearray()
        self._lease_due = 1 << 62
        self._serial = 0
        # The cycle in which timer 1, the clock, was started: tick n of the clock begins TICK * n later. simavr starts
        # it when the instruction begins that sets it going, two cycles before it is over.
        self.clock_zero = self.chip.until(TCCR1B, 7, 100 * MS) - 2
        self.run_ms(10)

    def close(self) -> None:
        self.chip.close()

    def say(self, *messages: Message) -> None:
        """Queue messages on the serial line."""
        for message in messages:
            self.chip.write(framing.encode(pack(message)))

    def run_to(self, cycle: int) -> None:
        """Run, renewing the lease, and gather edges and messages."""
        while self.chip.cycle < cycle:
            if self.lease_ms and self.chip.cycle >= self._lease_due:
                self._serial = self._serial % 65_535 + 1
                self.say(Lease(self._serial, self.lease_ms))
                self._lease_due = self.chip.cycle + 150 * MS
            self.chip.run(min(cycle, self._lease_due) if self.lease_ms else cycle)
            self.gather()

    def gather(self) -> None:
        self.edges += self.chip.outputs()
        self.deeds += self.chip.stimuli()
        for at, byte in self.chip.sent():
            self._frame.append(byte)
            if byte:
                continue
            for payload in self._deframer.feed(bytes(self._frame)):
                message = unpack(payload)
                assert message is not None, payload.hex()
                self.heard.append((at, message))
            self._frame.clear()

    def run_ms(self, ms: float) -> None:
        self.run_to(self.chip.cycle + int(ms * MS))

    def start(self, settings: dict[Key, int] | None = None, *, go: bool = True) -> None:
        """Configure it as the station does, and let it run."""
        values = SETTINGS | (settings or {})
        self.say(Hello(0))
        for key, value in sorted(values.items()):
            self.say(Set(key, value))
            self.run_ms(1)
        self.say(Commit(config_crc(values.items())))
        self.run_ms(20)
        ident = self.last(Ident)
        assert ident.config_crc == config_crc(values.items()), "the configuration was refused"
        self._lease_due = self.chip.cycle
        self.run_ms(20)
        if go:
            self.say(Command(Order.RUN))
            self.run_ms(20)
            assert self.chip_outputs() & LINE_RUN

    def chip_outputs(self) -> int:
        return self.edges[-1][1] if self.edges else 0

    def part(self, cycle: int, length: int) -> None:
        """Something covers the eye at `cycle` for `length` cycles."""
        self.chip.pin(cycle, "B", 0, True)
        self.chip.pin(cycle + length, "B", 0, False)

    def all(self, kind: type[Message]) -> Iterator[Message]:
        return (message for _, message in self.heard if isinstance(message, kind))

    def last(self, kind: type[Message]) -> Message:
        return list(self.all(kind))[-1]

    def rows(self) -> dict[int, PartRow]:
        """The newest row of each part."""
        return {row.part: row for row in self.all(PartRow)}

    def status(self) -> Status:
        self.say(Command(0))
        self.run_ms(5)
        status = self.last(Status)
        assert isinstance(status, Status)
        return status

    def moved(self, mask: int) -> list[tuple[int, bool]]:
        """When an output moved, and whether it went on."""
        found, before = [], 0
        for cycle, levels in self.edges:
            if (levels ^ before) & mask:
                found.append((cycle, bool(levels & mask)))
            before = levels
        return found
