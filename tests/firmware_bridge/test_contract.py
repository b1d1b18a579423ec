"""The reject contract, on the controller's twin: what lets a part through, and that nothing else does."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_bridge import framing
from firmware_bridge.events import Linked, LinkLost, PartDecided, PartLost, PartSeen, PartTriggered, Refused
from firmware_bridge.protocol import PROTOCOL, Command, Fault, Ident, Judge, Key, Mode, Order, Verdict, Why, pack
from firmware_bridge.simulated_link import LineNoise
from tests.firmware_bridge.made import MS, NS_PER_COUNT, PART, Rig

FRONT = 2000


def after_gate(rig: Rig, front: int) -> int:
    """The time at which everything about a part that reached the eye at `front` is over."""
    at = rig.belt.when(front + 6000 + 2 * PART)
    assert at is not None
    return at + 60 * MS


def seen(rig: Rig, count: int = FRONT) -> None:
    at = rig.belt.when(count)
    assert at is not None
    rig.until(at + 20 * MS)


def why_of(rig: Rig, part: int = 1) -> Why:
    (decided,) = [e for e in rig.told(PartDecided) if isinstance(e, PartDecided) and e.part_id & 0xFFFFFFFF == part]
    return decided.why


def gate_moved(rig: Rig) -> bool:
    return any(state for _, state in rig.belt.gate)


def test_a_pass_in_time_opens_the_gate_for_this_part() -> None:
    rig = Rig([FRONT])
    rig.start()
    seen(rig)
    slack = rig.judge(1, Verdict.PASS)
    centre = rig.belt.when(FRONT + 6000 + PART // 2)
    assert centre is not None
    rig.until(after_gate(rig, FRONT))
    assert slack is not None
    assert slack > 1000 * MS
    assert why_of(rig) is Why.EARNED
    assert rig.belt.gate_at(centre)
    assert not rig.belt.gate_at(rig.now_ns)


@pytest.mark.parametrize(
    ("verdict", "why"),
    [(Verdict.REJECT, Why.JUDGED_BAD), (Verdict.NOT_INSPECTED, Why.NOT_INSPECTED), (None, Why.NO_VERDICT)],
)
def test_anything_but_a_pass_leaves_it_shut(verdict: Verdict | None, why: Why) -> None:
    rig = Rig([FRONT])
    rig.start()
    seen(rig)
    if verdict is not None:
        rig.judge(1, verdict)
    rig.until(after_gate(rig, FRONT))
    assert why_of(rig) is why
    assert not gate_moved(rig)


def test_a_part_is_told_of_once_each_and_in_order() -> None:
    rig = Rig([FRONT])
    rig.start()
    rig.until(after_gate(rig, FRONT))
    kinds = [type(e) for e in rig.heard if isinstance(e, PartSeen | PartTriggered | PartDecided)]
    assert kinds == [PartSeen, PartTriggered, PartDecided]
    (triggered,) = rig.told(PartTriggered)
    assert isinstance(triggered, PartTriggered)
    assert abs(triggered.at_ns - rig.belt.triggers[0]) < 2 * MS


def test_a_pass_after_the_deadline_is_too_late() -> None:
    rig = Rig([FRONT])
    rig.start()
    deadline = rig.belt.when(FRONT + 6000 - 100)
    assert deadline is not None
    rig.until(deadline + 5 * MS)
    rig.link.write(framing.encode(pack(Judge(1, 1, Verdict.PASS))), rig.now_ns)
    rig.until(after_gate(rig, FRONT))
    assert why_of(rig) is Why.NO_VERDICT
    assert not gate_moved(rig)


def test_a_pass_for_another_boot_or_part_opens_nothing() -> None:
    rig = Rig([FRONT])
    rig.start()
    seen(rig)
    for message in (Judge(2, 1, Verdict.PASS), Judge(0, 1, Verdict.PASS), Judge(1, 2, Verdict.PASS), Judge(1, 1, 7)):
        rig.link.write(framing.encode(pack(message)), rig.now_ns)
    rig.until(after_gate(rig, FRONT))
    assert why_of(rig) is Why.NO_VERDICT
    assert not gate_moved(rig)


def test_the_bridge_does_not_even_send_a_pass_of_a_boot_that_is_gone() -> None:
    rig = Rig([FRONT])
    rig.start()
    seen(rig)
    assert rig.judge(1, Verdict.PASS, boot=7) is None
    assert rig.bridge.take_output() == b""


def test_pass_and_reject_for_one_part_is_a_reject() -> None:
    for first, second in ((Verdict.PASS, Verdict.REJECT), (Verdict.REJECT, Verdict.PASS)):
        rig = Rig([FRONT])
        rig.start()
        seen(rig)
        rig.judge(1, first)
        rig.until(rig.now_ns + 50 * MS)
        rig.judge(1, second)
        rig.until(after_gate(rig, FRONT))
        assert why_of(rig) is Why.CONTRADICTION
        assert not gate_moved(rig)


def test_saying_pass_twice_is_harmless() -> None:
    rig = Rig([FRONT])
    rig.start()
    seen(rig)
    rig.judge(1, Verdict.PASS)
    rig.judge(1, Verdict.PASS)
    rig.until(after_gate(rig, FRONT))
    assert why_of(rig) is Why.EARNED


def test_a_silent_station_passes_nothing_more() -> None:
    rig = Rig([FRONT])
    rig.start()
    seen(rig)
    rig.judge(1, Verdict.PASS)
    rig.until(rig.now_ns + 50 * MS)
    rig.silent = True
    rig.until(after_gate(rig, FRONT))
    rig.silent = False
    rig.until(rig.now_ns + 1000 * MS)
    assert why_of(rig) is Why.LEASE_EXPIRED
    assert not gate_moved(rig)


def test_two_parts_too_close_are_both_rejected() -> None:
    rig = Rig([FRONT, FRONT + PART + 300])
    rig.start()
    seen(rig, FRONT + PART + 300)
    rig.judge(1, Verdict.PASS)
    rig.judge(2, Verdict.PASS)
    rig.until(after_gate(rig, FRONT + PART + 300))
    assert (why_of(rig, 1), why_of(rig, 2)) == (Why.TOO_CLOSE, Why.TOO_CLOSE)
    assert not gate_moved(rig)


def test_a_part_longer_than_a_part_is_rejected() -> None:
    rig = Rig([FRONT], length=2 * PART)
    rig.start()
    seen(rig)
    rig.judge(1, Verdict.PASS)
    rig.until(after_gate(rig, FRONT + 2 * PART))
    assert why_of(rig) is Why.TOO_LONG
    assert not gate_moved(rig)


def test_a_blocked_eye_stops_the_belt_until_a_person_resets_it() -> None:
    rig = Rig([FRONT], length=20_000)
    rig.start()
    rig.until(3000 * MS)
    assert rig.controller.parts.mode is Mode.SHUT_DOWN
    assert rig.controller.parts.fault is Fault.EYE_STUCK
    assert not rig.belt.running
    rig.bridge.run()
    rig.until(rig.now_ns + 300 * MS)
    assert rig.controller.parts.mode is Mode.SHUT_DOWN
    rig.bridge.reset()
    rig.bridge.run()
    rig.until(rig.now_ns + 300 * MS)
    assert rig.controller.parts.mode is Mode.SHUT_DOWN, "the eye is blocked still"
    rig.belt.edges = [(rig.belt.count, False)]
    rig.bridge.reset()
    rig.bridge.run()
    rig.until(rig.now_ns + 300 * MS)
    assert rig.controller.parts.mode is Mode.RUN


def test_a_reset_forgets_every_pass_and_does_not_start_by_itself() -> None:
    rig = Rig([FRONT])
    rig.start()
    seen(rig)
    rig.judge(1, Verdict.PASS)
    rig.until(rig.now_ns + 20 * MS)
    rig.controller.reset(rig.now_ns)
    rig.until(rig.now_ns + 2000 * MS)
    assert not rig.belt.running
    (lost,) = rig.told(PartLost)
    assert lost == PartLost(1 << 32 | 1, "controller_reset")
    assert [e.was_reset for e in rig.told(Linked) if isinstance(e, Linked)] == [False, True]
    rig.bridge.run()
    rig.until(rig.now_ns + 2000 * MS)
    assert rig.belt.running
    assert not gate_moved(rig)


def test_a_part_seen_just_before_the_reset_is_not_forgotten() -> None:
    """The station never heard of it: the controller's memory of its count is what remains."""
    rig = Rig([FRONT])
    rig.start()
    at = rig.belt.when(FRONT)
    assert at is not None
    rig.until(at - MS)
    rig.link.advance(at + 10_000)
    rig.controller.take_output()
    rig.controller.reset(at + 20_000)
    rig.link._to_station.clear()
    rig.now_ns = at + 20_000
    rig.until(rig.now_ns + 1000 * MS)
    assert rig.told(PartLost) == [PartLost(1 << 32 | 1, "controller_reset")]


def test_parts_met_before_the_configuration_are_rejected() -> None:
    rig = Rig([100])
    rig.silent = True
    rig.belt.set_running(True, 0)
    rig.until(200 * MS)
    rig.silent = False
    rig.until(600 * MS)
    assert why_of(rig) is Why.NOT_CONFIGURED


def test_the_first_parts_after_power_up_go_to_the_bin_where_the_valve_rejects() -> None:
    rig = Rig([FRONT], settings={Key.ENERGISED_PASSES: 0})
    rig.start()
    assert rig.belt.gate_at(rig.now_ns), "everything between eye and gate is unknown and is blown out"
    seen(rig)
    rig.judge(1, Verdict.PASS)
    passes_gate = rig.belt.when(FRONT + 6000 + PART // 2)
    assert passes_gate is not None
    rig.until(after_gate(rig, FRONT))
    assert why_of(rig) is Why.EARNED
    assert not rig.belt.gate_at(passes_gate)


def test_the_valve_fires_for_a_reject_where_the_valve_rejects() -> None:
    rig = Rig([FRONT], settings={Key.ENERGISED_PASSES: 0})
    rig.start()
    rig.until(after_gate(rig, FRONT))
    passes_gate = rig.belt.when(FRONT + 6000 + PART // 2)
    assert passes_gate is not None
    assert rig.belt.gate_at(passes_gate)
    assert not rig.belt.gate_at(rig.now_ns)


def test_the_gate_is_never_on_longer_than_allowed() -> None:
    rig = Rig([FRONT], settings={Key.MAX_ON_MS: 50})
    rig.start()
    seen(rig)
    rig.judge(1, Verdict.PASS)
    rig.until(after_gate(rig, FRONT))
    on, off = (at for at, _ in rig.belt.gate)
    assert off - on == 50 * MS


@pytest.mark.parametrize(
    ("key", "verdict", "fault"),
    [
        (Key.CONSECUTIVE_REJECTS_STOP, Verdict.REJECT, Fault.CONSECUTIVE_REJECTS),
        (Key.CONSECUTIVE_UNKNOWN_STOP, None, Fault.CONSECUTIVE_UNKNOWN),
    ],
)
def test_too_many_in_a_row_stop_the_line(key: Key, verdict: Verdict | None, fault: Fault) -> None:
    fronts = [FRONT + 1600 * step for step in range(6)]
    rig = Rig(fronts, settings={key: 3})
    rig.start()
    for part, front in enumerate(fronts, start=1):
        if rig.belt.when(front) is None:
            break
        seen(rig, front)
        if verdict is not None:
            rig.judge(part, verdict)
    rig.until(rig.now_ns + 3000 * MS)
    assert rig.controller.parts.fault is fault
    assert rig.controller.parts.open_part >= 4


def test_another_protocol_is_refused_with_advice() -> None:
    rig = Rig([])
    rig.until(10 * MS)
    ident = Ident(PROTOCOL ^ 1, 1, 0, 1_000_000, 0, 32, 0)
    (event,) = rig.bridge.receive(framing.encode(pack(ident)), rig.now_ns)
    assert isinstance(event, Refused)
    assert "flash the controller" in event.text


def test_a_controller_whose_introduction_is_laid_out_otherwise_is_refused_with_the_same_advice() -> None:
    rig = Rig([])
    rig.until(10 * MS)
    payload = bytes([Ident.code]) + (PROTOCOL ^ 1).to_bytes(4, "little") + b"other fields, of another length"
    (event,) = rig.bridge.receive(framing.encode(payload), rig.now_ns)
    assert isinstance(event, Refused)
    assert "flash the controller" in event.text
    assert rig.bridge.receive(framing.encode(b"\x90other"), rig.now_ns) == []


def test_the_link_is_told_lost_and_found() -> None:
    rig = Rig([])
    rig.start()
    rig.link.read = lambda _now_ns: b""  # type: ignore[method-assign]
    rig.until(rig.now_ns + 700 * MS)
    assert rig.told(LinkLost)
    assert not rig.bridge.linked
    del rig.link.read
    rig.until(rig.now_ns + 500 * MS)
    assert rig.bridge.linked


def test_an_incomplete_or_damaged_configuration_changes_nothing() -> None:
    rig = Rig([])
    rig.controller.receive(framing.encode(pack(Command(Order.RUN))), 0)
    assert rig.controller.parts.mode is Mode.BOOT
    rig.settings = {}
    rig.bridge = type(rig.bridge)({Key.GATE_COUNT: 5}, 500)
    rig.until(1000 * MS)
    assert not rig.bridge.linked
    assert rig.controller.parts.mode is Mode.BOOT


def test_a_restarted_station_reads_what_it_missed() -> None:
    fronts = [FRONT + 1600 * step for step in range(4)]
    rig = Rig(fronts)
    rig.start()
    rig.until(after_gate(rig, fronts[-1]))
    rig.bridge = type(rig.bridge)(rig.settings, 500, resume=(1, 3))
    rig.heard.clear()
    rig.until(rig.now_ns + 500 * MS)
    assert [e.part_id & 0xFFFFFFFF for e in rig.told(PartDecided) if isinstance(e, PartDecided)] == [3, 4]


def test_parts_that_the_ring_lost_are_told_of_as_lost() -> None:
    fronts = [FRONT + 1600 * step for step in range(40)]
    rig = Rig(fronts)
    rig.start()
    rig.silent = True
    rig.until(after_gate(rig, fronts[-1]))
    rig.silent = False
    rig.heard.clear()
    rig.until(rig.now_ns + 2000 * MS)
    lost = [e.part_id & 0xFFFFFFFF for e in rig.told(PartLost) if isinstance(e, PartLost)]
    decided = [e.part_id & 0xFFFFFFFF for e in rig.told(PartDecided) if isinstance(e, PartDecided)]
    assert lost == list(range(1, 9))
    assert sorted(decided) == list(range(9, 41))


@pytest.mark.parametrize("seed", range(4))
def test_a_bad_line_loses_no_outcome_and_earns_no_pass(seed: int) -> None:
    random = np.random.default_rng(seed)
    fronts = [FRONT + 1600 * step for step in range(60)]
    noise = LineNoise(lambda: float(random.random()), flip=0.01, drop=0.01, double=0.005)
    rig = Rig(fronts, noise=noise, clock_start=2**32 - 5_000_000, drift_ppm=400)
    rig.until(1500 * MS)
    rig.bridge.run()
    judged: set[int] = set()
    for _ in range(60):
        rig.until(rig.now_ns + 1600 * NS_PER_COUNT)
        for event in rig.told(PartSeen):
            assert isinstance(event, PartSeen)
            part = event.part_id & 0xFFFFFFFF
            if part not in judged:
                judged.add(part)
                rig.judge(part, Verdict.PASS if part % 3 else Verdict.REJECT)
    rig.until(rig.now_ns + 6000 * MS)
    whys = {e.part_id & 0xFFFFFFFF: e.why for e in rig.told(PartDecided) if isinstance(e, PartDecided)}
    assert sorted(whys) == list(range(1, 61))
    assert len(rig.told(PartDecided)) == 60
    assert not [part for part, why in whys.items() if why is Why.EARNED and part % 3 == 0]
    assert sum(why is Why.EARNED for why in whys.values()) > 30
    assert rig.bridge.counters.damaged > 0
