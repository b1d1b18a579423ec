"""What goes wrong between a station and its PLC, on the wire: each fault, what the master then reads, and the way back.

Time that must pass is added to the station's clock; nothing here waits for a timeout of the contract.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.plc.fields import Value
from firmware_bridge.plc.inputs import Options
from firmware_bridge.plc.modbus_tcp import Limits
from firmware_bridge.plc.signals import Control, Fault, Mode, PlcVerdict, Refusal, Status
from tests.firmware_bridge.plc.master import RUN, Master, Refused, status, wire
from tests.firmware_bridge.plc.station_side import Station, beside, result_of

MS = 1_000_000
NOT_THE_WRITER = 4


@contextlib.contextmanager
def station_and_plc(**options: object) -> Iterator[tuple[Station, Master]]:
    with Station(**options) as station, Master(station.port) as plc:  # type: ignore[arg-type]
        plc.ready()
        yield station, plc


def refusals(station: Station, why: Refusal) -> int:
    return station.contract.trace.refused[why]


def watchdog(block: dict[str, Value]) -> bool:
    return bool(int(block["faults"]) & Fault.PLC_WATCHDOG)


def one_part(plc: Master, part: int) -> dict[str, Value]:
    plc.trigger(part)
    block = plc.acknowledge()
    assert block["result_part_id"] == part
    assert block["verdict"] == result_of(part).verdict
    return block


def signals(station: Station) -> list[str]:
    """The edges so far, as on a timing diagram: `+NAME` rises, `-NAME` falls."""
    return [("+" if edge.value else "-") + edge.signal for edge in station.contract.trace.edges]


def test_the_picture_of_one_good_handshake() -> None:
    with station_and_plc() as (station, plc):
        before = len(signals(station))
        one_part(plc, 7)
        edges = [edge for edge in signals(station)[before:] if edge[1:] not in ("BUSY", "EXPOSING", "TRIGGER_READY")]
    in_order = ["+TRIGGER", "-TRIGGER", "+RESULTS_VALID", "+RESULTS_ACK", "-RESULTS_VALID", "-RESULTS_ACK"]
    assert [edge for edge in edges if edge in in_order] in (
        in_order,
        [in_order[0], in_order[2], in_order[1], *in_order[3:]],
    )
    assert edges.index("+TRIGGER") < edges.index("+TRIGGER_ACK") < edges.index("-TRIGGER") < edges.index("-TRIGGER_ACK")


def test_a_plc_that_stops_its_heartbeat_loses_control_and_nothing_resumes_by_itself() -> None:
    with station_and_plc(judge=False) as (station, plc):
        plc.trigger(1)
        plc.beats = False
        station.added_ns += 600 * MS
        block = plc.sees(watchdog)
        assert not status(block) & Status.TRIGGER_READY
        plc.beats = True
        block = plc.until(lambda block: int(block["modes"]) & Mode.YOU_HAVE_CONTROL)
        assert block["not_ready"] == Refusal.FAULT
        for _ in range(20):
            assert not status(plc.exchange()) & Status.TRIGGER_READY
        plc.ready()
        # Part 1 never got its result: it comes as UNKNOWN, when its time is over.
        station.added_ns += 400 * MS
        block = plc.acknowledge()
        assert (block["result_part_id"], block["verdict"]) == (1, PlcVerdict.UNKNOWN)
        station.judge = True
        one_part(plc, 2)


def test_a_pass_that_was_under_way_when_the_heartbeat_stopped_is_no_pass() -> None:
    passing = next(part for part in range(1, 50) if result_of(part).verdict is PlcVerdict.PASS)
    with station_and_plc(judge=False) as (station, plc):
        plc.trigger(passing)
        plc.beats = False
        station.added_ns += 600 * MS
        plc.sees(watchdog)
        plc.beats = True
        plc.until(lambda block: int(block["modes"]) & Mode.YOU_HAVE_CONTROL)
        with station.image.lock:
            station.contract.result(result_of(passing), station.clock())
        block = plc.until(lambda block: status(block) & Status.RESULTS_VALID)
        assert block["result_part_id"] == passing
        assert block["verdict"] == PlcVerdict.FAULT


def test_a_cable_that_is_pulled_and_put_back() -> None:
    with Station() as station, wire(station.port) as cable:
        with Master(cable.port) as plc:
            plc.ready()
            one_part(plc, 1)
            cable.cut = True
            plc.socket.settimeout(0.3)
            with pytest.raises(TimeoutError):
                plc.exchange()
        with Master(station.port) as witness:
            station.added_ns += 600 * MS
            witness.sees(watchdog)
        cable.mend()
        with Master(cable.port) as again:
            again.ready()
            one_part(again, 2)


def test_a_half_open_connection_does_not_keep_control_and_is_closed() -> None:
    with Station() as station, Master(station.port) as old:
        old.ready()
        with Master(station.port) as new:
            with pytest.raises(Refused, match=str(NOT_THE_WRITER)):
                new.exchange()
            assert int(new.read()["modes"]) & Mode.CONTROL_TAKEN
            station.added_ns += 600 * MS
            new.ready()
            one_part(new, 1)
            station.added_ns += 10_001 * MS
            while not station.server.counters.idle_closed:
                threading.Event().wait(0.01)
            with pytest.raises(ConnectionError):
                old.read()


def test_a_plc_that_closes_while_it_runs() -> None:
    with Station() as station:
        with Master(station.port) as plc:
            plc.ready()
            plc.trigger(1)
        with Master(station.port) as again:
            block = again.exchange()
            while not int(block["modes"]) & Mode.YOU_HAVE_CONTROL:
                block = again.exchange()
            assert watchdog(block)
            assert block["verdict"] != PlcVerdict.PASS
            if status(again.ready()) & Status.RESULTS_VALID:
                again.acknowledge()
            one_part(again, 2)


def test_a_plc_that_never_acknowledges_keeps_the_oldest_and_is_told() -> None:
    with station_and_plc() as (_station, plc):
        for part in range(1, 12):
            plc.trigger(part)
        block = plc.exchange()
        assert status(block) & Status.RESULTS_OVERRUN
        assert block["results_waiting"] == 8
        assert block["lost_results"] == 2
        seen = [int(plc.acknowledge()["result_part_id"]) for _ in range(9)]
        assert seen == list(range(1, 10))
        # The jump in the inspection id tells it again.
        plc.trigger(12)
        assert plc.acknowledge()["inspection_id"] == 12
        assert status(plc.exchange()) & Status.RESULTS_OVERRUN
        assert not status(plc.ready()) & Status.RESULTS_OVERRUN


def test_an_acknowledgement_without_a_result_is_counted_and_releases_nothing() -> None:
    with station_and_plc() as (station, plc):
        one_part(plc, 1)
        plc.exchange(control=RUN | Control.RESULTS_ACK)
        plc.exchange(control=RUN)
        assert plc.exchange()["error_code"] == Refusal.ACK_WITHOUT_RESULT
        one_part(plc, 2)
        assert refusals(station, Refusal.ACK_WITHOUT_RESULT) == 1


def test_an_acknowledgement_that_is_never_dropped_shows_nothing_new() -> None:
    with station_and_plc() as (_station, plc):
        plc.trigger(1)
        plc.trigger(2)
        plc.until(lambda block: status(block) & Status.RESULTS_VALID)
        held = RUN | Control.RESULTS_ACK
        plc.until(lambda block: not status(block) & Status.RESULTS_VALID, control=held)
        for _ in range(20):
            block = plc.exchange(control=held)
            assert not status(block) & Status.RESULTS_VALID
            assert block["verdict"] == PlcVerdict.NONE
        plc.exchange(control=RUN)
        assert plc.acknowledge()["result_part_id"] == 2


def test_a_trigger_while_busy_is_refused_and_its_part_has_no_result() -> None:
    with station_and_plc(judge=False, options=Options(in_flight=1)) as (station, plc):
        plc.trigger(1)
        block = plc.until(
            lambda block: status(block) & Status.MISSED_TRIGGER, control=RUN | Control.TRIGGER, trigger_part_id=2
        )
        assert not status(block) & Status.TRIGGER_ACK
        assert block["error_code"] in (Refusal.EXPOSING, Refusal.BUSY)
        assert block["missed_triggers"] == 1
        plc.exchange(control=RUN)
        with station.image.lock:
            station.contract.result(result_of(1), station.clock())
        assert plc.acknowledge()["result_part_id"] == 1
        assert not status(plc.exchange()) & Status.RESULTS_VALID


def test_a_station_that_stalls_shows_it_and_lets_nothing_pass() -> None:
    with station_and_plc() as (station, plc):
        beat = plc.exchange()["station_heartbeat"]
        plc.until(lambda block: block["station_heartbeat"] != beat)
        station.pulses = False
        threading.Event().wait(0.05)
        beat = plc.exchange(heartbeat_timeout=10_000)["station_heartbeat"]
        station.added_ns += 1100 * MS
        block = plc.until(lambda block: int(block["faults"]) & Fault.STATION_STALLED)
        assert block["station_heartbeat"] == beat
        assert not status(block) & Status.TRIGGER_READY
        station.pulses = True
        plc.until(lambda block: block["station_heartbeat"] != beat)
        plc.ready()
        one_part(plc, 3)


def test_a_flood_beside_a_running_plc() -> None:
    flooded(3.0)


@pytest.mark.soak
def test_a_minute_of_flood() -> None:
    flooded(60.0)


def flooded(seconds: float) -> None:
    """20 clients that connect, ask, send noise and leave as fast as they can, while a PLC makes its handshakes."""
    with station_and_plc(limits=Limits(clients=8)) as (station, plc):
        flood = [sys.executable, Path(__file__).parent / "masters" / "flood.py", station.port, seconds]
        part, longest = 0, 0.0
        with beside(*map(str, flood)) as process:
            while process.poll() is None:
                part += 1
                since = time.monotonic()
                one_part(plc, part)
                longest = max(longest, time.monotonic() - since)
        counters = station.server.counters
        print(f"{part} parts, longest {longest:.3f} s, {counters}")
        assert part > 5 * seconds
        assert counters.too_many > 10
        assert counters.garbage > 10
        assert refusals(station, Refusal.PLC_HEARTBEAT) == 0
        assert station.contract.tally.counts["total"] == part
        one_part(plc, part + 1)
