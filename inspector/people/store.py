"""The web's own database: an SQLite file beside the records, or a PostgreSQL.

What it is: connections and transactions. What it is not: any table's queries (accounts, audit, ...). Any thread;
changes go one at a time.

It is opened when it is first needed and again after a failure, so that the screens can watch the line while their own
database cannot be had; what needs a login then is refused.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from inspector.clock import Clock
from inspector.errors import StoreError
from inspector.people.schema import migrate
from inspector.record.reader import store_errors, store_name

Connection = sa.Connection


class WebStore:
    """See the module. Raises StoreError at once for a URL that is not one, and from every use that fails."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.name = store_name(url)
        self._url = url
        self._clock = clock
        self._engine: sa.Engine | None = None
        self._lock = threading.RLock()

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction: all that is done with the connection holds, or nothing where an exception leaves it."""
        with self._lock, store_errors(self.name), self._opened().begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection to ask with; what is changed through it is lost."""
        with store_errors(self.name), self._opened().connect() as connection:
            yield connection.execution_options(only_reads=True)

    def now_utc(self) -> str:
        """The time that rows carry."""
        return self._clock.utc()

    def close(self) -> None:
        """Give the connections back."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None

    def _opened(self) -> sa.Engine:
        with self._lock:
            if self._engine is None:
                engine = _file_engine(self.name) if self._url.startswith("sqlite") else _server_engine(self._url)
                with engine.begin() as connection:
                    migrate(connection, self.name, self._clock.utc())
                self._engine = engine
            return self._engine


def _file_engine(name: str) -> sa.Engine:
    path = Path(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as why:
        raise StoreError(f"{name}: its folder cannot be made: {why.strerror}") from why

    def connect() -> sqlite3.Connection:
        # isolation_level None: transactions are opened below, so that the steps of a migration are in one as well.
        connection = sqlite3.connect(name, timeout=5.0, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.pool.QueuePool)
    sa.event.listen(engine, "begin", _begin)
    path.touch(mode=0o600)
    return engine


def _begin(connection: sa.Connection) -> None:
    # IMMEDIATE: another process (a lost password being reset) makes us wait here, and never fail half-way.
    reads = connection.get_execution_options().get("only_reads")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _server_engine(url: str) -> sa.Engine:
    try:
        return sa.create_engine(url, pool_pre_ping=True)
    except ModuleNotFoundError as why:
        raise StoreError(f"{url.partition(':')[0]}: the database driver {why.name!r} is not installed") from why
