"""Every change that a request makes, in the audit log.

What it is: one function that routes call, and who a request comes from in the log's words. What it is not: the log
(people.audit). Thread pool: it writes to the disk; a route of the event loop calls it by `asyncio.to_thread`.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request

from inspector.people.audit import Actor, append
from inspector.people.store import Connection, WebStore
from inspector.web.roles import NOBODY, Who


def actor_of(request: Request) -> Actor:
    """Who asks, for the log: what the route's `require` found, and the address it came from."""
    who: Who = getattr(request.state, "who", NOBODY)
    address = request.client.host if request.client is not None else ""
    return Actor(name=who.name, role=who.role.name.lower(), by=who.by, address=address)


def audited(
    request: Request,
    what: str,
    target: str,
    old: Any = None,
    new: Any = None,
    connection: Connection | None = None,
) -> None:
    """Append what this request changes to the audit log: `what` as `noun.verb`, `old` and `new` any JSON.

    Call it before a change that the database cannot take back, so that none is made that is not in the log. Within
    `web_store.writing()` give its `connection`: change and log are then one transaction. Raises StoreError.
    """
    store: WebStore = request.app.state.web_store
    if connection is not None:
        append(connection, store.now_utc(), actor_of(request), what, target, old, new)
        return
    with store.writing() as own:
        append(own, store.now_utc(), actor_of(request), what, target, old, new)
