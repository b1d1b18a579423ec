"""The serial line between station and simulated controller: bytes that take time, and sometimes do not arrive.

What it is: both directions of a UART in simulated time, with damage as an argument. What it is not: a port
(`protocol_sim` makes it one). One thread at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

_LATENCY_NS = 200_000


class Numbered(Protocol):
    """The parts of one life of a controller."""

    @property
    def next_part(self) -> int:
        """The number that the next part will get."""
        ...


class Twin(Protocol):
    """What stands in for the controller: `simulator.SimulatedController` or `simavr_controller.SimavrController`."""

    boot: int

    @property
    def parts(self) -> Numbered:
        """The parts of this life."""
        ...

    @property
    def total_seen(self) -> int:
        """Parts seen over all boots."""
        ...

    def receive(self, data: bytes, at_ns: int) -> None:
        """Bytes from the station, at the time their last one arrived."""
        ...

    def take_output(self) -> list[tuple[int, bytes]]:
        """Frames sent since the last call, each with the time its first byte left."""
        ...

    def advance(self, to_ns: int) -> None:
        """Do everything that is due up to and including `to_ns`."""
        ...

    def next_event_ns(self) -> int | None:
        """When `advance` has something to do next."""
        ...

    def reset(self, at_ns: int) -> None:
        """The reset pin."""
        ...


@dataclass(frozen=True, slots=True)
class LineNoise:
    """Chance for each byte to be damaged, to vanish, or to come twice; `draw` gives uniform numbers in [0, 1)."""

    draw: Callable[[], float]
    flip: float = 0.0
    drop: float = 0.0
    double: float = 0.0

    def apply(self, data: bytes) -> bytes:
        """`data` as it arrives."""
        if not (self.flip or self.drop or self.double):
            return data
        return b"".join(self._byte(byte) for byte in data)

    def _byte(self, byte: int) -> bytes:
        chance = self.draw()
        if chance < self.flip:
            return bytes([byte ^ 1 << int(self.draw() * 8)])
        if chance < self.flip + self.drop:
            return b""
        return bytes([byte]) * (2 if chance < self.flip + self.drop + self.double else 1)


class SimulatedLink:
    """See the module. `baud` is 10 bits a byte."""

    def __init__(self, controller: Twin, noise: LineNoise, baud: int = 500_000) -> None:
        self.controller = controller
        self._noise = noise
        self._byte_ns = 10_000_000_000 // baud
        self._to_controller: deque[tuple[int, bytes]] = deque()
        self._to_station: deque[tuple[int, bytes]] = deque()

    def write(self, data: bytes, now_ns: int) -> None:
        """Bytes leave the station."""
        if data:
            self._queue(self._to_controller, data, now_ns)

    def read(self, now_ns: int) -> bytes:
        """All bytes that have reached the station by now."""
        self.advance(now_ns)
        data = bytearray()
        while self._to_station and self._to_station[0][0] <= now_ns:
            data += self._to_station.popleft()[1]
        return bytes(data)

    def advance(self, now_ns: int) -> None:
        """Bring line and controller to `now_ns`."""
        while self._to_controller and self._to_controller[0][0] <= now_ns:
            at_ns, data = self._to_controller.popleft()
            self.controller.receive(data, at_ns)
            self._collect()
        self.controller.advance(now_ns)
        self._collect()

    def next_event_ns(self) -> int | None:
        """When something happens next on the line or in the controller."""
        times = [queue[0][0] for queue in (self._to_controller, self._to_station) if queue]
        due = self.controller.next_event_ns()
        return min([*times, due] if due is not None else times, default=None)

    def _collect(self) -> None:
        for at_ns, frame in self.controller.take_output():
            self._queue(self._to_station, frame, at_ns)

    def _queue(self, queue: deque[tuple[int, bytes]], data: bytes, now_ns: int) -> None:
        start = max(now_ns, queue[-1][0] - _LATENCY_NS if queue else 0)
        queue.append((start + len(data) * self._byte_ns + _LATENCY_NS, self._noise.apply(data)))
