"""Finding records by what a quality engineer asks for, among any number of them, with a bound on the work.

What it is: pages of record numbers, newest first, keyed by number, and how many there are. What it is not: the rows
themselves (`Reader.numbered`), or sums (sums). Any thread; every call takes its own connection.

The roll-up `quarter` tells in which spans of numbers a part can be, and how many parts stand there at most. Only those
are read, in chunks, newest first, until the page is full or about BUDGET parts have been looked at: then the
page is given as it is, with the number to go on from. So no question costs more than another by orders, and
ten times the records cost no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from inspector.record.asked import Search, conditions, labelled, serial_range, zone_conditions
from inspector.record.reader import Reader
from inspector.record.schema import QUARTER, RECORD, RECORD_LABEL
from inspector.types import Verdict

BUDGET = 200_000
# Parts that are looked up in the wide rows, one by one, cost twenty times as much.
WIDE = 20
FIRST_CHUNK = 4_000
ZONES = 1_000
# Numbers without a match that are read through rather than asked for apart.
GAP = 2_000
FEW_SERIALS = 1_000
COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class Found:
    """Numbers of records, newest first, and the number below which to go on; None where all has been found.

    `looked_back` says that the page is not full because enough had been looked at.
    """

    numbers: tuple[int, ...]
    next_before: int | None
    looked_back: bool = False


@dataclass(frozen=True, slots=True)
class Count:
    """How many there are; `at_least` where counting stopped before the end."""

    parts: int
    at_least: bool = False


def page(reader: Reader, search: Search, before: int | None = None, limit: int = 50, budget: int = BUDGET) -> Found:
    """At most `limit` numbers of records that pass, below `before`; raises StoreError."""
    with reader.asking() as connection:
        found = _Walk(connection, search).collect(before, limit + 1, budget)
    if len(found.numbers) > limit:
        return Found(found.numbers[:limit], found.numbers[limit - 1])
    return found


def beside(reader: Reader, search: Search, number: int) -> tuple[int | None, int | None]:
    """The numbers that pass and come next after `number` and last before it; None where there is none near."""
    older = page(reader, search, number, 1, BUDGET // 4).numbers
    return next(iter(newer(reader, search, number)), None), next(iter(older), None)


def newer(reader: Reader, search: Search, after: int, limit: int = 1) -> tuple[int, ...]:
    """The `limit` numbers that pass and come next after `after`, among the 20 000 that follow it; oldest first."""
    with reader.asking() as connection:
        ends = (RECORD.c.id > after, RECORD.c.id <= after + 20_000)
        query = sa.select(RECORD.c.id).where(*ends, *conditions(search, connection.dialect.name))
        if search.label is not None:
            query = query.where(RECORD.c.id.in_(labelled(search.label, after + 1, after + 20_000)))
        return tuple(connection.execute(query.order_by(RECORD.c.id).limit(limit)).scalars())


def recipes(reader: Reader) -> list[str]:
    """Every recipe that a record has, by name; raises StoreError."""
    return _distinct(reader, QUARTER.c.recipe_id)


def classes(reader: Reader) -> list[str]:
    """Every class that a record has, by name; raises StoreError."""
    return [label for label in _distinct(reader, QUARTER.c.label) if label]


def _distinct(reader: Reader, column: sa.Column[str], most: int = 200) -> list[str]:
    """The different values of a column of the roll-up, at most `most`: from each to the next greater one, since there
    are few values and many rows."""
    found: list[str] = []
    with reader.asking() as connection:
        value = connection.execute(sa.select(sa.func.min(column))).scalar()
        while value is not None and len(found) < most:
            found.append(value)
            value = connection.execute(sa.select(sa.func.min(column)).where(column > value)).scalar()
    return found


def among(reader: Reader, search: Search, few: Sequence[int]) -> tuple[int, ...]:
    """Those of `few` numbers (at most 10 000) that pass, newest first; raises StoreError."""
    with reader.asking() as connection:
        walk = _Walk(connection, search)
        parts = [walk.among(few[start : start + 500], None, 500).numbers for start in range(0, len(few), 500)]
    return tuple(sorted((number for part in parts for number in part), reverse=True))


def count(reader: Reader, search: Search, cap: int = COUNTED, budget: int = BUDGET) -> Count:
    """How many records pass: exact where the roll-up knows, else counted up to `cap`; raises StoreError."""
    with reader.asking() as connection:
        if search.by_quarters:
            sums = sa.select(sa.func.coalesce(sa.func.sum(QUARTER.c.parts), 0)).where(*zone_conditions(search))
            return Count(int(connection.execute(sums).scalar_one()))
        found = _Walk(connection, search).collect(None, cap + 1, budget)
    at_least = found.looked_back or len(found.numbers) > cap
    return Count(min(cap, len(found.numbers)), at_least)


class _Walk:
    """One search, from new to old."""

    def __init__(self, connection: sa.Connection, search: Search) -> None:
        self._connection = connection
        self._search = search
        self._conditions = conditions(search, connection.dialect.name)
        self._numbers: list[int] = []

    def collect(self, before: int | None, limit: int, budget: int) -> Found:
        """Numbers below `before` until there are `limit`, or `budget` is spent."""
        if self._search.plc_part is not None:
            few = self._few([RECORD.c.plc_part == self._search.plc_part])
            if len(few) <= FEW_SERIALS:
                return self.among(few, before, limit)
        if self._search.serial_prefix is not None:
            few = self._few(serial_range(self._search.serial_prefix, self._connection.dialect.name))
            if len(few) <= FEW_SERIALS:
                return self.among(few, before, limit)
            before = self._newest_serial(self._search.serial_prefix, before)
        asked = (self._search.label, self._search.serial_prefix, self._search.plc_part)
        wide = asked != (None, None, None)
        left = budget // WIDE if wide else budget
        for low, high, parts in self._spans(before):
            self._take(low, high, limit)
            left -= parts
            if len(self._numbers) >= limit:
                return Found(tuple(self._numbers), self._numbers[-1])
            if left <= 0:
                return Found(tuple(self._numbers), low, looked_back=True)
        return Found(tuple(self._numbers), None)

    def _few(self, holds: Sequence[sa.ColumnElement[bool]]) -> list[int]:
        """The numbers for which this holds; one more than FEW_SERIALS where they are too many to ask singly."""
        query = sa.select(RECORD.c.id).where(*holds)
        return list(self._connection.execute(query.limit(FEW_SERIALS + 1)).scalars())

    def _newest_serial(self, prefix: str, before: int | None) -> int | None:
        """Below which number to begin: no serial with the prefix is newer, where they are few enough to be asked."""
        some = sa.select(RECORD.c.id).where(*serial_range(prefix, self._connection.dialect.name)).limit(BUDGET // 8)
        inner = some.subquery()
        found = self._connection.execute(sa.select(sa.func.count(), sa.func.max(inner.c.id)).select_from(inner)).one()
        if found[0] >= BUDGET // 8:
            return before
        return min(int(found[1]) + 1, before or (1 << 62))

    def among(self, few: Sequence[int], before: int | None, limit: int) -> Found:
        """Those of `few` numbers that pass."""
        query = sa.select(RECORD.c.id).where(RECORD.c.id.in_(few), *self._conditions)
        if before is not None:
            query = query.where(RECORD.c.id < before)
        if self._search.label is not None:
            query = query.where(RECORD.c.id.in_(labelled(self._search.label, 0, max(few, default=0))))
        found = tuple(self._connection.execute(query.order_by(RECORD.c.id.desc()).limit(limit)).scalars())
        return Found(found, found[-1] if len(found) == limit else None)

    def _spans(self, before: int | None) -> Iterator[tuple[int, int, int]]:
        """Spans of numbers (low, high, parts in them at most), newest first, in which all that pass must be."""
        chunk, high, low, parts = FIRST_CHUNK, 0, 0, 0
        for first, last, number in self._zones(before):
            if not high:
                high, low = last, first
            elif (parts >= chunk and last < high) or last < low - self._gap():
                # What lies above this quarter's last number lies in the quarters before it.
                cut = max(low, last + 1)
                yield cut, high, parts
                chunk, parts = min(4 * chunk, BUDGET), 0
                high, low = last, low if last >= low else first
            low = min(low, first)
            parts += number
        if high:
            yield low, high, parts

    def _gap(self) -> int:
        # An index by verdict skips the many passes between two rejects for nothing.
        return GAP if Verdict.PASS in self._search.verdicts or not self._search.verdicts else 1 << 40

    def _zones(self, before: int | None) -> Iterator[tuple[int, int, int]]:
        """First number, last number below `before`, and how many parts: of each quarter, by falling last number."""
        columns = (QUARTER.c.first_id, QUARTER.c.last_id, QUARTER.c.parts)
        query = sa.select(*columns).where(*zone_conditions(self._search)).order_by(QUARTER.c.last_id.desc())
        if before is not None:
            query = query.where(QUARTER.c.first_id < before)
        below: int | None = None
        while True:
            some = query if below is None else query.where(QUARTER.c.last_id < below)
            rows = self._connection.execute(some.limit(ZONES)).all()
            for first, last, parts in rows:
                yield first, last if before is None else min(last, before - 1), parts
            if len(rows) < ZONES:
                return
            below = rows[-1][1]

    def _take(self, low: int, high: int, limit: int) -> None:
        if self._search.label is not None:
            number = RECORD_LABEL.c.record_id
            query = sa.select(number).where(RECORD_LABEL.c.label == self._search.label, number.between(low, high))
            if self._conditions:
                query = query.join(RECORD, RECORD.c.id == number).where(*self._conditions)
        else:
            number = RECORD.c.id
            query = sa.select(number).where(number.between(low, high), *self._conditions)
            if self._search.serial_prefix is None and self._search.plc_part is None:
                index = "record_verdict" if self._search.verdicts else "record_filter"
                query = query.with_hint(RECORD, f"INDEXED BY {index}", "sqlite")
        query = query.order_by(number.desc()).limit(limit - len(self._numbers))
        self._numbers += self._connection.execute(query).scalars()
