"""The handshake, rule by rule (docs/plc.md), through the registers."""

from __future__ import annotations

import pytest

from firmware_bridge.plc.fields import PLC_START, PLC_WORDS, STATION_START, STATION_WORDS, pack
from firmware_bridge.plc.image import AccessRefused, Table
from firmware_bridge.plc.inputs import Options
from firmware_bridge.plc.signals import Control, Fault, LengthUnit, PackMl, PlcVerdict, Refusal, Status
from tests.firmware_bridge.plc.made import Bench, Master, peek


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def master(bench: Bench) -> Master:
    master = Master(bench)
    master.start()
    return master


def test_a_hundred_parts_each_with_its_own_verdict(bench: Bench, master: Master) -> None:
    for part_id in range(1000, 1100):
        verdict = PlcVerdict.PASS if part_id % 3 else PlcVerdict.REJECT
        assert master.one(part_id, verdict) == verdict
    assert bench.triggered() == list(range(1000, 1100))
    assert (master.seen["total"], master.seen["passed"], master.seen["unknown"]) == (100, 67, 0)
    assert master.seen["inspection_id"] == 100
    assert not bench.contract.trace.refused


def test_the_trigger_is_acknowledged_and_answered(bench: Bench, master: Master) -> None:
    assert master.status & Status.TRIGGER_READY
    master.set(Control.TRIGGER, trigger_part_id=7, trigger_encoder=123_456)
    assert master.status & Status.TRIGGER_ACK
    assert master.status & Status.EXPOSING
    assert master.status & Status.BUSY
    assert not master.status & Status.TRIGGER_READY
    assert (master.seen["accepted_part_id"], master.seen["acquisition_id"]) == (7, 1)
    master.clear(Control.TRIGGER)
    assert not master.status & Status.TRIGGER_ACK
    assert master.seen["not_ready"] == Refusal.EXPOSING
    bench.contract.exposed(7, bench.now_ns)
    master.cycle()
    assert master.status & Status.TRIGGER_READY
    bench.answer(
        7,
        PlcVerdict.REJECT,
        unit=LengthUnit.MM_0_01,
        part_xy=(-12.34, 56.78),
        angle_deg=-179.5,
        defect_xy=(1.0, -2.0),
        defect_class=3,
        score=1.5,
        inspection_ms=12.34,
        record_id=5 << 32 | 99,
    )
    seen = master.cycle()
    assert (seen["part_x"], seen["part_y"], seen["defect_x"], seen["defect_y"]) == (-1234, 5678, 100, -200)
    assert seen["part_angle"] == pytest.approx(-179.5)
    assert seen["score"] == pytest.approx(1.5)
    assert seen["inspection_time"] == pytest.approx(12.3)
    assert (seen["record_boot"], seen["record_number"]) == (5, 99)
    assert (seen["result_encoder"], seen["result_job"], seen["result_checksum"]) == (123_456, 1, 0xC0FFEE)
    assert seen["recipe"] == "bracket"


def test_the_next_result_comes_only_after_the_acknowledgement_was_dropped(bench: Bench, master: Master) -> None:
    master.set(Control.BUFFER_RESULTS)
    for part_id in (1, 2):
        master.trigger(part_id)
        bench.answer(part_id)
    master.cycle()
    toggle = master.status & Status.INSPECTION_COMPLETED
    assert (master.seen["result_part_id"], master.seen["results_waiting"]) == (1, 1)
    master.set(Control.RESULTS_ACK)
    assert not master.status & Status.RESULTS_VALID
    assert (master.seen["verdict"], master.seen["result_part_id"]) == (PlcVerdict.NONE, 0)
    master.cycle()
    assert not master.status & Status.RESULTS_VALID
    master.clear(Control.RESULTS_ACK)
    assert master.status & Status.RESULTS_VALID
    assert (master.seen["result_part_id"], master.seen["inspection_id"]) == (2, 2)
    assert master.status & Status.INSPECTION_COMPLETED != toggle


def test_overrun_keeps_the_oldest_and_counts_the_lost_as_unknown(bench: Bench, master: Master) -> None:
    master.set(Control.BUFFER_RESULTS)
    for part_id in range(1, 12):
        master.trigger(part_id)
        bench.answer(part_id)
    master.cycle()
    assert master.status & Status.RESULTS_OVERRUN
    assert (master.seen["lost_results"], master.seen["unknown"]) == (2, 2)
    got = []
    while master.status & Status.RESULTS_VALID:
        got.append((master.seen["result_part_id"], master.seen["inspection_id"]))
        master.acknowledge()
    assert got == [(part_id, part_id) for part_id in range(1, 10)]
    assert master.one(50) == PlcVerdict.PASS
    assert peek(bench, "inspection_id") == 12
    assert master.status & Status.RESULTS_OVERRUN
    master.set(Control.FAULT_RESET)
    assert not master.status & Status.RESULTS_OVERRUN
    bench.law()


def test_without_buffering_nothing_waits_behind_a_result(bench: Bench, master: Master) -> None:
    for part_id in (1, 2):
        master.trigger(part_id)
        bench.answer(part_id)
    master.cycle()
    assert master.seen["result_part_id"] == 1
    assert bench.refused(Refusal.RESULT_OVERRUN) == 1


@pytest.mark.parametrize(
    ("break_it", "why"),
    [
        (lambda _bench, master: master.clear(Control.TRIGGER_ENABLE), Refusal.NOT_ENABLED),
        (lambda bench, _master: bench.contract.state(PackMl.HELD, 0), Refusal.OFFLINE),
        (lambda _bench, master: master.set(Control.SET_OFFLINE), Refusal.OFFLINE),
        (lambda bench, _master: bench.contract.fault(Fault.CAMERA, 0), Refusal.FAULT),
        (lambda _bench, master: master.cycle(expected_map=9), Refusal.MAP_VERSION),
        (lambda _bench, master: master.trigger(1), Refusal.EXPOSING),
    ],
)
def test_a_trigger_that_is_not_ready_is_missed(bench: Bench, master: Master, break_it: object, why: Refusal) -> None:
    break_it(bench, master)  # type: ignore[operator]
    before = bench.triggered()
    master.cycle()
    assert not master.status & Status.TRIGGER_READY
    assert master.seen["not_ready"] == why
    master.set(Control.TRIGGER, trigger_part_id=77)
    assert master.status & Status.MISSED_TRIGGER
    assert not master.status & Status.TRIGGER_ACK
    assert (master.seen["error_code"], master.seen["missed_triggers"]) == (why, 1)
    assert bench.triggered() == before


def test_a_part_id_under_way_is_refused(bench: Bench, master: Master) -> None:
    master.trigger(5)
    bench.contract.exposed(5, bench.now_ns)
    master.set(Control.TRIGGER)
    assert master.seen["error_code"] == Refusal.DUPLICATE_PART
    bench.answer(5)
    master.clear(Control.TRIGGER)
    master.set(Control.TRIGGER)
    assert bench.refused(Refusal.DUPLICATE_PART) == 2
    assert bench.triggered() == [5]


def test_part_zero_gets_a_number(bench: Bench, master: Master) -> None:
    master.trigger(0)
    number = int(master.seen["accepted_part_id"])
    assert number
    assert bench.triggered() == [number]
    bench.answer(number)
    assert master.cycle()["result_part_id"] == number


def test_no_result_in_time_is_unknown_and_the_late_one_is_dropped(bench: Bench, master: Master) -> None:
    master.trigger(9)
    bench.contract.triggers.recorded_as(9, 3 << 32 | 44)
    master.wait(1100)
    assert (master.seen["result_part_id"], master.seen["verdict"]) == (9, PlcVerdict.UNKNOWN)
    assert (master.seen["record_boot"], master.seen["record_number"]) == (3, 44)
    bench.answer(9)
    master.cycle()
    assert master.seen["verdict"] == PlcVerdict.UNKNOWN
    assert (bench.refused(Refusal.RESULT_TIMEOUT), bench.refused(Refusal.RESULT_OF_NO_PART)) == (1, 1)


def test_a_silent_plc_loses_control_and_nothing_starts_again_by_itself(bench: Bench, master: Master) -> None:
    master.trigger(1)
    bench.sleep(520)
    assert bench.contract.owner is None
    bench.answer(1)
    master.cycle()
    assert master.faults == Fault.PLC_WATCHDOG
    assert not master.status & Status.TRIGGER_READY
    master.wait(200)
    assert master.faults == Fault.PLC_WATCHDOG
    master.set(Control.FAULT_RESET)
    assert not master.faults
    assert master.status & Status.TRIGGER_READY


def test_a_frozen_heartbeat_is_silence(bench: Bench, master: Master) -> None:
    words = pack(master.block, PLC_START, PLC_WORDS)
    for _ in range(30):
        bench.sleep(20)
        bench.image.exchange("plc", STATION_START, STATION_WORDS, PLC_START, words)
    assert Fault(int(peek(bench, "faults"))) == Fault.PLC_WATCHDOG


def test_a_stalled_line_stops_the_heartbeat_and_is_a_fault(bench: Bench, master: Master) -> None:
    before = master.cycle()["station_heartbeat"]
    for _ in range(60):
        bench.sleep(20, pulsing=False)
        master.cycle()
    assert master.seen["station_heartbeat"] == before
    assert master.faults == Fault.STATION_STALLED
    master.set(Control.FAULT_RESET)
    assert master.faults == Fault.STATION_STALLED
    bench.sleep(20)
    master.clear(Control.FAULT_RESET)
    master.set(Control.FAULT_RESET)
    assert not master.faults


def test_no_pass_survives_a_fault(bench: Bench, master: Master) -> None:
    master.set(Control.BUFFER_RESULTS)
    for part_id in (1, 2, 3):
        master.trigger(part_id)
        if part_id < 3:
            bench.answer(part_id)
    assert master.cycle()["verdict"] == PlcVerdict.PASS
    bench.contract.fault(Fault.CAMERA, bench.now_ns)
    master.cycle()
    assert not master.status & Status.RESULTS_VALID
    assert master.seen["verdict"] == PlcVerdict.NONE
    bench.contract.fault_gone(Fault.CAMERA)
    master.set(Control.FAULT_RESET)
    bench.answer(3)
    verdicts = {}
    for _ in range(2):
        master.cycle()
        verdicts[master.seen["result_part_id"]] = master.seen["verdict"]
        master.acknowledge()
    assert verdicts == {2: PlcVerdict.FAULT, 3: PlcVerdict.FAULT}
    assert master.one(4) == PlcVerdict.PASS


@pytest.mark.usefixtures("master")
def test_one_writer_others_read(bench: Bench) -> None:
    other = Master(bench, "other")
    with pytest.raises(AccessRefused) as refused:
        other.cycle()
    assert refused.value.code == 4
    assert peek(bench, "map_version") == 1
    bench.image.disconnected("plc")
    assert Fault(int(peek(bench, "faults"))) == Fault.PLC_WATCHDOG
    other.cycle()
    assert bench.contract.owner == "other"


def test_levels_of_a_new_writer_are_no_edges(bench: Bench, master: Master) -> None:
    master.trigger(1)
    master.set(Control.TRIGGER, trigger_part_id=2)
    bench.image.disconnected("plc")
    master.cycle()
    assert bench.contract.owner == "plc"
    assert bench.triggered() == [1]
    assert master.faults


def test_leaving_in_order_is_no_fault(bench: Bench, master: Master) -> None:
    master.clear(Control.TRIGGER_ENABLE | Control.LINE_RUNNING)
    bench.image.disconnected("plc")
    assert not bench.contract.faults.shown
    assert bench.contract.owner is None


def test_acknowledging_twice_is_counted_and_harmless(bench: Bench, master: Master) -> None:
    master.one(1)
    master.acknowledge()
    assert bench.refused(Refusal.ACK_WITHOUT_RESULT) == 1
    assert master.one(2) == PlcVerdict.PASS


def test_the_eye_of_the_station_needs_no_trigger() -> None:
    bench = Bench(Options(plc_triggers=False))
    master = Master(bench)
    master.cycle()
    for part_id in (1, 2):
        bench.contract.seen(part_id, bench.now_ns)
        bench.answer(part_id)
        assert master.cycle()["result_part_id"] == part_id
        master.acknowledge()
    assert master.seen["not_ready"] == Refusal.WIRING


def test_edges_are_kept_for_the_timing_diagram(bench: Bench, master: Master) -> None:
    for part_id in range(1, 60):
        bench.sleep(20)
        master.one(part_id)
    edges = list(bench.contract.trace.edges)
    assert len(edges) == 200
    last = [edge.signal for edge in edges if edge.part_id == 59]
    assert last[-4:] == ["RESULTS_ACK", "RESULTS_VALID", "RESULTS_ACK"][-4:] or "RESULTS_VALID" in last
    assert [edge.at_ns for edge in edges] == sorted(edge.at_ns for edge in edges)


def test_reading_the_mapped_range_and_beyond(bench: Bench) -> None:
    assert len(bench.image.read("a", Table.HOLDING_REGISTERS, 0, 16)) == 16
    assert len(bench.image.read("a", Table.HOLDING_REGISTERS, 100, 80)) == 80
    assert len(bench.image.read("a", Table.COILS, 0, 16)) == 16
    assert len(bench.image.read("a", Table.DISCRETE_INPUTS, 0, 48)) == 48
    for table, start, count in (
        (Table.HOLDING_REGISTERS, 0, 17),
        (Table.HOLDING_REGISTERS, 90, 20),
        (Table.HOLDING_REGISTERS, 179, 2),
        (Table.INPUT_REGISTERS, 0, 1),
        (Table.COILS, 16, 1),
        (Table.DISCRETE_INPUTS, 40, 9),
    ):
        with pytest.raises(AccessRefused) as refused:
            bench.image.read("a", table, start, count)
        assert refused.value.code == 2


def test_dropping_trigger_enable_clears_the_trigger_s_answers(bench: Bench, master: Master) -> None:
    master.set(Control.TRIGGER, trigger_part_id=1)
    assert master.status & Status.TRIGGER_ACK
    master.clear(Control.TRIGGER_ENABLE)
    assert not master.status & Status.TRIGGER_ACK
    master.clear(Control.TRIGGER)
    master.set(Control.TRIGGER, trigger_part_id=2)
    assert master.status & Status.MISSED_TRIGGER
    master.clear(Control.TRIGGER)
    master.set(Control.TRIGGER_ENABLE)
    assert master.status & Status.MISSED_TRIGGER
    master.clear(Control.TRIGGER_ENABLE)
    assert not master.status & Status.MISSED_TRIGGER
    bench.answer(1)
    assert master.cycle()["result_part_id"] == 1


def test_what_waits_for_a_master_that_is_gone_is_lost_not_kept_for_the_next(bench: Bench, master: Master) -> None:
    master.set(Control.BUFFER_RESULTS)
    for part_id in (1, 2, 3):
        master.trigger(part_id)
        bench.answer(part_id)
    bench.image.disconnected("plc")
    other = Master(bench, "other")
    seen = other.cycle()
    assert not other.status & Status.RESULTS_VALID
    assert (seen["results_waiting"], seen["lost_results"], seen["unknown"], seen["total"]) == (0, 2, 2, 3)
    assert bench.refused(Refusal.RESULT_NOBODY) == 2


def test_numbers_wrap_and_leave_out_zero(bench: Bench, master: Master) -> None:
    bench.contract.results.last_id = bench.contract.triggers.acquisition_id = 0xFFFE
    ids = []
    for part_id in (1, 2):
        master.trigger(part_id)
        bench.answer(part_id)
        seen = master.cycle()
        ids.append((seen["acquisition_id"], seen["inspection_id"]))
        master.acknowledge()
    assert ids == [(0xFFFF, 0xFFFF), (1, 1)]


def test_the_inspection_id_of_an_empty_block_is_that_of_the_last_shown(bench: Bench, master: Master) -> None:
    for part_id in (1, 2):
        master.trigger(part_id)
        bench.answer(part_id)
    master.set(Control.RESULTS_ACK)
    assert (master.seen["inspection_id"], master.seen["inspection_id_copy"]) == (1, 1)
    master.clear(Control.RESULTS_ACK)
    assert master.one(3) == PlcVerdict.PASS
    assert peek(bench, "inspection_id") == 3


def test_no_more_parts_are_under_way_than_may_be() -> None:
    bench = Bench(Options(in_flight=2))
    master = Master(bench)
    master.start()
    for part_id in (1, 2):
        master.trigger(part_id)
        bench.contract.exposed(part_id, bench.now_ns)
    master.cycle()
    assert (master.seen["not_ready"], master.status & Status.BUSY) == (Refusal.BUSY, Status.BUSY)
    bench.answer(1)
    assert master.cycle()["not_ready"] == Refusal.NONE
