"""The PLC's function block, run from its own text: alone against images, and scan by scan against the contract."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.plc.events import Triggered
from firmware_bridge.plc.fields import MAP_VERSION, PLC_START, STATION_START, STATION_WORDS, Value, pack
from firmware_bridge.plc.image import AccessRefused
from firmware_bridge.plc.signals import Command, Fault, Mode, PackMl, PlcVerdict, Refusal, Status
from firmware_bridge.plc.structured_text import NAME, render
from tests.firmware_bridge.plc.made import MS, Bench
from tests.firmware_bridge.plc.st_machine import FunctionBlock, Wrong

if not os.environ.get("CI"):
    pytest.importorskip("blark", reason="pip install blark")

TEXT = Path(__file__).parents[3] / "docs/plc" / f"{NAME}.st"
SCAN_MS = 10


@pytest.fixture(scope="module")
def compiled() -> FunctionBlock:
    return FunctionBlock(TEXT.read_text())


@pytest.fixture
def block(compiled: FunctionBlock) -> FunctionBlock:
    compiled.reset()
    return compiled


class Plc:
    """A PLC with the block in its task: every scan calls it, every `exchange_every` scans the registers go over."""

    def __init__(self, block: FunctionBlock, bench: Bench, exchange_every: int = 1) -> None:
        self.block = block
        self.bench = bench
        self.exchange_every = exchange_every
        self.image = [0] * STATION_WORDS
        self.connected = True
        self.comm_ok = False
        self.scans = 0
        self.decided: list[tuple[int, bool]] = []
        self.refused: list[int] = []
        self.commands: list[bool] = []
        self.inputs: dict[str, Any] = {"xEnable": True, "xLineRunning": True}

    def scan(self, **inputs: Any) -> None:
        self.bench.sleep(SCAN_MS)
        given = {"xTrigger": False, "xExecute": False, "xFaultReset": False, **self.inputs, **inputs}
        self.block.call(self.bench.now_ns // MS, xCommOk=self.comm_ok, awIn=list(self.image), **given)
        if self.block["xDone"]:
            self.decided.append((self.block["udiDonePart"], self.block["xPass"]))
        else:
            assert not self.block["xPass"]
        if self.block["xRefused"]:
            self.refused.append(given["udiPartId"])
        if self.block["xCommandDone"] or self.block["xCommandFailed"]:
            self.commands.append(self.block["xCommandDone"])
        self.scans += 1
        if self.scans % self.exchange_every == 0:
            self.exchange()

    def exchange(self) -> None:
        self.comm_ok = False
        if not self.connected:
            return
        try:
            self.image = self.bench.image.exchange(
                "plc", STATION_START, STATION_WORDS, PLC_START, list(self.block["awOut"])
            )
            self.comm_ok = True
        except AccessRefused:
            pass

    def until(self, condition: str, scans: int = 50, **inputs: Any) -> None:
        for _ in range(scans):
            if self.block[condition]:
                return
            self.scan(**inputs)
        raise AssertionError(f"no {condition} in {scans} scans")

    def part(self, part_id: int, scans: int = 150) -> tuple[int, bool]:
        """Trigger for a part and wait for its decision."""
        self.until("xReady")
        before = len(self.decided)
        for _ in range(scans):
            self.scan(xTrigger=True, udiPartId=part_id)
            answer(self.bench)
            if len(self.decided) > before:
                self.scan(udiPartId=part_id)
                return self.decided[-1]
        raise AssertionError(f"part {part_id} was never decided")


def answer(bench: Bench, verdict: PlcVerdict | None = None) -> None:
    """The station of these tests: odd parts are good."""
    for part_id in list(bench.contract.triggers.in_flight):
        bench.answer(part_id, verdict or (PlcVerdict.PASS if part_id % 2 else PlcVerdict.REJECT))


@pytest.fixture
def plc(block: FunctionBlock) -> Plc:
    return Plc(block, Bench())


def test_the_committed_file_is_the_generated_one() -> None:
    assert TEXT.read_text() == render()


@pytest.mark.parametrize("exchange_every", [1, 2, 3])
def test_every_part_gets_its_own_decision_in_order(block: FunctionBlock, exchange_every: int) -> None:
    plc = Plc(block, Bench(), exchange_every)
    for part_id in range(101, 161):
        assert plc.part(part_id) == (part_id, part_id % 2 == 1)
    assert [part_id for part_id, _ in plc.decided] == list(range(101, 161))
    assert (plc.refused, block["uiStray"]) == ([], 0)
    assert not plc.bench.contract.trace.refused


def test_no_answer_in_time_is_a_reject_and_the_late_result_a_stray(plc: Plc) -> None:
    plc.inputs["tAnswer"] = 200
    plc.until("xReady")
    for _ in range(25):
        plc.scan(xTrigger=True, udiPartId=7)
    assert plc.decided == [(7, False)]
    answer(plc.bench)
    for _ in range(5):
        plc.scan()
    assert plc.block["uiStray"] == 1
    assert plc.part(9) == (9, True)


def test_a_lost_connection_rejects_at_once_and_a_fault_needs_a_person(plc: Plc) -> None:
    plc.until("xReady")
    plc.scan(xTrigger=True, udiPartId=7)
    plc.connected = False
    for _ in range(3):
        plc.scan()
    assert plc.decided == [(7, False)]
    plc.bench.image.disconnected("plc")
    answer(plc.bench)
    plc.connected = True
    for _ in range(100):
        plc.scan()
    assert plc.block["xFault"]
    plc.scan(xTrigger=True, udiPartId=9)
    assert plc.refused == [9]
    plc.scan(xFaultReset=True)
    assert plc.part(11) == (11, True)


def test_a_stalled_line_rejects(plc: Plc) -> None:
    plc.until("xReady")
    plc.bench.contract.pulse = lambda _now_ns: None  # type: ignore[method-assign]
    plc.scan(xTrigger=True, udiPartId=7)
    for _ in range(60):
        plc.scan()
    assert plc.decided == [(7, False)]
    assert not plc.block["xAlive"]


def test_a_missed_trigger_rejects(plc: Plc) -> None:
    plc.until("xReady")
    plc.bench.contract.state(PackMl.HELD, plc.bench.now_ns)
    for _ in range(4):
        plc.scan(xTrigger=True, udiPartId=7)
    assert plc.decided == [(7, False)]
    assert plc.bench.refused(Refusal.OFFLINE) == 1


def test_jobs_are_changed_and_refused(plc: Plc) -> None:
    plc.until("xReady")
    for _ in range(3):
        plc.scan(xExecute=True, uiArgument=2)
    assert plc.bench.wanted() == [2]
    plc.bench.contract.job_done(2, 0xBEEF, plc.bench.now_ns)
    for _ in range(3):
        plc.scan()
    assert plc.commands == [True]
    for _ in range(3):
        plc.scan(xExecute=True, uiArgument=9)
    assert plc.commands == [True, False]
    assert plc.block["uiErrorCode"] == Refusal.UNKNOWN_JOB
    assert plc.bench.contract.jobs.current == 2


def test_only_the_settings_that_the_plc_knows_may_pass(plc: Plc) -> None:
    plc.inputs["udiExpectedChecksum"] = 0xBEEF
    assert plc.part(11) == (11, False)
    plc.inputs["udiExpectedChecksum"] = 0xC0FFEE
    assert plc.part(13) == (13, True)


# A part that waits, and the image that lets it through: every guard alone takes the pass away.
GOOD: dict[str, Value] = {
    "status": Status.RESULTS_VALID | Status.ONLINE,
    "map_version": MAP_VERSION,
    "modes": Mode.YOU_HAVE_CONTROL,
    "accepted_part_id": 70_000,
    "result_part_id": 70_000,
    "inspection_id": 5,
    "inspection_id_copy": 5,
    "verdict": PlcVerdict.PASS,
    "result_checksum": 99,
}


def decide(block: FunctionBlock, last: dict[str, Value], *, comm_ok: bool = True, beat: int = 3) -> bool:
    """Bring the block to a part that waits, show it `last`, and say whether it passes."""
    block.reset()
    ready = {**GOOD, "status": Status.TRIGGER_READY | Status.ONLINE, "verdict": 0}
    acked = {**ready, "status": Status.TRIGGER_ACK | Status.ONLINE}
    steps = [(ready, 0, False), (ready, 1, False), (ready, 1, True), (acked, 2, True), (last, beat, True)]
    for number, (image, heartbeat, trigger) in enumerate(steps):
        words = pack({**image, "station_heartbeat": heartbeat}, STATION_START, STATION_WORDS)
        block.call(
            number * SCAN_MS,
            xCommOk=comm_ok if image is last else True,
            awIn=words,
            xEnable=True,
            xTrigger=trigger,
            udiPartId=70_000,
            udiExpectedChecksum=99,
        )
    return bool(block["xPass"])


@pytest.mark.parametrize(
    "guard",
    [
        *({"verdict": verdict} for verdict in PlcVerdict if verdict is not PlcVerdict.PASS),
        {"verdict": 257},
        {"status": Status.ONLINE},
        {"status": Status.RESULTS_VALID | Status.FAULT},
        {"status": Status.RESULTS_VALID | Status.MAINTENANCE},
        {"result_part_id": 70_001},
        {"result_part_id": 70_000 - 65_536},
        {"inspection_id_copy": 4},
        {"result_checksum": 98},
        {"map_version": MAP_VERSION + 1},
        {"modes": Mode.CONTROL_TAKEN},
    ],
    ids=str,
)
def test_each_guard_alone_takes_the_pass_away(block: FunctionBlock, guard: dict[str, Value]) -> None:
    assert decide(block, GOOD)
    assert not decide(block, {**GOOD, **guard})


def test_silence_takes_the_pass_away(block: FunctionBlock) -> None:
    assert not decide(block, GOOD, comm_ok=False)
    assert not decide(block, dict.fromkeys(GOOD, 0))


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_random_image_passes_only_by_the_rule(compiled: FunctionBlock, data: st.DataObject) -> None:
    image = dict(GOOD)
    for name in data.draw(st.sets(st.sampled_from(sorted(GOOD)), max_size=3)):
        image[name] = data.draw(st.sampled_from([GOOD[name], 0, 1, 2, 0xFFFF, 0x10]))
    status, modes = Status(int(image["status"])), int(image["modes"])
    rule = (
        image["verdict"] == PlcVerdict.PASS
        and Status.RESULTS_VALID in status
        and not status & (Status.FAULT | Status.MAINTENANCE)
        and image["result_part_id"] == 70_000
        and image["inspection_id"] == image["inspection_id_copy"]
        and image["result_checksum"] == 99
        and image["map_version"] == MAP_VERSION
        and bool(modes & Mode.YOU_HAVE_CONTROL)
    )
    assert decide(compiled, image) is rule


@pytest.mark.parametrize("seed", range(12))
def test_everything_at_once(block: FunctionBlock, seed: int) -> None:
    """Cables, faults, slow and silent stations, second triggers: no pass that the station did not give this part."""
    dice = random.Random(seed)
    bench = Bench()
    plc = Plc(block, bench, exchange_every=dice.choice([1, 2, 4]))
    plc.inputs["tAnswer"] = 300
    said: dict[int, PlcVerdict] = {}
    asked: list[int] = []
    part_id = 0
    for step in range(600):
        trigger = dice.random() < 0.3
        if trigger:
            part_id += 1
            asked.append(part_id)
        reset = step % 20 < 5
        plc.scan(xTrigger=trigger, udiPartId=part_id, xFaultReset=reset)
        plc.scan(udiPartId=part_id, xFaultReset=reset)
        for waiting in list(bench.contract.triggers.in_flight):
            if dice.random() < 0.5:
                said[waiting] = dice.choice([PlcVerdict.PASS] * 4 + list(PlcVerdict)[2:])
                bench.answer(waiting, said[waiting])
        plc.connected = dice.random() < (0.99 if plc.connected else 0.2)
        if not plc.connected and dice.random() < 0.3:
            bench.image.disconnected("plc")
        if dice.random() < 0.01:
            bench.contract.fault(Fault.CAMERA, bench.now_ns)
        if dice.random() < 0.3:
            bench.contract.fault_gone(Fault.CAMERA)
    for _ in range(60):
        plc.scan()
    decided = [part for part, _ in plc.decided]
    passed = [part for part, good in plc.decided if good]
    assert sorted(decided + plc.refused) == asked, "each part has one end"
    assert decided == sorted(decided)
    assert all(said[part] is PlcVerdict.PASS for part in passed)
    assert set(passed) <= {event.part_id for event in bench.told if isinstance(event, Triggered)}
    assert len(passed) > 10
    assert len(passed) < len(decided) < len(asked)


def test_every_statement_ran(compiled: FunctionBlock) -> None:
    """The types are checked when the text is compiled; here each statement is run at least once."""
    compiled.reset()
    compiled.ran.clear()
    plc = Plc(compiled, Bench())
    test_a_lost_connection_rejects_at_once_and_a_fault_needs_a_person(plc)
    for tour in (test_jobs_are_changed_and_refused, test_a_missed_trigger_rejects):
        compiled.reset()
        tour(Plc(compiled, Bench()))
    compiled.reset()
    test_no_answer_in_time_is_a_reject_and_the_late_result_a_stray(Plc(compiled, Bench()))
    decide(compiled, GOOD)
    compiled.cells["uibeat"] = 65_535
    compiled.call(0, xCommOk=True, awIn=[0] * STATION_WORDS, xExecute=True, uiCommand=int(Command.CHANGE_JOB))
    compiled.call(50_000)
    compiled.reset()
    compiled.call(0, awIn=pack({"status": Status.COMMAND_FAILED}, STATION_START, STATION_WORDS), xExecute=True)
    assert set(compiled.statements) - compiled.ran == set()


SMALL = """FUNCTION_BLOCK FB_Small
VAR_INPUT
    xIn : BOOL;
END_VAR
VAR
    wBits : WORD;
    uiCount : UINT;
END_VAR
VAR CONSTANT
    cMask : WORD := 16#0001;
END_VAR
{}
END_FUNCTION_BLOCK
"""


@pytest.mark.parametrize(
    "line",
    [
        "uiCount := wBits;",
        "uiCount := 65536;",
        "wBits := wBits OR uiCount;",
        "uiNowhere := 1;",
        "xIn := TRUE;",
        "cMask := 16#0002;",
        "IF wBits THEN uiCount := 1; END_IF;",
        "IF xIn AND xIn OR xIn THEN uiCount := 1; END_IF;",
        "IF wBits = uiCount THEN uiCount := 1; END_IF;",
    ],
)
def test_what_a_compiler_would_refuse_is_refused(line: str) -> None:
    FunctionBlock(SMALL.format("uiCount := uiCount + 1;"))
    with pytest.raises(Wrong):
        FunctionBlock(SMALL.format(line))
