"""The faults of the station on the wire: what is wrong now, and what was since the last reset.

What it is: two sets of bits. What it is not: the consequences (`contract`). Used under the contract's lock.
"""

from __future__ import annotations

from firmware_bridge.plc.signals import Fault


class Faults:
    """See the module. `shown` is sticky: a fault leaves it by `reset` only, and only when its cause is gone."""

    def __init__(self) -> None:
        self.shown = Fault(0)
        self.causes = Fault(0)

    @property
    def any(self) -> bool:
        """Whether a fault is shown."""
        return int(self.shown) != 0

    def add(self, fault: Fault, lasting: bool) -> None:
        """Something broke; `lasting` until `gone`."""
        self.shown |= fault
        self.causes |= fault if lasting else Fault(0)

    def gone(self, fault: Fault) -> None:
        """The cause is gone; the fault stays shown."""
        self.causes &= ~fault

    def reset(self) -> None:
        """Someone has seen them."""
        self.shown = self.causes
