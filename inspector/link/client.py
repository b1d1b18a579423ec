"""The web's end of the link: keeps a connection to the line, for ever, and the newest of what it says.

What it is: one asyncio task (`run`) and what it last heard. What it is not: a judge of what may be shown; it tells
how old the status is, and the screens decide. Thread: the web's event loop, all of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from pathlib import Path

from inspector.clock import Clock
from inspector.errors import LinkError
from inspector.link.messages import (
    MAX_TO_WEB,
    Assembler,
    CameraPicture,
    Command,
    CommandKind,
    Message,
    PartEvent,
    PlcReport,
    Reply,
    Watch,
    encode,
)
from inspector.types import StationStatus

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 2.0
WAIT_S = 5.0
# A recipe is loaded and its model proven before the line answers.
RECIPE_WAIT_S = 60.0


class LinkClient:
    """What the line last said, and a way to ask things of it."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._writer: asyncio.StreamWriter | None = None
        self._watching = Watch(on=False)
        self._deaf = False
        self._ids = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Reply]] = {}
        self._heard_at_ns: int | None = None
        self.status: StationStatus | None = None
        self.part: PartEvent | None = None
        self.plc: PlcReport | None = None
        self.camera: CameraPicture | None = None
        self.trouble = "not connected yet"
        self.on_message: Callable[[], None] = lambda: None

    @property
    def connected(self) -> bool:
        """Whether there is a line at the other end."""
        return self._writer is not None

    def status_age_s(self) -> float | None:
        """Seconds since the last status came, None before the first."""
        return None if self._heard_at_ns is None else (self._clock.now_ns() - self._heard_at_ns) / 1e9

    async def run(self) -> None:
        """Connect, listen, reconnect with back-off, until cancelled."""
        wait_s = FIRST_WAIT_S
        while True:
            try:
                reader, self._writer = await asyncio.open_unix_connection(str(self._path))
                wait_s = FIRST_WAIT_S
                self._deaf = False
                self.trouble = ""
                await self._listen(reader)
                self.trouble = "the line closed the connection"
            except (OSError, LinkError) as why:
                self.trouble = str(why)
            finally:
                self._disconnected()
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def watch(self, on: bool, camera: bool = False) -> None:
        """Ask for pictures of parts and of the camera's set-up, or no longer; also after every reconnection."""
        if Watch(on=on, camera=camera) != self._watching:
            self._watching = Watch(on=on, camera=camera)
            self._say_watch()
            if not camera:
                self.camera = None

    def drop(self) -> None:
        """Give up this connection and all that waits in it; `run` makes a new one."""
        self._deaf = True
        self.part = self.camera = None
        if self._writer is not None:
            self._writer.transport.abort()

    async def command(self, what: CommandKind, argument: str, user: str, timeout_s: float | None = None) -> Reply:
        """Ask the line and wait for its answer; raises LinkError where there is no line or no answer in time."""
        if self._writer is None:
            raise LinkError(f"the line is not connected: {self.trouble}")
        timeout_s = timeout_s or (RECIPE_WAIT_S if what == "recipe" else WAIT_S)
        command = Command(id=next(self._ids), what=what, argument=argument, user=user)
        self._asked[command.id] = asyncio.get_running_loop().create_future()
        try:
            self._writer.write(encode(command))
            async with asyncio.timeout(timeout_s):
                return await self._asked[command.id]
        except TimeoutError:
            raise LinkError(f"the line did not answer '{what}' in {timeout_s:g} s") from None
        finally:
            del self._asked[command.id]

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        assembler = Assembler(MAX_TO_WEB)
        self._say_watch()
        while data := await reader.read(1 << 16):
            for message in assembler.feed(data):
                if not self._deaf:
                    self._take(message)

    def _take(self, message: Message) -> None:
        if isinstance(message, Reply):
            waiting = self._asked.get(message.id)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
        elif isinstance(message, PlcReport):
            self.plc = message
            return  # nothing that the live page shows
        elif isinstance(message, StationStatus):
            self.status = message
            self._heard_at_ns = self._clock.now_ns()
        elif isinstance(message, PartEvent):
            self.part = message
        elif isinstance(message, CameraPicture):
            self.camera = message
        self.on_message()

    def _say_watch(self) -> None:
        if self._writer is not None:
            self._writer.write(encode(self._watching))

    def _disconnected(self) -> None:
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.close()
            self._writer = None
        self.plc = None
        self.camera = None
        self.part = None  # a verdict of a line that is gone is nobody's verdict
        for waiting in self._asked.values():
            if not waiting.done():
                waiting.set_exception(LinkError(f"the line went away: {self.trouble}"))
        self.on_message()
