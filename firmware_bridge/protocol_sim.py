"""`sim://NAME` as a pyserial URL: the simulated controller behind the interface of a serial port.

What it is: what pyserial loads when it is asked for a `sim://` URL. What it is not: the wire's protocol (that is
`protocol`; the file's name is pyserial's rule). Read by the bridge thread; write may come from another.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from serial import PortNotOpenError, SerialBase, SerialException

from firmware_bridge.simulated_link import SimulatedLink

_ports: dict[str, tuple[SimulatedLink, Callable[[], int]]] = {}


def register(name: str, link: SimulatedLink, now_ns: Callable[[], int]) -> None:
    """Make `sim://name` open this link; `now_ns` is the clock both sides live in."""
    _ports[name] = (link, now_ns)


class Serial(SerialBase):  # type: ignore[misc]
    """See the module; only what the bridge uses of a port."""

    def open(self) -> None:
        """Connect to the registered link; raises SerialException if there is none of that name."""
        name = str(self.portstr).removeprefix("sim://")
        if name not in _ports:
            raise SerialException(f"no simulated controller named {name!r}")
        self._link, self._now_ns = _ports[name]
        self._changed = threading.Condition()
        self.is_open = True

    def from_url(self, url: str) -> str:
        """The URL is the port's name."""
        return url

    def close(self) -> None:
        """Disconnect; the simulation goes on."""
        self.is_open = False

    def _reconfigure_port(self) -> None:
        """Nothing to set: there is no UART."""

    @property
    def in_waiting(self) -> int:
        """0: `read` never blocks beyond its timeout, so nothing needs to be asked first."""
        return 0

    def wait(self, timeout_s: float) -> bytes:
        """Bytes that arrive within `timeout_s`; returns as soon as there are any, or empty."""
        if not self.is_open:
            raise PortNotOpenError
        until_ns = self._now_ns() + int(timeout_s * 1e9)
        with self._changed:
            while True:
                now_ns = self._now_ns()
                data = self._link.read(now_ns)
                if data or now_ns >= until_ns:
                    return data
                due_ns = self._link.next_event_ns()
                wake_ns = min(until_ns, due_ns) if due_ns is not None else until_ns
                self._changed.wait(max(0.0, (wake_ns - now_ns) / 1e9))

    def read(self, size: int = 1) -> bytes:
        """All bytes there are; `size` is ignored because the bridge always wants everything."""
        del size
        return self.wait(self._timeout or 0.0)

    def write(self, b: Any) -> int:
        """Send bytes."""
        if not self.is_open:
            raise PortNotOpenError
        with self._changed:
            self._link.write(bytes(b), self._now_ns())
            self._changed.notify_all()
        return len(b)
