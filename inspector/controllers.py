"""Who owns the real-time I/O, as the line's loop sees it: the reject controller, or a PLC that triggers and rejects.

What it is: the one difference between the wirings that `running` has to know. What it is not: the conversations
(`firmware_bridge.bridge`, `firmware_bridge.plc`). Line thread.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol

from firmware_bridge.bridge import Bridge
from firmware_bridge.port import BridgeThread
from inspector.passage import Passage


class Controller(Protocol):
    """See the module."""

    @property
    def port_error(self) -> str:
        """Why there is no connection at all; empty if there is one, or may be."""
        ...

    def start(self) -> None:
        """Begin to listen, in a thread of its own."""
        ...

    def stop(self) -> None:
        """End that thread; what it still had to say is in the inbox."""
        ...

    def watch(self, passage: Passage) -> None:
        """Let the station's state follow the controller's."""
        ...

    def numbers(self) -> dict[str, Any]:
        """The link's numbers, for the screen."""
        ...


@dataclass(slots=True)
class RejectController:
    """The microcontroller at the gate, behind its bridge."""

    bridge: Bridge
    thread: BridgeThread

    @property
    def port_error(self) -> str:
        """See `Controller`."""
        return self.thread.port_error

    def start(self) -> None:
        """See `Controller`."""
        self.thread.start()

    def stop(self) -> None:
        """See `Controller`."""
        self.thread.stop()
        self.thread.join(2.0)

    def watch(self, passage: Passage) -> None:
        """See `Controller`."""
        passage.watch(self.bridge.status, self.bridge.settled)

    def fire(self, output: int, pulse_ms: int) -> None:
        """Fire an ejector once, for a test: 0 is the gate, 1 to 3 the sorters. Any thread.

        The controller refuses unless the line is stopped; its answer comes within 0.5 s, in `numbers()["test_fire"]`.
        Raises ValueError for an output or a pulse that there cannot be.
        """
        self.thread.order(lambda bridge: bridge.firing.ask(output, pulse_ms))

    def numbers(self) -> dict[str, Any]:
        """See `Controller`."""
        pulse = self.bridge.firing.last
        status, counters, troubles = self.bridge.status, self.bridge.counters, self.bridge.troubles
        return {
            "linked": self.bridge.linked,
            "clock_error_us": self.bridge.clock_error_ns // 1000,
            "mode": status.mode if status else None,
            "fault": status.fault if status else None,
            "damaged": counters.damaged,
            "resent": counters.resent,
            "reread": counters.reread,
            "reopened": self.thread.reopened,
            "boot": status.boot if status else None,
            "parts": self.bridge.queue(),
            "troubles": asdict(troubles) if troubles else {},
            "test_fire": asdict(pulse) if pulse else None,
        }
