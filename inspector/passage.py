"""The part's way, from the eye's word to its record: what is done when something happens.

What it is: the order of things - an event of the controller or a frame comes in, verdicts and records go out - and the
station's state and alarms that follow from them. What it is not: a thread, a port, a camera or a queue; it is handed
what it needs and called by one thread, the line thread (or the simulated-time run).
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from firmware_bridge import events
from firmware_bridge.protocol import Fault, Mode, Status
from inspector.alarms import Alarms
from inspector.clock import Clock
from inspector.outcomes import outcome_of, part_of
from inspector.sender import Sender
from inspector.state import Cause, State, after
from inspector.tracker import OpenPart, Tracker, not_inspected
from inspector.types import (
    Bookmark,
    Frame,
    FrameStatus,
    Inspection,
    InspectionRecord,
    OutcomeKind,
    Reason,
    RejectOutcome,
    Verdict,
)

_LOG = logging.getLogger(__name__)
_HELD_FRAMES = 2
# The controller's word on a trigger may be lost and asked for again; a frame older than this came from nowhere.
_FRAME_WAITS_NS = 500_000_000
_MAINTAINED = Reason(code="maintenance", text="outputs were fired by hand meanwhile")

Recorder = Callable[[InspectionRecord, Frame | None, Bookmark], bool]


class Passage:
    """See the module. `inspect` is the walk of `line`; `record` takes a record or says False."""

    def __init__(
        self,
        *,
        clock: Clock,
        tracker: Tracker,
        inspect: Callable[[Frame], Inspection],
        send: Sender,
        record: Recorder,
        recipe_id: str,
    ) -> None:
        self._clock = clock
        self._tracker = tracker
        self._send = send
        self._record = record
        self._started_ns = clock.now_ns()
        self._unbound: deque[Frame] = deque()
        self._unrecorded: deque[tuple[InspectionRecord, Frame | None, Bookmark]] = deque()
        self.inspect = inspect
        self.recipe_id = recipe_id
        self.state = State.STOPPED
        self.alarms = Alarms(clock)
        self.counts = dict.fromkeys((Verdict.PASS, Verdict.REJECT, Verdict.NOT_INSPECTED), 0)
        self.records = 0
        self.strays = 0
        self._in_maintenance = False
        self.on_judged: Callable[[Inspection, Frame], None] = lambda _inspection, _frame: None
        self.on_closed: Callable[[InspectionRecord], None] = lambda _record: None

    # -- what the controller says ----------------------------------------------------------------------------------

    def hear(self, event: events.Event) -> list[Frame]:
        """Take one event; gives the frames that it made bindable, for `bind` again."""
        if isinstance(event, events.PartSeen):
            self._see(event)
        elif isinstance(event, events.PartTriggered):
            self._tracker.trigger(event.part_id, event.at_ns)
            return self._waiting_frames()
        elif isinstance(event, events.PartDecided | events.PartTaken):
            self._close(outcome_of(event))
        elif isinstance(event, events.PartLost):
            self._lose(event)
        else:
            self._hear_link(event)
        return []

    def _waiting_frames(self) -> list[Frame]:
        if not self._unbound:
            return []
        oldest_ns = self._clock.now_ns() - _FRAME_WAITS_NS
        frames = [frame for frame in self._unbound if frame.exposed_at_ns >= oldest_ns]
        self.strays += len(self._unbound) - len(frames)
        self._unbound.clear()
        return frames

    def _see(self, event: events.PartSeen) -> None:
        self._tracker.see(part_of(event, self.recipe_id), self._clock.utc())
        if event.seen_at_ns < self._started_ns:
            reason = Reason(code="restarted", text="the part was on the belt when the station started")
            self._judge_without_frame(event.part_id, reason)
        elif self._in_maintenance:
            self._judge_without_frame(event.part_id, _MAINTAINED)

    def _lose(self, event: events.PartLost) -> None:
        self._tracker.see(part_of(event, self.recipe_id), self._clock.utc())
        self._close(RejectOutcome(part_id=event.part_id, kind=OutcomeKind.UNCONFIRMED, reason=event.why.upper()))

    def _hear_link(self, event: events.Event) -> None:
        if isinstance(event, events.Linked):
            self.alarms.settle("controller_lost")
            self._move(Cause.READY)
            if event.was_reset:
                self._hold("controller_reset")
        elif isinstance(event, events.LinkLost):
            self.alarms.raise_("controller_lost")
        elif isinstance(event, events.Refused):
            self.alarms.raise_("controller_refused", trouble=event.text)
            self._move(Cause.ABORT)

    def watch(self, status: Status | None, settled: bool) -> None:
        """Follow the controller's own state: what it shut down for holds the station.

        `settled`: no order is on its way to it. A belt that runs when the station starts is taken over as it is.
        """
        if status is None:
            return
        if settled and status.mode == Mode.RUN and self.state is State.IDLE:
            self._move(Cause.START)
        if status.mode == Mode.SHUT_DOWN and self.state in (State.EXECUTE, State.IDLE):
            self._hold(f"controller_{Fault(status.fault).name.lower()}")

    # -- what the camera says --------------------------------------------------------------------------------------

    def bind(self, frame: Frame) -> Frame | None:
        """`frame` with its part, if it has one; else it waits for the controller's word, at most two at a time."""
        bound, doubtful = self._tracker.bind(frame)
        for part_id in doubtful:
            self._send.judge(part_id, Verdict.NOT_INSPECTED)
        if bound is None and not doubtful:
            self._unbound.append(frame)
            if len(self._unbound) > _HELD_FRAMES:
                self._unbound.popleft()
                self.strays += 1
        return bound

    def examine(self, frame: Frame) -> Inspection:
        """The inspection of a bound frame; never an exception, never a PASS unless the station may give one."""
        assert frame.part_id is not None
        if self.state is State.ABORTED:
            reason = Reason(code="station_aborted", text="the station cannot record")
        elif frame.status is not FrameStatus.OK:
            reason = Reason(code="frame_incomplete", text=f"the camera says {frame.status}")
        else:
            return self.inspect(frame)
        return not_inspected(frame.part_id, frame.frame_id, reason, self.recipe_id)

    def finish(self, inspection: Inspection, frame: Frame) -> None:
        """Tell the controller, and keep what was decided until it answers."""
        if not self._tracker.judged(inspection, frame):
            return
        slack_ns = self._send.judge(inspection.part_id, inspection.verdict, inspection)
        self._tracker.sent(inspection.part_id, None if slack_ns is None else slack_ns / 1e6)
        self.on_judged(inspection, frame)

    def take(self, frame: Frame) -> Inspection | None:
        """Bind, examine and finish in one go; None if the frame has no part yet."""
        bound = self.bind(frame)
        if bound is None:
            return None
        inspection = self.examine(bound)
        self.finish(inspection, bound)
        return inspection

    # -- what a person asks ----------------------------------------------------------------------------------------

    def order(self, cause: Cause) -> str | None:
        """START, STOP or RESET; the reason if it is refused."""
        if after(self.state, cause) is None:
            return f"{cause} is refused while the station is {self.state}"
        if cause is Cause.START:
            self._send.run()
        elif cause is Cause.STOP:
            self._send.stop()
        elif cause is Cause.RESET:
            self._send.reset()
            self.alarms.clear()
        self._move(cause)
        if self.state is State.STOPPED:
            self._move(Cause.READY)
        return None

    def acknowledge(self, code: str) -> str:
        """A person has read an alarm; those that hold the station go with a reset only. The reason if refused."""
        if code not in self.alarms:
            return f"there is no alarm {code!r}"
        if self.state in (State.HELD, State.ABORTED):
            return f"the station is {self.state}: reset it"
        self.alarms.settle(code)
        return ""

    def abort(self, code: str, **fields: str) -> None:
        """Something broke that no part may pass under: the belt is stopped and nothing is judged any more."""
        self.alarms.raise_(code, **fields)
        self._send.stop()
        self._move(Cause.ABORT)

    def change_recipe(self, inspect: Callable[[Frame], Inspection], recipe_id: str) -> None:
        """From the next part on, judge by another recipe. What lies on the belt unjudged is of neither."""
        self.inspect, self.recipe_id = inspect, recipe_id
        for part_id in self._tracker.unjudged():
            self._judge_without_frame(part_id, Reason(code="recipe_changed", text="it lay on the belt"))

    def maintain(self, on: bool) -> None:
        """In maintenance, what lies on the belt or is seen is rejected, PASS sent or not: a hand may have moved it."""
        self._in_maintenance = on
        for part_id in self._tracker.unjudged() if on else ():
            self._judge_without_frame(part_id, _MAINTAINED)
        for part_id in self._tracker.passing() if on else ():
            self._send.judge(part_id, Verdict.NOT_INSPECTED)

    # -- records ---------------------------------------------------------------------------------------------------

    @property
    def seen(self) -> int:
        """Parts that the station was told of since it started."""
        return self._tracker.seen

    @property
    def open_parts(self) -> int:
        """Parts that have no record yet."""
        return self._tracker.open_parts + len(self._unrecorded)

    def offer(self) -> None:
        """Hand over the records that could not be handed over before, in their order."""
        while self._unrecorded and self._record(*self._unrecorded[0]):
            self._unrecorded.popleft()
            self.records += 1

    def _close(self, outcome: RejectOutcome) -> None:
        closed = self._tracker.close(outcome.part_id)
        if closed is None:
            return
        part, inspection = closed
        if outcome.kind is OutcomeKind.PASSED and inspection.verdict is not Verdict.PASS:
            inspection = self._passed_without_us(part, inspection)
        record = InspectionRecord(
            part=part.part,
            inspection=inspection,
            outcome=outcome,
            seen_at_utc=part.seen_at_utc,
            slack_ms=part.slack_ms,
            truth=part.source,
        )
        self.counts[record.verdict] += 1
        row = (record, part.image, self._tracker.bookmark(outcome.part_id))
        if not self._unrecorded and self._record(*row):
            self.records += 1
        else:
            self._unrecorded.append(row)
            self.offer()
        self.on_closed(record)

    def _passed_without_us(self, open_part: OpenPart, inspection: Inspection) -> Inspection:
        """The controller let a part through that this process has not passed."""
        if open_part.part.seen_at_ns < self._started_ns:
            text = "judged PASS by the station's process before this one, which ended before it could record it"
            return replace(inspection, verdict=Verdict.PASS, reasons=(Reason(code="restarted", text=text),))
        self.abort("passed_unearned")
        return inspection

    def _judge_without_frame(self, part_id: int, reason: Reason) -> None:
        inspection = not_inspected(part_id, None, reason, self.recipe_id)
        if self._tracker.judged(inspection, None):
            self._send.judge(part_id, Verdict.NOT_INSPECTED)

    # -- state and alarms ------------------------------------------------------------------------------------------

    def _move(self, cause: Cause) -> None:
        before, self.state = self.state, after(self.state, cause) or self.state
        if self.state is not before:
            _LOG.info("%s: %s, was %s", cause, self.state, before)

    def _hold(self, code: str) -> None:
        self.alarms.raise_(code)
        self._move(Cause.HOLD)
