"""A station and a master to hold the contract by: simulated time, registers as the only thing between the two."""

from __future__ import annotations

from firmware_bridge.plc.contract import Contract
from firmware_bridge.plc.events import JobWanted, PlcEvent, Triggered
from firmware_bridge.plc.fields import (
    BY_NAME,
    PLC_START,
    PLC_WORDS,
    STATION_START,
    STATION_WORDS,
    Value,
    pack,
    unpack,
)
from firmware_bridge.plc.image import Image, Table
from firmware_bridge.plc.inputs import Options
from firmware_bridge.plc.results import Result
from firmware_bridge.plc.signals import Control, Fault, PackMl, PlcVerdict, Refusal, Status

MS = 1_000_000
JOBS = {1: "bracket", 2: "bottle"}


class Bench:
    """A contract behind its image, a clock, and what the station was told."""

    def __init__(self, options: Options | None = None, *, running: bool = True) -> None:
        self.now_ns = 0
        self.told: list[PlcEvent] = []
        self.contract = Contract(options or Options(), JOBS, self.told.append)
        self.image = Image(self.contract, lambda: self.now_ns)
        if running:
            self.contract.job_done(1, 0xC0FFEE, 0)
            self.contract.state(PackMl.EXECUTE, 0)
            self.contract.pulse(0)

    def sleep(self, ms: float, *, pulsing: bool = True, step_ms: int = 20) -> None:
        """Time passes in steps, the line pulses."""
        end_ns = self.now_ns + round(ms * MS)
        while self.now_ns < end_ns:
            self.now_ns = min(self.now_ns + step_ms * MS, end_ns)
            if pulsing:
                self.contract.pulse(self.now_ns)
            self.image.tick()

    def events(self, kind: type[PlcEvent]) -> list[PlcEvent]:
        return [event for event in self.told if isinstance(event, kind)]

    def triggered(self) -> list[int]:
        return [event.part_id for event in self.told if isinstance(event, Triggered)]

    def wanted(self) -> list[int]:
        return [event.job for event in self.told if isinstance(event, JobWanted)]

    def answer(self, part_id: int, verdict: PlcVerdict = PlcVerdict.PASS, **more: object) -> None:
        self.contract.result(Result(part_id=part_id, verdict=verdict, **more), self.now_ns)  # type: ignore[arg-type]

    def refused(self, why: Refusal) -> int:
        return self.contract.trace.refused[why]

    def law(self) -> None:
        """Every accepted part is under way, waits, or is counted once."""
        counts = self.contract.tally.counts
        assert counts["total"] == counts["passed"] + counts["rejected"] + counts["unknown"]


class Master:
    """A PLC that writes its block and reads the station's in one exchange; `set` and `clear` are one cycle each."""

    def __init__(self, bench: Bench, name: str = "plc") -> None:
        self.bench = bench
        self.name = name
        self.block: dict[str, Value] = {"control": Control(0), "plc_heartbeat": 0, "expected_map": 1}
        self.seen: dict[str, Value] = {}

    @property
    def status(self) -> Status:
        return Status(int(self.seen["status"]))

    @property
    def control(self) -> Control:
        return Control(int(self.block["control"]))

    @property
    def faults(self) -> Fault:
        return Fault(int(self.seen["faults"]))

    def cycle(self, **fields: Value) -> dict[str, Value]:
        self.block.update(fields)
        self.block["plc_heartbeat"] = (int(self.block["plc_heartbeat"]) + 1) & 0xFFFF
        words = self.bench.image.exchange(
            self.name, STATION_START, STATION_WORDS, PLC_START, pack(self.block, PLC_START, PLC_WORDS)
        )
        self.seen = unpack(words, STATION_START)
        return self.seen

    def set(self, bits: Control, **fields: Value) -> dict[str, Value]:
        return self.cycle(control=self.control | bits, **fields)

    def clear(self, bits: Control) -> dict[str, Value]:
        return self.cycle(control=self.control & ~bits)

    def wait(self, ms: float, step_ms: int = 20) -> dict[str, Value]:
        """A living PLC lets time pass."""
        for _ in range(round(ms / step_ms)):
            self.bench.sleep(step_ms, step_ms=step_ms)
            self.cycle()
        return self.seen

    def start(self) -> None:
        """Take control and enable triggers."""
        self.cycle()
        self.set(Control.TRIGGER_ENABLE | Control.LINE_RUNNING)

    def trigger(self, part_id: int, encoder: int = 0) -> None:
        """One trigger, held until it is acknowledged, then dropped."""
        self.set(Control.TRIGGER, trigger_part_id=part_id, trigger_encoder=encoder)
        assert self.status & Status.TRIGGER_ACK
        self.clear(Control.TRIGGER)

    def acknowledge(self) -> None:
        self.set(Control.RESULTS_ACK)
        assert not self.status & Status.RESULTS_VALID
        self.clear(Control.RESULTS_ACK)

    def one(self, part_id: int, verdict: PlcVerdict = PlcVerdict.PASS) -> int:
        """A whole part; the verdict as read."""
        self.trigger(part_id)
        self.bench.answer(part_id, verdict)
        seen = dict(self.cycle())
        assert self.status & Status.RESULTS_VALID
        assert seen["result_part_id"] == part_id
        self.acknowledge()
        return int(seen["verdict"])


def peek(bench: Bench, name: str) -> Value:
    """One field, read by a client that never writes."""
    field = BY_NAME[name]
    words = bench.image.read("screen", Table.INPUT_REGISTERS, field.address, field.words)
    return unpack(words, field.address)[name]
