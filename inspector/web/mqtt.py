"""Results to an MQTT broker: one JSON document for each record, in order, none lost.

What it is: a reader of the record store that publishes what it has not published yet. The store is the outbox: what
could not be sent stays where it is, and a bookmark file says how far the broker has acknowledged. What it is not:
part of the line, which neither waits for it nor knows of it. A task of the web process's event loop; the store is read
on a worker thread.

QoS 1 (MQTT 3.1.1, section 4.3.2): a document counts as sent once the broker has acknowledged it. After a crash up to
one batch comes again; `record.part_id` tells a duplicate.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import aiomqtt
from pydantic import BaseModel, Field

from inspector.config import MqttConfig
from inspector.errors import ConfigError, StoreError
from inspector.record.reader import Reader
from inspector.web.schemas import RecordOut, record_out

_LOG = logging.getLogger(__name__)
BATCH = 100
POLL_S = 0.2
PULSE_S = 5.0
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
_QOS = 1


class ResultOut(BaseModel):
    """What is published of one part. `version` changes when a reader of the old shape could misread the new one."""

    version: Literal[1] = 1
    station: str = Field(description="[station] name of the station file.")
    record: RecordOut


class Bookmark:
    """How far the broker has acknowledged: the number of the last record, in a file that is whole or absent."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> int | None:
        """The number, None where there is no file yet; raises ConfigError for a file that is not one."""
        try:
            return int(json.loads(self._path.read_text())["published"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as why:
            raise ConfigError(f"{self._path}: is not the bookmark of [mqtt]: {why}; restore or remove it") from why

    def save(self, number: int) -> None:
        """Note that all records up to `number` have been acknowledged."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".part")
        with draft.open("w") as file:
            file.write(json.dumps({"published": number}))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)


class Publisher:
    """See the module. `reader` opens the store; it may raise StoreError while there is none."""

    def __init__(self, config: MqttConfig, station: str, folder: Path, reader: Callable[[], Reader]) -> None:
        self._config = config
        self._station = station
        self._reader = reader
        self._bookmark = Bookmark((folder / config.bookmark).resolve())
        self._password = _password(config, folder)
        self._last: int | None = self._bookmark.load()
        self.published = 0
        self.connected = False
        self.trouble = ""

    async def run(self) -> None:
        """Connect, publish, and connect again, for ever."""
        wait_s = FIRST_WAIT_S
        while True:
            try:
                async with self._client() as client:
                    await self._say_state(client, "online")
                    self.connected, self.trouble, wait_s = True, "", FIRST_WAIT_S
                    await self._publish_all(client)
            except (aiomqtt.MqttError, OSError) as why:
                self._complain(f"mqtt: {self._config.host}:{self._config.port}: {why}; records wait in the store")
            finally:
                self.connected = False
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def _client(self) -> aiomqtt.Client:
        will = aiomqtt.Will(f"{self._config.topic}/status", _state("offline"), qos=_QOS, retain=True)
        return aiomqtt.Client(
            self._config.host,
            self._config.port,
            username=self._config.user or None,
            password=self._password,
            will=will,
            keepalive=10,
        )

    async def _say_state(self, client: aiomqtt.Client, state: str) -> None:
        await client.publish(f"{self._config.topic}/status", _state(state), qos=_QOS, retain=True)

    async def _publish_all(self, client: aiomqtt.Client) -> None:
        try:
            idle_s = 0.0
            while True:
                if await self._publish_batch(client):
                    idle_s = 0.0
                    continue
                await asyncio.sleep(POLL_S)
                idle_s += POLL_S
                if idle_s >= PULSE_S:
                    # With nothing to send, this is how a broker that went away is noticed.
                    await self._say_state(client, "online")
                    idle_s = 0.0
        except asyncio.CancelledError:
            # A last will is only sent for a client that did not say goodbye.
            with contextlib.suppress(aiomqtt.MqttError):
                await self._say_state(client, "offline")
            raise

    async def _publish_batch(self, client: aiomqtt.Client) -> int:
        try:
            documents = await asyncio.to_thread(self._next)
        except StoreError as why:
            self._complain(f"mqtt: {why}")
            return 0
        done = self._last
        try:
            for number, document in documents:
                await client.publish(f"{self._config.topic}/results", document, qos=_QOS)
                done = number
                self.published += 1
        finally:
            if done is not None and done != self._last:
                self._last = done
                self._bookmark.save(done)
        return len(documents)

    def _next(self) -> list[tuple[int, bytes]]:
        reader = self._reader()
        newest = reader.newest_number()
        if self._last is None:
            # Switched on just now: what lies in the store is history, not news.
            self._last = newest
            self._bookmark.save(newest)
        elif self._last > newest:
            self._complain(f"mqtt: {reader.name}: its newest record is {newest}, and {self._last} was published: new?")
            self._last = 0
        return [(stored.number, self._document(record_out(stored))) for stored in reader.after(self._last, BATCH)]

    def _document(self, record: RecordOut) -> bytes:
        return ResultOut(station=self._station, record=record).model_dump_json().encode()

    def _complain(self, text: str) -> None:
        if text != self.trouble:
            print(text, file=sys.stderr, flush=True)
            _LOG.warning("%s", text)
        self.trouble = text


def _state(state: str) -> str:
    return json.dumps({"version": 1, "state": state})


def _password(config: MqttConfig, folder: Path) -> str | None:
    if not config.password_file:
        return None
    path = (folder / config.password_file).resolve()
    try:
        return path.read_text().strip()
    except OSError as why:
        raise ConfigError(f"[mqtt] password_file {path}: cannot be read: {why.strerror}") from why
