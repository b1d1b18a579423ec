"""What happened on the wire: the last handshake edges, and a count of everything refused or broken.

What it is: the data of the I/O monitor's timing diagram and counters, and the commands that the PLC gave. What it is
not: the signals themselves (`contract`). Used under the contract's lock.
"""

from __future__ import annotations

import enum
from collections import Counter, deque
from dataclasses import dataclass

from firmware_bridge.plc.signals import Control, Refusal, Status

EDGES = 200
ORDERS = 32


@dataclass(frozen=True, slots=True)
class Edge:
    """One signal changed. `signal` is a name of Control or Status, or `FIRE_` and an output; `inspection_id` and
    `part_id` as of that moment."""

    at_ns: int
    signal: str
    value: bool
    inspection_id: int
    part_id: int


@dataclass(frozen=True, slots=True)
class Order:
    """A command of the PLC, and why it was refused (NONE: it was not, though it may still fail)."""

    at_ns: int
    owner: str
    command: int
    argument: int
    refused: Refusal


class Trace:
    """See the module."""

    def __init__(self) -> None:
        self.edges: deque[Edge] = deque(maxlen=EDGES)
        self.orders: deque[Order] = deque(maxlen=ORDERS)
        self.ordered = 0
        self.refused: Counter[Refusal] = Counter()
        self.last_refusal = Refusal.NONE
        self.changed_ns: dict[str, int] = {}
        self.changes: Counter[str] = Counter()
        self._control = Control(0)
        self._status = Status(0)

    def refuse(self, why: Refusal) -> Refusal:
        """Count a refusal; it becomes the error code."""
        self.refused[why] += 1
        self.last_refusal = why
        return why

    def note(self, control: Control, status: Status, inspection_id: int, part_id: int, now_ns: int) -> None:
        """Log every bit of the two registers that changed since the last call."""
        for old, new in ((self._control, control), (self._status, status)):
            if old != new:
                for bit in _members(old ^ new):
                    self.edges.append(Edge(now_ns, str(bit.name), bool(new & bit), inspection_id, part_id))
                    self.changed_ns[str(bit.name)] = now_ns
                    self.changes[str(bit.name)] += 1
        self._control, self._status = control, status

    def order(self, order: Order) -> None:
        """Log a command of the PLC; `ordered` counts them."""
        self.orders.append(order)
        self.ordered += 1

    def pulse(self, signal: str, now_ns: int) -> None:
        """Log something that has no length of its own: up and down at once."""
        self.edges.extend(Edge(now_ns, signal, value, 0, 0) for value in (True, False))


def _members(flags: enum.IntFlag) -> list[enum.IntFlag]:
    return [bit for bit in type(flags) if bit & flags]
