"""The line's end of the link: a Unix-domain socket that tells whoever listens what is going on.

What it is: one thread that publishes status and the last part, latest wins, and takes commands. What it is not: able
to slow the line: `publish_*` put a reference into a slot and return; pictures are copied here, and only while
someone watches. Thread: `link`; the public methods may be called by any other.

A client that takes nothing for SLOW_NS is disconnected, as is one that sends what is not a message. There is one
slot of each kind for each client, so that a client that reads late reads the newest.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from inspector.clock import Clock
from inspector.errors import LinkError
from inspector.link.clients import Client, LinkCounters, next_of
from inspector.link.listener import listen
from inspector.link.messages import (
    MAX_TO_LINE,
    Assembler,
    CameraPicture,
    Command,
    PartEvent,
    PlcReport,
    Reply,
    Watch,
    encode,
)
from inspector.link.preview import PreviewWriter
from inspector.types import Pixels, StationStatus

SLOW_NS = 2_000_000_000
MAX_CLIENTS = 64
MAX_COMMANDS = 16
_TICK_S = 0.25
Event = TypeVar("Event", PartEvent, CameraPicture)


@dataclass(frozen=True, slots=True)
class Asked:
    """A command and who asked it, for `LinkServer.answer`."""

    command: Command
    _client: Client


class LinkServer:
    """Serves `path` from construction to `close`; raises LinkError where that cannot be."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self.counters = LinkCounters()
        self.failed: str | None = None
        self._listener = listen(path)
        self._preview = PreviewWriter(path)
        self._wake_out, self._wake_in = socket.socketpair()
        self._wake_out.setblocking(False)
        self._wake_in.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wake_out, selectors.EVENT_READ)
        self._clients: set[Client] = set()
        self._lock = threading.Lock()
        self._status: StationStatus | None = None
        self._part: tuple[PartEvent, Pixels | None] | None = None
        self._plc: PlcReport | None = None
        self._camera: tuple[CameraPicture, Pixels] | None = None
        self._answers: list[tuple[Client, Reply]] = []
        self._asked: deque[Asked] = deque()
        self._closing = False
        self._greeting: dict[str, bytes] = {}  # the last status; never a part, whose verdict is old by then
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)
        self._thread.start()

    @property
    def watched(self) -> bool:
        """Whether someone wants pictures."""
        return any(client.watch.on for client in tuple(self._clients))

    @property
    def wants_camera(self) -> bool:
        """Whether someone sets the camera up."""
        return any(client.watch.camera for client in tuple(self._clients))

    def publish_status(self, status: StationStatus) -> None:
        """Tell everyone; an older status that has not gone out yet is forgotten."""
        with self._lock:
            self._status = status
        self._wake()

    def publish_part(self, event: PartEvent, pixels: Pixels | None = None) -> None:
        """Tell everyone of a judged part, with its picture for those who watch; latest wins."""
        with self._lock:
            self._part = (event, pixels)
        self._wake()

    def publish_camera(self, at_utc: str, pixels: Pixels) -> None:
        """Show those who set the camera up what it sees; latest wins."""
        with self._lock:
            self._camera = (CameraPicture(at_utc=at_utc), pixels)
        self._wake()

    def publish_plc(self, report: PlcReport) -> None:
        """Tell everyone what stands between station and PLC; latest wins."""
        with self._lock:
            self._plc = report
        self._wake()

    def next_command(self) -> Asked | None:
        """The oldest command not yet taken, or None. Each must be answered."""
        with self._lock:
            return self._asked.popleft() if self._asked else None

    def answer(self, asked: Asked, error: str = "") -> None:
        """Answer a command: done, or why not."""
        with self._lock:
            self._answers.append((asked._client, Reply(id=asked.command.id, ok=not error, error=error)))
        self._wake()

    def close(self) -> None:
        """Disconnect everyone and remove socket and shared memory."""
        self._closing = True
        self._wake()
        self._thread.join(5.0)
        for client in list(self._clients):
            self._drop(client)
        self._selector.close()
        self._listener.close()
        self.path.unlink(missing_ok=True)
        self._preview.close()
        self._wake_in.close()
        self._wake_out.close()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: it has been woken often enough; closed: nobody to wake
            self._wake_in.send(b"\0")

    def _run(self) -> None:
        try:
            while not self._closing:
                for key, events in self._selector.select(_TICK_S):
                    self._serve(key, events)
                self._hand_out()
                self._disconnect_slow()
        except Exception as why:  # noqa: BLE001 - the outermost line of this thread
            self.failed = f"link: {type(why).__name__}: {why}"

    def _serve(self, key: selectors.SelectorKey, events: int) -> None:
        if key.fileobj is self._listener:
            self._accept()
        elif key.fileobj is self._wake_out:
            self._wake_out.recv(4096)
        elif isinstance(key.data, Client) and key.data in self._clients:
            if events & selectors.EVENT_READ:
                self._read(key.data)
            if events & selectors.EVENT_WRITE and key.data in self._clients:
                self._send(key.data)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        if len(self._clients) >= MAX_CLIENTS:
            self.counters.refused += 1
            connection.close()
            return
        connection.setblocking(False)
        client = Client(
            connection, Assembler(MAX_TO_LINE), slots=dict(self._greeting), moved_at_ns=self._clock.now_ns()
        )
        self._clients.add(client)
        self.counters.accepted += 1
        self._selector.register(connection, selectors.EVENT_READ, client)
        self._send(client)

    def _read(self, client: Client) -> None:
        try:
            data = client.connection.recv(1 << 16)
            messages = client.assembler.feed(data)
        except BlockingIOError:
            return
        except OSError:
            self._drop(client)
            return
        except LinkError:
            self.counters.garbage += 1
            self._drop(client)
            return
        if not data:
            self._drop(client)
        for message in messages:
            if isinstance(message, Watch):
                client.watch = message
            elif isinstance(message, Command):
                self._ask(client, message)

    def _ask(self, client: Client, command: Command) -> None:
        with self._lock:
            room = len(self._asked) < MAX_COMMANDS
            if room:
                self._asked.append(Asked(command, client))
        if not room:
            client.replies.append(
                encode(Reply(id=command.id, ok=False, error="the line has too many commands waiting"))
            )
            self._send(client)

    def _hand_out(self) -> None:
        with self._lock:
            status, self._status = self._status, None
            part, self._part = self._part, None
            plc, self._plc = self._plc, None
            camera, self._camera = self._camera, None
            answers, self._answers = self._answers, []
        fresh: dict[str, bytes] = {}
        if status is not None:
            fresh["status"] = encode(status)
            self._greeting = dict(fresh)
        if part is not None:
            fresh["part"] = encode(self._with_picture(*part, self.watched))
        seen = {} if camera is None else {"camera": encode(self._with_picture(*camera, self.wants_camera))}
        if plc is not None:
            fresh["plc"] = encode(plc)
        for client, reply in answers:
            client.replies.append(encode(reply))
        for client in [*self._clients]:
            client.slots |= fresh | seen if client.watch.camera else fresh
            if client.slots or client.replies:
                self._send(client)

    def _with_picture(self, event: Event, pixels: Pixels | None, wanted: bool) -> Event:
        if pixels is None or not wanted:
            return event
        try:
            ref = self._preview.write(pixels)
        except OSError:
            self.counters.preview_failures += 1
            return event
        self.counters.previews += 1
        return replace(event, preview=ref)

    def _send(self, client: Client) -> None:
        while client.sending or client.replies or client.slots:
            if not client.sending:
                client.sending = next_of(client)
            try:
                sent = client.connection.send(client.sending)
            except BlockingIOError:
                break
            except OSError:
                self._drop(client)
                return
            client.sending = client.sending[sent:]
            client.moved_at_ns = self._clock.now_ns()
        if client.waits != bool(client.sending):
            client.waits = bool(client.sending)
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.waits else 0)
            self._selector.modify(client.connection, wanted, client)

    def _disconnect_slow(self) -> None:
        now_ns = self._clock.now_ns()
        for client in [*self._clients]:
            if client.sending and now_ns - client.moved_at_ns > SLOW_NS:
                self.counters.slow += 1
                self._drop(client)

    def _drop(self, client: Client) -> None:
        self._clients.discard(client)
        self._selector.unregister(client.connection)
        client.connection.close()
