"""What stops the simulated controller's line by itself: runs of outcomes, and the slow inputs.

What it is: N rejects in succession, N unknowns, M of the last K, bin full, low air, and an eject that
the sensor in the chute has not confirmed. What it is not: the parts (`simulated_parts`). One thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from firmware_bridge.belt import PartState
from firmware_bridge.codes import Fault, Input, Key, Why
from firmware_bridge.simulated_outputs import Due, Place

_SLOW_NS = 20_000_000
_INPUT_FAULTS = {Input.BIN_FULL: Fault.BIN_FULL, Input.LOW_AIR: Fault.LOW_AIR}


class Runs:
    """The outcomes of the last parts, and how many of one sort came in succession."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """A person cleared the fault: begin anew."""
        self._rejects = self._unknowns = 0
        self._last_bad: list[bool] = []

    def add(self, why: Why, config: dict[Key, int]) -> Fault:
        """One more part was decided; the fault that this makes, or `Fault.NONE`."""
        bad = why is Why.JUDGED_BAD
        self._rejects = self._rejects + 1 if bad else 0
        self._unknowns = self._unknowns + 1 if not bad and why is not Why.EARNED else 0
        self._last_bad = [*self._last_bad, bad][-32:]
        last = config[Key.LAST_PARTS]
        for run, key, fault in (
            (self._rejects, Key.CONSECUTIVE_REJECTS_STOP, Fault.CONSECUTIVE_REJECTS),
            (self._unknowns, Key.CONSECUTIVE_UNKNOWN_STOP, Fault.CONSECUTIVE_UNKNOWN),
            (sum(self._last_bad[-last:]) if last else 0, Key.REJECTS_OF_LAST_STOP, Fault.REJECTS_OF_LAST),
        ):
            if config[key] and run >= config[key]:
                return fault
        return Fault.NONE


class SlowInputs:
    """Bin full and low air: contacts that bounce, and count when they have lasted 20 ms."""

    def __init__(self) -> None:
        self._since_ns: dict[Input, int] = {}

    def set(self, which: Input, active: bool, now_ns: int) -> None:
        """The pin changed."""
        if not active:
            self._since_ns.pop(which, None)
        elif which in _INPUT_FAULTS:
            self._since_ns.setdefault(which, now_ns)

    def due(self) -> tuple[int, Fault] | None:
        """When the first of them stops the line, and with which fault; None if none is active."""
        due = min(((since + _SLOW_NS, which) for which, since in self._since_ns.items()), default=None)
        return None if due is None else (due[0], _INPUT_FAULTS[due[1]])


class Confirmations:
    """The rejected parts that the sensor in the chute is to see. `missed` is called with one that it did not see."""

    def __init__(self, place: Place, missed: Callable[[PartState], None]) -> None:
        self._place = place
        self._missed = missed
        self._awaited: list[PartState] = []
        self.unexpected = 0

    def await_part(self, part: PartState) -> None:
        """This part goes to the bin."""
        self._awaited.append(part)

    def clear(self) -> None:
        """Nothing is waited for any more."""
        self._awaited.clear()

    def seen(self, now_ns: int) -> PartState | None:
        """The sensor saw something: the part that it confirms, or None if none could be there yet."""
        if not self._awaited or self._place.count_at(now_ns) < self._place.window_start(self._awaited[0], now_ns):
            self.unexpected += 1
            return None
        part = self._awaited.pop(0)
        part.confirmed = 1
        return part

    def agenda(self) -> Iterator[Due]:
        """When the first of them should have been seen."""
        if self._awaited:
            part = self._awaited[0]
            end = self._place.due(part) + self._place.length(part) + self._place.config[Key.CONFIRM_WINDOW_COUNT]
            yield from self._place.at(end, self._miss)

    def _miss(self, _now_ns: int) -> None:
        part = self._awaited.pop(0)
        part.confirmed = 2
        self._missed(part)
