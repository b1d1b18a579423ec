"""Small made things that several tests share."""

from __future__ import annotations

from inspector.types import Inspection, InspectionRecord, OutcomeKind, Part, RejectOutcome, Verdict


def record(part_id: int, verdict: Verdict, kind: OutcomeKind, truth: str | None = None) -> InspectionRecord:
    """A record of a part with hardly anything in it."""
    return InspectionRecord(
        part=Part(part_id=part_id, seen_tick=0, due_tick=0, seen_at_ns=0, recipe_id="r"),
        inspection=Inspection(part_id=part_id, frame_id=1, verdict=verdict, recipe_id="r"),
        outcome=RejectOutcome(part_id=part_id, kind=kind, reason="x"),
        seen_at_utc="2026-01-01T00:00:00.000Z",
        slack_ms=None,
        truth=truth,
    )
