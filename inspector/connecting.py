"""Whoever owns the real-time I/O and whoever reads the results, built for one run in real time.

What it is: the three wirings of a station in one function - alone or "results": the reject controller's bridge, with a
PLC beside it or not; "triggers": the PLC in its place. What it is not: the loops, or what is done with an event. Main
thread, at start-up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from firmware_bridge.port import BridgeThread, Port
from inspector import plc_wiring, station
from inspector.camera import Guard
from inspector.clock import Clock
from inspector.config import PlcConfig, StationConfig
from inspector.controllers import Controller, RejectController
from inspector.errors import ConfigError
from inspector.line import Line
from inspector.outputs import outputs_of, pulses_of
from inspector.plc_controller import Firing, PlcController, PlcSender, PlcServer
from inspector.plc_jobs import PlcJobs
from inspector.plc_monitor import PlcMonitor
from inspector.plc_side import Hands, PlcSide
from inspector.record.store import Store
from inspector.sender import Sender, ThreadSender
from inspector.threads import Inbox
from inspector.upkeep import Upkeep


@dataclass(slots=True)
class Connected:
    """What `running` gets: the controller and where verdicts go, and the PLC's side, or what stands in its
    place."""

    controller: Controller
    sender: Sender
    side: PlcSide | Upkeep
    server: PlcServer | None = None
    jobs: PlcJobs | None = None
    monitor: PlcMonitor | None = None


@dataclass(slots=True)
class Around:
    """What is there already."""

    config: StationConfig
    clock: Clock
    store: Store
    line: Line
    inbox: Inbox
    camera: Guard
    port_url: str
    take_line: Callable[[Line], None]
    failed: Callable[[BaseException], None]


def connect(around: Around) -> Connected:
    """See the module; raises what its parts raise at start-up."""
    plc = around.config.plc
    if plc is not None:
        plc_wiring.check_wiring(around.config, plc)
    if plc is not None and plc.wiring == plc_wiring.TRIGGERS:
        connected = _triggered_by(plc, around)
    else:
        connected = _controlled(plc, around)
    if plc is not None and isinstance(connected.side, PlcSide) and connected.server is not None:
        connected.monitor = PlcMonitor(connected.side.image, connected.server.counters, around.clock, plc.wiring)
    return connected


def _controlled(plc: PlcConfig | None, around: Around) -> Connected:
    config = around.config
    if config.camera.kind == "opencv" and config.camera.trigger_source == "software":
        text = "[camera] trigger_source is 'software', but there is no PLC that triggers; wanted 'free_run'"
        raise ConfigError(text)
    bridge = station.make_bridge(config, around.store)
    thread = BridgeThread(
        bridge,
        lambda: Port(around.port_url, config.controller.baud),
        around.clock.now_ns,
        around.inbox.put_event,
        around.failed,
    )
    controller = RejectController(bridge, thread, pulses_of(config.controller))
    connected = Connected(controller, ThreadSender(thread), Upkeep(around.clock, outputs_of(config), controller.fire))
    if plc is not None:
        hands = Hands(around.take_line, _nothing_to_expose, controller.fire, around.inbox.put_event)
        side, connected.jobs = plc_wiring.make_side(config, plc, around.clock, around.line, hands, None)
        connected.side, connected.server = side, plc_wiring.make_server(plc, side, around.clock, around.failed)
    return connected


def _triggered_by(plc: PlcConfig, around: Around) -> Connected:
    put = around.inbox.put_event
    parts, boot, lost = plc_wiring.begin_parts(around.config, plc, around.store)
    firing = Firing(around.camera, around.clock, put, around.failed)
    hands = Hands(around.take_line, firing.fire, lambda _output: firing.fire(None), put)
    side, jobs = plc_wiring.make_side(around.config, plc, around.clock, around.line, hands, parts)
    firing.side = side
    server = plc_wiring.make_server(plc, side, around.clock, around.failed)
    return Connected(PlcController(side, server, firing, put, boot, lost), PlcSender(side), side, server, jobs)


def _nothing_to_expose(_wire_id: int) -> None:
    """The camera is the reject controller's."""
