"""The commands of the PLC, in the audit log: a fire by the PLC must be found where a fire by a person is.

What it is: a task that appends each command that was not refused, once, as the line tells of it. What it is not: the
command itself (`firmware_bridge.plc`). Event loop; the log is written on a worker thread. While no web process runs
the line keeps the last 32.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from firmware_bridge.plc.trace import ORDERS
from inspector.errors import StoreError
from inspector.link.client import LinkClient
from inspector.people.audit import Actor, append, page
from inspector.people.store import WebStore

LOOK_S = 0.5
BY = "plc"


class PlcOrders:
    """See the module. A command is known by its time and number, over restarts of this process and of the line."""

    def __init__(self, client: LinkClient, store: WebStore) -> None:
        self._client = client
        self._store = store
        self._logged: set[tuple[str, int]] | None = None

    async def run(self) -> None:
        """Look, and log, for ever; what cannot be written is tried again."""
        while True:
            if self._client.plc is not None and self._client.plc.orders:
                with contextlib.suppress(StoreError):
                    await asyncio.to_thread(self.log, self._client.plc.orders)
            await asyncio.sleep(LOOK_S)

    def log(self, orders: tuple[dict[str, Any], ...]) -> None:
        """Append what was done and is not in the log yet; raises StoreError."""
        if self._logged is None:
            self._logged = {_key(row.new) for row in page(self._store, limit=2 * ORDERS, by=BY)}
        for order in orders:
            if order["refused"] or _key(order) in self._logged:
                continue
            actor = Actor(name="PLC", role=BY, by=BY, address=str(order["master"]))
            what = f"plc.{str(order['command']).lower()}"
            with self._store.writing() as connection:
                append(connection, self._store.now_utc(), actor, what, str(order["argument"]), None, order)
            self._logged.add(_key(order))
        self._logged &= {_key(order) for order in orders}


def _key(order: dict[str, Any]) -> tuple[str, int]:
    return str(order["at_utc"]), int(order["number"])
