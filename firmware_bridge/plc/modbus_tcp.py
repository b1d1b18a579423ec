"""Modbus TCP, served: connections in, registers out, in one thread that only wakes when there is something to do.

What it is: the listening socket, its masters with their limits, and the loop. What it is not: framing
(`modbus_frames`), requests (`modbus_pdu`) or the meaning of a register. `run` is the plc thread.

Who may connect is a list of networks; how many, how often and for how long are `Limits`. A master that asks faster
than its rate waits: a flood costs the flooder, not the line. Why not a library: docs/decisions.
"""

from __future__ import annotations

import contextlib
import ipaddress
import selectors
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from firmware_bridge.plc.modbus_frames import NotModbus, Request, TcpFrames, tcp_response
from firmware_bridge.plc.modbus_pdu import Counters, Registers, answer

TICK_NS = 20_000_000
_READ_BYTES = 1024
_BACKLOG = 16

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Limits:
    """What a master may ask for. `idle_ns`: a connection that brings no request for so long is closed; a half-open
    one too. `requests_per_s`: of one connection, on average over a fifth of a second."""

    clients: int = 8
    idle_ns: int = 10_000_000_000
    requests_per_s: int = 500


class _Client:
    """One connection."""

    def __init__(self, connection: socket.socket, name: str, now_ns: int, credit: float) -> None:
        self.connection = connection
        self.name = name
        self.frames = TcpFrames()
        self.heard_ns = now_ns
        self.credit = credit
        self.sending = b""
        self.wants = selectors.EVENT_READ


class ModbusTcpServer(threading.Thread):
    """See the module. Listens from construction on (raises OSError where it cannot), serves from `start` to `stop`.

    `tick` is called every 20 ms at least, on this thread; `failed` gets an error that nobody foresaw.
    """

    def __init__(
        self,
        address: tuple[str, int],
        registers: Registers,
        now_ns: Callable[[], int],
        failed: Callable[[BaseException], None],
        *,
        allow: Sequence[Network] = (),
        limits: Limits | None = None,
    ) -> None:
        super().__init__(name="plc", daemon=True)
        self._registers = registers
        self._now_ns = now_ns
        self._failed = failed
        self._allow = tuple(allow)
        self._limits = limits or Limits()
        self._clients: set[_Client] = set()
        self._next_tick_ns = 0
        self._stopping = False
        self.counters = Counters()
        self.port_error = ""
        self._listener = socket.create_server(address, backlog=_BACKLOG)
        self._listener.setblocking(False)
        self._wake_out, self._wake_in = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wake_out, selectors.EVENT_READ)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._listener.getsockname()[1])

    def stop(self) -> None:
        """End the thread and close every connection; waits for it."""
        self._stopping = True
        with contextlib.suppress(OSError):  # closed: it has seen by itself that it is to end
            self._wake_in.send(b"\0")
        if self.is_alive():
            self.join(5.0)

    def run(self) -> None:
        """The loop; see the class."""
        try:
            while not self._stopping:
                wait_ns = max(0, self._next_tick_ns - self._now_ns())
                for key, _events in self._selector.select(wait_ns / 1e9):
                    self._serve(key)
                self._tick()
        except Exception as why:  # noqa: BLE001 - the outermost line of the thread
            self._failed(why)
        finally:
            self._close()

    def _serve(self, key: selectors.SelectorKey) -> None:
        if key.fileobj is self._listener:
            self._accept()
        elif isinstance(key.data, _Client) and key.data in self._clients:
            self._turn(key.data)

    def _tick(self) -> None:
        now_ns = self._now_ns()
        if now_ns < self._next_tick_ns:
            return
        passed_ns = now_ns - self._next_tick_ns + TICK_NS if self._next_tick_ns else TICK_NS
        self._next_tick_ns = now_ns + TICK_NS
        self._registers.tick()
        for client in [*self._clients]:
            client.credit = min(self._most_credit, client.credit + passed_ns * self._limits.requests_per_s / 1e9)
            if now_ns - client.heard_ns > self._limits.idle_ns:
                self.counters.idle_closed += 1
                self._drop(client)
            elif client.credit >= 1 and not client.wants:
                self._turn(client)

    # -- connections -----------------------------------------------------------------------------------------------

    @property
    def _most_credit(self) -> float:
        return max(1.0, self._limits.requests_per_s / 5)

    def _accept(self) -> None:
        try:
            connection, peer = self._listener.accept()
        except OSError:
            return
        if not self._allowed(peer[0]):
            self.counters.not_allowed += 1
            connection.close()
        elif len(self._clients) >= self._limits.clients:
            self.counters.too_many += 1
            connection.close()
        else:
            self._welcome(connection, f"{peer[0]}:{peer[1]}")

    def _allowed(self, host: str) -> bool:
        if not self._allow:
            return True
        address = ipaddress.ip_address(host.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._allow)

    def _welcome(self, connection: socket.socket, name: str) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = _Client(connection, name, self._now_ns(), self._most_credit)
        self._clients.add(client)
        self.counters.accepted += 1
        self._selector.register(connection, selectors.EVENT_READ, client)

    def _drop(self, client: _Client) -> None:
        self._clients.discard(client)
        if client.wants:
            self._selector.unregister(client.connection)
        client.connection.close()
        self._registers.disconnected(client.name)

    def _close(self) -> None:
        for client in [*self._clients]:
            self._drop(client)
        self._selector.close()
        for end in (self._listener, self._wake_out, self._wake_in):
            end.close()

    # -- requests --------------------------------------------------------------------------------------------------

    def _turn(self, client: _Client) -> None:
        """Send what waits, or take what has come: while an answer waits, nothing more is read of its master."""
        try:
            if not client.sending and client.wants == selectors.EVENT_READ:
                self._read(client)
            self._work(client)
            self._flush(client)
        except NotModbus:
            self.counters.garbage += 1
            self._drop(client)
        except OSError:
            self._drop(client)
        else:
            self._listen_to(client)

    def _read(self, client: _Client) -> None:
        with contextlib.suppress(BlockingIOError):
            data = client.connection.recv(_READ_BYTES)
            if not data:
                raise ConnectionError("closed by the master")
            client.frames.feed(data)

    def _work(self, client: _Client) -> None:
        out = bytearray(client.sending)
        while client.credit >= 1 and (request := client.frames.next()) is not None:
            client.credit -= 1
            client.heard_ns = self._now_ns()
            out += self._answer(client, request)
        client.sending = bytes(out)

    def _answer(self, client: _Client, request: Request) -> bytes:
        pdu = answer(self._registers, client.name, request.pdu)
        self.counters.count(pdu)
        return tcp_response(request, pdu)

    def _flush(self, client: _Client) -> None:
        if client.sending:
            with contextlib.suppress(BlockingIOError):
                client.sending = client.sending[client.connection.send(client.sending) :]

    def _listen_to(self, client: _Client) -> None:
        if client.sending:
            wanted = selectors.EVENT_WRITE
        elif client.credit < 1:
            wanted = 0
            self.counters.slowed += 1
        else:
            wanted = selectors.EVENT_READ
        if wanted == client.wants:
            return
        if not wanted:
            self._selector.unregister(client.connection)
        elif client.wants:
            self._selector.modify(client.connection, wanted, client)
        else:
            self._selector.register(client.connection, wanted, client)
        client.wants = wanted
