"""Maintenance and the line: no part that a hand may have moved passes, and what the controller says is told."""

from __future__ import annotations

import pytest

from firmware_bridge.plc.maintenance import MODE_NS
from firmware_bridge.protocol import Verdict as WireVerdict
from firmware_bridge.protocol import Why
from inspector.state import Cause
from inspector.types import Verdict
from inspector.upkeep import Upkeep
from tests.test_passage import Rig, rig

__all__ = ["rig"]


class Bench:
    """A station without a PLC, and what was fired."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.fired: list[str] = []
        self.upkeep = Upkeep(rig.clock, {1: "ejector", 3: "sorter_2"}, self.fired.append)
        self.look()

    def look(self) -> None:
        self.upkeep.look(self.rig.passage, None)  # type: ignore[arg-type]

    def ask(self, words: str) -> str:
        said = self.upkeep.command(words)
        self.look()
        return said


@pytest.fixture
def bench(rig: Rig) -> Bench:
    return Bench(rig)


def test_what_lies_on_the_belt_is_rejected_and_recorded_though_its_pass_was_sent(bench: Bench) -> None:
    rig = bench.rig
    rig.see(1)
    rig.passage.take(rig.frame(1, 1200))
    rig.see(2)
    assert bench.ask("begin") == "begin is refused: line is running"
    rig.passage.order(Cause.STOP)
    bench.look()
    assert bench.ask("begin") == ""
    assert rig.sent == [(1, Verdict.PASS), (2, Verdict.NOT_INSPECTED), (1, Verdict.NOT_INSPECTED)]
    rig.see(3)  # moved through the eye by hand
    rig.passage.take(rig.frame(3, 1400))
    assert rig.sent[-1] == (3, Verdict.NOT_INSPECTED)
    assert bench.ask("end") == ""
    rig.see(4)
    rig.passage.take(rig.frame(4, 1500))
    assert rig.sent[-1] == (4, Verdict.PASS)
    for number, why in ((1, Why.CONTRADICTION), (2, Why.NOT_INSPECTED), (3, Why.NOT_INSPECTED), (4, Why.EARNED)):
        rig.decide(number, why, WireVerdict.PASS if number == 4 else WireVerdict.NOT_INSPECTED)
    records = [row for row, _ in rig.rows]
    assert [row.verdict for row in records] == [Verdict.NOT_INSPECTED] * 3 + [Verdict.PASS]
    assert [[reason.code for reason in row.inspection.reasons] for row in records[1:3]] == [["maintenance"]] * 2


def test_outputs_are_fired_in_it_only_and_it_ends_by_itself_and_when_the_line_runs(bench: Bench) -> None:
    assert bench.ask("fire ejector") == "fire ejector is refused: not in maintenance"
    bench.rig.passage.order(Cause.STOP)
    bench.look()
    bench.ask("begin")
    assert "maintenance" in bench.rig.passage.alarms
    assert bench.ask("fire sorter_2") == ""
    assert bench.ask("fire camera") == "fire camera is refused: unknown output"
    assert bench.ask("force RESULTS_VALID 1") == bench.ask("approve") == "this station has no PLC"
    assert bench.fired == ["sorter_2"]
    assert bench.upkeep.left_s() == MODE_NS / 1e9
    bench.rig.clock.advance_to(bench.rig.clock.now_ns() + MODE_NS)
    bench.look()
    assert bench.upkeep.left_s() is None
    assert "maintenance" not in bench.rig.passage.alarms
    bench.ask("begin")
    bench.rig.passage.order(Cause.START)
    bench.look()
    assert bench.upkeep.left_s() is None
    assert bench.fired == ["sorter_2"]


def test_a_pulse_that_was_refused_is_an_alarm_until_one_is_fired(bench: Bench) -> None:
    bench.upkeep.fired("not at rest", bench.rig.passage)
    (alarm,) = bench.rig.passage.alarms.all()
    assert (alarm.code, alarm.severity) == ("test_fire", "warning")
    assert "not at rest" in alarm.text
    bench.upkeep.fired("", bench.rig.passage)
    assert bench.rig.passage.alarms.all() == ()
