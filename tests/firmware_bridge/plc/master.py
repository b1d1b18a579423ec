"""A PLC of our own for what no foreign master does: wrong orders of bits, silence, dead wires. And the wire."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator

from firmware_bridge.plc.fields import PLC_START, STATION_START, STATION_WORDS, Value, pack, unpack
from firmware_bridge.plc.signals import Control, Status

WRITTEN = 10
RUN = Control.TRIGGER_ENABLE | Control.BUFFER_RESULTS | Control.LINE_RUNNING


class Refused(Exception):
    """The station answered with this exception code."""


class Master:
    """One connection. `fields` are the PLC's block; the heartbeat moves with every exchange."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.fields: dict[str, Value] = {"control": RUN}
        self.beats = True
        self._beat = 0

    def exchange(self, **fields: Value) -> dict[str, Value]:
        """Write the block with these fields changed, and read the station's."""
        self.fields |= fields
        self._beat += self.beats
        words = pack(self.fields | {"plc_heartbeat": self._beat & 0xFFFF}, PLC_START, WRITTEN)
        request = struct.pack(
            f">BHHHHB{WRITTEN}H", 23, STATION_START, STATION_WORDS, PLC_START, WRITTEN, 2 * WRITTEN, *words
        )
        return self._block(self.ask(request))

    def read(self) -> dict[str, Value]:
        """Only read."""
        return self._block(self.ask(struct.pack(">BHH", 3, STATION_START, STATION_WORDS)))

    def ask(self, request: bytes) -> bytes:
        """One request PDU and its answer; raises Refused, ConnectionError, TimeoutError."""
        self.socket.sendall(struct.pack(">HHHB", 1, 0, len(request) + 1, 1) + request)
        head = self._take(7)
        answer = self._take(struct.unpack(">HHHB", head)[2] - 1)
        if answer[0] & 0x80:
            raise Refused(answer[1])
        return answer

    def until(self, wanted: Callable[[dict[str, Value]], object], **fields: Value) -> dict[str, Value]:
        """Exchange, like the cycle of a PLC, until the station's block is as wanted."""
        for _ in range(2000):
            block = self.exchange(**fields)
            if wanted(block):
                return block
            threading.Event().wait(0.002)
        raise AssertionError(f"did not come: {block}")

    def sees(self, wanted: Callable[[dict[str, Value]], object]) -> dict[str, Value]:
        """Only read, until the station's block is as wanted."""
        for _ in range(2000):
            if wanted(block := self.read()):
                return block
            threading.Event().wait(0.002)
        raise AssertionError(f"did not come: {block}")

    def ready(self) -> dict[str, Value]:
        """Take control, reset what is broken, and wait until a trigger would be taken."""
        self.exchange(control=RUN)
        self.exchange(control=RUN | Control.FAULT_RESET)
        return self.until(lambda block: status(block) & Status.TRIGGER_READY, control=RUN)

    def trigger(self, part: int) -> dict[str, Value]:
        """A whole trigger handshake, begun when the station is ready for it."""
        self.until(lambda block: status(block) & Status.TRIGGER_READY, control=RUN)
        self.until(
            lambda block: status(block) & Status.TRIGGER_ACK, control=RUN | Control.TRIGGER, trigger_part_id=part
        )
        return self.until(lambda block: not status(block) & Status.TRIGGER_ACK, control=RUN)

    def acknowledge(self) -> dict[str, Value]:
        """A whole result handshake; the result as it was read."""
        block = self.until(lambda block: status(block) & Status.RESULTS_VALID)
        self.until(lambda block: not status(block) & Status.RESULTS_VALID, control=RUN | Control.RESULTS_ACK)
        self.exchange(control=RUN)
        return block

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Master:
        return self

    def __exit__(self, *_why: object) -> None:
        self.close()

    def _take(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            data = self.socket.recv(size - len(got))
            if not data:
                raise ConnectionError("closed by the station")
            got += data
        return got

    @staticmethod
    def _block(answer: bytes) -> dict[str, Value]:
        return unpack(struct.unpack(f">{STATION_WORDS}H", answer[2:]), STATION_START)


def status(block: dict[str, Value]) -> Status:
    return Status(int(block["status"]))


class Wire:
    """A proxy between master and station. `cut`: nothing goes through any more, and neither end is told."""

    def __init__(self, port: int) -> None:
        self._station = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.cut = False
        self._ending = False
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._ending:
            ready, _, _ = select.select([self._listener, *([] if self.cut else self._pairs)], [], [], 0.02)
            for end in ready:
                if end is self._listener:
                    self._join(end.accept()[0])
                else:
                    self._carry(end)

    def _join(self, master: socket.socket) -> None:
        station = socket.create_connection(("127.0.0.1", self._station))
        for end in (master, station):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pairs |= {master: station, station: master}

    def _carry(self, end: socket.socket) -> None:
        if end not in self._pairs:
            return
        with contextlib.suppress(OSError):
            if data := end.recv(4096):
                self._pairs[end].sendall(data)
                return
        other = self._pairs.pop(end)
        self._pairs.pop(other, None)
        end.close()
        other.close()

    def mend(self) -> None:
        """The cable is back, for new connections: the old ones hang for ever."""
        self._pairs = {}
        self.cut = False


@contextlib.contextmanager
def wire(port: int) -> Iterator[Wire]:
    made = Wire(port)
    made._thread.start()
    try:
        yield made
    finally:
        made._ending = True
        made._thread.join()
        made._listener.close()
