"""The audit log: who changed what, when, from where, and what it was before.

What it is: one function that appends, and pages of what was appended. What it is not: able to change or remove a row;
the database's own triggers refuse that to everybody. Any thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from inspector.people.schema import AUDIT
from inspector.people.store import WebStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who does something: name and role as they were then, how they were known (session, token, open, console), and
    the address they came from."""

    name: str
    role: str
    by: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One line of the log. `old` and `new` are any JSON; None where there was or is nothing."""

    number: int
    at_utc: str
    actor: Actor
    what: str
    target: str
    old: Any
    new: Any


def append(
    connection: sa.Connection, at_utc: str, actor: Actor, what: str, target: str, old: Any = None, new: Any = None
) -> None:
    """Append to the log, in the transaction of the change itself where that is in the same database."""
    row = {
        "at_utc": at_utc,
        "who": actor.name,
        "role": actor.role,
        "by_what": actor.by,
        "address": actor.address,
        "what": what,
        "target": target,
        "old": old,
        "new": new,
    }
    connection.execute(sa.insert(AUDIT), row)


def page(
    store: WebStore, before: int | None = None, limit: int = 100, who: str = "", what: str = "", by: str = ""
) -> list[AuditRow]:
    """At most `limit` rows, newest first, numbered below `before`; `who`, `what` and `by` exactly, where given."""
    query = sa.select(AUDIT).order_by(AUDIT.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(AUDIT.c.id < before)
    for column, wanted in ((AUDIT.c.who, who), (AUDIT.c.what, what), (AUDIT.c.by_what, by)):
        if wanted:
            query = query.where(column == wanted)
    with store.reading() as connection:
        return [_row(found) for found in connection.execute(query)]


def kinds(store: WebStore) -> list[str]:
    """Every `what` that stands in the log."""
    with store.reading() as connection:
        return list(connection.execute(sa.select(AUDIT.c.what).distinct().order_by(AUDIT.c.what)).scalars())


def _row(found: sa.Row[Any]) -> AuditRow:
    return AuditRow(
        number=found.id,
        at_utc=found.at_utc,
        actor=Actor(name=found.who, role=found.role, by=found.by_what, address=found.address),
        what=found.what,
        target=found.target,
        old=found.old,
        new=found.new,
    )
