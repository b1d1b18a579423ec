"""Every part from the eye to its one record.

What it is: the book of parts on the belt - which frame belongs to which part, what was decided, what became of it -
and the law that each leaves with exactly one record. What it is not: a thread, a clock or a judge. Pure; line thread.

A frame belongs to a part by *when*: the controller says when it triggered the camera, the frame says when it was
exposed. Counting frames would be wrong by one for ever after the first lost frame. A frame that fits two parts, or a
part that fits two frames, is a doubt, and a doubt is NOT_INSPECTED.
"""

from __future__ import annotations

from dataclasses import dataclass

from inspector.types import Bookmark, Frame, Inspection, Part, Reason, Verdict

_LOW_HALF = 0xFFFFFFFF


@dataclass(slots=True)
class OpenPart:
    """A part that has no record yet."""

    part: Part
    seen_at_utc: str
    frame_id: int | None = None
    source: str | None = None
    doubt: Reason | None = None
    inspection: Inspection | None = None
    slack_ms: float | None = None
    image: Frame | None = None


class Tracker:
    """See the module. `tolerance_ns` is how far exposure and trigger may lie apart; far less than two parts do."""

    def __init__(self, tolerance_ns: int) -> None:
        self._tolerance_ns = tolerance_ns
        self._open: dict[int, OpenPart] = {}
        self.seen = 0

    @property
    def open_parts(self) -> int:
        """Parts on the belt without a record."""
        return len(self._open)

    def bookmark(self, closed: int) -> Bookmark:
        """Where a restart goes on, after part `closed` got its record."""
        oldest = min(self._open, default=None)
        if oldest is not None and oldest >> 32 == closed >> 32:
            return Bookmark(closed >> 32, oldest & _LOW_HALF)
        return Bookmark(closed >> 32, (closed & _LOW_HALF) + 1)

    def unjudged(self) -> tuple[int, ...]:
        """Parts on the belt that have no inspection yet."""
        return tuple(part_id for part_id, known in self._open.items() if known.inspection is None)

    def passing(self) -> tuple[int, ...]:
        """Parts on the belt that were judged PASS."""
        return tuple(part_id for part_id, known in self._open.items() if _passes(known))

    def see(self, part: Part, utc: str) -> None:
        """The eye saw a part. Telling the same part twice changes nothing."""
        if part.part_id not in self._open:
            self._open[part.part_id] = OpenPart(part, utc)
            self.seen += 1

    def trigger(self, part_id: int, at_ns: int) -> None:
        """The camera was triggered for this part."""
        known = self._open.get(part_id)
        if known is not None:
            known.part = known.part.triggered(at_ns)

    def bind(self, frame: Frame) -> tuple[Frame | None, tuple[int, ...]]:
        """`frame` with the id of the part it shows, and the parts that it throws into doubt.

        The frame is None if it shows no part we know of, or more than one could be meant. A part in doubt must not
        pass, even if its PASS was sent already.
        """
        near = [known for known in self._open.values() if self._exposed_by(known, frame)]
        if not near:
            return None, ()
        if len(near) > 1 or near[0].frame_id is not None:
            for known in near:
                self._throw_into_doubt(known)
            return None, tuple(known.part.part_id for known in near)
        near[0].frame_id = frame.frame_id
        near[0].source = frame.source or None
        return frame.of_part(near[0].part.part_id), ()

    def _exposed_by(self, known: OpenPart, frame: Frame) -> bool:
        at_ns = known.part.trigger_at_ns
        return at_ns is not None and abs(at_ns - frame.exposed_at_ns) <= self._tolerance_ns

    def _throw_into_doubt(self, known: OpenPart) -> None:
        known.doubt = Reason(code="frame_ambiguous", text="more than one frame or part at this exposure")
        if known.inspection is None or known.inspection.verdict is Verdict.PASS:
            known.inspection = _not_inspected(known, known.doubt)

    def judged(self, inspection: Inspection, frame: Frame | None) -> bool:
        """The station has decided; False if the part is gone already and the decision comes to nothing."""
        known = self._open.get(inspection.part_id)
        if known is None or known.inspection is not None:
            return False
        known.inspection = inspection
        known.image = frame
        return True

    def sent(self, part_id: int, slack_ms: float | None) -> None:
        """The verdict was sent with this much time to spare."""
        known = self._open.get(part_id)
        if known is not None:
            known.slack_ms = slack_ms

    def close(self, part_id: int) -> tuple[OpenPart, Inspection] | None:
        """The controller has said its last word: what goes into the record, None for a part that was never told of or
        is closed already."""
        known = self._open.pop(part_id, None)
        if known is None:
            return None
        return known, known.inspection or _not_inspected(known, known.doubt or _why_not(known))


def _passes(known: OpenPart) -> bool:
    return known.inspection is not None and known.inspection.verdict is Verdict.PASS


def _why_not(known: OpenPart) -> Reason:
    if known.frame_id is not None:
        return Reason(code="late", text="the picture was not judged before the part's deadline")
    return Reason(code="no_frame", text="no picture of this part arrived before its deadline")


def _not_inspected(known: OpenPart, why: Reason) -> Inspection:
    return not_inspected(known.part.part_id, known.frame_id, why, known.part.recipe_id)


def not_inspected(part_id: int, frame_id: int | None, why: Reason, recipe_id: str) -> Inspection:
    """The inspection of a part that could not be judged, and why."""
    return Inspection(
        part_id=part_id, frame_id=frame_id, verdict=Verdict.NOT_INSPECTED, reasons=(why,), recipe_id=recipe_id
    )
