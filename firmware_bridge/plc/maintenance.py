"""Maintenance mode: where outputs may be fired and forced by hand, with an end of its own.

What it is: who may force what and until when; pure, the clock is given. What it is not: the outputs (the station acts
on the events). Used under the contract's lock.
"""

from __future__ import annotations

from collections.abc import Callable

from firmware_bridge.plc.events import MaintenanceChanged, OutputFired, OutputForced, PlcEvent
from firmware_bridge.plc.signals import Refusal

_S = 1_000_000_000
MODE_NS = 600 * _S
FORCE_NS = 10 * _S


class Maintenance:
    """See the module. The mode ends `MODE_NS` after the last thing done in it, a force after `FORCE_NS`."""

    def __init__(self, outputs: tuple[str, ...], tell: Callable[[PlcEvent], None]) -> None:
        self.outputs = outputs
        self.on = False
        self.forced: dict[int, bool] = {}
        self._tell = tell
        self._until_ns = 0
        self._force_until_ns: dict[int, int] = {}

    def enter(self, line_runs: bool, now_ns: int) -> Refusal:
        """Begin, or go on for another `MODE_NS`; refused while the line runs."""
        if line_runs:
            return Refusal.LINE_IS_RUNNING
        self._until_ns = now_ns + MODE_NS
        if not self.on:
            self.on = True
            self._tell(MaintenanceChanged(True))
        return Refusal.NONE

    def leave(self) -> Refusal:
        """End it; every forced output goes back to the line first."""
        for output in list(self.forced):
            self._give_back(output)
        if self.on:
            self.on = False
            self._tell(MaintenanceChanged(False))
        return Refusal.NONE

    def force(self, output: int, on: bool | None, now_ns: int) -> Refusal:
        """Hold an output at `on`, or give it back (None)."""
        why = self._may(output, now_ns)
        if why is not Refusal.NONE:
            return why
        if on is None:
            self._give_back(output)
        else:
            self.forced[output] = on
            self._force_until_ns[output] = now_ns + FORCE_NS
            self._tell(OutputForced(output, on))
        return Refusal.NONE

    def fire(self, output: int, now_ns: int) -> Refusal:
        """One test pulse."""
        why = self._may(output, now_ns)
        if why is Refusal.NONE:
            self._tell(OutputFired(output))
        return why

    def left_s(self, now_ns: int) -> float | None:
        """Seconds until it ends by itself, None where it is off."""
        return max(0.0, round((self._until_ns - now_ns) / _S, 1)) if self.on else None

    def tick(self, now_ns: int) -> bool:
        """End what has lasted long enough; whether there was any."""
        ended = [output for output, until_ns in self._force_until_ns.items() if now_ns >= until_ns]
        for output in ended:
            self._give_back(output)
        if self.on and now_ns >= self._until_ns:
            self.leave()
            return True
        return bool(ended)

    def _may(self, output: int, now_ns: int) -> Refusal:
        if not self.on:
            return Refusal.NOT_IN_MAINTENANCE
        if not 0 <= output < len(self.outputs):
            return Refusal.UNKNOWN_OUTPUT
        self._until_ns = now_ns + MODE_NS
        return Refusal.NONE

    def _give_back(self, output: int) -> None:
        if self.forced.pop(output, None) is not None:
            del self._force_until_ns[output]
            self._tell(OutputForced(output, None))
