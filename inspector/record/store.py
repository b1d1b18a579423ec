"""The record store, written: one row per part, in one transaction with the place in the controller's log.

What it is: the one writing end of an SQLite file or a PostgreSQL database. What it is not: a queue (recorder) or
pictures (images). One thread at a time; a second writer is refused with StoreBusy.

Durability: SQLite runs with a write-ahead log and `synchronous = FULL`, so that what was acknowledged to the
controller survives a power cut. Source: https://www.sqlite.org/pragma.html#pragma_synchronous.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from inspector.clock import Clock
from inspector.errors import StoreBusy, StoreError
from inspector.record.quarters import ADD, classes_of, quarter_rows
from inspector.record.reader import Reader, store_errors, store_name
from inspector.record.rows import row_of, signed, unsigned
from inspector.record.schema import BOOKMARK, CONFLICT, IMAGE_REMOVAL, RECORD, RECORD_LABEL, migrate
from inspector.types import Bookmark, InspectionRecord

# Any fixed number: it names this program's lock among the advisory locks of a PostgreSQL database.
_ADVISORY_LOCK = 7_361_001


@dataclass(frozen=True, slots=True)
class Written:
    """What one `write` did: rows added, and second records of a part that were refused."""

    added: int
    conflicts: int


@dataclass(frozen=True, slots=True)
class ImageRemoval:
    """A picture that is about to be removed, and why."""

    part_id: int
    image_path: str
    reason: str


class Store:
    """The writing end. Every method raises StoreError when the database does; nothing is half written then."""

    def __init__(self, engine: sa.Engine, name: str, clock: Clock, lock: contextlib.ExitStack) -> None:
        self._engine = engine
        self._clock = clock
        self._lock = lock
        self.name = name
        self.reader = Reader(engine, name)

    @staticmethod
    def open(url: str, clock: Clock) -> Store:
        """Open the store at `url` to write, making or migrating it.

        Raises StoreBusy (another station writes to it), StoreTooNew, or StoreError (cannot be made, not a database).
        """
        name = store_name(url)
        with contextlib.ExitStack() as lock, store_errors(name):
            engine = _file_engine(name, lock) if url.startswith("sqlite") else _server_engine(url, name, lock)
            with engine.begin() as connection:
                migrate(connection, name, clock.utc())
            return Store(engine, name, clock, lock.pop_all())
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Give the store back; another station may write to it from here on."""
        self._engine.dispose()
        self._lock.close()

    def write(self, records: Sequence[InspectionRecord], bookmark: Bookmark | None = None) -> Written:
        """All of `records` and the bookmark, or nothing.

        A second record of a part is never put in place of the first: it goes to the table of conflicts.
        """
        with store_errors(self.name), self._engine.begin() as connection:
            fresh, refused = _split(records, _known(connection, [record.part.part_id for record in records]))
            self._add(connection, fresh)
            self._refuse(connection, refused)
            if bookmark is not None:
                connection.execute(sa.delete(BOOKMARK))
                row = {"id": 1, "boot_id": bookmark.boot, "next_log_index": bookmark.first_open}
                connection.execute(sa.insert(BOOKMARK), row)
        return Written(len(fresh), len(refused))

    def bookmark(self) -> Bookmark | None:
        """Where to go on reading the controller's log, or None in a new store."""
        with store_errors(self.name), self._engine.connect() as connection:
            row = connection.execute(sa.select(BOOKMARK.c.boot_id, BOOKMARK.c.next_log_index)).first()
            return None if row is None else Bookmark(*row)

    def has(self, part_ids: Iterable[int]) -> set[int]:
        """Those of `part_ids` that have a record."""
        with store_errors(self.name), self._engine.connect() as connection:
            return _known(connection, list(part_ids))

    def note_removals(self, removals: Sequence[ImageRemoval]) -> None:
        """Record that these pictures are being removed; called before they are, so that none goes silently."""
        now = self._clock.utc()
        with store_errors(self.name), self._engine.begin() as connection:
            ids = [signed(removal.part_id) for removal in removals]
            connection.execute(sa.delete(IMAGE_REMOVAL).where(IMAGE_REMOVAL.c.part_id.in_(ids)))
            rows = [
                {"part_id": key, "image_path": removal.image_path, "removed_at_utc": now, "reason": removal.reason}
                for key, removal in zip(ids, removals, strict=True)
            ]
            connection.execute(sa.insert(IMAGE_REMOVAL), rows)

    def _add(self, connection: sa.Connection, records: Sequence[InspectionRecord]) -> None:
        if not records:
            return
        first = _next_id(connection, RECORD)
        rows = [row_of(number, record) for number, record in enumerate(records, start=first)]
        connection.execute(sa.insert(RECORD), rows)
        labels = [{"label": label, "record_id": row["id"]} for row in rows for label in classes_of(row)]
        if labels:
            connection.execute(sa.insert(RECORD_LABEL), labels)
        self._count(connection, rows)

    def _count(self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add the records' rows to the roll-up."""
        connection.execute(ADD, quarter_rows(rows))

    def _refuse(self, connection: sa.Connection, records: Sequence[InspectionRecord]) -> None:
        first = _next_id(connection, CONFLICT) if records else 0
        for number, record in enumerate(records, start=first):
            row: dict[str, Any] = row_of(number, record)
            refused = {"id": number, "part_id": row["part_id"], "refused_at_utc": self._clock.utc(), "refused": row}
            connection.execute(sa.insert(CONFLICT), refused)


def _known(connection: sa.Connection, part_ids: list[int]) -> set[int]:
    known: set[int] = set()
    for start in range(0, len(part_ids), 500):  # databases limit the variables of a statement
        some = [signed(part_id) for part_id in part_ids[start : start + 500]]
        found = connection.execute(sa.select(RECORD.c.part_id).where(RECORD.c.part_id.in_(some)))
        known.update(unsigned(part_id) for part_id in found.scalars())
    return known


def _split(
    records: Sequence[InspectionRecord], known: set[int]
) -> tuple[list[InspectionRecord], list[InspectionRecord]]:
    fresh: list[InspectionRecord] = []
    refused: list[InspectionRecord] = []
    taken = set(known)
    for record in records:
        (refused if record.part.part_id in taken else fresh).append(record)
        taken.add(record.part.part_id)
    return fresh, refused


def _next_id(connection: sa.Connection, table: sa.Table) -> int:
    return int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(table.c.id), 0))).scalar_one()) + 1


def _file_engine(name: str, lock: contextlib.ExitStack) -> sa.Engine:
    path = Path(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _lock_file(path, lock)
    except OSError as why:
        raise StoreError(f"{name}: cannot be opened to write: {why.strerror}") from why

    def connect() -> sqlite3.Connection:
        # isolation_level None: transactions are opened below, so that the steps of a migration are in one as well.
        connection = sqlite3.connect(name, timeout=5.0, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.pool.QueuePool)
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


def _lock_file(path: Path, lock: contextlib.ExitStack) -> None:
    """Take the lock of a store's file: held by the process, so that a killed one never leaves it behind."""
    handle = lock.enter_context(open(f"{path}.lock", "a+", encoding="ascii"))  # noqa: SIM115 - lives as long as the store
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.seek(0)
        holder = handle.read().strip() or "unknown"
        raise StoreBusy(f"{path}: another station writes to it (process {holder})") from None
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()


def _server_engine(url: str, name: str, lock: contextlib.ExitStack) -> sa.Engine:
    try:
        engine = sa.create_engine(url, pool_pre_ping=True)
    except ModuleNotFoundError as why:
        raise StoreError(f"{name}: the database driver {why.name!r} is not installed") from why
    # The advisory lock lives as long as this one connection (kept out of the pool), and dies with the process.
    holder = lock.enter_context(engine.connect().execution_options(isolation_level="AUTOCOMMIT"))
    holder.detach()
    if not holder.execute(sa.text("SELECT pg_try_advisory_lock(:key)"), {"key": _ADVISORY_LOCK}).scalar_one():
        raise StoreBusy(f"{name}: another station writes to it")
    lock.callback(holder.execute, sa.text("SELECT pg_advisory_unlock(:key)"), {"key": _ADVISORY_LOCK})
    return engine
