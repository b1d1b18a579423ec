"""One ejector fired for a test: by the twin and by the core; and that no such pulse helps a part."""

from __future__ import annotations

import pytest

from firmware_bridge.protocol import (
    Answer,
    Command,
    Commit,
    Count,
    Counters,
    Encoder,
    Fault,
    Fire,
    Fired,
    Input,
    Judge,
    Key,
    Lease,
    Message,
    Mode,
    Order,
    PartRow,
    Set,
    Status,
    Verdict,
    Why,
    config_crc,
)
from tests.firmware.host import MS as TICKS_PER_MS
from tests.firmware.test_vectors import LINE, MS, Core, Side, Twin

SORTER = {Key.EJECT_2_COUNT: 1500, Key.EJECT_2_ON_MS: 5, Key.EJECT_2_MAX_ON_MS: 60, Key.EJECT_2_MIN_OFF_MS: 40}
SORTER_2 = 4
VALVE = {Key.ENERGISED_PASSES: 0}


class Bench:
    """One side, configured; every edge of gate and sorter 2 in ms."""

    def __init__(
        self, kind: type[Side], settings: dict[Key, int] | None = None, fronts: list[int] | None = None
    ) -> None:
        self.side = kind(fronts or [], 400)
        self.heard: list[Message] = []
        values = LINE | SORTER | {Key.MAX_ON_MS: 300} | (settings or {})
        for key, value in values.items():
            self.side.say(Set(key, value))
        self.side.say(Commit(config_crc(values.items())))
        self.side.say(Lease(1, 60_000))
        self.run(60)

    def run(self, ms: int) -> None:
        self.heard += self.side.run(ms)

    def fire(self, output: int, pulse_ms: int, serial: int = 0) -> str:
        """Ask, and give the answer."""
        asked = serial or sum(isinstance(m, Fired) for m in self.heard) + 1
        self.side.say(Fire(asked, output, pulse_ms))
        self.run(2)
        answers = [m for m in self.heard if isinstance(m, Fired)]
        assert answers[-1].serial == asked
        return Answer(answers[-1].answer).name

    def order(self, order: Order) -> None:
        self.side.say(Command(order))
        self.run(2)

    def status(self) -> Status:
        self.side.say(Command(0))
        self.run(5)
        return [m for m in self.heard if isinstance(m, Status)][-1]

    def row(self, part: int) -> PartRow:
        return [m for m in self.heard if isinstance(m, PartRow) and m.part == part][-1]

    def pulses(self, output: int) -> list[int]:
        """How long each pulse of an output was, in ms."""
        moves = self.side.gate()
        if isinstance(self.side, Twin) and output:
            moves = [(at_ns // MS, on) for number, on, at_ns in self.side.belt.sorters if number == output]
        elif isinstance(self.side, Core) and output:
            moves, on = [], False
            for tick, outputs in self.side.host.edges:
                if bool(outputs & SORTER_2) != on:
                    on = not on
                    moves.append((tick // TICKS_PER_MS, on))
        assert [on for _, on in moves] == [True, False] * (len(moves) // 2)
        return [off - on for (on, _), (off, _) in zip(moves[::2], moves[1::2], strict=True)]


SIDES = pytest.mark.parametrize("kind", [Twin, Core])


@SIDES
def test_a_pulse_has_the_length_that_was_asked_for_up_to_the_longest(kind: type[Side]) -> None:
    bench = Bench(kind)
    bench.run(1000)
    assert bench.fire(0, 80) == "FIRED"
    bench.run(1500)
    assert bench.fire(0, 65_535) == "FIRED"
    bench.run(1500)
    assert bench.fire(2, 30) == "FIRED"
    bench.run(500)
    assert bench.fire(2, 500) == "FIRED"
    bench.run(500)
    assert bench.pulses(0) == pytest.approx([80, 300], abs=1)
    assert bench.pulses(2) == pytest.approx([30, 60], abs=1)
    assert bench.status().mode == Mode.READY
    assert not bench.side.runs


@SIDES
def test_the_same_question_twice_is_one_pulse(kind: type[Side]) -> None:
    bench = Bench(kind)
    bench.run(1000)
    assert bench.fire(2, 10, serial=7) == "FIRED"
    bench.run(3000)
    assert bench.fire(2, 10, serial=7) == "FIRED"
    bench.run(100)
    assert len(bench.pulses(2)) == 1
    assert bench.fire(2, 10, serial=8) == "FIRED"
    bench.run(100)
    assert len(bench.pulses(2)) == 2


@SIDES
def test_what_is_refused_moves_nothing(kind: type[Side]) -> None:
    bench = Bench(kind)
    assert bench.fire(0, 50) == "NOT_AT_REST", "it was configured just now"
    bench.run(1000)
    for output, pulse_ms in ((1, 50), (3, 50), (4, 50), (255, 50), (0, 0), (2, 0)):
        assert bench.fire(output, pulse_ms) == "NO_OUTPUT"
    bench.order(Order.RUN)
    bench.run(50)
    for output in (0, 2):
        assert bench.fire(output, 50) == "NOT_READY", "the line runs"
    bench.order(Order.STOP)
    bench.run(900)
    assert bench.fire(0, 50) == "NOT_AT_REST", "it stopped less than a second ago"
    assert not bench.pulses(0)
    assert not bench.pulses(2)


@SIDES
def test_not_before_it_is_configured_and_not_in_a_shutdown(kind: type[Side]) -> None:
    bench = Bench(kind, {Key.INPUTS: int(Input.LOW_AIR)})
    bench.run(1500)
    bench.side.set_input(Input.LOW_AIR, True)
    bench.run(50)
    assert bench.status().fault == Fault.LOW_AIR
    bench.run(1500)
    assert bench.fire(0, 50) == "NOT_READY"
    unborn = kind([], 400)
    unborn.run(1500)
    unborn.say(Fire(1, 0, 50))
    assert [Answer(m.answer).name for m in unborn.run(10) if isinstance(m, Fired)] == ["NOT_READY"]
    assert not bench.pulses(0)
    assert not unborn.gate()


@SIDES
def test_one_at_a_time_and_rested_in_between(kind: type[Side]) -> None:
    bench = Bench(kind)
    bench.run(1000)
    assert bench.fire(0, 100) == "FIRED"
    assert bench.fire(2, 10) == "BUSY"
    assert bench.fire(0, 10) == "BUSY"
    bench.run(150)
    assert bench.fire(0, 10) == "NOT_AT_REST", "the gate moved less than a second ago"
    bench.run(1000)
    assert bench.fire(2, 10) == "FIRED"
    bench.run(20)
    assert bench.fire(2, 10) == "BUSY", "it has not rested for 40 ms"
    bench.run(40)
    assert bench.fire(2, 10) == "FIRED"
    bench.run(50)
    assert len(bench.pulses(0)) == 1
    assert len(bench.pulses(2)) == 2


@SIDES
@pytest.mark.parametrize("settings", [{}, VALVE], ids=["diverter", "valve"])
def test_run_ends_the_pulse_before_the_belt_moves(kind: type[Side], settings: dict[Key, int]) -> None:
    bench = Bench(kind, settings | {Key.LEAD_MS: 100})
    bench.run(1000)
    if settings:
        # A purge first, so that the gate is at rest afterwards.
        bench.order(Order.RUN)
        bench.run(1200)
        bench.order(Order.STOP)
        bench.run(1100)
    already = len(bench.pulses(0))
    assert bench.fire(0, 300) == "FIRED"
    bench.order(Order.RUN)
    bench.run(80)
    assert not bench.side.runs, "the gate is still on its way back"
    assert len(bench.pulses(0)) == already + 1
    assert bench.pulses(0)[-1] < 10
    bench.run(30)
    assert bench.side.runs
    bench.order(Order.STOP)
    bench.order(Order.RUN)
    bench.run(10)
    assert bench.side.runs, "only the first start after a test waits"


@SIDES
def test_a_part_on_the_belt_is_rejected_after_a_test(kind: type[Side]) -> None:
    """It earned its pass, but a pulse may have moved it."""
    bench = Bench(kind, fronts=(400,))
    bench.order(Order.RUN)
    bench.run(300)
    bench.side.say(Judge(1, 1, Verdict.PASS))
    bench.order(Order.STOP)
    bench.run(1100)
    assert bench.fire(2, 20) == "FIRED"
    bench.run(100)
    bench.order(Order.RUN)
    bench.run(1500)
    assert bench.row(1).why == Why.PURGED
    assert not bench.pulses(0)


@SIDES
@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.REJECT])
def test_not_while_a_decided_part_is_at_the_gate(kind: type[Side], verdict: Verdict) -> None:
    """A diverter that opens with a bad part before it could let it pass."""
    bench = Bench(kind, fronts=(400,))
    bench.order(Order.RUN)
    bench.run(300)
    bench.side.say(Judge(1, 1, verdict))
    bench.run(530)
    bench.order(Order.STOP)
    bench.run(1500)
    assert bench.row(1).why in (Why.EARNED, Why.JUDGED_BAD)
    already = len(bench.pulses(0))
    assert bench.fire(0, 50) == "BUSY"
    assert bench.fire(2, 50) == "BUSY"
    bench.order(Order.RUN)
    bench.run(400)
    bench.order(Order.STOP)
    bench.run(1100)
    assert bench.fire(0, 50) == "FIRED"
    bench.run(100)
    assert len(bench.pulses(0)) == already + 1 + (verdict is Verdict.PASS and already == 0)


@SIDES
def test_not_in_a_purge_that_waits(kind: type[Side]) -> None:
    bench = Bench(kind, VALVE)
    bench.order(Order.RUN)
    bench.run(100)
    bench.order(Order.STOP)
    bench.run(2000)
    already = len(bench.pulses(0))
    assert bench.fire(0, 50) == "BUSY"
    assert bench.fire(2, 50) == "BUSY"
    assert len(bench.pulses(0)) == already
    assert not bench.pulses(2)


@SIDES
def test_a_shutdown_ends_the_pulse(kind: type[Side]) -> None:
    for settings in ({}, VALVE):
        bench = Bench(kind, settings | {Key.INPUTS: int(Input.LOW_AIR)})
        bench.run(1000)
        assert bench.fire(0, 200) == "FIRED"
        bench.side.set_input(Input.LOW_AIR, True)
        bench.run(300)
        (pulse,) = bench.pulses(0)
        assert pulse < 30
        assert bench.status().fault == Fault.LOW_AIR


@SIDES
def test_without_an_encoder_not_until_everything_would_have_passed(kind: type[Side]) -> None:
    values = {
        Key.ENCODER: int(Encoder.CLOCK),
        Key.GATE_COUNT: 30_000,
        Key.PART_MAX_COUNT: 3000,
        Key.EYE_STUCK_COUNT: 9000,
    }
    bench = Bench(kind, values, fronts=(400,))
    bench.run(1000)
    assert bench.fire(0, 10) == "FIRED"
    bench.run(100)
    bench.order(Order.RUN)
    bench.run(300)
    bench.order(Order.STOP)
    bench.run(1300)
    assert bench.fire(0, 10) == "NOT_AT_REST"
    bench.run(1000)
    assert bench.fire(0, 10) == "FIRED"


def test_a_belt_that_moves_by_hand_ends_the_pulse() -> None:
    bench = Bench(Core)
    assert isinstance(bench.side, Core)
    for output in (0, 2):
        bench.run(1100)
        assert bench.fire(output, 50) == "FIRED"
        bench.side.host.lib.host_encoder(100, False)
        bench.run(5)
        bench.side.host.lib.host_encoder(0, False)
        bench.run(100)
        (pulse,) = bench.pulses(output)
        assert pulse <= 3
        assert bench.fire(output, 50) == "NOT_AT_REST"


def test_a_hand_in_the_eye_ends_the_pulse_where_there_is_no_encoder() -> None:
    bench = Bench(Core, {Key.ENCODER: int(Encoder.CLOCK), Key.PART_MAX_COUNT: 3000})
    assert isinstance(bench.side, Core)
    bench.run(1000)
    assert bench.fire(0, 200) == "FIRED"
    bench.side.host.lib.host_eye(True)
    bench.run(10)
    bench.side.host.lib.host_eye(False)
    bench.run(300)
    (pulse,) = bench.pulses(0)
    assert pulse < 10


def test_it_is_still_allowed_after_the_clock_has_run_over() -> None:
    bench = Bench(Core)
    assert isinstance(bench.side, Core)
    host = bench.side.host
    for _ in range(9):
        host.lib.host_turn_every(2_000_000)
        host.run(2**29)
        host.lib.host_turn_every(400)
        host.run(1100 * TICKS_PER_MS)
        host.say(Fire(host.now % 65_535 + 1, 2, 10))
        host.run(200 * TICKS_PER_MS)
    assert {Answer(m.answer).name for m in host.heard if isinstance(m, Fired)} == {"FIRED"}
    assert bench.pulses(2) == pytest.approx([10] * 9, abs=1)


@SIDES
def test_a_test_is_no_limit_that_was_met(kind: type[Side]) -> None:
    bench = Bench(kind)
    bench.run(1000)
    bench.fire(0, 65_535)
    bench.run(1500)
    bench.fire(2, 65_535)
    bench.run(200)
    bench.side.say(Count())
    bench.run(10)
    (counters,) = [m for m in bench.heard if isinstance(m, Counters)]
    assert counters == Counters(*[0] * 11)
