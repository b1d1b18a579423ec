"""What the simulated controller is wired to, and the row it keeps of each part.

What it is: the physical belt as the controller's pins see it, and one part between eye and gate. What it is not: the
rules (`simulated_parts`) or a belt (`inspector.simulation.World`, or a test's). One thread at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from firmware_bridge.protocol import Phase, Verdict, Why


class Belt(Protocol):
    """The physical world that the controller is wired to. Counts are unwrapped; times are ns and only grow."""

    def count_at(self, at_ns: int) -> int:
        """The encoder count at a time that is not in the past."""
        ...

    def when(self, count: int) -> int | None:
        """When the encoder reaches `count`; None while the belt stands. In the past if it already has."""
        ...

    def next_eye_edge(self) -> tuple[int, bool] | None:
        """Time and new state (True: blocked) of the eye's next edge; None if there is none to come."""
        ...

    def pop_eye_edge(self) -> None:
        """The edge was seen; go on to the next."""
        ...

    def set_running(self, running: bool, at_ns: int) -> None:
        """The line-run output."""
        ...

    def set_gate(self, energised: bool, at_ns: int) -> None:
        """The ejector's output."""
        ...

    def set_sorter(self, number: int, energised: bool, at_ns: int) -> None:
        """The output of sorter 1 to 3."""
        ...

    def trigger(self, at_ns: int) -> None:
        """The camera trigger output."""
        ...


@dataclass(slots=True)
class PartState:
    """One row of the controller's memory: a part from the eye to the gate."""

    number: int
    seen_count: int
    seen_ns: int
    end_count: int | None = None
    trigger_ns: int | None = None
    phase: Phase = Phase.SEEN
    verdict: Verdict = Verdict.NONE
    held: Why = Why.OPEN
    why: Why = Why.OPEN
    decided_count: int = 0
    eject: int = 0
    confirmed: int = 0


@dataclass(slots=True)
class PartCounters:
    """What was odd about verdicts."""

    late: int = 0
    stale: int = 0
    unknown_part: int = 0
    repeated: int = 0
    contradictions: int = 0
    most_in_flight: int = 0
