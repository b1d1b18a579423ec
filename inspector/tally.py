"""The sums of a run: what the law says, and what got away.

What it is: a count over records, physical parts and known truth, for the end of `inspector run`. What it is not: the
counts on the screen (those are the line's own). Line thread, or the simulated-time run.

An *escape by fault* is a physical part in the box that no PASS of its own put there: none was given for its number, or
the picture that earned it was another part's. An *escape by model* had its own PASS, and its label says it should not.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from inspector.labels import Truth
from inspector.simulation import PhysicalPart
from inspector.types import Frame, Inspection, InspectionRecord, Verdict


@dataclass(slots=True)
class Tally:
    """See the module. `truth` is by file; a file without truth is counted, never judged."""

    truth: Mapping[str, Truth]
    verdicts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    false_rejects: Counter[str] = field(default_factory=Counter)
    escapes_by_model: Counter[str] = field(default_factory=Counter)
    escapes_by_fault: int = 0
    records: int = 0
    duplicates: int = 0
    boxed: int = 0
    binned: int = 0
    sorted: Counter[str] = field(default_factory=Counter)
    unseen: int = 0
    slack_ms: deque[float] = field(default_factory=lambda: deque(maxlen=20_000))
    _passes: dict[int, str] = field(default_factory=dict)
    _seen: set[int] = field(default_factory=set)

    def judged(self, inspection: Inspection, frame: Frame) -> None:
        """A verdict was sent, by whichever life of the station: nothing else earns a place in the box."""
        if inspection.verdict is Verdict.PASS:
            self._passes[inspection.part_id] = frame.source

    def record(self, record: InspectionRecord) -> None:
        """A record was handed over."""
        part_id = record.part.part_id
        self.duplicates += part_id in self._seen
        self._seen.add(part_id)
        self.records += 1
        self.verdicts[record.verdict.name] += 1
        self.outcomes[record.outcome.reason] += 1
        if record.slack_ms is not None:
            self.slack_ms.append(record.slack_ms)
        for reason in record.inspection.reasons[:1]:
            if record.verdict is not Verdict.PASS:
                self.reasons[reason.code] += 1
        self._judge_label(record)

    def gone(self, part: PhysicalPart) -> None:
        """A physical part has left the belt, into the box, the bin or where a sorter leads."""
        self.boxed += bool(part.boxed)
        self.binned += not part.boxed and not part.sorter
        self.sorted.update([str(part.sorter)] if part.sorter else [])
        self.unseen += part.number is None
        source = self._passes.pop(part.number[0] << 32 | part.number[1], None) if part.number else None
        # A folder camera cannot know which physical part it shows; there the PASS of the number has to do.
        own = source is not None and ("#" not in source or source.endswith(f"#{part.uid}"))
        self.escapes_by_fault += bool(part.boxed) and not own

    def document(self, seen: int) -> dict[str, Any]:
        """The keys that `inspector run --json` prints; `seen` is the controller's count."""
        verdicts = {verdict.name: self.verdicts[verdict.name] for verdict in Verdict}
        return {
            "seen": seen,
            "passed": verdicts["PASS"],
            "rejected": verdicts["REJECT"],
            "not_inspected": verdicts["NOT_INSPECTED"],
            "records": self.records,
            "escapes_by_fault": self.escapes_by_fault,
            "escapes_by_model": sum(self.escapes_by_model.values()),
            "escapes_by_model_by_kind": dict(sorted(self.escapes_by_model.items())),
            "false_rejects": sum(self.false_rejects.values()),
            "false_rejects_by_kind": dict(sorted(self.false_rejects.items())),
            "reasons": dict(self.reasons.most_common()),
            "outcomes": dict(self.outcomes.most_common()),
            "boxed": self.boxed,
            "binned": self.binned,
            "sorted": dict(sorted(self.sorted.items())),
            "unseen_by_the_eye": self.unseen,
            "duplicate_records": self.duplicates,
        }

    def law_holds(self, seen: int) -> bool:
        """Every part seen has exactly one record, and nothing reached the box without its own PASS."""
        return self.records == seen and not self.duplicates and not self.escapes_by_fault

    def _judge_label(self, record: InspectionRecord) -> None:
        truth = self.truth.get((record.truth or "").partition("#")[0])
        if truth is None:
            return
        if record.inspection.verdict is Verdict.REJECT and truth.expected is Verdict.PASS:
            self.false_rejects[truth.kind] += 1
        if record.verdict is Verdict.PASS and truth.expected is not Verdict.PASS:
            self.escapes_by_model[truth.kind] += 1
