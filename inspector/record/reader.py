"""The record store, read: pages of records, one record, counts.

What it is: queries that never change anything, for the web process and for reports, while the line writes.
What it is not: a writer (store). Any thread; every call takes its own connection.

Pages are keyed by the record's number (`number < ?`), never by offset, so that the thousandth page costs what the
first does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from inspector.errors import StoreError
from inspector.record.rows import StoredRecord, record_of, signed
from inspector.record.schema import CONFLICT, IMAGE_REMOVAL, RECORD, RECORD_LABEL, STEPS, check_version
from inspector.types import OutcomeKind, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFilter:
    """Which records: all that are given must hold. Times are ISO 8601 UTC; `until_utc` is excluded."""

    verdict: Verdict | None = None
    recipe_id: str | None = None
    label: str | None = None
    score_min: float | None = None
    score_max: float | None = None
    since_utc: str | None = None
    until_utc: str | None = None
    serial: str | None = None
    plc_part: int | None = None


def store_url(store: str, folder: Path) -> str:
    """`store` of the station file as a database URL: it is one already, or a path that starts at `folder`."""
    return store if "://" in store else f"sqlite:///{(folder / store).resolve()}"


@contextmanager
def store_errors(name: str) -> Iterator[None]:
    """Whatever the database raises inside, as a StoreError that names the store."""
    try:
        yield
    except sa.exc.DBAPIError as why:
        raise StoreError(f"{name}: {str(why.orig).splitlines()[0]}") from why
    except sa.exc.SQLAlchemyError as why:
        raise StoreError(f"{name}: {str(why).splitlines()[0]}") from why


def store_name(url: str) -> str:
    """The store's name for messages: the path, or the URL without its password."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise StoreError(f"{url!r} is not a database URL or path") from None
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise StoreError(
            f"{parsed.render_as_string()}: database is {parsed.get_backend_name()}, wanted sqlite or postgresql"
        )
    return parsed.database or "" if parsed.get_backend_name() == "sqlite" else parsed.render_as_string()


class Reader:
    """The read side of a store. Raises StoreError from every method when the database does."""

    def __init__(self, engine: sa.Engine, name: str) -> None:
        self._engine = engine
        self.name = name

    @staticmethod
    def open(url: str) -> Reader:
        """Open the store at `url` to read; raises StoreError where there is none, and StoreTooNew."""
        name = store_name(url)
        with store_errors(name):
            engine = _read_engine(url, name)
            with engine.connect() as connection:
                found = check_version(connection, name)
                if found == 0:
                    raise StoreError(f"{name}: holds no records yet: the line has not opened it")
                if found < len(STEPS):
                    text = f"schema version is {found}, wanted {len(STEPS)}: it becomes that when the line opens it"
                    raise StoreError(f"{name}: {text}")
        return Reader(engine, name)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    @contextmanager
    def asking(self) -> Iterator[sa.Connection]:
        """A connection for the questions of `search` and `sums`."""
        with store_errors(self.name), self._engine.connect() as connection:
            yield connection

    def numbered(self, numbers: Sequence[int]) -> list[StoredRecord]:
        """The records with these numbers, newest first; those that are not there are left out."""
        with store_errors(self.name), self._engine.connect() as connection:
            rows = connection.execute(_RECORDS.where(RECORD.c.id.in_(numbers)).order_by(RECORD.c.id.desc()))
            return [_stored(row) for row in rows.mappings()]

    def records(
        self, which: RecordFilter | None = None, before: int | None = None, limit: int = 50
    ) -> list[StoredRecord]:
        """At most `limit` records that pass the filter, newest first, with a number below `before`."""
        which = which or RecordFilter()
        with store_errors(self.name), self._engine.connect() as connection:
            numbers = list(connection.execute(_page(which, before, limit)).scalars())
            rows = connection.execute(_RECORDS.where(RECORD.c.id.in_(numbers)).order_by(RECORD.c.id.desc()))
            return [_stored(row) for row in rows.mappings()]

    def after(self, number: int, limit: int) -> list[StoredRecord]:
        """The next `limit` records after `number`, oldest first."""
        with store_errors(self.name), self._engine.connect() as connection:
            rows = connection.execute(_RECORDS.where(RECORD.c.id > number).order_by(RECORD.c.id).limit(limit))
            return [_stored(row) for row in rows.mappings()]

    def newest_number(self) -> int:
        """The number of the newest record; 0 where there is none."""
        with store_errors(self.name), self._engine.connect() as connection:
            return int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(RECORD.c.id), 0))).scalar_one())

    def record(self, part_id: int) -> StoredRecord | None:
        """The record of a part, or None."""
        with store_errors(self.name), self._engine.connect() as connection:
            row = connection.execute(_RECORDS.where(RECORD.c.part_id == signed(part_id))).mappings().first()
            return None if row is None else _stored(row)

    def counts(self, since_utc: str | None = None) -> dict[tuple[Verdict, OutcomeKind], int]:
        """How many records have which verdict and outcome, of parts seen at `since_utc` or later."""
        query = sa.select(RECORD.c.verdict, RECORD.c.outcome, sa.func.count()).group_by(
            RECORD.c.verdict, RECORD.c.outcome
        )
        if since_utc is not None:
            query = query.where(RECORD.c.seen_at_utc >= since_utc)
        with store_errors(self.name), self._engine.connect() as connection:
            return {(Verdict(row[0]), OutcomeKind(row[1])): row[2] for row in connection.execute(query)}

    def conflicts(self) -> int:
        """How many second records of a part were refused, ever."""
        with store_errors(self.name), self._engine.connect() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(CONFLICT)).scalar_one())


_RECORDS = sa.select(RECORD, IMAGE_REMOVAL.c.removed_at_utc, IMAGE_REMOVAL.c.reason.label("removed_reason")).outerjoin(
    IMAGE_REMOVAL, IMAGE_REMOVAL.c.part_id == RECORD.c.part_id
)


def _stored(row: Any) -> StoredRecord:
    return StoredRecord(
        number=row["id"],
        record=record_of(row),
        image_removed_at_utc=row["removed_at_utc"],
        image_removed_reason=row["removed_reason"],
    )


def _page(which: RecordFilter, before: int | None, limit: int) -> sa.Select[tuple[int]]:
    # Numbers first, rows second: the search stays inside the narrow indexes.
    query = sa.select(RECORD.c.id).order_by(RECORD.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(RECORD.c.id < before)
    if which.label is not None:
        labelled = sa.select(RECORD_LABEL.c.record_id).where(RECORD_LABEL.c.label == which.label)
        query = query.where(RECORD.c.id.in_(labelled))
    wanted = [
        (RECORD.c.verdict, "=", which.verdict),
        (RECORD.c.recipe_id, "=", which.recipe_id),
        (RECORD.c.score, ">=", which.score_min),
        (RECORD.c.score, "<=", which.score_max),
        (RECORD.c.seen_at_utc, ">=", which.since_utc),
        (RECORD.c.seen_at_utc, "<", which.until_utc),
        (RECORD.c.serial, "=", which.serial),
        (RECORD.c.plc_part, "=", which.plc_part),
    ]
    for column, operator, value in wanted:
        if value is not None:
            query = query.where(column.op(operator)(value))
    return query


def _read_engine(url: str, name: str) -> sa.Engine:
    if not url.startswith("sqlite"):
        return sa.create_engine(url, pool_pre_ping=True)
    if not Path(name).is_file():
        raise StoreError(f"{name}: no such store: the line has not made it yet")

    def connect() -> sqlite3.Connection:
        # Not `mode=ro`: after a kill -9 of the writer a reader must be able to make the write-ahead log's index.
        connection = sqlite3.connect(f"file:{name}?mode=rw", uri=True, timeout=5.0, check_same_thread=False)
        connection.execute("PRAGMA query_only = 1")
        return connection

    return sa.create_engine("sqlite://", creator=connect, poolclass=sa.pool.QueuePool)
