"""The serial port, and the thread that lives on it.

What it is: the only place that opens a port (any pyserial URL: `/dev/ttyACM0`, `socket://`, `loop://`, and
`sim://` for the simulator), and the loop that moves bytes between it and the bridge. What it is not: the
conversation (`bridge`). `BridgeThread.run` is the bridge thread; its other methods may be called by any.
"""

from __future__ import annotations

import contextlib
import select
import threading
from collections.abc import Callable
from typing import Any

import serial

from firmware_bridge.bridge import Bridge
from firmware_bridge.events import Event
from firmware_bridge.protocol import Verdict

if "firmware_bridge" not in serial.protocol_handler_packages:
    serial.protocol_handler_packages.append("firmware_bridge")

_MAX_WAIT_S = 0.05
_FRAGMENT_S = 0.0015
_REOPEN_S = (0.1, 0.2, 0.5, 1.0, 2.0)


class PortGone(Exception):
    """The port cannot be opened, or went away; the text names it and says why."""


class Port:
    """One open serial port, exclusively ours.

    Raises PortGone from every method when the device is not there.
    """

    def __init__(self, url: str, baud: int, parity: str = "none") -> None:
        try:
            self._serial: Any = serial.serial_for_url(
                url, baudrate=baud, parity=parity[0].upper(), timeout=0, write_timeout=1.0
            )
        except (OSError, ValueError) as why:
            raise PortGone(f"port {url}: {why}") from why
        self._url = url

    def wait(self, timeout_s: float) -> bytes:
        """Bytes that arrive within `timeout_s`, as soon as there are any; empty if none."""
        try:
            if hasattr(self._serial, "wait"):
                return bytes(self._serial.wait(timeout_s))
            with contextlib.suppress(OSError, ValueError, AttributeError):
                select.select([self._serial.fileno()], [], [], timeout_s)
            return bytes(self._serial.read(4096))
        except (OSError, TypeError) as why:
            raise PortGone(f"port {self._url}: {why}") from why

    def write(self, data: bytes) -> None:
        """Send all of `data`."""
        try:
            self._serial.write(data)
        except (OSError, TypeError) as why:
            raise PortGone(f"port {self._url}: {why}") from why

    def close(self) -> None:
        """Give the port back."""
        with contextlib.suppress(OSError):
            self._serial.close()


class BridgeThread(threading.Thread):
    """Runs a `Bridge` on a port and hands its events to `emit`; reopens a port that went away, with back-off.

    `emit` is called from this thread and must not block. An error that nobody foresaw ends the thread and is given to
    `failed`; by then the controller's lease runs out and it rejects everything.
    """

    def __init__(
        self,
        bridge: Bridge,
        open_port: Callable[[], Port],
        now_ns: Callable[[], int],
        emit: Callable[[Event], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        super().__init__(name="bridge", daemon=True)
        self._bridge = bridge
        self._open = open_port
        self._now_ns = now_ns
        self._emit = emit
        self._failed = failed
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._port: Port | None = None
        self.port_error = ""
        self.reopened = 0

    def judge(self, part_id: int, verdict: Verdict, eject: int = 0) -> int | None:
        """Send a verdict now; returns its slack in ns. Callable from any thread."""
        with self._lock:
            slack_ns = self._bridge.judge(part_id, verdict, self._now_ns(), eject)
            self._flush()
        return slack_ns

    def order(self, ask: Callable[[Bridge], None]) -> None:
        """Call `ask` with the bridge while its thread keeps out."""
        with self._lock:
            ask(self._bridge)

    def stop(self) -> None:
        """End the thread after its present wait."""
        self._stopping.set()

    def run(self) -> None:
        """The loop; see the class."""
        try:
            tries = 0
            while not self._stopping.is_set():
                try:
                    self._port = self._open()
                    tries, self.port_error = 0, ""
                    self.order(lambda bridge: bridge.reopened(self._now_ns()))
                    self._serve(self._port)
                except PortGone as why:
                    self.port_error = str(why)
                    self._drop_port()
                    self._stopping.wait(_REOPEN_S[min(tries, len(_REOPEN_S) - 1)])
                    tries += 1
                    self.reopened += 1
        except Exception as why:  # noqa: BLE001 - the outermost line of the thread
            self._failed(why)
        finally:
            self._drop_port()

    def _serve(self, port: Port) -> None:
        while not self._stopping.is_set():
            with self._lock:
                wait_ns = self._bridge.next_wake_ns() - self._now_ns()
            data = port.wait(min(max(wait_ns / 1e9, 0.0005), _MAX_WAIT_S))
            if data and data[-1]:
                # Half a frame can be of no use yet; to wake for every few bytes of it costs more than all its meaning.
                self._stopping.wait(_FRAGMENT_S)
                data += port.wait(0)
            with self._lock:
                now_ns = self._now_ns()
                events = [*self._bridge.receive(data, now_ns), *self._bridge.poll(now_ns)]
                self._flush()
            for event in events:
                self._emit(event)

    def _flush(self) -> None:
        data = self._bridge.take_output()
        if data and self._port is not None:
            try:
                self._port.write(data)
            except PortGone as why:
                # The bridge thread meets the same error at its next read and reopens; the bridge sends again.
                self.port_error = str(why)

    def _drop_port(self) -> None:
        with self._lock:
            if self._port is not None:
                self._port.close()
            self._port = None
