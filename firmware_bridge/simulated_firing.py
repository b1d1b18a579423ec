"""An ejector of the simulated controller, fired for a test: when that is allowed, and what ends it.

What it is: the rules of `parts_fire` and `outputs_fire` in the firmware. What it is not: a way to move an output in
RUN. One thread at a time.
"""

from __future__ import annotations

from firmware_bridge.codes import Answer, Key, Mode, Why
from firmware_bridge.simulated_outputs import Gate, Place
from firmware_bridge.simulated_rows import Rows
from firmware_bridge.simulated_sorters import Sorters

_STAND_NS = 1_000_000_000


class Firing:
    """See the module. `tested`: an output was fired since the line last ran, and may be on its way back."""

    def __init__(self, place: Place, gate: Gate, sorters: Sorters, rows: Rows) -> None:
        self._place = place
        self._gate = gate
        self._sorters = sorters
        self._rows = rows
        self._serial = 0
        self.answer = Answer.FIRED
        self.tested = False

    def ask(self, mode: Mode, serial: int, output: int, pulse_ms: int, now_ns: int) -> None:
        """FIRE; what came of it is in `answer`. The same serial again changes nothing."""
        if serial != self._serial:
            self._serial = serial
            self.answer = self._fire(mode, output, pulse_ms, now_ns)

    def started(self) -> bool:
        """The line is to run: ends the pulse; True if an output may still be on its way back."""
        was, self.tested = self.tested, False
        return was

    def end(self, now_ns: int) -> None:
        """Cut the pulse."""
        if self._gate.testing:
            self._gate.drop(now_ns)
        self._sorters.end_test(now_ns)

    def _fire(self, mode: Mode, output: int, pulse_ms: int, now_ns: int) -> Answer:
        if mode is not Mode.READY:
            return Answer.NOT_READY
        unknown = self._place.by_clock and self._rows.oldest_undecided() is not None
        if unknown or now_ns - self._gate.moved_ns < _STAND_NS:
            return Answer.NOT_AT_REST
        if self._near_gate(now_ns):
            return Answer.BUSY
        if not pulse_ms or output > 3 or (output and not self._sorters.wired(output)):
            return Answer.NO_OUTPUT
        if self._gate.busy or self._sorters.on or (output and self._sorters.busy(output, now_ns)):
            return Answer.BUSY
        if output:
            self._sorters.test(output, pulse_ms, now_ns)
        else:
            self._gate.test(pulse_ms, now_ns)
        self._rows.hold_all(Why.PURGED)
        self.tested = True
        return Answer.FIRED

    def _near_gate(self, now_ns: int) -> bool:
        part = self._rows.get(self._rows.open - 1)
        if part is None:
            return False
        end = self._place.due(part) + self._place.length(part) + self._place.config[Key.CONFIRM_WINDOW_COUNT]
        return self._place.count_at(now_ns) < end
