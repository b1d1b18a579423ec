"""Who owns the real-time I/O, as the line's loop sees it: the reject controller, or a PLC that triggers and rejects.

What it is: the one difference between the wirings that `running` has to know. What it is not: the conversations
(`firmware_bridge.bridge`, `firmware_bridge.plc`). Line thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from firmware_bridge.bridge import Bridge
from firmware_bridge.codes import Answer
from firmware_bridge.firing import NO_ANSWER
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

    def fire(self, output: str) -> None:
        """One test pulse on an output, in maintenance."""
        ...

    def take_fired(self) -> str | None:
        """What came of the last test pulse, once: empty if it was fired, or why not; None while there is no news."""
        ...

    def numbers(self) -> dict[str, Any]:
        """The link's numbers, for the screen."""
        ...


@dataclass(slots=True)
class RejectController:
    """The microcontroller at the gate, behind its bridge. `pulses`: the controller's number of each output that may be
    fired for a test, and for how many milliseconds."""

    bridge: Bridge
    thread: BridgeThread
    pulses: Mapping[str, tuple[int, int]]
    _waits: bool = False
    _absent: bool = False

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

    def fire(self, output: str) -> None:
        """See `Controller`. The controller itself refuses unless its line stands."""
        self._waits, self._absent = True, bool(self.thread.port_error) or not self.bridge.linked
        if not self._absent:  # else it would be fired when the controller is back
            self.thread.order(lambda bridge: bridge.firing.ask(*self.pulses[output]))

    def take_fired(self) -> str | None:
        """See `Controller`."""
        last = self.bridge.firing.last
        answer = NO_ANSWER if self._absent else last.answer if last is not None else ""
        if not self._waits or not answer:
            return None
        self._waits = False
        return "" if answer == Answer.FIRED.name else answer.lower().replace("_", " ")

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
