"""The core alone, through ctypes: framing, configuration, limits of every output, and what shuts it down."""

from __future__ import annotations

import ctypes
import struct
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge import framing
from firmware_bridge.header import PATH, header
from firmware_bridge.protocol import (
    PROTOCOL,
    TABLE,
    Command,
    Commit,
    Count,
    Counters,
    Encoder,
    Fault,
    FromStation,
    Hello,
    Ident,
    Input,
    Judge,
    Key,
    Lease,
    Mode,
    Order,
    PartRow,
    Read,
    Set,
    Status,
    Verdict,
    Why,
    config_crc,
    layout,
    pack,
)
from firmware_bridge.settings import BOUNDS, DEFAULTS, REQUIRED, settings_error
from tests.firmware.host import CAMERA, GATE, LINE_RUN, MS, Host, library
from tests.firmware_bridge.made import SETTINGS

PERIOD = 100
LINE = SETTINGS | {
    Key.CAMERA_COUNT: 100,
    Key.GATE_COUNT: 2000,
    Key.GUARD_COUNT: 40,
    Key.MIN_SPACING_COUNT: 60,
    Key.PART_MAX_COUNT: 220,
    Key.EYE_STUCK_COUNT: 3000,
    Key.LEAD_MS: 2,
    Key.MIN_ON_MS: 1,
    Key.MIN_OFF_MS: 1,
}
VALVE = LINE | {Key.ENERGISED_PASSES: 0}
SORTER = {
    Key.EJECT_1_COUNT: 1000,
    Key.EJECT_1_ON_MS: 5,
    Key.EJECT_1_LEAD_MS: 1,
    Key.EJECT_1_MAX_ON_MS: 3,
    Key.EJECT_1_MIN_OFF_MS: 20,
}


def running(values: dict[Key, int], **start: int) -> Host:
    host = Host(**start)
    host.start(values)
    host.lib.host_encoder(PERIOD, False)
    host.run(20 * MS)
    return host


def last(host: Host, kind: type) -> object:
    return next(m for m in reversed(host.heard) if isinstance(m, kind))


def counters(host: Host) -> Counters:
    host.say(Count())
    host.run(20 * MS)
    found = last(host, Counters)
    assert isinstance(found, Counters)
    return found


def intervals(host: Host, mask: int) -> list[tuple[int, int]]:
    """From when to when an output was energised."""
    found, since = [], None
    for tick, outputs in host.edges:
        if outputs & mask and since is None:
            since = tick
        elif not outputs & mask and since is not None:
            found.append((since, tick))
            since = None
    return found


# -- framing -----------------------------------------------------------------------------------------------------------


def feed(data: bytes) -> tuple[bytes, int]:
    payload, damaged = (ctypes.c_uint8 * 32)(), ctypes.c_uint16()
    length = library().host_feed(data, len(data), payload, ctypes.byref(damaged))
    return bytes(payload[:length]), damaged.value


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=15) | st.lists(st.sampled_from([0, 1, 255]), min_size=1, max_size=15).map(bytes))
def test_both_frame_the_same_way(payload: bytes) -> None:
    framed = (ctypes.c_uint8 * 64)()
    length = library().host_frame(payload, len(payload), framed)
    assert bytes(framed[:length]) == framing.encode(payload)
    assert feed(bytes(framed[:length])) == (payload, 0)


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=15), min_size=1, max_size=4), st.data())
def test_of_damaged_bytes_both_take_the_same(payloads: list[bytes], data: st.DataObject) -> None:
    stream = bytearray(b"".join(framing.encode(payload) for payload in payloads))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(stream) - 1))
        deed = data.draw(st.sampled_from(["flip", "drop", "double"]))
        if deed == "flip":
            stream[at] ^= 1 << data.draw(st.integers(0, 7))
        elif deed == "drop" and len(stream) > 1:
            del stream[at]
        else:
            stream.insert(at, stream[at])
    taken = [payload for payload in framing.Deframer().feed(bytes(stream)) if len(payload) <= 15]
    assert feed(bytes(stream))[0] == (taken[-1] if taken else b"")
    assert set(taken) <= set(payloads)


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_no_bytes_confuse_it(noise: bytes) -> None:
    host = Host()
    host.write(noise + b"\0")
    host.say(Hello(PROTOCOL))
    host.run(20 * MS)
    assert isinstance(last(host, Ident), Ident)
    assert host.outputs == 0


def test_the_header_is_that_of_the_protocol() -> None:
    assert PATH.read_text(encoding="utf-8") == header()


def test_the_page_shows_the_protocol() -> None:
    sizes = {"B": "u8", "H": "u16", "I": "u32"}
    page = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
    shown = [line for line in page.splitlines() if line.startswith("| `0x")]
    wanted = []
    for code, kind in TABLE.items():
        fields = ", ".join(f"{name} {sizes[size]}" for name, size in layout(kind)) or "-"
        sender = "station" if kind in get_args(FromStation) else "controller"
        wanted.append(f"| `0x{code:02x}` | `{kind.__name__}` | {sender} | {fields} |")
    assert shown == wanted
    assert all(f"`{fault.name}`" in page for fault in Fault if fault)


# -- configuration -----------------------------------------------------------------------------------------------------


def taken(values: dict[Key, int]) -> bool:
    host = Host()
    host.configure(values)
    ident = last(host, Ident)
    assert isinstance(ident, Ident)
    return ident.config_crc == config_crc(values.items())


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(Key), st.data())
def test_both_refuse_the_same_configurations(key: Key, data: st.DataObject) -> None:
    low, high = BOUNDS[key]
    around = [value for value in (0, 1, low, high, high + 1, 65_535) if value <= 65_535]
    values = LINE | {key: data.draw(st.sampled_from(around))}
    assert taken(values) == (settings_error(values) == "")


def test_what_is_missing_or_damaged_changes_nothing() -> None:
    assert taken(LINE)
    assert not taken({key: value for key, value in LINE.items() if key is not Key.GATE_COUNT})
    host = Host()
    host.say(*(Set(key, value) for key, value in LINE.items()), Set(99, 1), Commit(config_crc(LINE.items())))
    host.run(60 * MS)
    assert host.status().mode == Mode.BOOT
    host.say(
        *(Set(key, value) for key, value in LINE.items()), Commit(config_crc(LINE.items()) ^ 1), Command(Order.RUN)
    )
    host.run(60 * MS)
    assert host.status().mode == Mode.BOOT
    assert set(REQUIRED) | set(DEFAULTS) == set(Key)


def test_a_running_controller_is_not_configured() -> None:
    host = running(LINE)
    host.configure(LINE | {Key.GATE_COUNT: 5})
    ident = last(host, Ident)
    assert isinstance(ident, Ident)
    assert ident.config_crc == config_crc(LINE.items())


def test_a_configuration_that_loses_a_bit_shuts_down_and_is_none_after_the_reset() -> None:
    host = running(LINE)
    host.lib.host_config()[Key.GATE_COUNT] ^= 4
    host.run(100 * MS)
    assert host.status().fault == Fault.CONFIG_CRC
    assert not host.outputs & LINE_RUN
    host.say(Command(Order.RESET), Command(Order.RUN), Hello(0))
    host.run(50 * MS)
    assert host.status().mode == Mode.BOOT
    ident = last(host, Ident)
    assert isinstance(ident, Ident)
    assert ident.config_crc == 0
    host.start(LINE)


def test_parts_of_an_old_configuration_are_purged() -> None:
    host = running(LINE)
    host.part(10 * MS)
    host.say(Judge(1, 1, Verdict.PASS), Command(Order.STOP))
    host.run(10 * MS)
    host.configure(LINE | {Key.GATE_COUNT: 2500})
    assert host.rows()[1].why == Why.PURGED


# -- what no output may do ---------------------------------------------------------------------------------------------

PARTS = st.lists(
    st.tuples(st.integers(1, 60), st.integers(1, 16), st.sampled_from([0, 1, 1, 1, 2, 3]), st.integers(0, 3)),
    min_size=1,
    max_size=24,
)


@settings(max_examples=60, deadline=None)
@given(PARTS, st.booleans(), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.sampled_from([100, 250, 700]))
def test_limits_hold_and_only_a_pass_is_earned(
    parts: list[tuple[int, int, int, int]], passes: bool, clock: int, count: int, period: int
) -> None:
    """Any parts at any distance, any verdicts, counters anywhere in their circle."""
    values = LINE | SORTER | {Key.ENERGISED_PASSES: int(passes), Key.MAX_ON_MS: 40, Key.MIN_OFF_MS: 3}
    host = Host(clock=clock, count=count)
    host.start(values)
    host.lib.host_encoder(period, False)
    said: dict[int, int] = {}
    for number, (gap_ms, part_ms, verdict, eject) in enumerate(parts, start=1):
        host.run(gap_ms * MS)
        host.part(part_ms * MS)
        if verdict and host.boot == 1:
            said[number] = verdict
            host.say(Judge(1, number, verdict, eject))
    host.run(4000 * period)
    host.say(Read(1, 32))
    host.run(80 * MS)
    rows = host.rows()
    assert sorted(rows) == list(range(1, len(parts) + 1))
    assert all(said.get(number) == Verdict.PASS for number, row in rows.items() if row.why == Why.EARNED)
    for since, until in intervals(host, GATE)[1 if not passes else 0 :]:
        assert until - since <= 40 * MS + 1
    for (_, end), (start, _) in zip(intervals(host, GATE), intervals(host, GATE)[1:], strict=False):
        assert start - end >= 1 * MS
    for since, until in intervals(host, 2):
        assert until - since == 3 * MS
    for (_, end), (start, _) in zip(intervals(host, 2), intervals(host, 2)[1:], strict=False):
        assert start - end >= 20 * MS
    assert not intervals(host, 12), "sorters 2 and 3 are not wired"
    for since, until in intervals(host, CAMERA):
        assert until - since == SETTINGS[Key.STROBE_US] * 2


def test_a_sorter_fires_for_its_part_at_its_count() -> None:
    host = running(LINE | SORTER)
    host.part(5 * MS)
    seen = host.rows()[1].seen_count
    host.say(Judge(1, 1, Verdict.REJECT, 1))
    before = host.now, host.lib.host_count()
    host.run(100 * MS)
    ((since, until),) = intervals(host, 2)
    assert until - since == 3 * MS
    lead = MS // PERIOD
    # The speed is measured to a count in 32, so that the lead may be one count off.
    assert abs(before[0] + (seen + 1000 - lead - before[1]) * PERIOD - since) <= 2 * PERIOD


@pytest.mark.parametrize("eject", [2, 4])
def test_a_sorter_that_is_not_there_does_nothing(eject: int) -> None:
    host = running(LINE | SORTER)
    host.part(5 * MS)
    host.say(Judge(1, 1, Verdict.REJECT, eject))
    host.run(150 * MS)
    assert not intervals(host, 14)


def test_a_busy_or_unrested_sorter_leaves_the_pulse_out_and_counts_it() -> None:
    host = running(LINE | SORTER | {Key.EJECT_1_MAX_ON_MS: 15, Key.EJECT_1_ON_MS: 15, Key.EJECT_1_MIN_OFF_MS: 60})
    for part in (1, 2, 3):
        host.part(5 * MS)
        host.say(Judge(1, part, Verdict.REJECT, 1))
        host.run(4 * MS)
    host.run(150 * MS)
    assert len(intervals(host, 2)) == 1
    assert counters(host).limited == 2


def test_a_sorter_does_not_fire_for_what_is_held_or_late() -> None:
    host = running(LINE | SORTER)
    host.part(20 * MS)  # too long
    host.say(Judge(1, 1, Verdict.REJECT, 1))
    host.run(30 * MS)
    host.part(5 * MS)
    host.run(50 * MS)
    host.say(Judge(1, 2, Verdict.REJECT, 1))  # past its sorter
    host.run(100 * MS)
    assert not intervals(host, 2)


# -- what shuts it down ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [LINE, VALVE], ids=["diverter", "valve"])
def test_a_stuck_output_shuts_down_and_drops_everything(values: dict[Key, int]) -> None:
    host = running(values)
    host.lib.host_stick(LINE_RUN)
    host.run(5 * MS)
    assert host.status().fault == Fault.OUTPUT_STUCK
    assert host.outputs & ~CAMERA == 0


def test_a_watchdog_reset_is_a_shutdown() -> None:
    host = Host()
    host.reset(cause=8)
    assert host.status().fault == Fault.WATCHDOG
    host.say(Command(Order.RESET))
    assert host.status().mode == Mode.BOOT


def test_parts_while_the_encoder_stands_shut_down() -> None:
    host = running(LINE)
    host.lib.host_encoder(0, False)
    host.part(5 * MS)
    assert host.status().fault == Fault.NONE, "one part may be a hand in the eye"
    host.part(5 * MS)
    assert host.status().fault == Fault.ENCODER_LOST


def test_a_belt_that_ran_back_too_far_shuts_down() -> None:
    host = running(LINE)
    host.lib.host_encoder(1, True)
    host.run(70_000)
    assert host.status().fault == Fault.ENCODER_LOST


def test_a_reversed_belt_counts_again_when_it_is_back() -> None:
    host = running(LINE)
    count = host.lib.host_count()
    host.lib.host_encoder(PERIOD, True)
    host.run(50 * PERIOD)
    assert host.lib.host_count() == count
    host.lib.host_encoder(PERIOD, False)
    host.run(60 * PERIOD)
    assert host.lib.host_count() == count + 10


def test_a_single_channel_counts_both_ways() -> None:
    host = running(LINE | {Key.ENCODER: Encoder.SINGLE})
    count = host.lib.host_count()
    host.lib.host_encoder(PERIOD, True)
    host.run(50 * PERIOD)
    assert host.lib.host_count() == count + 50


def test_an_eye_that_never_settles_shuts_down() -> None:
    host = running(LINE)
    for _ in range(4000):
        host.lib.host_eye(True)
        host.run(PERIOD // 2)
        host.lib.host_eye(False)
        host.run(PERIOD // 2)
    assert host.status().fault == Fault.EYE_STUCK


def test_a_glitch_of_the_eye_is_no_part() -> None:
    host = running(LINE)
    host.lib.host_eye(True)
    host.run(300)
    host.lib.host_eye(False)
    host.run(10 * MS)
    assert not host.rows()
    assert counters(host).glitches == 1


def test_a_part_is_where_the_first_edge_of_a_bouncing_eye_was() -> None:
    host = running(LINE)
    first = host.lib.host_count()
    for blocked in (True, False, True, False, True):
        host.lib.host_eye(blocked)
        host.run(300)
    host.run(5 * MS)
    host.lib.host_eye(False)
    host.run(5 * MS)
    assert [row.seen_count for row in host.rows().values()] == [first]


def test_an_eye_blocked_since_long_before_the_place_wraps_stays_stuck() -> None:
    values = LINE | {Key.ENCODER: Encoder.CLOCK, Key.EYE_STUCK_COUNT: 1000}
    host = Host()
    host.lib.host_eye(True)
    host.configure(values)
    for _ in range(6):
        host.lib.host_turn_every(200_000)
        host.run(2**30)
        host.lib.host_turn_every(800)
        host.say(Command(Order.RESET))
        host.run(300 * MS)
        assert host.status().fault == Fault.EYE_STUCK


def test_a_window_of_long_ago_is_not_near_when_the_place_wraps() -> None:
    values = VALVE | {Key.ENCODER: Encoder.CLOCK, Key.GATE_COUNT: 500, Key.PART_MAX_COUNT: 900, Key.CAMERA_COUNT: 1}
    host = Host()
    host.start(values)
    host.run(200 * MS)
    host.part(5 * MS)  # no verdict: the valve blows
    host.run(200 * MS)
    for part in range(2, 6):
        host.lib.host_turn_every(2_000_000)
        host.run(2**30)
        host.lib.host_turn_every(800)
        host.run(1100 * MS)
        host.part(5 * MS)
        host.say(Lease(1, 60_000), Judge(1, part, Verdict.PASS))
        host.run(200 * MS)
        assert host.rows()[part].why == Why.EARNED


def test_parts_before_the_configuration_are_told_as_such() -> None:
    host = Host()
    host.part(5 * MS)
    assert host.rows()[1].why == Why.NOT_CONFIGURED
    assert host.rows()[1].decided_count == 0


def test_a_contradiction_in_the_ring_is_not_a_row_of_another_part() -> None:
    """Rows are read by number: what the ring no longer has is not answered."""
    host = running(LINE)
    for _ in range(40):
        host.part(8 * MS)
        host.run(10 * MS)
    host.run(150 * MS)
    host.heard.clear()
    host.say(Read(1, 255), Read(0, 3))
    host.run(300 * MS)
    numbers = [m.part for m in host.heard if isinstance(m, PartRow)]
    assert sorted(set(numbers)) == list(range(9, 41))


def test_an_unknown_code_or_length_is_counted() -> None:
    host = Host()
    for payload in (b"\x09", b"\x00", pack(Hello(1))[:4], pack(Count()) + b"x", struct.pack("<B", 0x81)):
        host.write(framing.encode(payload))
    host.run(10 * MS)
    assert counters(host).unknown_message == 5
    status = host.status()
    assert isinstance(status, Status)
    assert status.damaged == 0


def test_orders_that_do_not_fit_the_mode_change_nothing() -> None:
    host = Host()
    for order in (Order.STOP, Order.RESET, Order.RUN, 9):
        host.say(Command(order))
        assert host.status().mode == Mode.BOOT
    assert host.outputs == 0


def test_an_input_is_only_looked_at_where_it_is_wired() -> None:
    host = running(LINE | {Key.INPUTS: int(Input.BIN_FULL)})
    host.lib.host_inputs(int(Input.LOW_AIR))
    host.run(100 * MS)
    assert host.status().fault == Fault.NONE
    host.lib.host_inputs(int(Input.BIN_FULL))
    host.run(100 * MS)
    assert host.status().fault == Fault.BIN_FULL


# -- windows that meet -------------------------------------------------------------------------------------------------


def test_a_part_that_has_not_left_the_eye_at_its_deadline_is_too_long() -> None:
    host = running(LINE)
    host.lib.host_eye(True)
    host.run(1 * MS)
    host.say(Judge(1, 1, Verdict.PASS))
    host.run(110 * MS)
    assert host.rows()[1].why == Why.TOO_LONG


@pytest.mark.parametrize("passes", [True, False], ids=["diverter", "valve"])
def test_more_windows_than_can_wait_reject(passes: bool) -> None:
    values = LINE | {Key.GUARD_COUNT: 1500, Key.MIN_SPACING_COUNT: 10, Key.ENERGISED_PASSES: int(passes)}
    host = running(values)
    host.run(250 * MS)  # a valve is purging until now
    seen = []
    for part in range(1, 8):
        seen.append(host.now)
        host.part(2 * MS)
        host.say(Judge(1, part, Verdict.PASS if passes else Verdict.REJECT))
        host.run(2 * MS)
    host.run(400 * MS)
    whys = [Why(row.why) for row in host.rows().values()]
    middles = [at + (LINE[Key.GATE_COUNT] - 20) * PERIOD for at in seen]
    on = [any(since <= middle < until for since, until in intervals(host, GATE)) for middle in middles]
    if passes:
        assert whys == [Why.EARNED] * 4 + [Why.QUEUE_FULL] * 3
        assert on == [why is Why.EARNED for why in whys]
    else:
        assert whys == [Why.JUDGED_BAD] * 7
        assert all(on)


def test_a_valve_does_not_close_for_less_than_its_rest() -> None:
    host = running(VALVE | {Key.MIN_OFF_MS: 20, Key.MIN_SPACING_COUNT: 10})
    host.run(250 * MS)
    already = len(intervals(host, GATE))
    for _ in range(3):
        host.part(5 * MS)
        host.run(8 * MS)
    host.run(300 * MS)
    assert len(intervals(host, GATE)) == already + 1


def test_whoever_comes_within_the_pulse_of_a_valve_is_rejected_too() -> None:
    host = running(VALVE | {Key.MIN_ON_MS: 40, Key.MIN_SPACING_COUNT: 10})
    host.run(250 * MS)
    already = len(intervals(host, GATE))
    for part in (1, 2):
        host.part(5 * MS)
        host.run(3 * MS)
        if part == 2:
            host.say(Judge(1, 2, Verdict.PASS))
    host.run(300 * MS)
    assert [Why(row.why) for row in host.rows().values()] == [Why.NO_VERDICT, Why.TOO_CLOSE]
    assert len(intervals(host, GATE)) == already + 1


def test_what_is_purged_needs_no_window_of_its_own() -> None:
    host = running(VALVE | {Key.INPUTS: int(Input.LOW_AIR), Key.MAX_ON_MS: 2000})
    host.run(250 * MS)
    for _ in range(3):
        host.part(5 * MS)
        host.run(5 * MS)
    host.lib.host_inputs(int(Input.LOW_AIR))
    host.run(25 * MS)
    host.lib.host_inputs(0)
    host.lib.host_encoder(0, False)
    host.run(30 * MS)
    host.say(Command(Order.RESET), Command(Order.RUN))
    host.run(3 * MS)
    host.lib.host_encoder(PERIOD, False)
    since = host.now
    host.run(400 * MS)
    assert [Why(row.why) for row in host.rows().values()] == [Why.SHUT_DOWN] * 3
    (purge,) = [(a, b) for a, b in intervals(host, GATE) if b > since]
    assert purge[1] - since >= VALVE[Key.GATE_COUNT] * PERIOD


def test_an_edge_between_the_decision_to_drop_and_the_drop_is_undone() -> None:
    host = running(LINE | {Key.INPUTS: int(Input.LOW_AIR)})
    host.lib.host_inputs(int(Input.LOW_AIR))
    host.run(19 * MS)
    host.lib.host_race(GATE)
    host.run(5 * MS)
    assert host.status().fault == Fault.LOW_AIR
    assert not host.outputs & GATE


def test_a_trigger_that_is_long_due_is_made_at_once() -> None:
    values = LINE | {Key.ENCODER: Encoder.CLOCK, Key.PART_MAX_COUNT: 900, Key.CAMERA_COUNT: 1}
    host = Host()
    host.start(values)
    host.lib.host_turn_every(20 * MS)
    host.run(30 * MS)
    host.part(25 * MS)
    host.run(60 * MS)
    assert len(intervals(host, CAMERA)) == 1


def test_a_confirmation_goes_to_the_part_that_can_be_there() -> None:
    values = LINE | {Key.INPUTS: int(Input.CONFIRM), Key.CONFIRM_WINDOW_COUNT: 2000, Key.GUARD_COUNT: 800}
    host = running(values)
    for part in (1, 2, 3):
        host.part(5 * MS)
        host.say(Judge(1, part, Verdict.PASS if part == 2 else Verdict.REJECT))
        host.run(15 * MS)

    def confirm() -> list[int]:
        host.lib.host_inputs(int(Input.CONFIRM))
        host.run(5 * MS)
        host.lib.host_inputs(0)
        host.run(2 * MS)
        return [host.rows()[part].confirmed for part in (1, 2, 3)]

    assert host.rows()[1].why == Why.JUDGED_BAD
    assert confirm() == [0, 0, 0], "decided, but not at the gate yet"
    assert counters(host).unexpected == 1
    host.run(10 * MS)
    assert confirm() == [1, 0, 0]
    host.run(40 * MS)
    assert confirm() == [1, 0, 1], "the second is a good part"
    host.part(5 * MS)
    host.run(300 * MS)
    assert host.rows()[4].confirmed == 2
    assert host.status().fault == Fault.NOT_CONFIRMED
