"""What became of a part, in the record's words: from the last word of whoever rejects it.

What it is: a table. What it is not: the record (`types`) or the judgement. Pure; line thread.

A reject controller says what it did. A PLC that rejects by itself says only which verdict it took over: a PASS it took
counts as PASSED, anything else as FIRED, but for a verdict that came too late or was void: TOO_LATE. What it never took
over is UNCONFIRMED.
"""

from __future__ import annotations

from firmware_bridge.events import PartDecided, PartTaken
from firmware_bridge.protocol import Why
from inspector.types import OutcomeKind, RejectOutcome

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


def outcome_of(event: PartDecided | PartTaken) -> RejectOutcome:
    """The outcome that `event` tells."""
    if isinstance(event, PartTaken):
        return RejectOutcome(part_id=event.part_id, kind=_TAKEN[event.verdict], reason=f"PLC_TOOK_{event.verdict}")
    kind, reason = _DECIDED[event.why]
    return RejectOutcome(part_id=event.part_id, kind=kind, reason=reason, tick=event.count)
