"""The kept pictures, read: where one is, why it is not, a small one of it, and its heat map.

What it is: from a stored record to a file that may be shown. What it is not: the keeping of them (images). Any thread.
"""

from __future__ import annotations

import enum
from pathlib import Path

import cv2
import numpy as np
import sqlalchemy as sa

from inspector.record.images import HEAT_SUFFIX
from inspector.record.reader import Reader
from inspector.record.rows import StoredRecord
from inspector.record.schema import IMAGE_REMOVAL, RECORD
from inspector.types import Verdict

# A pass with a picture to compare with is looked for among so many records before a part, and after it.
_NEAR = 5_000
# The grey value of a heat map that stands for the recipe's threshold.
HEAT_AT_THRESHOLD = 128


class Picture(enum.StrEnum):
    """What there is of a part's picture."""

    KEPT = "kept"
    NONE = "none"
    REMOVED = "removed"
    LOST = "lost"


def picture_of(stored: StoredRecord, folder: Path) -> tuple[Picture, Path | None]:
    """Whether a part's picture can be shown, and its file in `folder` (resolved) if so."""
    if stored.record.image_path is None:
        return Picture.NONE, None
    if stored.image_removed_at_utc is not None:
        return Picture.REMOVED, None
    path = (folder / stored.record.image_path).resolve()
    if not path.is_relative_to(folder) or not path.is_file():
        return Picture.LOST, None
    return Picture.KEPT, path


def heat_of(picture: Path) -> Path | None:
    """The file of a picture's heat map; None where none was kept."""
    path = picture.with_suffix(HEAT_SUFFIX)
    return path if path.is_file() else None


def picture_size(picture: Path) -> tuple[int, int] | None:
    """Width and height of a picture in pixels; None where the file does not decode."""
    pixels = cv2.imdecode(np.fromfile(picture, np.uint8), cv2.IMREAD_GRAYSCALE)
    return None if pixels is None else (pixels.shape[1], pixels.shape[0])


def heat_overlay(heat: Path) -> bytes | None:
    """A heat map as a PNG to lie over its picture: red, and the more opaque the nearer the threshold or above it."""
    values = cv2.imdecode(np.fromfile(heat, np.uint8), cv2.IMREAD_GRAYSCALE)
    if values is None:
        return None
    opaque = cv2.LUT(values, np.clip(np.arange(256) * (255.0 / HEAT_AT_THRESHOLD), 0, 255).astype(np.uint8))
    red = np.full_like(values, 255)
    none = np.zeros_like(values)
    return cv2.imencode(".png", cv2.merge([none, none, red, opaque]))[1].tobytes()


def reference_number(reader: Reader, stored: StoredRecord) -> int | None:
    """The number of the nearest passed part of the same recipe revision with a kept picture, the one before first;
    None where there is none among the 5000 records on each side. Raises StoreError."""
    number = RECORD.c.id
    removed = sa.exists().where(IMAGE_REMOVAL.c.part_id == RECORD.c.part_id)
    kept = sa.select(number).where(
        RECORD.c.verdict == int(Verdict.PASS),
        RECORD.c.recipe_rev == stored.record.inspection.recipe_rev,
        RECORD.c.image_path.is_not(None),
        ~removed,
    )
    before = kept.where(number.between(stored.number - _NEAR, stored.number - 1)).order_by(number.desc())
    after = kept.where(number.between(stored.number + 1, stored.number + _NEAR)).order_by(number)
    with reader.asking() as connection:
        for query in (before, after):
            found = connection.execute(query.limit(1)).scalar()
            if found is not None:
                return int(found)
    return None
