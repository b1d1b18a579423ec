"""docs/plc.md is true: the order of the edges of a part, and every row of its table of troubles."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_bridge.plc.fields import PLC_START, STATION_START
from firmware_bridge.plc.image import AccessRefused, Table
from firmware_bridge.plc.inputs import Options
from firmware_bridge.plc.signals import Command, Control, Fault, Mode, PackMl, PlcVerdict, Refusal, Status
from tests.firmware_bridge.plc.made import Bench, Master, peek

PAGE = (Path(__file__).parents[3] / "docs/plc.md").read_text()
CASES: dict[str, Callable[[], None]] = {}


def case(text: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """The test of this row of the page."""

    def add(test: Callable[[], None]) -> Callable[[], None]:
        CASES[text] = test
        return test

    return add


def started(options: Options | None = None) -> tuple[Bench, Master]:
    bench = Bench(options)
    master = Master(bench)
    master.start()
    return bench, master


def test_every_row_of_the_page_is_tested() -> None:
    table = PAGE.split("| case | on the wire | then |")[1].split("\n\n")[0]
    assert {row.split("|")[1].strip() for row in table.splitlines()[2:]} == set(CASES)


def test_every_signal_the_page_names_exists() -> None:
    words = {
        word.name for kind in (Control, Status, Fault, Mode, Refusal, PlcVerdict, Command, PackMl) for word in kind
    }
    named = set(re.findall(r"`([A-Z][A-Z_]{3,})`", PAGE))
    assert len(named) > 25
    assert named <= words, named - words


def test_the_edges_of_a_part_come_in_the_order_of_the_page() -> None:
    bench, master = started()
    bench.contract.trace.edges.clear()
    master.set(Control.TRIGGER, trigger_part_id=1)
    master.clear(Control.TRIGGER)
    bench.contract.exposed(1, bench.now_ns)
    bench.answer(1)
    master.cycle()
    master.acknowledge()
    got = [(edge.signal, edge.value) for edge in bench.contract.trace.edges]
    steps = [
        [got.index((name, verb == "rises")) for name, verb in re.findall(r"`([A-Z_]+)` (rises|falls)", step)]
        for step in re.findall(r"^[2-8]\. (?:PLC|Station): (.*)$", PAGE, re.MULTILINE)
    ]
    assert [len(step) for step in steps] == [1, 2, 1, 1, 1, 2, 1]
    for before, after in itertools.pairwise(steps):
        assert max(before) < min(after)


@case("trigger while not ready")
def _() -> None:
    bench, master = started()
    bench.contract.state(PackMl.HELD, bench.now_ns)
    master.set(Control.TRIGGER, trigger_part_id=1)
    assert master.status & Status.MISSED_TRIGGER
    assert not master.status & Status.TRIGGER_ACK
    assert (master.seen["missed_triggers"], master.seen["error_code"]) == (1, Refusal.OFFLINE)
    bench.contract.state(PackMl.EXECUTE, bench.now_ns)
    master.clear(Control.TRIGGER)
    master.trigger(2)
    assert not master.status & Status.MISSED_TRIGGER


@case("trigger for a part that is under way")
def _() -> None:
    bench, master = started()
    master.trigger(1)
    bench.contract.exposed(1, bench.now_ns)
    master.set(Control.TRIGGER)
    assert master.status & Status.MISSED_TRIGGER
    assert master.seen["error_code"] == Refusal.DUPLICATE_PART


@case("no result in time")
def _() -> None:
    _, master = started()
    master.trigger(1)
    master.wait(1_040)
    assert (master.seen["result_part_id"], master.seen["verdict"]) == (1, PlcVerdict.UNKNOWN)
    master.acknowledge()


@case("PLC never acknowledges")
def _() -> None:
    bench, master = started()
    for part_id in range(1, 5):
        master.trigger(part_id)
        bench.answer(part_id)
    master.cycle()
    assert master.status & Status.RESULTS_OVERRUN
    assert (master.seen["result_part_id"], master.seen["lost_results"]) == (1, 3)
    master.acknowledge()
    master.set(Control.FAULT_RESET)
    assert not master.status & Status.RESULTS_OVERRUN
    assert master.one(9) == PlcVerdict.PASS


@case("PLC acknowledges twice")
def _() -> None:
    _, master = started()
    master.one(1)
    before = master.cycle()
    master.set(Control.RESULTS_ACK)
    after = master.clear(Control.RESULTS_ACK)
    assert after.pop("error_code") == Refusal.ACK_WITHOUT_RESULT
    assert before.pop("error_code") == Refusal.NONE
    assert after == before


def comes_back(bench: Bench, master: Master) -> None:
    assert Fault(int(peek(bench, "faults"))) == Fault.PLC_WATCHDOG
    assert not Status(int(peek(bench, "status"))) & Status.TRIGGER_READY
    assert not int(peek(bench, "modes")) & Mode.CONTROL_TAKEN
    master.cycle()
    assert int(master.seen["modes"]) & Mode.YOU_HAVE_CONTROL
    assert not master.status & Status.TRIGGER_READY
    master.set(Control.FAULT_RESET)
    assert master.status & Status.TRIGGER_READY


@case("PLC falls silent")
def _() -> None:
    bench, master = started()
    bench.sleep(540)
    comes_back(bench, master)


@case("connection of the PLC ends")
def _() -> None:
    bench, master = started()
    bench.image.disconnected("plc")
    comes_back(bench, master)


@case("two masters write")
def _() -> None:
    bench, master = started()
    with pytest.raises(AccessRefused) as refused:
        Master(bench, "other").cycle()
    assert refused.value.code == 4
    assert master.one(1) == PlcVerdict.PASS


@case("fault while a PASS is shown")
def _() -> None:
    bench, master = started()
    master.trigger(1)
    bench.answer(1)
    assert master.cycle()["verdict"] == PlcVerdict.PASS
    bench.contract.fault(Fault.CAMERA, bench.now_ns)
    bench.contract.fault_gone(Fault.CAMERA)
    master.wait(100)
    assert not master.status & Status.RESULTS_VALID
    assert master.status & Status.FAULT
    assert (master.seen["verdict"], master.seen["result_part_id"]) == (PlcVerdict.NONE, 0)
    master.set(Control.FAULT_RESET)
    assert not master.status & Status.FAULT


@case("station hangs")
def _() -> None:
    bench, master = started()
    beat = master.cycle()["station_heartbeat"]
    for _ in range(52):
        bench.sleep(20, pulsing=False)
        master.cycle()
    assert (master.seen["station_heartbeat"], master.faults) == (beat, Fault.STATION_STALLED)


@case("station is restarted")
def _() -> None:
    _, old = started()
    assert old.one(1) == PlcVerdict.PASS
    bench = Bench()
    master = Master(bench)
    master.block = dict(old.block)
    master.set(Control.TRIGGER, trigger_part_id=2)
    assert (master.seen["inspection_id"], bench.triggered()) == (0, [])
    master.clear(Control.TRIGGER)
    assert master.one(2) == PlcVerdict.PASS


@case("unknown job")
def _() -> None:
    _, master = started()
    master.set(Control.EXECUTE_COMMAND, command=Command.CHANGE_JOB, command_argument=9)
    assert master.status & Status.COMMAND_FAILED
    assert (master.seen["error_code"], master.seen["current_job"]) == (Refusal.UNKNOWN_JOB, 1)


@case("job change hangs")
def _() -> None:
    _, master = started()
    master.cycle(heartbeat_timeout=2_000)
    master.set(Control.EXECUTE_COMMAND, command=Command.CHANGE_JOB, command_argument=2)
    master.wait(29_500, 500)
    assert master.status & Status.COMMAND_EXECUTING
    master.wait(1_000, 500)
    assert master.status & Status.COMMAND_FAILED
    assert (master.seen["error_code"], master.faults) == (Refusal.JOB_TIMEOUT, Fault.JOB)


@case("PLC written for another map")
def _() -> None:
    _, master = started()
    assert master.cycle(expected_map=2)["not_ready"] == Refusal.MAP_VERSION


@case("write outside the block, or a value outside the map")
def _() -> None:
    bench, master = started()
    before = bench.image.read("plc", Table.HOLDING_REGISTERS, PLC_START, 16)
    for start, values, code in (
        (STATION_START, [1], 2),
        (15, [0, 0], 2),
        (99, [0], 2),
        (0, [], 2),
        (0, [1 << 5], 3),
        (8, [20], 3),
        (12, [1], 3),
    ):
        with pytest.raises(AccessRefused) as refused:
            bench.image.write("plc", Table.HOLDING_REGISTERS, start, values)
        assert refused.value.code == code
    with pytest.raises(AccessRefused) as refused:
        bench.image.exchange("plc", 170, 11, 0, [0])
    assert refused.value.code == 2
    with pytest.raises(AccessRefused) as refused:
        bench.image.write("plc", Table.INPUT_REGISTERS, 100, [0])
    assert refused.value.code == 1
    assert bench.image.read("plc", Table.HOLDING_REGISTERS, PLC_START, 16) == before
    assert master.one(1) == PlcVerdict.PASS


@pytest.mark.parametrize("name", CASES)
def test_the_wire_picture(name: str) -> None:
    CASES[name]()
