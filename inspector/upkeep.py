"""Maintenance of a station: what it does to the line, and the mode itself where no PLC keeps it.

What it is: in maintenance outputs are fired by hand and no part passes: what lies on the belt and what comes meanwhile
is NOT_INSPECTED. What it is not: the rules of the mode (`firmware_bridge.plc.maintenance`), or the outputs. Line
thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

from firmware_bridge.events import Event
from firmware_bridge.plc.by_hand import obey
from firmware_bridge.plc.events import MaintenanceChanged, OutputFired, PlcEvent
from firmware_bridge.plc.maintenance import Maintenance
from firmware_bridge.plc.signals import Refusal
from inspector.alarms import Alarms
from inspector.clock import Clock
from inspector.line import Line
from inspector.passage import Passage
from inspector.state import State
from inspector.types import Inspection, InspectionRecord

NO_PLC = "this station has no PLC"


def act(event: PlcEvent, outputs: Mapping[int, str], fire: Callable[[str], None], passage: Passage) -> None:
    """Do what maintenance asks for: its begin and end, and a test pulse."""
    if isinstance(event, MaintenanceChanged):
        passage.maintain(event.on)
        passage.alarms.tell("maintenance", event.on)
    elif isinstance(event, OutputFired):
        fire(outputs[event.output])


def tell_fired(trouble: str, alarms: Alarms) -> None:
    """What came of the last test pulse: nothing, or an alarm that says why not."""
    alarms.settle("test_fire")
    if trouble:
        alarms.raise_("test_fire", "warning", trouble=trouble)


class Upkeep:
    """The mode of a station that stands alone; it stands where `plc_side.PlcSide` stands beside a PLC."""

    def __init__(self, clock: Clock, outputs: Mapping[int, str], fire: Callable[[str], None]) -> None:
        self._clock = clock
        self._fire = fire
        self._news: deque[PlcEvent] = deque()
        self._executes = False
        self.maintenance = Maintenance(outputs, self._news.append)

    def line_runs(self) -> bool:
        """See `by_hand.Asked`."""
        return self._executes

    def asked(self, why: Refusal, now_ns: int) -> Refusal:  # noqa: ARG002 - nobody counts refusals here
        """See `by_hand.Asked`."""
        return why

    def command(self, words: str) -> str:
        """A person's wish from the screen (`by_hand`); empty, or why not."""
        if words == "approve" or words.startswith("force"):
            return NO_PLC
        return obey(self, words, self._clock.now_ns())

    def left_s(self) -> float | None:
        """Seconds until the mode ends by itself, None where it is off."""
        return self.maintenance.left_s(self._clock.now_ns())

    def look(self, passage: Passage, line: Line) -> None:  # noqa: ARG002 - as beside a PLC
        """Once in every lap of the line's loop."""
        self._executes = passage.state is State.EXECUTE
        self.maintenance.tick(self._clock.now_ns())
        if self._executes and self.maintenance.on:
            self.maintenance.leave()
        while self._news:
            act(self._news.popleft(), self.maintenance.outputs, self._fire, passage)

    def fired(self, trouble: str, passage: Passage) -> None:
        """What came of a test pulse; empty if it was fired."""
        tell_fired(trouble, passage.alarms)

    def hear(self, event: PlcEvent, passage: Passage) -> None:
        """There is no PLC that asks."""

    def heard(self, event: Event) -> None:
        """There is no PLC to tell."""

    def judged(self, inspection: Inspection) -> None:
        """There is no PLC to tell."""

    def closed(self, record: InspectionRecord) -> None:
        """There is no PLC to tell."""
