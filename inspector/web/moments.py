"""Times of the plant: its zone, its shifts, and moments in words.

What it is: between UTC, which records carry, and the clock on the plant's wall, which is that of the station's own
system; a browser's clock is never asked. What it is not: a clock (clock). Pure functions, any thread.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from inspector.config import ShiftConfig
from inspector.record.asked import DayTimes

HOUR = dt.timedelta(hours=1)
# Offsets to UTC are looked for hour by hour, so that a change of the clock within a night's shift is seen.
LONGEST = dt.timedelta(days=3 * 366)


@dataclass(frozen=True, slots=True)
class Place:
    """Where times are shown: the plant's zone, or UTC. `shifts` are in the order of their beginnings."""

    utc: bool
    shifts: tuple[ShiftConfig, ...]

    def local(self, at_utc: str) -> dt.datetime:
        """A time of a record (ISO 8601 UTC) here."""
        return self.here(parse_utc(at_utc))

    def here(self, moment: dt.datetime) -> dt.datetime:
        """A moment here."""
        return moment.astimezone(dt.UTC if self.utc else None)

    def shown(self, at_utc: str, seconds: bool = True) -> str:
        """A time for a person: `2026-03-01 11:00:00`; what is not one as it is."""
        try:
            return self.local(at_utc).strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")
        except ValueError:
            return at_utc

    def brief(self, at_utc: str) -> str:
        """A time for a row of a list: `03-01 11:00:00`."""
        return self.shown(at_utc)[5:]

    def offset(self, at_utc: str) -> str:
        """How far from UTC it was here then: `UTC+01:00`."""
        text = self.local(at_utc).strftime("%z")
        return "UTC" if self.utc else f"UTC{text[:3]}:{text[3:5]}"

    def typed(self, text: str) -> str | None:
        """A time that a person or a link gave, as records have it; None where it is not one.

        `2026-03-01T11:00` is of here; one that ends in Z is of UTC everywhere.
        """
        try:
            given = dt.datetime.fromisoformat(text)
            return iso(given if given.tzinfo else given.replace(tzinfo=dt.UTC) if self.utc else given.astimezone())
        except (ValueError, OverflowError, OSError):
            return None

    def shift_at(self, at_utc: str) -> tuple[str, str]:
        """The shift a moment lies in: the day it began, and its name; without shifts the day alone."""
        moment = self.local(at_utc)
        begun = [shift for shift in self.shifts if shift.start <= moment.strftime("%H:%M")]
        if begun or not self.shifts:
            return moment.strftime("%Y-%m-%d"), begun[-1].name if begun else ""
        return (moment - dt.timedelta(days=1)).strftime("%Y-%m-%d"), self.shifts[-1].name


def make_place(shifts: Sequence[ShiftConfig], utc: bool = False) -> Place:
    """The plant, or UTC. Shifts are of the plant's clock whatever times are shown in."""
    return Place(utc, tuple(sorted(shifts, key=lambda shift: shift.start)))


def parse_utc(at_utc: str) -> dt.datetime:
    """A time of a record as a moment; raises ValueError."""
    moment = dt.datetime.fromisoformat(at_utc)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def iso(moment: dt.datetime) -> str:
    """A moment as records have it: ISO 8601 UTC with milliseconds and Z."""
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def quarter_back(at_utc: str) -> str:
    """The beginning of the quarter of an hour that a time lies in."""
    moment = parse_utc(at_utc)
    return iso(moment.replace(minute=moment.minute - moment.minute % 15, second=0, microsecond=0))


def day_times(shifts: Sequence[ShiftConfig], name: str, since_utc: str, until_utc: str) -> tuple[DayTimes, ...]:
    """When the shift `name` was on between two times, in UTC: one entry for each stretch of equal offset.

    A span of more than three years is cut to its last three. An unknown name gives none.
    """
    ordered = sorted(shifts, key=lambda shift: shift.start)
    place = [index for index, shift in enumerate(ordered) if shift.name == name]
    if not place:
        return ()
    start, end = ordered[place[0]].start, ordered[(place[0] + 1) % len(ordered)].start
    first, last = parse_utc(since_utc), parse_utc(until_utc)
    # By whole hours: the next who asks finds the answer made.
    since, until = (moment.replace(minute=0, second=0, microsecond=0) for moment in (max(first, last - LONGEST), last))
    stretches = _stretches(since, until)
    return tuple(
        DayTimes(
            since_utc=iso(since)[:16],
            before_utc=iso(before)[:16],
            from_utc=_moved(start, -offset),
            until_utc=_moved(end, -offset),
        )
        for since, before, offset in stretches
    )


@lru_cache(maxsize=32)
def _stretches(first: dt.datetime, last: dt.datetime) -> tuple[tuple[dt.datetime, dt.datetime, dt.timedelta], ...]:
    """Stretches of one distance to UTC: from, to (excluded), distance."""
    found: list[tuple[dt.datetime, dt.datetime, dt.timedelta]] = []
    moment = first
    while moment <= last:
        offset = moment.astimezone().utcoffset() or dt.timedelta()
        since = found.pop()[0] if found and found[-1][2] == offset else moment
        found.append((since, moment + HOUR, offset))
        moment += HOUR
    return tuple(found)


def _moved(time_of_day: str, by: dt.timedelta) -> str:
    hours, minutes = time_of_day.split(":")
    total = (int(hours) * 60 + int(minutes) + round(by.total_seconds() / 60)) % (24 * 60)
    return f"{total // 60:02d}:{total % 60:02d}"
