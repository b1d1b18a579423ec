"""What charts are drawn of: sums of the roll-up, and samples of the newest parts.

What it is: questions whose answers are small however many records there are. What it is not: statistics (spc), or a
page of parts (search). Any thread; every call takes its own connection. Each raises StoreError.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from inspector.record.asked import Search, zone_conditions
from inspector.record.reader import Reader
from inspector.record.schema import QUARTER, RECORD
from inspector.record.search import page
from inspector.types import Verdict

SAMPLE = 2_000


@dataclass(frozen=True, slots=True)
class ClassCount:
    """How many parts are of a class; a part may be of several."""

    label: str
    parts: int


@dataclass(frozen=True, slots=True)
class Slot:
    """How many parts of a verdict were seen in a quarter of an hour."""

    starts_at_utc: str
    verdict: Verdict
    parts: int


@dataclass(frozen=True, slots=True)
class Sample:
    """What charts need of one record; the lists and the map are as the row has them (rows.row_of)."""

    number: int
    part_id: int
    seen_at_utc: str
    slack_ms: float | None
    pose: dict[str, float] | None
    stage_ms: dict[str, float | None]
    defects: list[dict[str, Any]]
    measurements: list[dict[str, Any]]


def by_class(reader: Reader, search: Search) -> list[ClassCount]:
    """Classes by falling number of parts, in whole quarters of an hour."""
    conditions = zone_conditions(replace(search, label=None))[1:]
    parts = sa.func.sum(QUARTER.c.parts)
    query = sa.select(QUARTER.c.label, parts).where(QUARTER.c.label != "", *conditions).group_by(QUARTER.c.label)
    with reader.asking() as connection:
        found = connection.execute(query.order_by(parts.desc(), QUARTER.c.label))
        return [ClassCount(label, int(number)) for label, number in found]


# Looking an enum's member up by its number takes longer than reading a row.
_VERDICTS = {int(verdict): verdict for verdict in Verdict}


def by_time(reader: Reader, search: Search) -> list[Slot]:
    """Parts by quarter of an hour and verdict, the oldest first."""
    columns = (QUARTER.c.starts_at_utc, QUARTER.c.verdict)
    query = sa.select(*columns, sa.func.sum(QUARTER.c.parts)).where(*zone_conditions(search)).group_by(*columns)
    with reader.asking() as connection:
        found = connection.execute(query.order_by(*columns))
        return [Slot(starts, _VERDICTS[verdict], int(number)) for starts, verdict, number in found]


def samples(reader: Reader, search: Search, limit: int = SAMPLE) -> list[Sample]:
    """The newest `limit` records that pass, the oldest of them first."""
    numbers = page(reader, search, None, limit).numbers
    columns = (
        RECORD.c.id, RECORD.c.part_id, RECORD.c.seen_at_utc, RECORD.c.slack_ms, RECORD.c.pose, RECORD.c.stage_ms,
        RECORD.c.defects, RECORD.c.measurements,
    )  # fmt: skip
    found: list[Sample] = []
    with reader.asking() as connection:
        for start in range(0, len(numbers), 500):  # databases limit the variables of a statement
            some = sa.select(*columns).where(RECORD.c.id.in_(numbers[start : start + 500]))
            found += [Sample(*row[:7], row[7] or []) for row in connection.execute(some)]
    return sorted(found, key=lambda one: one.number)


def names_of(found: Sequence[Sample]) -> list[str]:
    """The names of everything that was measured in these records, in the order of the recipe."""
    return list(dict.fromkeys(one["name"] for sample in found for one in sample.measurements))
