"""A test fire from the station's side: asked until it is answered, fired once, never late."""

from __future__ import annotations

import pytest

from firmware_bridge.protocol import Key
from inspector.controllers import RejectController
from tests.firmware_bridge.made import MS, Rig

SORTER = {Key.EJECT_2_COUNT: 1500, Key.EJECT_2_ON_MS: 5, Key.EJECT_2_MAX_ON_MS: 60, Key.EJECT_2_MIN_OFF_MS: 40}


def test_the_bridge_asks_until_it_is_answered_and_fires_once() -> None:
    rig = Rig([], settings=SORTER)
    rig.until(1300 * MS)
    lost = iter([True, True])
    receive = rig.bridge.receive
    rig.bridge.receive = lambda data, now_ns: [] if b"\x85" in data and next(lost, False) else receive(data, now_ns)
    rig.bridge.firing.ask(2, 20)
    assert rig.bridge.firing.last is not None
    assert rig.bridge.firing.last.answer == ""
    rig.until(1800 * MS)
    assert rig.bridge.firing.last.answer == "FIRED"
    assert next(lost, None) is None, "no answer was lost: the test has not met its case"
    assert [(number, on) for number, on, _ in rig.belt.sorters] == [(2, True), (2, False)]
    rig.bridge.run()
    rig.until(2000 * MS)
    rig.bridge.firing.ask(0, 20)
    rig.until(2200 * MS)
    assert rig.bridge.firing.last.answer == "NOT_READY"


def test_a_question_that_was_not_answered_is_given_up_and_never_asked_late() -> None:
    rig = Rig([], settings=SORTER)
    rig.until(1300 * MS)
    rig.bridge.reopened(rig.now_ns)
    said: list[bytes] = []
    write = rig.link.write
    rig.link.write = lambda data, _now_ns: said.append(data)
    rig.bridge.firing.ask(0, 20)
    rig.until(2000 * MS)
    assert rig.bridge.firing.last is not None
    assert rig.bridge.firing.last.answer == "NO_ANSWER"
    assert said
    rig.link.write = write
    rig.until(3000 * MS)
    assert rig.bridge.linked
    assert rig.belt.gate == []


def test_what_was_asked_as_the_port_went_is_not_fired_when_it_is_back() -> None:
    rig = Rig([], settings=SORTER)
    rig.until(1300 * MS)
    rig.bridge.firing.ask(0, 20)
    rig.bridge.reopened(rig.now_ns)
    rig.until(2000 * MS)
    assert rig.bridge.linked
    assert rig.bridge.firing.last is not None
    assert rig.bridge.firing.last.answer == "NO_ANSWER"
    assert rig.belt.gate == []


@pytest.mark.parametrize(("output", "pulse_ms", "named"), [(4, 10, "output is 4"), (0, 0, "pulse_ms is 0")])
def test_what_cannot_be_is_named(output: int, pulse_ms: int, named: str) -> None:
    rig = Rig([])
    with pytest.raises(ValueError, match=named):
        rig.bridge.firing.ask(output, pulse_ms)
    assert rig.bridge.firing.last is None


def test_the_lines_controller_tells_what_came_of_it() -> None:
    rig = Rig([])
    rig.until(1300 * MS)

    class Thread:
        reopened = 0
        port_error = ""

        def order(self, ask) -> None:  # type: ignore[no-untyped-def]
            ask(rig.bridge)

    controller = RejectController(rig.bridge, Thread(), {"ejector": (0, 20), "sorter_2": (2, 30)})  # type: ignore[arg-type]
    assert controller.numbers()["test_fire"] is None
    assert controller.take_fired() is None
    controller.fire("ejector")
    assert controller.take_fired() is None
    assert controller.numbers()["test_fire"] == {"output": 0, "pulse_ms": 20, "answer": ""}
    rig.until(1400 * MS)
    assert controller.numbers()["test_fire"] == {"output": 0, "pulse_ms": 20, "answer": "FIRED"}
    assert (controller.take_fired(), controller.take_fired()) == ("", None)
    rig.bridge.run()
    rig.until(1600 * MS)
    controller.fire("ejector")
    rig.until(1800 * MS)
    assert controller.take_fired() == "not ready"
    controller.fire("sorter_2")
    assert controller.numbers()["test_fire"] == {"output": 2, "pulse_ms": 30, "answer": ""}


def test_nothing_is_asked_of_a_controller_that_is_not_there_to_be_fired_later() -> None:
    class Thread:
        port_error = "port /dev/ttyACM0: no such device"

    bridge = Rig([]).bridge
    controller = RejectController(bridge, Thread(), {"ejector": (0, 20), "sorter_2": (2, 30)})  # type: ignore[arg-type]
    controller.fire("ejector")
    assert bridge.firing.last is None
    assert (controller.take_fired(), controller.take_fired()) == ("no answer", None)
