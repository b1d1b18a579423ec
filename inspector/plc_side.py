"""The station's half of the PLC contract: what the line tells the PLC, and what it does when the PLC asks.

What it is: state, faults, results and job changes, carried over between passage and contract. What it is not: the
handshake (`firmware_bridge.plc.contract`), a socket, or the judgement. Line thread, but for `tell`, which the contract
calls under its lock from whichever thread moves it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from firmware_bridge.events import Event, PartSeen
from firmware_bridge.plc import events
from firmware_bridge.plc.by_hand import obey, why_not
from firmware_bridge.plc.contract import Contract
from firmware_bridge.plc.image import Image
from firmware_bridge.plc.inputs import Options
from firmware_bridge.plc.parts import PlcParts
from firmware_bridge.plc.signals import Fault, PackMl, Refusal
from inspector.alarms import Alarms
from inspector.clock import Clock
from inspector.line import Line
from inspector.passage import Passage
from inspector.plc_jobs import PlcJobs
from inspector.plc_results import Places, plc_result, settings_checksum
from inspector.state import Cause, State
from inspector.tracker import not_inspected
from inspector.types import Inspection, InspectionRecord, Reason
from inspector.upkeep import act, tell_fired

_PACKML = {
    State.STOPPED: PackMl.STOPPED,
    State.IDLE: PackMl.IDLE,
    State.EXECUTE: PackMl.EXECUTE,
    State.HELD: PackMl.HELD,
    State.ABORTED: PackMl.ABORTED,
}
# Alarms that come from the PLC itself are no news to it.
_OWN = ("plc_lost", "plc_port", "maintenance", "plc_job")
_FAULTS = {
    "camera_lost": Fault.CAMERA,
    "record_failed": Fault.RECORDER,
    "port_gone": Fault.CONTROLLER,
    "controller_bin_full": Fault.REJECT_BIN_FULL,
    "controller_not_confirmed": Fault.EJECT_UNCONFIRMED,
    "controller_consecutive_rejects": Fault.CONSECUTIVE_REJECTS,
    "controller_consecutive_unknown": Fault.CONSECUTIVE_UNKNOWN,
}
_LOW_HALF = 0xFFFFFFFF


@dataclass(slots=True)
class Hands:
    """What the PLC's wishes move: a job's line is taken over, the camera is fired for a part of the PLC, an output for
    a test; `put` is the line's inbox."""

    take_line: Callable[[Line], None]
    expose: Callable[[int], None]
    fire: Callable[[str], None]
    put: Callable[[Event | events.PlcEvent], None]


class PlcSide:
    """See the module. `parts` is None where the station's own eye sees the parts (wiring "results")."""

    def __init__(
        self, clock: Clock, options: Options, jobs: PlcJobs, places: Places, hands: Hands, parts: PlcParts | None
    ) -> None:
        self._clock = clock
        self._jobs = jobs
        self._places = places
        self._hands = hands
        self.parts = parts
        self.contract = Contract(options, jobs.known, self.tell)
        self.image = Image(self.contract, clock.now_ns)
        self._line: Line | None = None
        self._labels: tuple[str, ...] = ()
        self._lost = False
        self._wanted = 0
        self._told: set[int] = set()
        self._state: State | None = None
        self._faults = Fault(0)

    def tell(self, event: events.PlcEvent) -> None:
        """The contract's word; see the module."""
        if self.parts is not None:
            for meant in self.parts.hear(event):
                self._hands.put(meant)
            if isinstance(event, events.Triggered):
                self.contract.triggers.recorded_as(event.part_id, self.parts.part_of(event.part_id) or 0)
                self._hands.expose(event.part_id)
        if not isinstance(event, events.Triggered | events.TriggerRefused | events.ResultTaken | events.ResultLost):
            self._hands.put(event)

    def exposed(self, wire_id: int) -> None:
        """The picture of this part is taken; from the thread that fires the camera."""
        with self.image.lock:
            self.contract.exposed(wire_id, self._clock.now_ns())

    # -- what the PLC asks -----------------------------------------------------------------------------------------

    def hear(self, event: events.PlcEvent, passage: Passage) -> None:
        """Do what the PLC asked for, as it comes out of the inbox."""
        alarms = passage.alarms
        if isinstance(event, events.JobWanted):
            self._wanted = event.job
        elif isinstance(event, events.FaultRaised) and event.why is not Refusal.STATION_PULSE:
            self._lost = True
            alarms.raise_("plc_lost", trouble=event.why.name)
        elif isinstance(event, events.FaultsReset):
            self._lost = False
            alarms.settle("plc_lost")
            if passage.state is State.HELD:
                passage.order(Cause.RESET)
        else:
            act(event, self.contract.options.outputs, self._hands.fire, passage)

    # -- what the line tells ---------------------------------------------------------------------------------------

    def look(self, passage: Passage, line: Line) -> None:
        """The line lives; once in every lap of its loop."""
        now_ns = self._clock.now_ns()
        with self.image.lock:
            self.contract.pulse(now_ns)
            if passage.state is not self._state:
                self._state = passage.state
                self.contract.state(_PACKML[passage.state], now_ns)
            self._tell_faults(passage.alarms, now_ns)
            if self._lost and "plc_lost" not in passage.alarms:
                self._lost = False
                self.contract.reset_faults(now_ns)  # a person has read the alarm
            if line is not self._line:
                self._tell_job(line, now_ns)
        if self._wanted:
            self._change_job(passage)

    def heard(self, event: Event) -> None:
        """The station's own eye saw a part (wiring "results")."""
        if self.parts is None and isinstance(event, PartSeen):
            with self.image.lock:
                self._told.add(event.part_id)
                self.contract.seen(event.part_id & _LOW_HALF, self._clock.now_ns())
                self.contract.triggers.recorded_as(event.part_id & _LOW_HALF, event.part_id)

    def judged(self, inspection: Inspection) -> None:
        """A part was judged (wiring "results")."""
        if self.parts is None and inspection.part_id in self._told:
            self._told.discard(inspection.part_id)
            self.say(inspection, inspection.part_id & _LOW_HALF)

    def closed(self, record: InspectionRecord) -> None:
        """A part has its record; one that was never judged gets its result now (wiring "results")."""
        self.judged(record.inspection)

    def say(self, inspection: Inspection, wire_id: int) -> int | None:
        """Give the PLC its result of a part; the ns left of the part's time, None if it is over."""
        now_ns = self._clock.now_ns()
        result = plc_result(inspection, wire_id, self._labels, self._places)
        with self.image.lock:
            entry = self.contract.triggers.in_flight.get(wire_id)
            self.contract.result(result, now_ns)
        if entry is None:
            return None
        return entry.accepted_ns + self.contract.options.result_timeout_ms * 1_000_000 - now_ns

    def judge(self, part_id: int, inspection: Inspection | None) -> int | None:
        """Answer a trigger (wiring "triggers")."""
        assert self.parts is not None
        with self.image.lock:
            wire_id = self.parts.wire_of(part_id)
            answered = wire_id not in self.contract.triggers.in_flight
        if wire_id is None or (inspection is None and answered):
            return None
        if inspection is None:
            inspection = not_inspected(part_id, None, Reason(code="frame_ambiguous"), "")
        return self.say(inspection, wire_id)

    def abandon(self) -> None:
        """The station ends: what the PLC has not taken over by now is lost."""
        if self.parts is not None:
            with self.image.lock:
                for event in self.parts.abandon("station_stopped"):
                    self._hands.put(event)

    def command(self, words: str) -> str:
        """A person's wish from the screen: `approve`, or what `by_hand` knows; empty, or why not."""
        now_ns = self._clock.now_ns()
        with self.image.lock:
            if words == "approve":
                return why_not(words, self.contract.approve_first_piece(now_ns))
            return obey(self.contract, words, now_ns)

    def fired(self, trouble: str, passage: Passage) -> None:
        """What came of a test pulse; empty if it was fired."""
        tell_fired(trouble, passage.alarms)
        with self.image.lock:
            self.contract.commands.fired(Refusal.NOT_FIRED if trouble else Refusal.NONE)
            self.contract.asked(Refusal.NONE, self._clock.now_ns())

    def left_s(self) -> float | None:
        """Seconds until the maintenance mode ends by itself, None where it is off."""
        with self.image.lock:
            return self.contract.maintenance.left_s(self._clock.now_ns())

    # -- inside ----------------------------------------------------------------------------------------------------

    def _tell_faults(self, alarms: Alarms, now_ns: int) -> None:
        faults = Fault(0)
        for alarm in alarms.all():
            if alarm.severity == "stop" and alarm.code not in _OWN:
                fallback = Fault.CONTROLLER if alarm.code.startswith("controller_") else Fault.OTHER
                faults |= _FAULTS.get(alarm.code, fallback)
        if faults == self._faults:
            return
        if self._faults & ~faults:
            self.contract.fault_gone(self._faults & ~faults)
        if faults & ~self._faults:
            self.contract.fault(faults & ~self._faults, now_ns)
        self._faults = faults

    def _tell_job(self, line: Line, now_ns: int) -> None:
        """What the line judges by has changed, at the PLC's wish or a person's."""
        self._line = line
        self._labels = (*line.runner.card.output.labels, *(measure.name for measure in line.recipe.measure))
        number = self._jobs.number_of(line.recipe.id)
        if number:
            self._jobs.replace(number, line)
            checksum = settings_checksum(line.recipe.revision, line.runner.model_sha, line.calibration_id)
            self.contract.job_done(number, checksum, now_ns)
        else:
            self.contract.fault(Fault.JOB, now_ns)

    def _change_job(self, passage: Passage) -> None:
        line = self._jobs.line(self._wanted)
        if line is None:
            return
        self._wanted = 0
        if isinstance(line, str):
            passage.alarms.raise_("plc_job", "warning", trouble=line)
            with self.image.lock:
                self.contract.job_failed(self._clock.now_ns())
            return
        passage.alarms.settle("plc_job")
        if line is self._line:
            self._line = None  # asked for again: told again
        self._hands.take_line(line)
