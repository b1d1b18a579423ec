from __future__ import annotations

import numpy as np
import pytest

from inspector.tracker import Tracker
from inspector.types import Bookmark, Frame, Inspection, OutcomeKind, Part, RejectOutcome, Verdict

MS = 1_000_000
PIXELS = np.zeros((4, 4), np.uint8)


def part(number: int) -> Part:
    return Part(part_id=number, seen_tick=0, due_tick=0, seen_at_ns=0, recipe_id="r")


def frame(number: int, at_ms: float) -> Frame:
    return Frame(frame_id=number, camera="c", exposed_at_ns=int(at_ms * MS), pixels=PIXELS.copy(), source=f"f{number}")


def outcome(number: int, kind: OutcomeKind = OutcomeKind.PASSED) -> RejectOutcome:
    return RejectOutcome(part_id=number, kind=kind, reason="x")


def judged(number: int, verdict: Verdict = Verdict.PASS) -> Inspection:
    return Inspection(part_id=number, frame_id=1, verdict=verdict)


@pytest.fixture
def tracker() -> Tracker:
    tracker = Tracker(8 * MS)
    for number, at_ms in ((1, 100), (2, 600)):
        tracker.see(part(number), "t")
        tracker.trigger(number, at_ms * MS)
    return tracker


def test_a_frame_belongs_to_the_part_triggered_when_it_was_exposed(tracker: Tracker) -> None:
    bound, doubtful = tracker.bind(frame(1, 602))
    assert bound is not None
    assert bound.part_id == 2
    assert doubtful == ()


def test_a_lost_frame_does_not_shift_the_ones_after_it(tracker: Tracker) -> None:
    assert tracker.bind(frame(2, 600))[0].part_id == 2  # type: ignore[union-attr]
    closed = tracker.close(1)
    assert closed is not None
    assert closed[1].reasons[0].code == "no_frame"


@pytest.mark.parametrize("at_ms", [109, 91, 350])
def test_a_frame_of_no_part_is_bound_to_none(tracker: Tracker, at_ms: float) -> None:
    assert tracker.bind(frame(1, at_ms)) == (None, ())


def test_two_frames_for_one_part_put_it_in_doubt_even_after_its_pass(tracker: Tracker) -> None:
    bound, _ = tracker.bind(frame(1, 100))
    assert bound is not None
    tracker.judged(judged(1), bound)
    again, doubtful = tracker.bind(frame(2, 103))
    assert again is None
    assert doubtful == (1,)
    closed = tracker.close(1)
    assert closed is not None
    assert closed[1].verdict is Verdict.NOT_INSPECTED
    assert closed[1].reasons[0].code == "frame_ambiguous"


def test_one_frame_for_two_parts_puts_both_in_doubt(tracker: Tracker) -> None:
    tracker.see(part(3), "t")
    tracker.trigger(3, 605 * MS)
    assert tracker.bind(frame(1, 602)) == (None, (2, 3))


def test_a_reject_stays_a_reject_in_doubt(tracker: Tracker) -> None:
    bound, _ = tracker.bind(frame(1, 100))
    assert bound is not None
    tracker.judged(judged(1, Verdict.REJECT), bound)
    tracker.bind(frame(2, 100))
    closed = tracker.close(1)
    assert closed is not None
    assert closed[1].verdict is Verdict.REJECT


def test_every_part_closes_exactly_once(tracker: Tracker) -> None:
    tracker.see(part(1), "again")
    assert tracker.seen == 2
    assert tracker.close(1) is not None
    assert tracker.close(1) is None
    assert tracker.close(99) is None
    assert tracker.bookmark(1) == Bookmark(0, 2)
    assert tracker.close(2) is not None
    assert tracker.bookmark(2) == Bookmark(0, 3)
    assert tracker.bookmark(7 << 32 | 5) == Bookmark(7, 6)
    assert tracker.open_parts == 0


def test_a_judgement_counts_once_and_not_after_the_end(tracker: Tracker) -> None:
    assert tracker.judged(judged(1, Verdict.REJECT), None)
    assert not tracker.judged(judged(1, Verdict.PASS), None)
    closed = tracker.close(1)
    assert closed is not None
    assert closed[1].verdict is Verdict.REJECT
    assert not tracker.judged(judged(1), None)


def test_a_picture_not_judged_in_time_is_late(tracker: Tracker) -> None:
    tracker.bind(frame(1, 100))
    closed = tracker.close(1)
    assert closed is not None
    assert [reason.code for reason in closed[1].reasons] == ["late"]
