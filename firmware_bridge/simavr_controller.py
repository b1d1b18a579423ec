"""The real firmware binary in the place of the simulated controller.

What it is: a twin with the interface of `simulator.SimulatedController`, so that the whole line runs on the machine
code that is flashed: it turns the belt's encoder and covers the eye as pins of simavr, and tells the belt what the
outputs do. What it is not: the binding (`simavr`), or part of a station in production. One thread at a time.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path

from firmware_bridge.belt import Belt
from firmware_bridge.codes import Input
from firmware_bridge.flash import build
from firmware_bridge.simavr import HZ, Simavr

OUT_GATE, OUT_CAMERA, OUT_LINE_RUN = 0x01, 0x10, 0x20
OUT_SORTERS = {1: 0x02, 2: 0x04, 3: 0x08}
_B_AFTER = 320  # cycles from an edge of A to the following edge of B
_STEP_NS = 2_000_000
_INPUT_PINS = {Input.CONFIRM: 1, Input.BIN_FULL: 2, Input.LOW_AIR: 3}
_BIRTH = HZ // 500


class Ring:
    """What a run asks of the controller's parts, read from its memory."""

    def __init__(self, chip: Simavr) -> None:
        self._chip = chip

    @property
    def next_part(self) -> int:
        """The number that the next part will get."""
        return self._chip.peek("parts_next") or 1


class SimavrController:
    """See the module. `boot` is the number of its first life, `clock_start` what its clock shows at `start_ns`.

    Raises FlashError if the firmware cannot be built or simavr is not there.
    """

    def __init__(
        self,
        belt: Belt,
        *,
        boot: int = 1,
        clock_start: int = 0,
        drift_ppm: float = 0.0,
        start_ns: int = 0,
        elf: Path | None = None,
    ) -> None:
        self._belt = belt
        self._rate = HZ / 1e9 * (1 + drift_ppm * 1e-6)
        self._chip = Simavr(elf or build().elf)
        self._start_ns = self._now_ns = start_ns
        self._output: list[tuple[int, bytes]] = []
        self._frame = bytearray()
        self._frame_ns = 0
        self._count = belt.count_at(start_ns)
        self._coming: deque[tuple[int, bool]] = deque()  # edges of encoder A that simavr was told of
        self._a = False
        self._levels = 0
        self.boot = boot
        self.seen_before = 0
        self.parts = Ring(self._chip)
        _lives_before(self._chip, boot - 1)
        self._chip.run(_BIRTH)
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
            edge = self._belt.next_eye_edge()
            due_ns = to_ns if edge is None else max(self._now_ns, min(to_ns, edge[0]))
            self._turn_encoder(due_ns)
            reached = self._chip.run(self._cycle(due_ns), watch=True)
            if self._watch_outputs() and reached < self._cycle(due_ns):
                # The belt may have started or stopped: what was to come may not come.
                self._now_ns = max(self._now_ns, min(due_ns, self._ns(reached)))
                continue
            self._now_ns = due_ns
            if edge is not None and edge[0] <= due_ns:
                self._belt.pop_eye_edge()
                self._chip.pin(self._chip.cycle, "B", 0, edge[1])
        self._collect()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _cycle(self, at_ns: int) -> int:
        return _BIRTH + int((at_ns - self._start_ns) * self._rate)

    def _ns(self, cycle: int) -> int:
        return self._start_ns + int((cycle - _BIRTH) / self._rate)

    def _turn_encoder(self, until_ns: int) -> None:
        while (at_ns := self._belt.when(self._count + 1)) is not None and at_ns <= until_ns:
            self._count += 1
            self._a = not self._a
            cycle = max(self._cycle(at_ns), self._chip.cycle)
            self._coming.append((cycle, self._a))
            self._chip.pin(cycle, "D", 2, self._a)
            self._chip.pin(cycle + _B_AFTER, "D", 3, self._a)
        while self._coming and self._coming[0][0] + _B_AFTER < self._chip.cycle:
            self._coming.popleft()

    def _take_back(self) -> None:
        """The belt has stopped: its edges that have not come yet will not, but B still follows the last of A."""
        self._chip.cancel()
        while self._coming and self._coming[-1][0] > self._chip.cycle:
            self._coming.pop()
            self._count -= 1
            self._a = not self._a
        if self._coming:
            cycle, level = self._coming[-1]
            self._chip.pin(max(cycle + _B_AFTER, self._chip.cycle), "D", 3, level)

    def _watch_outputs(self) -> bool:
        edges = self._chip.outputs()
        for cycle, levels in edges:
            at_ns, changed = self._ns(cycle), levels ^ self._levels
            self._levels = levels
            if changed & OUT_GATE:
                self._belt.set_gate(bool(levels & OUT_GATE), at_ns)
            for number, bit in OUT_SORTERS.items():
                if changed & bit:
                    self._belt.set_sorter(number, bool(levels & bit), at_ns)
            if changed & levels & OUT_CAMERA:
                self._belt.trigger(at_ns)
            if changed & OUT_LINE_RUN:
                self._belt.set_running(bool(levels & OUT_LINE_RUN), at_ns)
                self._take_back()
        return bool(edges)

    def _collect(self) -> None:
        for cycle, byte in self._chip.sent():
            if not self._frame:
                self._frame_ns = self._ns(cycle)
            self._frame.append(byte)
            if byte == 0:
                self._output.append((self._frame_ns, bytes(self._frame)))
                self._frame.clear()


def _lives_before(chip: Simavr, lives: int) -> None:
    """Write the boot counter as that many lives would have left it; see `next_boot` in hal_avr_main.c."""
    if lives:
        chip.eeprom(lives % 2 * 8, lives.to_bytes(4, "little") + (lives ^ 0xFFFFFFFF).to_bytes(4, "little"))
