"""Maintenance mode: where outputs are fired and what the PLC reads is forced by hand, with an end of its own.

What it is: who may do what and until when; pure, the clock is given. What it is not: the outputs (the station acts
on the events) or the wire (`picture`, `image`). Used under the contract's lock, or by the line thread of a station
without a PLC.

What is forced is for a wiring check: a bit of `status`, or the verdict. It is never a PASS, never hides a fault, and
MAINTENANCE stands in the same register.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from firmware_bridge.plc.events import MaintenanceChanged, OutputFired, PlcEvent
from firmware_bridge.plc.signals import PlcVerdict, Refusal, Status

_S = 1_000_000_000
MODE_NS = 600 * _S
FORCE_NS = 60 * _S
VERDICT = "verdict"
# By signal, the values that it may be forced to.
FORCEABLE: dict[str, tuple[int, ...]] = {str(bit.name): (0, 1) for bit in Status if bit is not Status.MAINTENANCE}
FORCEABLE |= {str(Status.FAULT.name): (1,), VERDICT: tuple(sorted({*PlcVerdict} - {PlcVerdict.PASS}))}


class Maintenance:
    """See the module. `outputs` are names by number. The mode ends `MODE_NS` after the last thing done in it, a force
    after `FORCE_NS`."""

    def __init__(self, outputs: Mapping[int, str], tell: Callable[[PlcEvent], None]) -> None:
        self.outputs = dict(outputs)
        self.on = False
        self.forced: dict[str, int] = {}
        self._tell = tell
        self._until_ns = 0
        self._force_until_ns: dict[str, int] = {}

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
        """End it; what is forced is given back first."""
        self.forced.clear()
        self._force_until_ns.clear()
        if self.on:
            self.on = False
            self._tell(MaintenanceChanged(False))
        return Refusal.NONE

    def force(self, signal: str, value: int | None, now_ns: int) -> Refusal:
        """Show the PLC `value` of a signal whatever it really is, or the truth again (None)."""
        if not self.on:
            return Refusal.NOT_IN_MAINTENANCE
        if signal not in FORCEABLE or value not in (None, *FORCEABLE[signal]):
            return Refusal.NOT_FORCEABLE
        self._until_ns = now_ns + MODE_NS
        if value is None:
            self._give_back(signal)
        else:
            self.forced[signal] = value
            self._force_until_ns[signal] = now_ns + FORCE_NS
        return Refusal.NONE

    def fire(self, output: int, now_ns: int) -> Refusal:
        """Ask for one test pulse."""
        if not self.on:
            return Refusal.NOT_IN_MAINTENANCE
        if output not in self.outputs:
            return Refusal.UNKNOWN_OUTPUT
        self._until_ns = now_ns + MODE_NS
        self._tell(OutputFired(output, now_ns))
        return Refusal.NONE

    def left_s(self, now_ns: int) -> float | None:
        """Seconds until it ends by itself, None where it is off."""
        return max(0.0, round((self._until_ns - now_ns) / _S, 1)) if self.on else None

    def tick(self, now_ns: int) -> bool:
        """End what has lasted long enough; whether there was any."""
        ended = [signal for signal, until_ns in self._force_until_ns.items() if now_ns >= until_ns]
        for signal in ended:
            self._give_back(signal)
        if self.on and now_ns >= self._until_ns:
            self.leave()
            return True
        return bool(ended)

    @property
    def forced_bits(self) -> Status:
        """The bits of `status` that are forced."""
        return Status(sum(Status[signal] for signal in self.forced if signal != VERDICT))

    def shown(self, status: Status) -> Status:
        """The register `status` as the PLC may see it."""
        if not self.forced:
            return status
        ones = sum(Status[signal] for signal, value in self.forced.items() if signal != VERDICT and value)
        return Status(int(status) & ~int(self.forced_bits) | ones)

    def _give_back(self, signal: str) -> None:
        if self.forced.pop(signal, None) is not None:
            del self._force_until_ns[signal]
