"""What stops the simulated controller's line by itself: runs of outcomes, and the slow inputs.

What it is: N rejects in succession, N unknowns, M of the last K, bin full, low air. What it is not: the parts
(`simulated_parts`) or the confirmation of one of them. One thread at a time.
"""

from __future__ import annotations

from firmware_bridge.codes import Fault, Input, Key, Why

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
