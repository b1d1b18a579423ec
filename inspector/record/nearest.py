"""The parts to review first: those that the model was least sure of.

What it is: parts with a picture by their distance from the threshold. What it is not: which of them were reviewed
(people.labels). Any thread; raises StoreError.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

import sqlalchemy as sa

from inspector.record.quarters import quarter_of
from inspector.record.reader import Reader
from inspector.record.rows import unsigned
from inspector.record.schema import QUARTER, RECORD

# The calibrated scale: 1.0 is the model's threshold.
THRESHOLD = 1.0
_AT_ONCE = 500


def nearest(reader: Reader, since_utc: str | None = None, most: int = 20_000) -> Iterator[tuple[int, int]]:
    """Part id and record number of parts with a score and a picture, the nearest to the threshold first; those seen
    since about `since_utc`. At most `most` on each side are looked at."""
    with reader.asking() as connection:
        first = _first_number(connection, since_utc) if since_utc is not None else 0
        sides = [_side(connection, first, above, most) for above in (True, False)]
        for _, part_id, number in heapq.merge(*sides):
            yield part_id, number


def _first_number(connection: sa.Connection, since_utc: str) -> int:
    """Below this number no record was seen since the quarter of an hour that `since_utc` lies in."""
    query = sa.select(sa.func.min(QUARTER.c.first_id)).where(QUARTER.c.label == "")
    found = connection.execute(query.where(QUARTER.c.starts_at_utc >= quarter_of(since_utc))).scalar()
    return 1 << 62 if found is None else int(found)


def _side(connection: sa.Connection, first: int, above: bool, most: int) -> Iterator[tuple[float, int, int]]:
    """Distance, part and number of those above the threshold, or of those below it."""
    score, number = RECORD.c.score, RECORD.c.id
    order = (score, number) if above else (score.desc(), number.desc())
    query = sa.select(score, number, RECORD.c.part_id).where(RECORD.c.image_path.is_not(None)).order_by(*order)
    query = query.where(score >= THRESHOLD if above else score < THRESHOLD, number >= first)
    last: tuple[float, int] | None = None
    for _ in range(0, most, _AT_ONCE):
        key = sa.tuple_(score, number)
        some = query if last is None else query.where(key > sa.tuple_(*last) if above else key < sa.tuple_(*last))
        rows = connection.execute(some.limit(_AT_ONCE)).all()
        for found, own, part_id in rows:
            yield abs(found - THRESHOLD), unsigned(part_id), own
        if len(rows) < _AT_ONCE:
            return
        last = (rows[-1][0], rows[-1][1])
