"""Modbus RTU, served: one serial line, one master, the same registers as over TCP.

What it is: the loop between a port and the registers; a port that goes away is opened again. What it is not: framing
(`modbus_frames`) or requests (`modbus_pdu`). `run` is the plc thread.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from firmware_bridge.plc.modbus_frames import RtuFrames, rtu_response
from firmware_bridge.plc.modbus_pdu import Counters, Registers, answer
from firmware_bridge.port import Port, PortGone

_TICK_S = 0.02
_REOPEN_S = (0.1, 0.2, 0.5, 1.0, 2.0)
_BITS_PER_CHARACTER = 11
MASTER = "serial"
"""The one master's name: a serial line cannot tell who speaks."""


def silence_ns(baud: int) -> int:
    """3.5 characters; 1.75 ms above 19200 baud. Source: MODBUS over Serial Line V1.02, section 2.5.1.1."""
    return 1_750_000 if baud > 19_200 else 7 * _BITS_PER_CHARACTER * 1_000_000_000 // (2 * baud)


class ModbusRtuServer(threading.Thread):
    """See the module. `open_port` raises PortGone while the device is not there.

    `tick` of the registers is called every 20 ms, on this thread; `failed` gets an error that nobody foresaw.
    """

    def __init__(
        self,
        open_port: Callable[[], Port],
        registers: Registers,
        now_ns: Callable[[], int],
        failed: Callable[[BaseException], None],
        *,
        unit: int,
        baud: int,
    ) -> None:
        super().__init__(name="plc", daemon=True)
        self._open = open_port
        self._registers = registers
        self._now_ns = now_ns
        self._failed = failed
        self._unit = unit
        self._silence_ns = silence_ns(baud)
        self._stopping = threading.Event()
        self.counters = Counters()
        self.port_error = ""

    def stop(self) -> None:
        """End the thread after its present wait; waits for it."""
        self._stopping.set()
        if self.is_alive():
            self.join(5.0)

    def run(self) -> None:
        """The loop; see the class."""
        try:
            tries = 0
            while not self._stopping.is_set():
                try:
                    with contextlib.closing(self._open()) as port:
                        tries, self.port_error = 0, ""
                        self._serve(port)
                except PortGone as why:
                    self.port_error = str(why)
                    self._wait(_REOPEN_S[min(tries, len(_REOPEN_S) - 1)])
                    tries += 1
        except Exception as why:  # noqa: BLE001 - the outermost line of the thread
            self._failed(why)

    def _wait(self, seconds: float) -> None:
        """Time goes on for the contract while the port is away."""
        until_ns = self._now_ns() + int(seconds * 1e9)
        while self._now_ns() < until_ns and not self._stopping.wait(_TICK_S):
            self._registers.tick()

    def _serve(self, port: Port) -> None:
        frames = RtuFrames(self._unit, self._silence_ns)
        self.counters.accepted += 1
        before, others = self.counters.garbage, self.counters.other_units
        try:
            while not self._stopping.is_set():
                data = port.wait(_TICK_S)
                now_ns = self._now_ns()
                for request in frames.feed(data, now_ns):
                    response = answer(self._registers, MASTER, request.pdu)
                    self.counters.count(response)
                    port.write(rtu_response(request, response))
                self.counters.garbage = before + frames.damaged
                self.counters.other_units = others + frames.others
                self._registers.tick()
        finally:
            self._registers.disconnected(MASTER)
