"""The rows of the simulated controller: the ring of its last parts, and what is held against each of them.

What it is: numbers, verdicts as they come in, holds. What it is not: time, places or outputs (`simulated_parts`). One
thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable

from firmware_bridge.belt import PartCounters, PartState
from firmware_bridge.codes import Phase, Verdict, Why
from firmware_bridge.protocol import RING

BY_VERDICT = {
    Verdict.REJECT: Why.JUDGED_BAD,
    Verdict.NOT_INSPECTED: Why.NOT_INSPECTED,
    Verdict.NONE: Why.NO_VERDICT,
}


class Rows:
    """See the module. `tell` is called with every row that changed; all parts before `open` are decided."""

    def __init__(self, tell: Callable[[PartState], None]) -> None:
        self.tell = tell
        self.counters = PartCounters()
        self.next = 1
        self.open = 1
        self._rows: dict[int, PartState] = {}

    def get(self, number: int) -> PartState | None:
        """The row of a part, while it is in the ring."""
        return self._rows.get(number)

    def newest(self) -> PartState | None:
        """The part that was seen last."""
        return self._rows.get(self.next - 1)

    def undecided(self) -> list[PartState]:
        """The parts on their way, the one nearest to the gate first."""
        return [self._rows[number] for number in range(self.open, self.next)]

    def oldest_undecided(self) -> PartState | None:
        """The part that is decided next."""
        return self._rows[self.open] if self.open < self.next else None

    def full(self) -> bool:
        """The next part needs the row of one that is not decided yet."""
        return self.next - self.open >= RING

    def add(self, part: PartState) -> None:
        """The eye saw a part; its number is `next`."""
        self._rows.pop(part.number - RING, None)
        self._rows[part.number] = part
        self.next += 1
        self.counters.most_in_flight = max(self.counters.most_in_flight, self.next - self.open)
        self.tell(part)

    def add_rejected(self, part: PartState, why: Why) -> None:
        """The eye saw a part whose outcome is known at once."""
        part.held = part.why = why
        part.phase = Phase.DECIDED
        self.open = part.number + 1
        self.add(part)

    def decide(self, part: PartState, why: Why, count: int) -> None:
        """The outcome of the oldest undecided part."""
        part.why, part.phase, part.decided_count = why, Phase.DECIDED, count
        self.open = part.number + 1
        self.tell(part)

    def judge(self, number: int, verdict: Verdict, eject: int) -> None:
        """A verdict arrived. The first one stands; a different second one rejects the part."""
        part = self._rows.get(number)
        if part is None:
            self.counters.unknown_part += 1
            return
        if part.verdict is verdict:
            self.counters.repeated += 1
        elif part.phase is Phase.DECIDED:
            self.counters.late += 1
        elif part.verdict is Verdict.NONE:
            part.verdict = verdict
            part.eject = eject if eject <= 3 else 0
        else:
            part.held = Why.CONTRADICTION
            self.counters.contradictions += 1
        self.tell(part)

    def hold(self, part: PartState, why: Why) -> None:
        """This part is not let through, for this reason unless there is one already."""
        if part.phase is not Phase.DECIDED and part.held is Why.OPEN:
            part.held = why

    def spaced(self, before: PartState | None, count: int, spacing: int) -> Why:
        """Whether a part seen at `count` comes too close after the one before it, which is then held too."""
        if before is None or before.end_count is None or count - before.end_count >= spacing:
            return Why.OPEN
        self.hold(before, Why.TOO_CLOSE)
        return Why.TOO_CLOSE

    def hold_all(self, why: Why) -> None:
        """All parts on their way."""
        for part in self.undecided():
            self.hold(part, why)
