"""Masters that do anything at all: what must hold of the contract after every single step.

The masters write whatever bits they like, from two connections, acknowledge or not, fall silent, vanish; the station
answers in any order, twice, for parts that never were, breaks and recovers. The model beside it is only bookkeeping of
what was said to whom.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from firmware_bridge.plc import picture
from firmware_bridge.plc.by_hand import GIVE_BACK, obey
from firmware_bridge.plc.events import JobWanted, MaintenanceChanged, OutputFired, Triggered
from firmware_bridge.plc.fields import (
    PLC_START,
    PLC_WORDS,
    RESULT_START,
    RESULT_WORDS,
    STATION_START,
    STATION_WORDS,
    pack,
    unpack,
)
from firmware_bridge.plc.image import AccessRefused, Image, Table
from firmware_bridge.plc.inputs import Options
from firmware_bridge.plc.maintenance import FORCEABLE
from firmware_bridge.plc.results import Result
from firmware_bridge.plc.signals import Command, Control, Fault, Mode, PackMl, PlcVerdict, Refusal, Status
from tests.firmware_bridge.plc.made import Bench

BITS = sum(Control)
CLIENTS = st.sampled_from(["plc", "other"])
PARTS = st.integers(0, 6)
VERDICTS = st.sampled_from(list(PlcVerdict)[1:])
SIGNALS = st.sampled_from([*FORCEABLE, "MAINTENANCE", "score", ""])
FAULTS = st.sampled_from([Fault.CAMERA, Fault.MODEL, Fault.REJECT_BIN_FULL])


@dataclass
class Said:
    """What became of one acceptance of a part id."""

    verdict: PlcVerdict | None = None
    fault_since: bool = False
    first_piece: bool = False
    settings: tuple[int, int] = (0, 0)
    same_settings: bool = True
    shown: int = 0


class Masters(RuleBasedStateMachine):
    """See the module."""

    @initialize(
        first_piece=st.booleans(), plc_triggers=st.sampled_from([True, True, True, False]), started=st.booleans()
    )
    def begin(self, first_piece: bool, plc_triggers: bool, started: bool) -> None:
        self.bench = Bench(Options(first_piece=first_piece, plc_triggers=plc_triggers, in_flight=3))
        self.contract = self.bench.contract
        self.kept = Image(self.contract, lambda: self.bench.now_ns)
        self.heartbeat = 0
        self.open: dict[int, Said] = {}
        self.answered: dict[int, Said] = {}
        self.accepted = 0
        self.heard = 0
        self.block: list[int] = []
        self.last_id = 0
        self.maintenance = False
        if started:
            self.write("plc", Control(0))
            self.write("plc", Control.TRIGGER_ENABLE | Control.BUFFER_RESULTS)

    # -- what masters do ---------------------------------------------------------------------------------------------

    def write(self, client: str, control: Control, **fields: int) -> None:
        self.heartbeat = (self.heartbeat + 1) & 0xFFFF
        block = {"control": control, "plc_heartbeat": self.heartbeat, **fields}
        owner, refused = self.contract.owner, 0
        words = pack(block, PLC_START, PLC_WORDS)
        try:
            self.bench.image.exchange(client, STATION_START, STATION_WORDS, PLC_START, words)
        except AccessRefused as error:
            refused = error.code
        self.hear()
        if refused:
            assert refused == 4
            assert owner not in (None, client)

    @rule(client=CLIENTS, bits=st.integers(0, BITS), part=PARTS, command=st.integers(0, 6), argument=st.integers(0, 3))
    def scribble(self, client: str, bits: int, part: int, command: int, argument: int) -> None:
        self.write(client, Control(bits & BITS), trigger_part_id=part, command=command, command_argument=argument)

    @rule(flips=st.integers(0, BITS), part=PARTS)
    def flip(self, flips: int, part: int) -> None:
        self.write("plc", self.contract.inputs.control ^ Control(flips & BITS), trigger_part_id=part)

    @rule(part=PARTS, encoder=st.integers(0, 2**32 - 1))
    def trigger(self, part: int, encoder: int) -> None:
        """A ready station takes the trigger, one that is not ready does not."""
        owner, control = self.contract.owner, self.contract.inputs.control
        ready = picture.shown_not_ready(self.contract) is Refusal.NONE
        known = part in self.open or part in {result.part_id for result in self.undelivered()}
        before = self.accepted
        self.write("plc", control | Control.TRIGGER, trigger_part_id=part, trigger_encoder=encoder)
        if owner == "plc" and not control & Control.TRIGGER:
            assert self.accepted - before == int(ready and not known)
            assert bool(self.contract.sticky & Status.TRIGGER_ACK) == (ready and not known)

    @rule()
    def behave(self) -> None:
        """One step of a correct master: drop what was answered, acknowledge what is there."""
        control, status = self.contract.inputs.control | Control.TRIGGER_ENABLE, self.contract.status
        control &= ~(Control.FAULT_RESET | Control.SET_OFFLINE | Control.EXECUTE_COMMAND | Control.TRIGGER)
        if status & Status.RESULTS_VALID:
            control |= Control.RESULTS_ACK
        else:
            control &= ~Control.RESULTS_ACK
        self.write("plc", control)

    @rule(client=CLIENTS)
    def vanish(self, client: str) -> None:
        self.bench.image.disconnected(client)
        self.hear()

    @rule(ms=st.sampled_from([5, 30, 400, 600, 1200]), pulsing=st.sampled_from([True, True, True, False]))
    def wait(self, ms: int, pulsing: bool) -> None:
        start_ns, owner = self.bench.now_ns, self.contract.owner
        self.bench.sleep(ms, pulsing=pulsing)
        self.hear()
        if ms > 520:
            assert self.contract.owner is None, (start_ns, owner)

    # -- what the station does ---------------------------------------------------------------------------------------

    @rule(part=PARTS, verdict=VERDICTS, score=st.floats(0, 3))
    def answer(self, part: int, verdict: PlcVerdict, score: float) -> None:
        if part in self.open:
            self.open[part].verdict = verdict
            self.open[part].same_settings = self.open[part].settings == self.settings()
        self.bench.answer(part, verdict, score=score)
        self.hear()

    @precondition(lambda self: self.open)
    @rule(verdict=VERDICTS, data=st.data())
    def answer_an_open_part(self, verdict: PlcVerdict, data: st.DataObject) -> None:
        self.answer(data.draw(st.sampled_from(sorted(self.open))), verdict, 1.0)

    @rule()
    def expose(self) -> None:
        for part in list(self.open):
            self.contract.exposed(part, self.bench.now_ns)

    @precondition(lambda self: not self.contract.options.plc_triggers)
    @rule(part=st.integers(1, 6))
    def see(self, part: int) -> None:
        """The eye of a station gives a number once; here not while a result of the last one is under way."""
        if part in {result.part_id for result in self.undelivered()}:
            return
        if part not in self.open:
            self.accepted += 1
            self.open[part] = Said(
                fault_since=bool(self.contract.faults.shown) or self.maintenance,
                first_piece=self.contract.jobs.first_piece_wanted,
                settings=self.settings(),
            )
        self.contract.seen(part, self.bench.now_ns)
        self.hear()

    @rule(fault=FAULTS, gone=st.booleans())
    def break_down(self, fault: Fault, gone: bool) -> None:
        self.contract.fault(fault, self.bench.now_ns)
        if gone:
            self.contract.fault_gone(fault)
        self.hear()

    @rule()
    def repair(self) -> None:
        """All causes are gone; that of a stalled line only when it lives, which nobody but itself can say."""
        self.contract.pulse(self.bench.now_ns)
        self.contract.fault_gone(Fault(sum(Fault)))
        self.contract.reset_faults(self.bench.now_ns)
        self.hear()

    @rule(state=st.sampled_from([PackMl.EXECUTE, PackMl.EXECUTE, PackMl.HELD]))
    def turn(self, state: PackMl) -> None:
        self.contract.state(state, self.bench.now_ns)
        self.hear()

    @rule(job=st.sampled_from([1, 2]), worked=st.booleans())
    def change(self, job: int, worked: bool) -> None:
        if worked:
            self.contract.job_done(job, 1000 + job, self.bench.now_ns)
        else:
            self.contract.job_failed(self.bench.now_ns)
        self.hear()

    @rule(output=st.sampled_from(["camera", "ejector"]), signal=SIGNALS, value=st.sampled_from([None, *range(7)]))
    def maintain(self, output: str, signal: str, value: int | None) -> None:
        for words in ("begin", f"fire {output}", f"force {signal} {GIVE_BACK if value is None else value}"):
            obey(self.contract, words, self.bench.now_ns)
        self.hear()

    @rule()
    def end_maintenance(self) -> None:
        obey(self.contract, "end", self.bench.now_ns)
        self.hear()

    @rule()
    def approve(self) -> None:
        self.contract.approve_first_piece(self.bench.now_ns)

    # -- bookkeeping -------------------------------------------------------------------------------------------------

    def settings(self) -> tuple[int, int]:
        return self.contract.jobs.current, self.contract.jobs.checksum

    def undelivered(self) -> list[Result]:
        results = self.contract.results
        return [result for _, result in results.waiting] + ([results.shown] if results.shown else [])

    def hear(self) -> None:
        """What the contract told the station since last time, in order, and what follows for the bookkeeping."""
        for event in self.bench.told[self.heard :]:
            if isinstance(event, Triggered):
                assert event.part_id not in self.open
                self.accepted += 1
                self.open[event.part_id] = Said(
                    first_piece=self.contract.jobs.first_piece_wanted, settings=self.settings()
                )
            elif isinstance(event, JobWanted):
                assert event.job in (1, 2)
            elif isinstance(event, MaintenanceChanged):
                self.maintenance = event.on
            elif isinstance(event, OutputFired):
                assert self.maintenance
                assert event.output == 0, "the only output there is"
        self.heard = len(self.bench.told)
        if self.contract.faults.shown or self.maintenance:
            for said in (*self.open.values(), *self.answered.values()):
                said.fault_since = True
        for part in [part for part in self.open if part not in self.contract.triggers.in_flight]:
            self.answered[part] = self.open.pop(part)

    # -- what must hold ----------------------------------------------------------------------------------------------

    @invariant()
    def what_is_kept_packed_is_what_a_new_image_would_pack(self) -> None:
        new = Image(self.contract, lambda: self.bench.now_ns)
        for start, count in ((PLC_START, PLC_WORDS), (STATION_START, STATION_WORDS)):
            kept = self.kept.read("plc", Table.HOLDING_REGISTERS, start, count)
            assert kept == new.read("plc", Table.HOLDING_REGISTERS, start, count)

    @invariant()
    def a_verdict_is_the_part_s_own(self) -> None:
        block = self.bench.image.read("screen", Table.INPUT_REGISTERS, RESULT_START, RESULT_WORDS)
        valid = self.contract.results.valid
        if self.contract.maintenance.forced:
            block = pack(self.contract.results.values(), RESULT_START, RESULT_WORDS)
        else:
            assert valid == bool(self.contract.status & Status.RESULTS_VALID)
        seen = unpack(block, RESULT_START)
        if self.block and valid:
            assert block == self.block, "the block changed while RESULTS_VALID was 1"
        if valid and not self.block:
            said = self.answered[int(seen["result_part_id"])]
            said.shown += 1
            assert said.shown == 1
            assert 0 < int(seen["inspection_id"]) - self.last_id < 0x8000
            self.last_id = int(seen["inspection_id"])
        if valid:
            said = self.answered[int(seen["result_part_id"])]
            verdict = PlcVerdict(int(seen["verdict"]))
            assert seen["inspection_id"] == seen["inspection_id_copy"]
            assert self.contract.owner is not None
            if verdict is PlcVerdict.PASS:
                assert said.verdict is PlcVerdict.PASS
                assert not said.fault_since
                assert not said.first_piece
                assert said.same_settings
                assert not self.contract.faults.shown
            else:
                assert verdict in (said.verdict, PlcVerdict.UNKNOWN, PlcVerdict.FAULT)
        else:
            assert seen["verdict"] == PlcVerdict.NONE
        self.block = block if valid else []

    @invariant()
    def every_part_is_somewhere_once(self) -> None:
        counts, contract = self.contract.tally.counts, self.contract
        assert counts["total"] == counts["passed"] + counts["rejected"] + counts["unknown"]
        assert self.accepted == counts["total"] + len(contract.triggers.in_flight) + len(contract.results.waiting)
        if contract.options.plc_triggers:
            assert counts["lost_results"] <= counts["unknown"]
        assert len(contract.results.waiting) <= 8
        assert len(contract.triggers.in_flight) <= (3 if contract.options.plc_triggers else 6)

    @invariant()
    def the_words_fit_the_state(self) -> None:
        status, contract = self.contract.status, self.contract
        ready = unpack(self.bench.image.read("screen", Table.INPUT_REGISTERS, STATION_START, 12), STATION_START)
        assert not (contract.faults.shown and not status & Status.FAULT), "a fault is hidden"
        if not contract.maintenance.forced:
            assert bool(status & Status.TRIGGER_READY) == (ready["not_ready"] == Refusal.NONE)
            assert bool(status & Status.FAULT) == bool(contract.faults.shown)
        if status & Status.TRIGGER_READY and not contract.maintenance.forced:
            assert not status & (Status.FAULT | Status.MAINTENANCE | Status.JOB_BUSY)
        if contract.maintenance.on:
            assert not contract.inputs.control & (Control.TRIGGER_ENABLE | Control.LINE_RUNNING)
        assert self.maintenance == contract.maintenance.on
        assert contract.maintenance.on or not contract.maintenance.forced
        if contract.commands.status & Status.COMMAND_EXECUTING:
            assert contract.inputs.command is not Command.NONE

    @invariant()
    def what_is_forced_says_so_and_is_never_a_pass(self) -> None:
        read = self.bench.image.read("screen", Table.INPUT_REGISTERS, STATION_START, STATION_WORDS)
        seen = unpack(read, STATION_START)
        forced = self.contract.maintenance.forced
        assert bool(int(seen["modes"]) & Mode.FORCED) == bool(forced)
        if forced or self.maintenance:
            assert int(seen["status"]) & Status.MAINTENANCE
            assert seen["verdict"] != PlcVerdict.PASS
        for signal, value in forced.items():
            if signal == "verdict":
                assert seen["verdict"] == value
            else:
                assert bool(int(seen["status"]) & Status[signal]) == bool(value)
                assert int(seen["forced"]) & Status[signal]

    @invariant()
    def edges_alternate(self) -> None:
        edges = self.contract.trace.edges
        assert len(edges) <= 200
        last: dict[str, bool] = {}
        for edge in edges:
            assert last.get(edge.signal) is not edge.value
            last[edge.signal] = edge.value


TestMasters = Masters.TestCase
TestMasters.settings = settings(
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
