"""A station whose PLC triggers, tracks and rejects: what stands where the reject controller stands elsewhere.

What it is: the controller, the sender of verdicts and the thread that fires the camera, for the wiring "triggers". What
it is not: the handshake (`firmware_bridge.plc`) or the station's half of it (`plc_side`). `Firing.run` is the thread
`trigger`; the rest belongs to the line thread.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from firmware_bridge.events import Event, Linked, PartTriggered
from firmware_bridge.plc.modbus_pdu import Counters
from inspector.camera import Guard
from inspector.clock import Clock
from inspector.errors import CameraError
from inspector.passage import Passage
from inspector.plc_side import PlcSide
from inspector.types import Inspection, Verdict


class PlcServer(Protocol):
    """A Modbus server's thread, whatever carries it."""

    counters: Counters

    @property
    def port_error(self) -> str:
        """Why nobody can be heard; empty if all is well."""
        ...

    def start(self) -> None:
        """Begin to serve."""
        ...

    def stop(self) -> None:
        """End, and wait for it."""
        ...


class Firing(threading.Thread):
    """Fires the camera for each part that the PLC triggers: the line thread may be busy with the part before."""

    def __init__(
        self, camera: Guard, clock: Clock, put: Callable[[Event], None], failed: Callable[[BaseException], None]
    ) -> None:
        super().__init__(name="trigger", daemon=True)
        self._camera = camera
        self._clock = clock
        self._put = put
        self._failed = failed
        self._wanted: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._stopping = False
        self.side: PlcSide | None = None
        self.tested: queue.SimpleQueue[str] = queue.SimpleQueue()

    def fire(self, wire_id: int | None) -> None:
        """One exposure for this part of the PLC, None for a test without a part; from any thread."""
        self._wanted.put(wire_id)

    def stop(self) -> None:
        """End after the present exposure; waits for it."""
        self._stopping = True
        self._wanted.put(None)
        if self.is_alive():
            self.join(2.0)

    def run(self) -> None:
        """The loop; see the class."""
        try:
            while True:
                wire_id = self._wanted.get()
                if self._stopping:
                    return
                self._expose(wire_id)
        except Exception as why:  # noqa: BLE001 - the outermost line of the thread
            self._failed(why)

    def _expose(self, wire_id: int | None) -> None:
        at_ns = self._clock.now_ns()
        trouble = ""
        try:
            at_ns = self._camera.trigger(at_ns)
        except CameraError as why:
            trouble = str(why)
        side = self.side
        if wire_id is None:
            self.tested.put(trouble)
        if wire_id is None or side is None or side.parts is None:
            return
        with side.image.lock:
            part_id = side.parts.part_of(wire_id)
        if part_id is not None:
            self._put(PartTriggered(part_id, at_ns))
        side.exposed(wire_id)


@dataclass(slots=True)
class PlcController:
    """See `controllers.Controller`. `recovered` are the parts that a process before this one left without a record."""

    side: PlcSide
    server: PlcServer
    firing: Firing
    put: Callable[[Event], None]
    boot: int
    recovered: Iterable[Event] = ()

    @property
    def port_error(self) -> str:
        """There is no controller's port; the PLC's is looked at where the PLC is."""
        return ""

    def start(self) -> None:
        """See `controllers.Controller`."""
        self.put(Linked(self.boot, was_reset=False))
        for event in self.recovered:
            self.put(event)
        self.firing.start()

    def stop(self) -> None:
        """See `controllers.Controller`."""
        self.firing.stop()
        self.side.abandon()

    def watch(self, passage: Passage) -> None:
        """Nothing to follow: the station's state is its own, and the PLC reads it."""

    def fire(self, output: str) -> None:  # noqa: ARG002 - the camera is the only one
        """See `controllers.Controller`."""
        self.firing.fire(None)

    def take_fired(self) -> str | None:
        """See `controllers.Controller`."""
        with suppress(queue.Empty):
            return self.firing.tested.get_nowait()
        return None

    def numbers(self) -> dict[str, Any]:
        """See `controllers.Controller`."""
        contract, counters = self.side.contract, self.server.counters
        return {
            "linked": contract.owner is not None,
            "mode": None,
            "fault": int(contract.faults.shown),
            "requests": counters.requests,
            "refused": sum(counters.refused.values()),
            "damaged": counters.garbage,
            "missed_triggers": contract.tally.counts["missed_triggers"],
        }


@dataclass(slots=True)
class PlcSender:
    """See `sender.Sender`: a verdict is the answer to a trigger, and the belt is the PLC's."""

    side: PlcSide

    def judge(self, part_id: int, verdict: Verdict, inspection: Inspection | None = None) -> int | None:
        """See `sender.Sender`."""
        assert inspection is None or inspection.verdict is verdict
        return self.side.judge(part_id, inspection)

    def run(self) -> None:
        """Nothing to do: the PLC reads that the station executes."""

    def stop(self) -> None:
        """Nothing to do: the PLC reads that the station does not execute any more."""

    def reset(self) -> None:
        """Nothing to do: there is no controller to clear."""
