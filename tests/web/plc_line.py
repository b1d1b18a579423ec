"""A line with the real PLC contract and its monitor, as the pages of inputs and outputs meet it."""

from dataclasses import replace

from firmware_bridge.plc import events
from firmware_bridge.plc.by_hand import obey
from firmware_bridge.plc.contract import Contract
from firmware_bridge.plc.image import Image
from firmware_bridge.plc.inputs import Inputs, Options
from firmware_bridge.plc.modbus_pdu import Counters
from firmware_bridge.plc.signals import Control, PackMl
from inspector.clock import SystemClock
from inspector.plc_monitor import PlcMonitor

from .fakes import FakeLine

WHO = "10.0.0.7:1"
LINK = {"linked": True, "clock_error_us": -41, "mode": "run", "fault": "none", "damaged": 3, "resent": 2, "reread": 0}


class PlcLine(FakeLine):
    """The contract is the station's own; this line moves it, and tells of it ten times a second."""

    def __init__(self, path):
        self.clock = SystemClock()
        self.fired = []
        self.contract = Contract(Options(), {1: "bracket"}, self._hear)
        self.image = Image(self.contract, self.clock.now_ns)
        self.inputs = Inputs(heartbeat_timeout=10_000)
        self.monitor = PlcMonitor(self.image, Counters(), self.clock, "triggers")
        self.silent = False
        super().__init__(path)

    def _hear(self, event):
        if isinstance(event, events.OutputFired):
            self.fired.append(event.output)

    def control(self, control):
        """The PLC writes this control word."""
        with self.image.lock:
            self.inputs = replace(self.inputs, control=control, plc_heartbeat=self.inputs.plc_heartbeat + 1)
            self.contract.write(WHO, self.inputs, self.clock.now_ns())

    def run(self):
        """A station that runs, and a PLC that triggers part 77."""
        with self.image.lock:
            self.contract.job_done(1, 5, self.clock.now_ns())
            self.contract.state(PackMl.EXECUTE, self.clock.now_ns())
        for control in (Control(0), Control.FAULT_RESET, Control.TRIGGER_ENABLE):
            self.control(control)
        self.inputs = replace(self.inputs, trigger_part_id=77)
        self.control(Control.TRIGGER_ENABLE | Control.TRIGGER)
        self.control(Control.TRIGGER_ENABLE)

    def rest(self):
        """A station that stands still, out of maintenance."""
        self.control(Control(0))
        with self.image.lock:
            self.contract.state(PackMl.IDLE, self.clock.now_ns())
            obey(self.contract, "end", self.clock.now_ns())
        self.fired.clear()

    def say(self):
        """Status and report, as the line's loop does."""
        with self.image.lock:
            now_ns = self.clock.now_ns()
            self.contract.pulse(now_ns)
            self.contract.tick(now_ns)
            left_s = self.contract.maintenance.left_s(now_ns)
        self.more = {"link": LINK, "test_left_s": left_s}
        report = self.monitor.look()
        if report is not None:
            self.server.publish_plc(report)

    def answer(self, command):
        """As PlcSide does."""
        with self.image.lock:
            return obey(self.contract, command.argument, self.clock.now_ns())
