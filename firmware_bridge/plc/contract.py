"""The handshake between station and PLC.

What it is: the state machine of the contract (docs/plc.md): triggers, results, heartbeats, faults, control, commands.
Pure: no I/O, and every call is told the time. What it is not: registers (`image`) or a protocol. All calls come under
one lock: the server's thread calls `write`, `disconnected` and `tick`, the line's thread the rest.

The station hears through `tell` and answers by `exposed`, `result`, `job_done`, and proves that it lives by `pulse`;
a line that has not pulsed yet is not there, one that stopped has stalled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from firmware_bridge.plc import events
from firmware_bridge.plc.commands import CommandPort
from firmware_bridge.plc.events import PlcEvent
from firmware_bridge.plc.faults import Faults
from firmware_bridge.plc.inputs import Inputs, Options
from firmware_bridge.plc.jobs import Jobs
from firmware_bridge.plc.maintenance import Maintenance
from firmware_bridge.plc.picture import not_ready, status
from firmware_bridge.plc.results import InFlight, Result, ResultBuffer
from firmware_bridge.plc.signals import Control, Fault, PackMl, PlcVerdict, Refusal, Status
from firmware_bridge.plc.tally import Tally
from firmware_bridge.plc.trace import Trace
from firmware_bridge.plc.triggers import Triggers

_MS = 1_000_000
_PRODUCING = Control.TRIGGER_ENABLE | Control.LINE_RUNNING


class Contract:
    """See the module. Begins offline, without a job, with nobody in control. Another `version`: more may be shown."""

    def __init__(self, options: Options, jobs: Mapping[int, str], tell: Callable[[PlcEvent], None]) -> None:
        self.options = options
        self.trace = Trace()
        self.jobs = Jobs(jobs, tell, options.first_piece)
        self.maintenance = Maintenance(options.outputs, self._hear_maintenance)
        self.commands = CommandPort(options, self.jobs, self.maintenance, self.trace)
        self.results = ResultBuffer(tell)
        self.triggers = Triggers()
        self.faults = Faults()
        self.inputs = Inputs()
        self.owner: str | None = None
        self.tally = Tally(options.plc_triggers)
        self.packml = PackMl.UNDEFINED
        self.heartbeat = 0
        self.sticky = self.status = Status(0)
        self._tell = tell
        self._heard_ns = 0
        self._pulse_ns: int | None = None
        self._block_held, self.version = False, 0

    # -- the PLC's side --------------------------------------------------------------------------------------------

    def write(self, client: str, inputs: Inputs, now_ns: int) -> bool:
        """The PLC wrote its block; False if another client is in control. The first to write takes control.

        Bits that are high in the first write of a new writer are no edges: a trigger or an acknowledgement that
        outlived a broken connection starts nothing.
        """
        news = self._watch(now_ns)
        if self.owner not in (None, client):
            self.trace.refuse(Refusal.NOT_THE_WRITER)
            self._settle(now_ns)
            return False
        old, self.inputs = self.inputs, inputs
        if self.owner is None:
            self.owner, self._heard_ns, old, news = client, now_ns, inputs, True
        if inputs.plc_heartbeat != old.plc_heartbeat:
            self._heard_ns = now_ns
        if inputs.control != old.control:
            self._hear(inputs.control & ~old.control, old.control & ~inputs.control, now_ns)
        if news or inputs.control != old.control or inputs.expected_map != old.expected_map:
            self._settle(now_ns)
        return True

    def disconnected(self, client: str, now_ns: int) -> None:
        """A client's connection ended; if it was in control, control is free, and a running line has a fault."""
        if client == self.owner:
            self._release(Refusal.PLC_CONNECTION)
            self._settle(now_ns)

    def tick(self, now_ns: int) -> None:
        """Time passes; call it at least every 20 ms."""
        if self._watch(now_ns):
            self._settle(now_ns)

    # -- the station's side ----------------------------------------------------------------------------------------

    def pulse(self, now_ns: int) -> None:
        """The line lives; from the thread that judges, at least twice in `station_timeout_ms`."""
        self._pulse_ns = now_ns
        self.heartbeat = (self.heartbeat + 1) & 0xFFFF
        self.version += 1
        self.faults.gone(Fault.STATION_STALLED)

    def state(self, packml: PackMl, now_ns: int) -> None:
        """The state of the station; only in EXECUTE it takes triggers."""
        self.packml = packml
        self._settle(now_ns)

    def fault(self, fault: Fault, now_ns: int) -> None:
        """Something broke, until `fault_gone`. Every PASS not acknowledged yet is void, the one shown is withdrawn."""
        self._raise(fault, lasting=True)
        self._settle(now_ns)

    def fault_gone(self, fault: Fault) -> None:
        """Its cause is gone; it stays on the wire until it is reset."""
        self.faults.gone(fault)

    def reset_faults(self, now_ns: int) -> None:
        """A person or the PLC has seen the faults; those that still have a cause stay."""
        self._reset()
        self._settle(now_ns)

    def seen(self, part_id: int, now_ns: int) -> None:
        """The station's own eye saw a part (`plc_triggers` False). It must get a result like any other."""
        if self.options.plc_triggers:
            raise ValueError(f"part {part_id} was seen by an eye, wanted a trigger of the PLC (plc_triggers)")
        if part_id not in self.triggers.in_flight:
            self._accept(part_id, 0, now_ns)
        self._settle(now_ns)

    def exposed(self, part_id: int, now_ns: int) -> None:
        """The picture of this part is taken: it may move, the next trigger may come."""
        self.triggers.exposed(part_id)
        self._settle(now_ns)

    def result(self, result: Result, now_ns: int) -> None:
        """What the station says of a part; the first word counts, a second is counted and dropped."""
        self._answer(result)
        self._settle(now_ns)

    def job_done(self, job: int, checksum: int, now_ns: int) -> None:
        """The station judges by this job from the next trigger on; also when a person changed it."""
        self.commands.end(Refusal.NONE if self.jobs.done(job, checksum) else Refusal.JOB_FAILED)
        self.faults.gone(Fault.JOB)
        self._settle(now_ns)

    def job_failed(self, now_ns: int) -> None:
        """The job could not be changed; the old one stays."""
        self.jobs.failed()
        self.commands.end(Refusal.JOB_FAILED)
        self.faults.gone(Fault.JOB)
        self._settle(now_ns)

    def approve_first_piece(self, now_ns: int) -> Refusal:
        """A person approved the first piece; NONE, or why not."""
        return self.asked(self.jobs.approve(by_plc=False), now_ns)

    def asked(self, why: Refusal, now_ns: int) -> Refusal:
        """A person asked for something, and this came of it (`by_hand`); the same again."""
        if why is not Refusal.NONE:
            self.trace.refuse(why)
        self._settle(now_ns)
        return why

    def line_runs(self) -> bool:
        """Whether parts move, or may."""
        return self._producing() or bool(self.triggers.in_flight)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _hear(self, rose: Control, fell: Control, now_ns: int) -> None:
        if fell & Control.TRIGGER_ENABLE:
            self.sticky &= ~(Status.TRIGGER_ACK | Status.MISSED_TRIGGER)
        if rose & Control.RESULTS_ACK and not self.results.acknowledge():
            self.trace.refuse(Refusal.ACK_WITHOUT_RESULT)
        if fell & Control.RESULTS_ACK:
            self._block_held = False
        if rose & Control.FAULT_RESET:
            self._reset()
        if rose & Control.EXECUTE_COMMAND:
            self.commands.rise(self.inputs, self.owner or "", self.line_runs(), now_ns)
        if fell & Control.EXECUTE_COMMAND:
            self.commands.drop()
        if fell & Control.TRIGGER:
            self.sticky &= ~Status.TRIGGER_ACK
        if rose & Control.TRIGGER:
            self._trigger(now_ns)

    def _trigger(self, now_ns: int) -> None:
        part_id = self.inputs.trigger_part_id
        why = not_ready(self)
        if why is Refusal.NONE and part_id and (part_id in self.triggers.in_flight or self.results.holds(part_id)):
            why = Refusal.DUPLICATE_PART
        if why is not Refusal.NONE:
            self.sticky |= Status.MISSED_TRIGGER
            self.tally.counts["missed_triggers"] += 1
            self._tell(events.TriggerRefused(part_id, self.trace.refuse(why), now_ns))
            return
        self.sticky = self.sticky & ~Status.MISSED_TRIGGER | Status.TRIGGER_ACK
        encoder = self.inputs.trigger_encoder
        part_id = self.triggers.exposing = self._accept(part_id, encoder, now_ns)
        self._tell(events.Triggered(part_id, self.triggers.acquisition_id, encoder, self.jobs.current, now_ns))

    def _accept(self, part_id: int, encoder: int, now_ns: int) -> int:
        jobs = self.jobs
        entry = InFlight(now_ns, jobs.current, jobs.checksum, encoder, jobs.first_piece_wanted, self._void)
        return self.triggers.accept(part_id, entry)

    def _answer(self, result: Result) -> None:
        entry = self.triggers.take(result.part_id)
        if entry is None:
            self.trace.refuse(Refusal.RESULT_OF_NO_PART)
            return
        result = entry.answer(result, self.jobs.current, self.jobs.checksum)
        room = self.results.offer(result, self.owner is not None, bool(self.inputs.control & Control.BUFFER_RESULTS))
        if not room:
            self.sticky |= Status.RESULTS_OVERRUN
            self.tally.lose(result.verdict)
            self.trace.refuse(Refusal.RESULT_NOBODY if self.owner is None else Refusal.RESULT_OVERRUN)

    def _reset(self) -> None:
        self.faults.reset()
        self.sticky &= ~Status.RESULTS_OVERRUN
        self.trace.last_refusal = Refusal.NONE
        self._block_held = False
        self._tell(events.FaultsReset())

    def _producing(self) -> bool:
        return self.packml is PackMl.EXECUTE or bool(self.inputs.control & _PRODUCING)

    @property
    def _void(self) -> bool:
        """Whether nothing may pass."""
        return self.faults.any or self.maintenance.on

    def _raise(self, fault: Fault, lasting: bool) -> None:
        self.faults.add(fault, lasting)
        self._take_back()

    def _take_back(self) -> None:
        """No PASS survives this. The block stays empty until the PLC has answered, so that it sees it empty."""
        self.triggers.doom()
        self.results.doom()
        shown = self.results.shown
        if shown is not None and shown.verdict is PlcVerdict.PASS:
            self.results.take_back()
            self.trace.refuse(Refusal.RESULT_WITHDRAWN)
            self._block_held = True

    def _hear_maintenance(self, event: PlcEvent) -> None:
        if isinstance(event, events.MaintenanceChanged) and event.on:
            self._take_back()
        elif isinstance(event, events.OutputFired):
            self.trace.pulse(f"FIRE_{self.options.outputs[event.output].upper()}", event.at_ns)
        self._tell(event)

    def _release(self, why: Refusal) -> None:
        """The writer is gone: control is free, what nobody will fetch is lost, a running line has a fault."""
        producing = bool(self.inputs.control & _PRODUCING)
        self.trace.refuse(why)
        self.owner, self.inputs, self._block_held = None, Inputs(), False
        self.commands.drop()
        self.sticky &= ~(Status.TRIGGER_ACK | Status.MISSED_TRIGGER)
        self.results.take_back()
        for result in self.results.empty():
            self.tally.lose(result.verdict)
            self.trace.refuse(Refusal.RESULT_NOBODY)
        if producing:
            self._raise(Fault.PLC_WATCHDOG, lasting=False)
            self._tell(events.FaultRaised(why))

    def _watch(self, now_ns: int) -> bool:
        """All that ends by time; whether anything did."""
        options = self.options
        if lost := self.owner is not None and now_ns - self._heard_ns > self.inputs.timeout_ns:
            self._release(Refusal.PLC_HEARTBEAT)
        silent = self._pulse_ns is not None and now_ns - self._pulse_ns > options.station_timeout_ms * _MS
        if stalled := silent and not self.faults.causes & Fault.STATION_STALLED:
            self._raise(Fault.STATION_STALLED, lasting=True)
            self._tell(events.FaultRaised(self.trace.refuse(Refusal.STATION_PULSE)))
        overdue = self.triggers.overdue(now_ns, options.result_timeout_ms * _MS)
        for part_id in overdue:
            self.trace.refuse(Refusal.RESULT_TIMEOUT)
            self._answer(Result(part_id=part_id, verdict=PlcVerdict.UNKNOWN))
        if late := self.jobs.late(now_ns, options.job_timeout_ms * _MS):
            self.jobs.failed()
            self._raise(Fault.JOB, lasting=True)
            self.commands.end(Refusal.JOB_TIMEOUT)
        return self.maintenance.tick(now_ns) or lost or stalled or bool(overdue) or late

    def _settle(self, now_ns: int) -> None:
        """What follows from what just happened: the next result, the job change, the end of maintenance, the trace."""
        free = not self._block_held and not self.inputs.control & Control.RESULTS_ACK
        shown = self.results.show_next() if free else None
        if shown is not None:
            self.tally.count(shown.verdict)
        if not self.triggers.in_flight or not self.options.plc_triggers:
            self.jobs.between_parts()
        if self.maintenance.on and self._producing():
            self.maintenance.leave()
        part_id = self.results.shown.part_id if self.results.shown else self.triggers.accepted_id
        self.status = status(self)
        self.version += 1
        self.trace.note(self.inputs.control, self.status, self.results.inspection_id, part_id, now_ns)
