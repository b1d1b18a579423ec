"""What happens when something happens: states, alarms, and records that could not be handed over."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_bridge.events import Linked, LinkLost, PartDecided, PartLost, PartSeen, PartTriggered, Refused
from firmware_bridge.protocol import Mode, Status, Why
from firmware_bridge.protocol import Verdict as WireVerdict
from inspector.clock import SimulatedClock
from inspector.passage import Passage
from inspector.state import Cause, State
from inspector.tracker import Tracker
from inspector.types import Bookmark, Frame, FrameStatus, Inspection, InspectionRecord, Verdict

MS = 1_000_000
BOOT = 3 << 32


class Rig:
    """A passage whose controller, judge and recorder are lists."""

    def __init__(self) -> None:
        self.clock = SimulatedClock()
        self.clock.advance_to(1000 * MS)
        self.sent: list[tuple[int, Verdict]] = []
        self.orders: list[str] = []
        self.rows: list[tuple[InspectionRecord, Bookmark]] = []
        self.store_works = True
        self.verdict = Verdict.PASS
        self.passage = Passage(
            clock=self.clock,
            tracker=Tracker(8 * MS),
            inspect=self.inspect,
            send=self,
            record=self.record,
            recipe_id="r",
        )

    def judge(self, part_id: int, verdict: Verdict, _inspection: Inspection | None = None) -> int | None:
        self.sent.append((part_id & 0xFFFFFFFF, verdict))
        return 900 * MS

    def run(self) -> None:
        self.orders.append("run")

    def stop(self) -> None:
        self.orders.append("stop")

    def reset(self) -> None:
        self.orders.append("reset")

    def inspect(self, frame: Frame) -> Inspection:
        assert frame.part_id is not None
        return Inspection(part_id=frame.part_id, frame_id=frame.frame_id, verdict=self.verdict)

    def record(self, row: InspectionRecord, _frame: Frame | None, mark: Bookmark) -> bool:
        if self.store_works:
            self.rows.append((row, mark))
        return self.store_works

    def see(self, number: int, seen_ms: int = 1100) -> None:
        self.passage.hear(PartSeen(BOOT | number, 10, 6010, seen_ms * MS))
        self.passage.hear(PartTriggered(BOOT | number, (seen_ms + 100 * number) * MS))

    def frame(self, number: int, at_ms: int, status: FrameStatus = FrameStatus.OK) -> Frame:
        pixels = np.zeros((4, 4), np.uint8)
        return Frame(frame_id=number, camera="c", exposed_at_ns=at_ms * MS, pixels=pixels, status=status)

    def decide(self, number: int, why: Why, verdict: WireVerdict = WireVerdict.PASS) -> None:
        self.passage.hear(PartDecided(BOOT | number, why, verdict, 5900))


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.passage.hear(Linked(3, False))
    rig.passage.order(Cause.START)
    return rig


def status(mode: Mode, fault: int = 0) -> Status:
    return Status(1, 3, 0, 0, 1, 1, mode, fault, 0, 0)


def test_a_part_goes_from_eye_to_record(rig: Rig) -> None:
    rig.see(1)
    rig.passage.take(rig.frame(1, 1200))
    rig.decide(1, Why.EARNED)
    ((row, mark),) = rig.rows
    assert rig.sent == [(1, Verdict.PASS)]
    assert row.verdict is Verdict.PASS
    assert row.slack_ms == 900
    assert mark == Bookmark(3, 2)
    assert rig.passage.open_parts == 0


def test_a_frame_that_came_before_its_trigger_was_told_waits_for_it(rig: Rig) -> None:
    rig.passage.hear(PartSeen(BOOT | 1, 10, 6010, 1100 * MS))
    assert rig.passage.take(rig.frame(1, 1200)) is None
    (waiting,) = rig.passage.hear(PartTriggered(BOOT | 1, 1200 * MS))
    assert rig.passage.take(waiting) is not None


def test_frames_of_nothing_do_not_pile_up(rig: Rig) -> None:
    for number in range(10):
        rig.passage.take(rig.frame(number, 5000 + number * 50))
    assert rig.passage.strays == 8


def test_a_torn_frame_is_not_judged(rig: Rig) -> None:
    rig.see(1)
    inspection = rig.passage.take(rig.frame(1, 1200, FrameStatus.INCOMPLETE))
    assert inspection is not None
    assert inspection.verdict is Verdict.NOT_INSPECTED
    assert inspection.reasons[0].code == "frame_incomplete"


def test_a_second_frame_for_a_passed_part_takes_its_pass_back(rig: Rig) -> None:
    rig.see(1)
    rig.passage.take(rig.frame(1, 1200))
    rig.passage.take(rig.frame(2, 1203))
    assert rig.sent == [(1, Verdict.PASS), (1, Verdict.NOT_INSPECTED)]


def test_a_part_that_was_there_at_the_start_is_not_judged(rig: Rig) -> None:
    rig.see(1, seen_ms=900)
    assert rig.sent == [(1, Verdict.NOT_INSPECTED)]
    rig.decide(1, Why.NOT_INSPECTED, WireVerdict.NOT_INSPECTED)
    assert rig.rows[0][0].inspection.reasons[0].code == "restarted"


def test_a_part_passed_by_the_process_before_this_one_is_told_as_that(rig: Rig) -> None:
    rig.see(1, seen_ms=900)
    rig.decide(1, Why.EARNED)
    assert rig.rows[0][0].verdict is Verdict.PASS
    assert rig.rows[0][0].inspection.reasons[0].code == "restarted"
    assert rig.passage.state is State.EXECUTE


def test_a_controller_that_passes_what_we_did_not_aborts_the_station(rig: Rig) -> None:
    rig.see(1)
    rig.decide(1, Why.EARNED)
    assert rig.passage.state is State.ABORTED
    assert "passed_unearned" in rig.passage.alarms
    assert rig.orders[-1] == "stop"


def test_an_aborted_station_passes_nothing(rig: Rig) -> None:
    rig.see(1)
    rig.passage.abort("record_failed", trouble="disk full")
    inspection = rig.passage.take(rig.frame(1, 1200))
    assert inspection is not None
    assert inspection.verdict is Verdict.NOT_INSPECTED
    assert inspection.reasons[0].code == "station_aborted"


def test_records_wait_in_order_while_the_store_refuses(rig: Rig) -> None:
    rig.see(1)
    rig.see(2)
    rig.store_works = False
    rig.decide(1, Why.NO_VERDICT, WireVerdict.NONE)
    rig.store_works = True
    rig.decide(2, Why.NO_VERDICT, WireVerdict.NONE)
    assert [row.part.part_id & 0xFFFFFFFF for row, _ in rig.rows] == [1, 2]
    assert rig.passage.records == 2


def test_the_bookmark_never_passes_an_open_part(rig: Rig) -> None:
    rig.see(1)
    rig.see(2)
    rig.decide(2, Why.TOO_CLOSE)
    assert rig.rows[0][1] == Bookmark(3, 1)
    rig.decide(1, Why.TOO_CLOSE)
    assert rig.rows[1][1] == Bookmark(3, 2)


def test_a_lost_part_is_recorded_as_unconfirmed(rig: Rig) -> None:
    rig.passage.hear(PartLost(BOOT | 7, "overwritten"))
    row = rig.rows[0][0]
    assert row.outcome.reason == "OVERWRITTEN"
    assert row.verdict is Verdict.NOT_INSPECTED


def test_a_shut_down_controller_holds_the_station_until_a_person_resets(rig: Rig) -> None:
    rig.passage.watch(status(Mode.SHUT_DOWN, fault=1), settled=True)
    assert rig.passage.state is State.HELD
    assert "controller_eye_stuck" in rig.passage.alarms
    assert rig.passage.order(Cause.START) == "start is refused while the station is Held"
    assert rig.passage.acknowledge("controller_eye_stuck") == "the station is Held: reset it"
    assert rig.passage.order(Cause.RESET) is None
    assert rig.passage.order(Cause.START) is None
    assert rig.orders == ["run", "reset", "run"]
    assert rig.passage.alarms.all() == ()


def test_a_reset_controller_holds_the_station(rig: Rig) -> None:
    rig.passage.hear(Linked(4, True))
    assert rig.passage.state is State.HELD


def test_a_silent_controller_is_an_alarm_that_goes_with_it(rig: Rig) -> None:
    rig.passage.hear(LinkLost())
    assert "controller_lost" in rig.passage.alarms
    rig.passage.hear(Linked(3, False))
    assert "controller_lost" not in rig.passage.alarms


def test_a_refused_controller_aborts(rig: Rig) -> None:
    rig.passage.hear(Refused("flash it"))
    assert rig.passage.state is State.ABORTED
    assert rig.passage.order(Cause.RESET) is None
    assert rig.passage.state is State.IDLE


def test_a_belt_that_runs_already_is_taken_over() -> None:
    rig = Rig()
    rig.passage.hear(Linked(3, False))
    rig.passage.watch(status(Mode.RUN), settled=False)
    assert rig.passage.state is State.IDLE
    rig.passage.watch(status(Mode.RUN), settled=True)
    assert rig.passage.state is State.EXECUTE
    assert rig.orders == []


def test_a_changed_recipe_judges_the_next_part_and_not_what_lies_on_the_belt(rig: Rig) -> None:
    rig.see(1)
    rig.passage.take(rig.frame(1, 1200))
    rig.see(2)
    rig.passage.change_recipe(rig.inspect, "other")
    assert rig.sent == [(1, Verdict.PASS), (2, Verdict.NOT_INSPECTED)]
    rig.decide(2, Why.NOT_INSPECTED, WireVerdict.NOT_INSPECTED)
    assert rig.rows[0][0].inspection.reasons[0].code == "recipe_changed"
    rig.see(3)
    assert rig.passage.recipe_id == "other"


def test_an_unknown_alarm_cannot_be_acknowledged(rig: Rig) -> None:
    assert "no alarm" in rig.passage.acknowledge("nonsense")
