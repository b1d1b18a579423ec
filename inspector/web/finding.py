"""Parts of a filter, put together from the record store and from what people said of them.

What it is: pages and counts for `Asked`, its review included, and a part as the pages show it. What it is not: the
stores themselves, which know nothing of each other. Thread pool.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from inspector.people import labels
from inspector.people.labels import Reviewed
from inspector.people.store import WebStore
from inspector.record import search
from inspector.record.pictures import Picture, picture_of
from inspector.record.quarters import classes_of
from inspector.record.reader import Reader
from inspector.record.rows import StoredRecord, row_of
from inspector.record.search import Count, Found
from inspector.types import Verdict
from inspector.web.asking import UNREVIEWED, Asked

_AT_ONCE = 500
# A filter by review is the intersection of two stores: so many rounds of looking, then the page says where it is.
_ROUNDS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A part as pages show it: `name` is the number it has on the line, `at` the time at the place asked for."""

    stored: StoredRecord
    part_id: str
    name: str
    at: str
    verdict: Verdict
    classes: tuple[str, ...]
    picture: Picture
    path: Path | None
    reviewed: Reviewed | None

    @property
    def score(self) -> float | None:
        """See `Inspection.score`."""
        return self.stored.record.inspection.score

    @property
    def serial(self) -> str:
        """What the part's code says."""
        return self.stored.record.inspection.serial


@dataclass(frozen=True, slots=True)
class Stores:
    """What a page of parts is made of."""

    reader: Reader
    web: WebStore
    images: Path

    @staticmethod
    def of(app: FastAPI) -> Stores:
        """Those of the app; raises StoreError while the record store cannot be read."""
        return Stores(app.state.store.reader(), app.state.web_store, app.state.images)

    def find(self, asked: Asked, before: int | None, limit: int) -> Found:
        """Numbers of records, newest first; raises StoreError."""
        if not asked.review:
            return search.page(self.reader, asked.search(), before, limit)
        found: list[int] = []
        for _ in range(_ROUNDS):
            some, before = self._some(asked, before, limit)
            found += some
            if len(found) > limit:
                return Found(tuple(found[:limit]), found[limit - 1])
            if before is None:
                return Found(tuple(found), None)
        return Found(tuple(found), before, looked_back=True)

    def _some(self, asked: Asked, before: int | None, limit: int) -> tuple[Sequence[int], int | None]:
        """A round: numbers that pass, and below which to go on."""
        if asked.review != UNREVIEWED:
            said = labels.numbers(self.web, asked.review, before, _AT_ONCE)
            return search.among(self.reader, asked.search(), said), said[-1] if len(said) == _AT_ONCE else None
        page = search.page(self.reader, asked.search(), before, max(limit, _AT_ONCE // 2))
        known = {one.record_number for one in self._reviewed(page.numbers)}
        return [number for number in page.numbers if number not in known], page.next_before

    def _reviewed(self, numbers: Sequence[int]) -> Sequence[Reviewed]:
        if not numbers:
            return ()
        return labels.between(self.web, min(numbers), max(numbers))

    def count(self, asked: Asked) -> Count:
        """How many there are; raises StoreError."""
        which = asked.search()
        if not asked.review:
            return search.count(self.reader, which)
        said = None if asked.review == UNREVIEWED else asked.review
        numbers = labels.numbers(self.web, said, None, search.COUNTED + 1)
        passed = len(search.among(self.reader, which, numbers[: search.COUNTED]))
        cut = len(numbers) > search.COUNTED
        if said is not None:
            return Count(passed, cut)
        every = search.count(self.reader, which)
        return Count(max(0, every.parts - passed), every.at_least or cut)

    def shown(self, numbers: Sequence[int], asked: Asked) -> list[Shown]:
        """These records for a page, in the order of their numbers; raises StoreError."""
        found = self.reader.numbered(numbers)
        known = labels.reviewed(self.web, [one.record.part.part_id for one in found])
        return [self._shown(one, asked, known.get(one.record.part.part_id)) for one in found]

    def one(self, part_id: int, asked: Asked) -> Shown | None:
        """One part, or None; raises StoreError."""
        stored = self.reader.record(part_id)
        return None if stored is None else self._shown(stored, asked, labels.reviewed(self.web, [part_id]).get(part_id))

    def _shown(self, stored: StoredRecord, asked: Asked, reviewed: Reviewed | None) -> Shown:
        record = stored.record
        picture, path = picture_of(stored, self.images)
        return Shown(
            stored=stored,
            part_id=str(record.part.part_id),
            name=part_name(record.part.part_id),
            at=asked.place.shown(record.seen_at_utc),
            verdict=record.verdict,
            classes=tuple(classes_of(row_of(stored.number, record))),
            picture=picture,
            path=path,
            reviewed=reviewed,
        )


def part_name(part_id: int) -> str:
    """A part as people call it: its number since the controller's boot, and that boot."""
    return f"#{part_id & 0xFFFFFFFF} / {part_id >> 32}"


def count_text(count: Count) -> dict[str, Any]:
    """A count for a template: its digits in groups, and whether there are more."""
    return {"digits": f"{count.parts:,}".replace(",", "\u202f"), "at_least": count.at_least}
