"""A part, and what became of it, in the record's words: from the words of whoever sees and rejects it.

What it is: a table and two functions. What it is not: the record (`types`) or the judgement. Pure; line thread.

A reject controller says what it did. A PLC that rejects by itself says only which verdict it took over: a PASS it took
counts as PASSED, anything else as FIRED, but for a verdict that came too late or was void: TOO_LATE. What it never took
over is UNCONFIRMED.
"""

from __future__ import annotations

from firmware_bridge.events import PartDecided, PartLost, PartSeen, PartTaken
from firmware_bridge.protocol import Why
from inspector.types import OutcomeKind, Part, RejectOutcome

_KINDS = {
    Why.EARNED: OutcomeKind.PASSED,
    Why.NO_VERDICT: OutcomeKind.TOO_LATE,
    Why.LEASE_EXPIRED: OutcomeKind.TOO_LATE,
}
_DECIDED = {why: (_KINDS.get(why, OutcomeKind.FIRED), why.name) for why in Why}
_TAKEN = {
    "PASS": OutcomeKind.PASSED,
    "REJECT": OutcomeKind.FIRED,
    "NOT_INSPECTED": OutcomeKind.FIRED,
    "UNKNOWN": OutcomeKind.TOO_LATE,
    "FAULT": OutcomeKind.TOO_LATE,
}


def part_of(event: PartSeen | PartLost, recipe_id: str) -> Part:
    """The part that `event` tells of; one that is lost already was somewhere, some time."""
    seen, due, at_ns = (
        (event.seen_count, event.due_count, event.seen_at_ns) if isinstance(event, PartSeen) else (0, 0, 0)
    )
    return Part(
        part_id=event.part_id,
        seen_tick=seen,
        due_tick=due,
        seen_at_ns=at_ns,
        plc_part=event.plc_part,
        recipe_id=recipe_id,
    )


def outcome_of(event: PartDecided | PartTaken) -> RejectOutcome:
    """The outcome that `event` tells."""
    if isinstance(event, PartTaken):
        return RejectOutcome(part_id=event.part_id, kind=_TAKEN[event.verdict], reason=f"PLC_TOOK_{event.verdict}")
    kind, reason = _DECIDED[event.why]
    return RejectOutcome(part_id=event.part_id, kind=kind, reason=reason, tick=event.count)
