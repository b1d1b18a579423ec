"""The parts of a filter as one zip file: a table that spreadsheets open, and the pictures.

What it is: a stream that holds one picture at a time, however many there are. What it is not: a backup. Thread pool.

Texts come from codes on parts and from people: one that a spreadsheet would take for a formula is put behind an
apostrophe. Source: OWASP, CSV injection.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse

from inspector.people.labels import history
from inspector.web.asking import Asked, asked_of
from inspector.web.audited import audited
from inspector.web.finding import Shown, Stores
from inspector.web.roles import Role, require

pages = APIRouter(include_in_schema=False, dependencies=[Depends(require(Role.QUALITY))])
MOST = 20_000
_AT_ONCE = 100
COLUMNS = (
    "part_id",
    "seen_at_utc",
    "seen_at_local",
    "shift_day",
    "shift",
    "verdict",
    "outcome",
    "outcome_reason",
    "classes",
    "reasons",
    "score",
    "serial",
    "plc_part",
    "recipe",
    "recipe_rev",
    "model_sha",
    "calibration",
    "slack_ms",
    "review",
    "review_class",
    "reviewed_by",
    "reviewed_at_utc",
    "words",
    "picture",
)


class _Pipe(io.RawIOBase):
    """What the zip writer writes into; emptied by whoever sends it on."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._waiting += data
        return len(data)

    def taken(self) -> bytes:
        """What was written since the last time."""
        data = bytes(self._waiting)
        self._waiting.clear()
        return data


@pages.get("/defects/export.zip")
def export(request: Request) -> StreamingResponse:
    """The newest parts of the filter, at most MOST, with their pictures."""
    asked, stores = asked_of(request), Stores.of(request.app)
    audited(request, "parts.export", asked.query() or "all", None, None)
    name = f"parts-{asked.now_utc[:19].replace(':', '')}Z.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(zipped(stores, asked), media_type="application/zip", headers=headers)


def zipped(stores: Stores, asked: Asked) -> Iterator[bytes]:
    """The zip file, in pieces: `parts.csv`, then every picture that is there."""
    pipe = _Pipe()
    first = stores.reader.newest_number() + 1
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as archive:
        with archive.open("parts.csv", "w") as table, io.TextIOWrapper(table, "utf-8-sig", newline="") as text:
            writer = csv.writer(text)
            writer.writerow(COLUMNS)
            for parts in _pages(stores, asked, first):
                writer.writerows([_row(stores, asked, part) for part in parts])
                text.flush()
                yield pipe.taken()
        for parts in _pages(stores, asked, first):
            for part in parts:
                yield from _picture(archive, pipe, part)
    yield pipe.taken()


def _pages(stores: Stores, asked: Asked, before: int) -> Iterator[list[Shown]]:
    """The parts, newest first; those that came since the export began are no part of it."""
    left, place = MOST, before
    while left > 0:
        found = stores.find(asked, place, min(_AT_ONCE, left))
        yield stores.shown(found.numbers, asked)
        left -= len(found.numbers)
        if found.next_before is None:
            return
        place = found.next_before


def _picture(archive: zipfile.ZipFile, pipe: _Pipe, part: Shown) -> Iterator[bytes]:
    """One picture; it may have been removed since it was looked for."""
    if part.path is None:
        return
    try:
        data = part.path.read_bytes()
    except OSError:
        return
    archive.writestr(_name(part), data)
    yield pipe.taken()


def _name(part: Shown) -> str:
    return f"pictures/{part.part_id}-{part.verdict.name.lower()}.jpg"


def _row(stores: Stores, asked: Asked, part: Shown) -> list[Any]:
    record, inspection = part.stored.record, part.stored.record.inspection
    day, shift = asked.place.shift_at(record.seen_at_utc)
    words = history(stores.web, record.part.part_id) if part.reviewed else []
    known = part.reviewed
    reasons = "; ".join(reason.text or reason.code for reason in inspection.reasons)
    said = "; ".join(f"{word.who}: {word.label} {word.kind}".strip() for word in words)
    texts = [
        *(part.part_id, record.seen_at_utc, part.at, day, shift, part.verdict.name),
        *(record.outcome.kind.name, record.outcome.reason, "; ".join(part.classes), reasons, part.score, part.serial),
        record.part.plc_part,
        *(inspection.recipe_id, inspection.recipe_rev, inspection.model_sha, inspection.calibration_id),
        record.slack_ms,
        *((known.label, known.kind, known.who, known.at_utc) if known else ("", "", "", "")),
        said,
        _name(part) if part.path is not None else part.picture.value,
    ]
    return [safe(text) for text in texts]


def safe(value: Any) -> Any:
    """A value for a cell: a number as it is, a text so that no spreadsheet takes it for a formula."""
    if not isinstance(value, str):
        return "" if value is None else value
    return f"'{value}" if value.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")) else value
