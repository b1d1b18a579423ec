"""What the other tests of the core leave open: each of these fails on a small mistake that they did not notice."""

from __future__ import annotations

import pytest

from firmware_bridge.protocol import (
    Answer,
    Command,
    Encoder,
    Fault,
    Fire,
    Fired,
    Input,
    Judge,
    Key,
    Lease,
    Mode,
    Order,
    PartRow,
    Phase,
    Read,
    Verdict,
    Why,
)
from tests.firmware.host import CAMERA, GATE, LINE_RUN, MS, Host
from tests.firmware.test_core import LINE, PERIOD, VALVE, counters, intervals, running

GUARDED = LINE[Key.GATE_COUNT] - LINE[Key.GUARD_COUNT] - LINE[Key.LEAD_MS] * MS // PERIOD
TURN = 8  # counts that pass in a turn of the main loop
AIR = {Key.INPUTS: int(Input.LOW_AIR)}
CLOCK = {Key.ENCODER: Encoder.CLOCK, Key.GATE_COUNT: 2000, Key.PART_MAX_COUNT: 300, Key.CAMERA_COUNT: 100}


def part(host: Host, number: int, verdict: Verdict | None, eject: int = 0, ms: int = 5) -> int:
    """One goes by and is judged; gives the count at which it was seen."""
    host.part(ms * MS)
    if verdict:
        host.say(Judge(host.boot, number, verdict, eject))
    return host.rows()[number].seen_count


def opened(host: Host, mask: int, since: int = 0) -> list[tuple[int, int]]:
    return [(a, b) for a, b in intervals(host, mask) if b > since]


def low_air(host: Host) -> None:
    host.lib.host_inputs(int(Input.LOW_AIR))
    host.run(25 * MS)
    host.lib.host_inputs(0)
    host.run(25 * MS)
    assert host.status().fault == Fault.LOW_AIR


# -- a reset ----------------------------------------------------------------------------------------------------------


def script(host: Host) -> tuple[list[tuple[int, int]], list[PartRow]]:
    """A short life: edges relative to now, and rows without their places."""
    born = host.now
    host.edges.clear()
    host.lib.host_encoder(PERIOD, False)
    host.start(LINE | AIR | {Key.EJECT_2_COUNT: 900, Key.EJECT_2_ON_MS: 3, Key.EJECT_2_MAX_ON_MS: 5})
    host.run(50 * MS)
    for number, verdict in ((1, Verdict.PASS), (2, None), (3, Verdict.REJECT)):
        part(host, number, verdict, 2)
        host.run(30 * MS)
    host.run(200 * MS)
    told = [(row.part, row.phase, row.verdict, row.why, row.confirmed) for row in host.rows().values()]
    return [(tick - born, outputs) for tick, outputs in host.edges if tick > born], told


@pytest.mark.parametrize("passes", [1, 0], ids=["diverter", "valve"])
@pytest.mark.parametrize("after_ms", [2, 60, 81, 100, 195, 206])
def test_a_controller_after_a_reset_is_like_a_new_one(passes: int, after_ms: int) -> None:
    new = Host()
    new.reset()
    expected = script(new)
    old = running(
        LINE | {Key.ENERGISED_PASSES: passes, Key.EJECT_2_COUNT: 1800, Key.EJECT_2_ON_MS: 5, Key.MAX_ON_MS: 900}
    )
    for number in (1, 2, 3):
        part(old, number, Verdict.PASS if passes else Verdict.REJECT, 2)
        old.run(8 * MS)
    old.run(after_ms * MS)
    old.reset()
    assert old.outputs == 0
    assert script(old) == expected


# -- the camera -------------------------------------------------------------------------------------------------------


def test_each_part_has_the_clock_of_its_own_trigger() -> None:
    host = running(LINE)
    for number in range(1, 41):  # more than the ring has rows
        part(host, number, Verdict.PASS)
        host.run(12 * MS)
    host.run(150 * MS)
    triggers = [since for since, _ in opened(host, CAMERA)]
    told = {row.part: row.trigger_clock for row in host.heard if isinstance(row, PartRow) and row.trigger_clock}
    assert len(triggers) == 40
    assert list(told.values()) == triggers
    for row in host.heard:
        if isinstance(row, PartRow) and row.phase == Phase.TRIGGERED:
            assert row.trigger_clock == triggers[row.part - 1], "not before its own trigger"


def test_edges_of_the_same_turn_come_in_their_order() -> None:
    """A gate, two sorters and the camera within five counts: less than a turn of the main loop."""
    sorters = {Key.EJECT_1_COUNT: 1500, Key.EJECT_3_COUNT: 900, Key.EJECT_1_ON_MS: 4, Key.EJECT_3_ON_MS: 4}
    limits = {Key.EJECT_1_MAX_ON_MS: 9, Key.EJECT_3_MAX_ON_MS: 9, Key.LEAD_MS: 0}
    host = running(LINE | sorters | limits | {Key.GUARD_COUNT: 300, Key.MIN_SPACING_COUNT: 1})
    start = host.lib.host_count()
    plan = [(100, Verdict.PASS, 0), (599, Verdict.REJECT, 1), (1197, Verdict.REJECT, 3), (1995, Verdict.REJECT, 0)]
    for number, (front, verdict, eject) in enumerate(plan, start=1):
        while host.lib.host_count() < start + front:
            host.run(PERIOD // 2)
        assert part(host, number, verdict, eject, ms=3) == start + front
    host.run(300 * MS)
    ((gate, _),), ((first, _),), ((third, _),) = opened(host, GATE), opened(host, 2), opened(host, 8)
    camera = opened(host, CAMERA)[-1][0]
    assert [(tick - camera) // PERIOD for tick in (third, first, gate)] == [2, 4, 5]


# -- sorters ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 2, 3])
def test_each_sorter_has_its_own_place_times_and_rest(number: int) -> None:
    keys = [Key[f"EJECT_{number}_{name}"] for name in ("COUNT", "ON_MS", "LEAD_MS", "MAX_ON_MS", "MIN_OFF_MS")]
    others = {
        Key[f"EJECT_{other}_{name}"]: value
        for other in {1, 2, 3} - {number}
        for name, value in (("COUNT", 1900), ("ON_MS", 200), ("LEAD_MS", 50), ("MAX_ON_MS", 200), ("MIN_OFF_MS", 5000))
    }
    host = running(LINE | others | dict(zip(keys, (1000, 9, 1, 40, 30), strict=True)))
    seen = []
    for at in range(1, 4):
        seen.append(host.now)
        part(host, at, Verdict.REJECT, number)
        host.run(37 * MS)  # 44 ms from one to the next: 9 on, 30 of rest and 5 to spare
    host.run(150 * MS)
    pulses = opened(host, 1 << number)
    assert [until - since for since, until in pulses] == [9 * MS] * 3
    assert all(abs(since - at - 980 * PERIOD) <= 3 * PERIOD for at, (since, _) in zip(seen, pulses, strict=True))
    assert counters(host).limited == 0
    for other in {1, 2, 3} - {number}:
        assert not opened(host, 1 << other)


@pytest.mark.parametrize(("gap_ms", "pulses", "limited"), [(37, 1, 1), (39, 2, 0)])
def test_the_rest_of_a_sorter_begins_when_it_goes_off(gap_ms: int, pulses: int, limited: int) -> None:
    sorter = {Key.EJECT_3_COUNT: 1000, Key.EJECT_3_ON_MS: 9, Key.EJECT_3_MAX_ON_MS: 40, Key.EJECT_3_MIN_OFF_MS: 30 + 7}
    host = running(LINE | sorter)
    part(host, 1, Verdict.REJECT, 3)
    host.run((gap_ms + 1) * MS)
    part(host, 2, Verdict.REJECT, 3)
    host.run(150 * MS)
    assert len(opened(host, 8)) == pulses
    assert counters(host).limited == limited


def test_a_sorter_that_waits_for_one_part_is_not_asked_for_another() -> None:
    sorter = {Key.EJECT_1_COUNT: 1000, Key.EJECT_1_ON_MS: 5, Key.EJECT_1_MAX_ON_MS: 9}
    host = running(LINE | sorter | {Key.GUARD_COUNT: 800})
    seen = host.now
    part(host, 1, Verdict.REJECT, 1)
    host.run(13 * MS)
    part(host, 2, Verdict.REJECT, 1)
    host.run(100 * MS)
    ((on, _),) = opened(host, 2)
    assert abs(on - seen - 1000 * PERIOD) <= 3 * PERIOD, "the first one's place"
    assert counters(host).limited == 1


@pytest.mark.parametrize("output", [0, 1, 2, 3])
def test_each_output_can_be_tried(output: int) -> None:
    places = {key: 900 for key in (Key.EJECT_1_COUNT, Key.EJECT_2_COUNT, Key.EJECT_3_COUNT)}
    times = {Key[f"EJECT_{n}_MAX_ON_MS"]: 10 + n for n in (1, 2, 3)}
    host = Host()
    host.configure(LINE | places | times)
    host.run(1100 * MS)
    host.say(Fire(1, output, 10 + output))
    host.run(50 * MS)
    ((on, off),) = opened(host, 1 << output)
    assert off - on == (10 + output) * MS


def test_a_sorter_that_waits_forgets_its_part_in_a_shutdown() -> None:
    sorter = {Key.EJECT_1_COUNT: 1900, Key.EJECT_1_ON_MS: 5, Key.EJECT_1_MAX_ON_MS: 9, Key.GUARD_COUNT: 1500}
    host = running(LINE | AIR | sorter)
    part(host, 1, Verdict.REJECT, 1)
    host.run(20 * MS)
    low_air(host)
    host.say(Command(Order.RESET), Command(Order.RUN))
    host.run(200 * MS)
    assert host.outputs & LINE_RUN
    assert not opened(host, 2)


# -- the gate ---------------------------------------------------------------------------------------------------------


def test_a_valve_stays_on_for_its_shortest_time_though_the_belt_was_faster() -> None:
    host = running(VALVE | {Key.MIN_ON_MS: 30, Key.MIN_SPACING_COUNT: 10})
    host.run(250 * MS)
    seen = part(host, 1, Verdict.REJECT)
    while host.lib.host_count() < seen + 1990 - 40:
        host.run(PERIOD)
    since = host.now
    host.lib.host_encoder(PERIOD // 4, False)
    host.run(200 * MS)
    ((on, off),) = opened(host, GATE, since)
    assert abs(off - on - 30 * MS) <= 2


def test_the_end_of_a_window_that_has_passed_is_taken_back_when_the_belt_is_found_to_be_faster() -> None:
    """The rest between two bad parts is long enough at the old speed; at the new one the valve must stay open."""
    host = running(VALVE | {Key.GATE_COUNT: 6000, Key.MIN_ON_MS: 60, Key.MIN_OFF_MS: 50, Key.LEAD_MS: 0})
    host.run(700 * MS)
    first = part(host, 1, Verdict.REJECT)
    for at, verdict in ((first + 3200, Verdict.REJECT), (first + 6000, None)):
        while host.lib.host_count() < at:
            host.run(PERIOD // 2)
        if verdict:
            part(host, 2, verdict)
    since = host.now
    host.lib.host_encoder(PERIOD // 4, False)
    host.run(300 * MS)
    ((on, off),) = opened(host, GATE, since - 5 * MS)
    assert off - on >= 3200 * PERIOD // 4 + 60 * MS - PERIOD
    assert host.status().fault == Fault.NONE


def test_a_window_just_behind_the_purge_is_kept() -> None:
    host = Host()
    host.configure(VALVE | {Key.GUARD_COUNT: 500, Key.MIN_OFF_MS: 1})
    host.say(Lease(1, 60_000), Command(Order.RUN))
    host.run(10 * MS)
    begin = host.lib.host_count()
    host.lib.host_encoder(PERIOD, False)
    while host.lib.host_count() < begin + 120:
        host.run(PERIOD // 2)
    seen = part(host, 1, Verdict.REJECT)
    host.run(200 * MS)
    assert host.status().fault == Fault.NONE
    _, (on, off) = opened(host, GATE)
    front = on + (VALVE[Key.LEAD_MS] * MS) - (seen - begin) * PERIOD
    assert off - on > 100 * PERIOD
    assert abs(front - opened(host, GATE)[0][1]) < 20 * PERIOD, "as far behind the purge as the part behind its begin"


def test_a_good_part_within_the_rest_of_the_valve_is_too_close() -> None:
    host = running(VALVE | {Key.LEAD_MS: 0, Key.MIN_OFF_MS: 5, Key.MIN_SPACING_COUNT: 10, Key.DEBOUNCE_US: 50})
    host.run(300 * MS)
    host.part(100 * PERIOD)
    host.run(50 * PERIOD - 2 * MS)
    host.part(100 * PERIOD)
    host.say(Judge(1, 1, Verdict.REJECT), Judge(1, 2, Verdict.PASS))
    host.run(250 * MS)
    assert [row.why for row in host.rows().values()] == [Why.JUDGED_BAD, Why.TOO_CLOSE]


def test_no_test_pulse_within_a_second_of_a_drop() -> None:
    host = Host()
    host.configure(LINE | AIR)
    host.run(2000 * MS)
    low_air(host)
    host.say(Command(Order.RESET), Fire(1, 0, 10))
    host.run(1100 * MS)
    host.say(Fire(2, 0, 10))
    host.run(50 * MS)
    assert [m.answer for m in host.heard if isinstance(m, Fired)] == [Answer.NOT_AT_REST, Answer.FIRED]


def test_a_valve_cut_while_the_belt_stands_purges_before_it_runs_again() -> None:
    host = running(VALVE | {Key.MAX_ON_MS: 60, Key.GUARD_COUNT: 10})
    host.run(300 * MS)
    part(host, 1, Verdict.REJECT)
    host.run(60 * MS)
    part(host, 2, Verdict.PASS)
    while not host.outputs & GATE:
        host.run(PERIOD)
    host.say(Command(Order.STOP))
    host.lib.host_encoder(0, False)
    host.run(200 * MS)
    assert not host.outputs & GATE, "its longest time"
    host.lib.host_encoder(PERIOD, False)
    host.run(150 * MS)
    assert host.rows()[2].why == Why.PURGED, "somebody moves the belt by hand"
    since = host.now
    host.say(Command(Order.RUN))
    host.run(400 * MS)
    assert opened(host, GATE, since)[0][1] - since >= VALVE[Key.GATE_COUNT] * PERIOD


def test_a_valve_goes_on_rejecting_in_a_shutdown_and_a_diverter_falls_shut() -> None:
    for values, energised in ((LINE, False), (VALVE, True)):
        host = running(values | AIR | {Key.MAX_ON_MS: 900, Key.MIN_ON_MS: 100})
        host.run(250 * MS)
        part(host, 1, Verdict.PASS if values is LINE else Verdict.REJECT, ms=10)
        host.run(70 * MS)
        host.lib.host_inputs(int(Input.LOW_AIR))
        while not host.outputs & GATE:
            host.run(MS)
        while host.outputs & LINE_RUN:
            host.run(PERIOD)
        host.run(1 * MS)
        assert bool(host.outputs & GATE) is energised


# -- the order to run -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["stop", "shutdown"])
def test_a_belt_that_was_to_start_does_not_start_any_more(how: str) -> None:
    host = Host()
    host.configure(VALVE | AIR | {Key.LEAD_MS: 100})
    host.say(Lease(1, 60_000), Command(Order.RUN))
    host.run(30 * MS)
    assert host.outputs & GATE
    assert not host.outputs & LINE_RUN
    if how == "stop":
        host.say(Command(Order.STOP))
        host.run(10 * MS)
    else:
        low_air(host)
    host.run(300 * MS)
    assert not any(outputs & LINE_RUN for _, outputs in host.edges)


def purge_after(host: Host) -> list[tuple[int, int]]:
    since = host.now
    host.say(Command(Order.RUN))
    host.run(400 * MS)
    return opened(host, GATE, since)


def test_what_lies_behind_the_eye_is_blown_away_after_each_shutdown_and_only_then() -> None:
    host = running(VALVE | AIR)
    host.run(300 * MS)
    host.say(Command(Order.STOP))
    host.run(10 * MS)
    assert not purge_after(host), "the belt only stood"
    low_air(host)
    host.say(Command(Order.RESET))
    ((on, off),) = purge_after(host)
    assert off - on >= (VALVE[Key.GATE_COUNT] - TURN) * PERIOD


def test_a_new_configuration_purges() -> None:
    host = running(VALVE)
    host.run(300 * MS)
    host.say(Command(Order.STOP))
    host.run(10 * MS)
    host.configure(VALVE | {Key.GATE_COUNT: 1800})
    ((on, off),) = purge_after(host)
    assert 1800 - TURN <= (off - on) / PERIOD < 1900


def test_a_purge_waits_for_what_lies_in_the_eye() -> None:
    host = Host()
    host.lib.host_encoder(PERIOD, False)
    host.lib.host_eye(True)
    host.run(5 * MS)
    host.reset()
    host.run(400 * MS)  # further than an eye may be blocked, but nobody knew how far that is
    host.configure(VALVE)
    assert host.status().fault == Fault.NONE
    host.say(Lease(1, 60_000))
    ((on, off),) = purge_after(host)
    longest = VALVE[Key.GATE_COUNT] + VALVE[Key.PART_MAX_COUNT]
    assert longest - TURN <= (off - on) / PERIOD < longest + 30


@pytest.mark.parametrize("values", [VALVE, LINE], ids=["valve", "diverter"])
def test_without_an_encoder_a_stop_purges_and_no_part_on_the_belt_is_earned(values: dict[Key, int]) -> None:
    host = Host()
    host.start(values | CLOCK)
    host.run(400 * MS)
    part(host, 1, Verdict.PASS)
    host.say(Command(Order.STOP))
    host.run(20 * MS)
    purges = purge_after(host)
    assert len(purges) == (1 if values is VALVE else 0)
    for on, off in purges:
        assert off - on >= CLOCK[Key.GATE_COUNT] * 128 - MS, "a window of the part alone would be shorter"
    assert host.rows()[1].why == Why.PURGED


def test_the_valve_is_open_before_the_belt_runs_however_long_it_stood() -> None:
    host = Host()
    host.configure(VALVE | {Key.LEAD_MS: 50, Key.MAX_ON_MS: 500})
    host.run(2000 * MS)
    host.say(Lease(1, 60_000), Command(Order.RUN))
    host.run(30 * MS)
    assert host.outputs & (GATE | LINE_RUN) == GATE
    host.run(30 * MS)
    assert host.outputs & (GATE | LINE_RUN) == GATE | LINE_RUN


@pytest.mark.parametrize("values", [VALVE, LINE | CLOCK], ids=["valve", "diverter without encoder"])
def test_what_came_before_the_first_run_is_purged(values: dict[Key, int]) -> None:
    host = Host()
    host.configure(values)
    host.lib.host_encoder(PERIOD, False)
    part(host, 1, Verdict.PASS)
    host.say(Lease(1, 60_000), Command(Order.RUN))
    host.run(400 * MS)
    assert host.rows()[1].why == Why.PURGED


@pytest.mark.parametrize("number", [1, 5, 34])
def test_no_test_pulse_while_the_last_decided_part_is_at_the_gate(number: int) -> None:
    host = Host(count=50_000_000)
    host.start(LINE | {Key.GUARD_COUNT: 1200, Key.CONFIRM_WINDOW_COUNT: 3000})
    host.lib.host_encoder(PERIOD, False)
    host.run(20 * MS)
    for at in range(1, number + 1):
        part(host, at, Verdict.REJECT)
        host.run(60 * MS)
    host.lib.host_encoder(0, False)
    host.say(Command(Order.STOP))
    host.run(1100 * MS)
    assert host.rows()[number].why == Why.JUDGED_BAD
    host.say(Fire(7, 0, 10))
    host.run(10 * MS)
    (answer,) = [m.answer for m in host.heard if isinstance(m, Fired)]
    assert answer == Answer.BUSY
    assert not opened(host, GATE)


def test_an_eye_that_is_still_stuck_after_the_reset_is_told_at_once() -> None:
    host = running(LINE)
    host.lib.host_eye(True)
    host.run(200 * MS)
    assert host.status().fault == Fault.EYE_STUCK
    host.say(Command(Order.RESET))
    host.run(10 * MS)
    assert host.status().fault == Fault.EYE_STUCK


def test_an_eye_blocked_under_another_unit_of_place_is_stuck_in_the_new_one() -> None:
    host = Host()
    host.configure(LINE | CLOCK)
    host.run(100 * MS)
    host.lib.host_eye(True)
    host.run(5 * MS)
    host.configure(LINE)
    host.lib.host_encoder(PERIOD, False)
    host.say(Lease(1, 60_000), Command(Order.RUN))
    host.run(100 * MS)
    assert host.status().fault == Fault.NONE
    host.run(100 * MS)
    assert host.status().fault == Fault.EYE_STUCK


def test_an_old_configuration_leaves_nothing_behind() -> None:
    """Neither a window of the gate, nor a trigger, nor a row that could still be judged."""
    host = running(LINE | {Key.GUARD_COUNT: 1500, Key.CAMERA_COUNT: 600})
    host.run(20 * MS)
    part(host, 1, Verdict.PASS)
    host.run(24 * MS)  # its window waits
    part(host, 2, Verdict.PASS)
    assert host.rows()[1].why == Why.EARNED
    host.lib.host_encoder(0, False)
    host.say(Command(Order.STOP))
    host.run(10 * MS)
    shots = len(opened(host, CAMERA))
    place = host.lib.host_count()
    host.configure(LINE)
    row = host.rows()[2]
    assert (row.phase, row.why) == (Phase.DECIDED, Why.PURGED)
    assert row.decided_count == place
    host.say(Command(Order.RUN))
    host.lib.host_encoder(PERIOD, False)
    host.run(250 * MS)
    assert not opened(host, GATE)
    assert len(opened(host, CAMERA)) == shots


def test_nobody_waits_for_the_confirmation_of_a_part_of_the_old_configuration() -> None:
    values = LINE | {Key.INPUTS: int(Input.CONFIRM), Key.CONFIRM_WINDOW_COUNT: 3000}
    host = running(values)
    part(host, 1, Verdict.REJECT)
    host.run(120 * MS)
    assert host.rows()[1].why == Why.JUDGED_BAD
    host.say(Command(Order.STOP))
    host.run(5 * MS)
    host.configure(values)
    host.say(Command(Order.RUN))
    host.run(400 * MS)
    assert host.status().fault == Fault.NONE


@pytest.mark.parametrize(("spacing", "whys"), [(60, [Why.EARNED] * 2), (59, [Why.TOO_CLOSE] * 2)])
def test_parts_may_be_as_close_as_the_shortest_spacing(spacing: int, whys: list[Why]) -> None:
    host = running(LINE | {Key.DEBOUNCE_US: 50, Key.MIN_OFF_MS: 0})
    host.part(150 * PERIOD)
    host.run(spacing * PERIOD - 2 * MS)
    host.part(150 * PERIOD)
    host.say(Judge(1, 1, Verdict.PASS), Judge(1, 2, Verdict.PASS))
    host.run(250 * MS)
    assert [row.why for row in host.rows().values()] == whys


# -- what is told -----------------------------------------------------------------------------------------------------


def test_a_row_says_where_it_was_decided() -> None:
    host = running(LINE)
    seen = part(host, 1, Verdict.PASS)
    host.run(150 * MS)
    # A turn of the main loop is 8 counts, and the lead is known to a count in 32.
    assert 0 <= host.rows()[1].decided_count - (seen + GUARDED) <= 12


def test_trigger_and_verdict_are_told_when_they_have_come() -> None:
    host = running(LINE)
    part(host, 1, None)
    host.run(10 * MS)
    assert host.rows()[1].phase == Phase.TRIGGERED
    host.say(Judge(1, 1, Verdict.PASS))
    host.run(10 * MS)
    row = host.rows()[1]
    assert (row.phase, row.verdict) == (Phase.TRIGGERED, Verdict.PASS)


def test_the_most_parts_in_flight_are_counted() -> None:
    host = running(LINE)
    for number in (1, 2, 3, 4):
        part(host, number, Verdict.PASS)
        host.run(5 * MS)
    host.run(200 * MS)
    part(host, 5, Verdict.PASS)
    assert counters(host).most_in_flight == 4


def test_a_part_as_long_as_allowed_is_not_too_long() -> None:
    for length, why in ((220, Why.EARNED), (221, Why.TOO_LONG)):
        host = running(LINE | {Key.DEBOUNCE_US: 50})
        host.part(length * PERIOD)
        host.say(Judge(1, 1, Verdict.PASS))
        host.run(150 * MS)
        assert host.rows()[1].why == why


def test_a_verdict_for_a_part_that_has_not_come_is_for_none() -> None:
    host = running(LINE)
    host.say(Judge(1, 1, Verdict.PASS), Judge(1, 0, Verdict.PASS))
    host.run(5 * MS)
    part(host, 1, None)
    host.run(150 * MS)
    assert host.rows()[1].why == Why.NO_VERDICT
    assert counters(host).unknown_part == 2
    host.heard.clear()
    host.say(Read(2, 1))
    host.run(50 * MS)
    assert not host.rows(), "no row of a part that has not come"


def test_the_thirty_third_part_stops_the_line_and_all_are_rejected() -> None:
    values = LINE | {Key.GATE_COUNT: 9000, Key.CAMERA_COUNT: 10, Key.MIN_SPACING_COUNT: 10, Key.DEBOUNCE_US: 100}
    host = running(values)
    for number in range(1, 34):
        part(host, number, Verdict.PASS, ms=2)
        host.run(4 * MS)
    assert host.status().fault == Fault.QUEUE_FULL
    host.run(600 * MS)
    # The row of the first is that of the last by now.
    whys = [Why(host.rows()[number].why) for number in range(2, 34)]
    assert whys == [Why.SHUT_DOWN] * 31 + [Why.QUEUE_FULL]
    assert counters(host).most_in_flight == 32
    assert not opened(host, GATE)


def test_parts_before_the_configuration_are_decided_for_good() -> None:
    host = Host()
    host.part(5 * MS)
    assert host.rows()[1].phase == Phase.DECIDED
    assert counters(host).most_in_flight == 0
    host.start(LINE)
    host.say(Read(1, 1))
    host.run(20 * MS)
    assert host.rows()[1].why == Why.NOT_CONFIGURED
    assert not [edge for edge in host.edges if edge[1] & CAMERA]


# -- in succession ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "verdict", "fault"),
    [
        ({Key.CONSECUTIVE_REJECTS_STOP: 3}, Verdict.REJECT, Fault.CONSECUTIVE_REJECTS),
        ({Key.CONSECUTIVE_UNKNOWN_STOP: 3}, Verdict.NOT_INSPECTED, Fault.CONSECUTIVE_UNKNOWN),
        ({Key.LAST_PARTS: 32, Key.REJECTS_OF_LAST_STOP: 3}, Verdict.REJECT, Fault.REJECTS_OF_LAST),
        ({Key.LAST_PARTS: 3, Key.REJECTS_OF_LAST_STOP: 3}, Verdict.REJECT, Fault.REJECTS_OF_LAST),
    ],
)
def test_successions_begin_anew_after_the_reset(limit: dict[Key, int], verdict: Verdict, fault: Fault) -> None:
    host = running(LINE | limit)
    number = 0
    for _ in range(2):
        for bad in range(1, 4):
            number += 1
            part(host, number, verdict)
            host.run(150 * MS)
            assert host.status().fault == (fault if bad == 3 else Fault.NONE), bad
        host.say(Command(Order.RESET), Lease(1, 60_000), Command(Order.RUN))
        host.run(20 * MS)
        assert host.status().mode == Mode.RUN


def test_rejects_are_counted_over_as_many_parts_as_asked() -> None:
    for last, fault in ((31, Fault.NONE), (32, Fault.REJECTS_OF_LAST)):
        host = running(LINE | {Key.LAST_PARTS: last, Key.REJECTS_OF_LAST_STOP: 2})
        for number in range(1, 33):
            part(host, number, Verdict.REJECT if number in (1, 32) else Verdict.PASS)
            host.run(8 * MS)
        host.run(150 * MS)
        assert host.status().fault == fault, last


def test_what_was_judged_bad_is_not_unknown() -> None:
    host = running(LINE | {Key.CONSECUTIVE_UNKNOWN_STOP: 2, Key.CONSECUTIVE_REJECTS_STOP: 2})
    for number, verdict in enumerate([Verdict.REJECT, Verdict.NOT_INSPECTED] * 3, start=1):
        part(host, number, verdict)
        host.run(8 * MS)
    host.run(150 * MS)
    assert host.status().fault == Fault.NONE
