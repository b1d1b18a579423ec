"""What is asked of the record store, and what that means for its tables.

What it is: the question (`Search`) and its conditions, on records and on the roll-up. What it is not: the way to the
answer (search, sums). Pure; any thread.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from inspector.record.quarters import QUARTER_MIN, quarter_of
from inspector.record.schema import QUARTER, RECORD, RECORD_LABEL
from inspector.types import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTimes:
    """Times of the day, `from_utc` to `until_utc` (HH:MM, past midnight where the second is not greater), of the days
    in which `since_utc` to `before_utc` lie: one stretch of equal distance to UTC."""

    since_utc: str
    before_utc: str
    from_utc: str
    until_utc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to find: all that are given must hold. Times are ISO 8601 UTC, `until_utc` is excluded; `verdicts` empty is
    any; `label` is a class (see quarters); `plc_part` is the PLC's own number, which may come again; of `times` one
    must hold, and they begin and end on quarters of an hour."""

    verdicts: tuple[Verdict, ...] = ()
    recipe_id: str | None = None
    label: str | None = None
    score_min: float | None = None
    score_max: float | None = None
    since_utc: str | None = None
    until_utc: str | None = None
    serial_prefix: str | None = None
    plc_part: int | None = None
    times: tuple[DayTimes, ...] | None = None

    @property
    def by_quarters(self) -> bool:
        """Whether whole quarters of an hour answer it: then sums of the roll-up are exact."""
        ends = (self.since_utc, self.until_utc)
        return (
            self.score_min is None
            and self.score_max is None
            and self.serial_prefix is None
            and self.plc_part is None
            and all(end is None or _on_a_quarter(end) for end in ends)
        )


def zone_conditions(search: Search) -> list[sa.ColumnElement[bool]]:
    """Which rows of `quarter` may hold parts that pass."""
    wanted = [QUARTER.c.label == (search.label or "")]
    if search.verdicts:
        wanted.append(QUARTER.c.verdict.in_([int(verdict) for verdict in search.verdicts]))
    if search.recipe_id is not None:
        wanted.append(QUARTER.c.recipe_id == search.recipe_id)
    if search.score_min is not None:
        wanted.append(QUARTER.c.score_max >= search.score_min)
    if search.score_max is not None:
        wanted.append(QUARTER.c.score_min <= search.score_max)
    if search.since_utc is not None:
        # The quarter that `since` lies in begins before it.
        wanted.append(QUARTER.c.starts_at_utc >= quarter_of(search.since_utc))
    if search.until_utc is not None:
        last = QUARTER.c.starts_at_utc <= quarter_of(search.until_utc)
        wanted.append(QUARTER.c.starts_at_utc < search.until_utc[:16] if _on_a_quarter(search.until_utc) else last)
    if search.times is not None:
        wanted.append(_in_times(QUARTER.c.starts_at_utc, search.times))
    return wanted


def conditions(search: Search, dialect: str) -> list[sa.ColumnElement[bool]]:
    """What a record itself must hold, all but its class."""
    wanted: list[sa.ColumnElement[bool]] = []
    if search.verdicts:
        wanted.append(RECORD.c.verdict.in_([int(verdict) for verdict in search.verdicts]))
    if search.recipe_id is not None:
        wanted.append(RECORD.c.recipe_id == search.recipe_id)
    if search.score_min is not None:
        wanted.append(RECORD.c.score >= search.score_min)
    if search.score_max is not None:
        wanted.append(RECORD.c.score <= search.score_max)
    if search.since_utc is not None:
        wanted.append(RECORD.c.seen_at_utc >= search.since_utc)
    if search.until_utc is not None:
        wanted.append(RECORD.c.seen_at_utc < search.until_utc)
    if search.serial_prefix is not None:
        wanted += serial_range(search.serial_prefix, dialect)
    if search.plc_part is not None:
        wanted.append(RECORD.c.plc_part == search.plc_part)
    if search.times is not None:
        wanted.append(_in_times(RECORD.c.seen_at_utc, search.times))
    return wanted


def serial_range(prefix: str, dialect: str) -> list[sa.ColumnElement[bool]]:
    """A prefix as a range, so that the index of serials is read and nothing else."""
    serial = sa.collate(RECORD.c.serial, "BINARY" if dialect == "sqlite" else "C")
    last = prefix.rstrip(chr(sys.maxunicode))
    if not last:
        return [serial >= prefix]
    # Code points and their UTF-8 are in the same order, and those of surrogates are none.
    after = 0xE000 if ord(last[-1]) == 0xD7FF else ord(last[-1]) + 1
    return [serial >= prefix, serial < last[:-1] + chr(after)]


def labelled(label: str, low: int, high: int) -> sa.Select[tuple[int]]:
    """The numbers of the records of a class, from `low` to `high`."""
    number = RECORD_LABEL.c.record_id
    return sa.select(number).where(RECORD_LABEL.c.label == label, number.between(low, high))


def _in_times(column: sa.ColumnElement[str], times: Sequence[DayTimes]) -> sa.ColumnElement[bool]:
    """Whether a time, of a record or of a quarter, lies in one of `times`."""
    of_day = sa.func.substr(column, 12, 5)
    choices = []
    for one in times:
        ends = (of_day >= one.from_utc, of_day < one.until_utc)
        within = sa.and_(*ends) if one.from_utc < one.until_utc else sa.or_(*ends)
        choices.append(sa.and_(column >= one.since_utc[:16], column < one.before_utc[:16], within))
    return sa.or_(sa.false(), *choices)


def _on_a_quarter(moment: str) -> bool:
    return moment[16:] in ("", ":00.000Z") and int(moment[14:16]) % QUARTER_MIN == 0
