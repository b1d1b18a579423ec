"""A folder to teach from, made of what reviewers confirmed.

What it is: `good/`, `defect/<class>/` and `manifest.csv`, copied from the kept pictures. What it is not: teaching.
Thread pool.

`inspector teach FOLDER/good --defects FOLDER/defect/<class>` takes it. The manifest names each picture's lot, shift
and part, so that whoever splits it to test a model can keep together what belongs together: pictures of one lot or one
shift are more alike than parts of next week will be.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from inspector.errors import DatasetError
from inspector.people import labels
from inspector.people.labels import BAD, Reviewed
from inspector.record.pictures import picture_of
from inspector.record.quarters import classes_of
from inspector.record.rows import StoredRecord, row_of
from inspector.web.export import safe
from inspector.web.finding import Stores
from inspector.web.moments import Place

MOST = 5_000
_AT_ONCE = 200
COLUMNS = (
    "file", "label", "class", "part_id", "lot", "shift_day", "shift", "serial", "seen_at_utc", "verdict", "score",
    "recipe", "recipe_rev", "model_sha", "reviewed_by", "reviewed_at_utc",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TeachingFolder:
    """What was made: its place and how many pictures of what; `gone` have no picture any more."""

    path: Path
    counts: dict[str, int]


def write_folder(stores: Stores, place: Place, parent: Path, now_utc: str) -> TeachingFolder:
    """Copy every confirmed part's picture, the newest MOST; the folder appears whole or not at all.

    Raises DatasetError where nothing is confirmed, or the disk refuses.
    """
    out = parent / re.sub(r"\D", "", now_utc[:19])
    half = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        half.mkdir(parents=True)
        counts, rows = _copy(stores, place, half)
        if not rows:
            raise DatasetError("no confirmed part has a picture: review some parts first")
        with (half / "manifest.csv").open("w", newline="", encoding="utf-8") as handle:
            writer = csv.writer(handle)
            writer.writerow(COLUMNS)
            writer.writerows(rows)
        half.rename(out)
    except OSError as why:
        raise DatasetError(f"{out}: cannot be written: {why.strerror or why}") from why
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return TeachingFolder(out, dict(counts))


def lot_of(stored: StoredRecord) -> str:
    """The lot of a part: what its code named `lot` says; empty where the recipe reads none."""
    codes = stored.record.inspection.codes
    return next((code.content for code in codes if code.name.lower() in ("lot", "batch")), "")


def _copy(stores: Stores, place: Place, half: Path) -> tuple[Counter[str], list[list[object]]]:
    counts: Counter[str] = Counter()
    rows: list[list[object]] = []
    known = labels.confirmed(stores.web, MOST)
    for start in range(0, len(known), _AT_ONCE):
        some = {one.record_number: one for one in known[start : start + _AT_ONCE]}
        for stored in stores.reader.numbered(list(some)):
            said = some[stored.number]
            _, source = picture_of(stored, stores.images)
            if source is None:
                counts["gone"] += 1
                continue
            kind = _kind(stored, said)
            file = Path("defect", folder_name(kind)) if said.label in BAD else Path("good")
            (half / file).mkdir(parents=True, exist_ok=True)
            file /= f"{said.part_id:016x}.jpg"
            shutil.copyfile(source, half / file)
            counts["defect" if said.label in BAD else "good"] += 1
            rows.append(_row(stored, said, place, file, kind if said.label in BAD else ""))
    return counts, rows


def _kind(stored: StoredRecord, said: Reviewed) -> str:
    """The class of a bad part: what a person named, or else what the station found."""
    return said.kind or next(iter(classes_of(row_of(stored.number, stored.record))), "unknown")


def folder_name(kind: str) -> str:
    """A class as the name of a folder: letters, digits, `-` and `_` of any language."""
    return re.sub(r"[^\w\-]+", "_", kind).strip("_")[:64] or "unknown"


def _row(stored: StoredRecord, said: Reviewed, place: Place, file: Path, kind: str) -> list[object]:
    record, inspection = stored.record, stored.record.inspection
    day, shift = place.shift_at(record.seen_at_utc)
    cells = [
        *(file.as_posix(), said.label, kind, str(said.part_id), lot_of(stored), day, shift, inspection.serial),
        *(record.seen_at_utc, record.verdict.name, inspection.score, inspection.recipe_id, inspection.recipe_rev),
        *(inspection.model_sha, said.who, said.at_utc),
    ]
    return [safe(cell) for cell in cells]
