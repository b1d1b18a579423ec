"""The pictures on disk: all rejects and not-inspected parts, every n-th pass, within a budget.

What it is: one folder of JPEG files, by day, that never grows past its budget and never stops the line.
What it is not: the record of them (store; every removal is noted there first). The recorder's thread only.

A file appears under its name complete or not at all: it is written beside it as `.part`, synced, and renamed.
The oldest passes go first, then the oldest of the others. The verdict stands in the file's name
(`2026-01-31/0000000100000017-reject.jpg`, the part id in hexadecimal), so that the folder explains itself and a
restart needs no index. Its heat map lies beside it (`...-reject.heat.png`), counts in the budget and goes with it.
"""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from inspector.errors import StoreError
from inspector.record.store import ImageRemoval
from inspector.types import InspectionRecord, Pixels, Verdict

MB = 1_000_000
JPEG_QUALITY = 95
HEAT_SUFFIX = ".heat.png"
HEAT_STEP = 8
# How many pictures may be removed to make room for one: a bound on the time that one part can take.
REMOVALS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class _Kept:
    part_id: int
    path: str
    size: int


def write_durably(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that it is there whole, also after a power cut, or not at all. Raises OSError."""
    partial = path.with_suffix(".part")
    try:
        with open(partial, "wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


class ImageFolder:
    """The folder of pictures and its budget.

    `note` is told of removals before they happen (`Store.note_removals`); what it raises stops the removal.
    `write` and `free_bytes` are handed in so that a test can fill the disk.
    """

    def __init__(
        self,
        folder: Path,
        *,
        budget_mb: int,
        min_free_mb: int,
        note: Callable[[list[ImageRemoval]], None],
        write: Callable[[Path, bytes], None] = write_durably,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        """Make the folder if need be and list what it holds; raises StoreError where that cannot be done."""
        self.folder = folder
        self._budget = budget_mb * MB
        self._min_free = min_free_mb * MB
        self._note = note
        self._write = write
        self._free_bytes = free_bytes
        self.removed = 0
        self.heat_maps_dropped = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._passes, self._others = _scan(folder)
        except OSError as why:
            raise StoreError(f"{folder}: pictures cannot be kept here: {why.strerror}") from why
        self.used_bytes = sum(kept.size for kept in (*self._passes, *self._others))

    def keep(self, record: InspectionRecord, pixels: Pixels) -> str | None:
        """Write the picture of a part and return its path relative to the folder.

        None where there is no room, or where the part has a picture already, which is never replaced.
        Raises OSError where the disk refuses, and StoreError where a removal could not be noted.
        """
        data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
        heat = b"" if record.inspection.heat is None else heat_png(record.inspection.heat(), pixels)
        path = _path_of(record)
        if (self.folder / path).exists() or not self._make_room(len(data) + len(heat)):
            return None
        (self.folder / path).parent.mkdir(exist_ok=True)
        self._write(self.folder / path, data)
        kept = _Kept(record.part.part_id, path, len(data) + self._keep_heat(path, heat))
        (self._passes if record.verdict is Verdict.PASS else self._others).append(kept)
        self.used_bytes += kept.size
        return path

    def _keep_heat(self, path: str, heat: bytes) -> int:
        """Write a heat map beside its picture; its size, 0 where there is none or the disk refuses (counted): the
        picture is worth more."""
        if not heat:
            return 0
        try:
            _heat_path(self.folder / path).write_bytes(heat)
        except OSError:
            self.heat_maps_dropped += 1
            return 0
        return len(heat)

    def _make_room(self, size: int) -> bool:
        over = max(self.used_bytes + size - self._budget, self._min_free + size - self._free_bytes(self.folder))
        if over > 0:
            over -= self._remove(over)
        return over <= 0

    def _remove(self, wanted: int) -> int:
        """Remove the oldest pictures until `wanted` bytes are freed; how many bytes were."""
        chosen: list[_Kept] = []
        freed = 0
        while freed < wanted and len(chosen) < REMOVALS_AT_ONCE and (self._passes or self._others):
            chosen.append((self._passes or self._others).popleft())
            freed += chosen[-1].size
        if not chosen:
            return 0
        self._note([ImageRemoval(kept.part_id, kept.path, "disk budget") for kept in chosen])
        for kept in chosen:
            (self.folder / kept.path).unlink(missing_ok=True)
            _heat_path(self.folder / kept.path).unlink(missing_ok=True)
        self.used_bytes -= freed
        self.removed += len(chosen)
        return freed


def heat_png(heat: tuple[Pixels, Any], pixels: Pixels) -> bytes:
    """A heat map (cells, and their 2 x 3 to the frame) as a grey PNG that covers the whole picture (H, W) or (H, W, 3),
    one pixel for HEAT_STEP of it each way: 127.5 is the threshold."""
    size = (max(1, pixels.shape[1] // HEAT_STEP), max(1, pixels.shape[0] // HEAT_STEP))
    # A cell's middle lies half a cell from its corner, and so does a pixel's.
    cells, to_frame = heat
    turn = to_frame[:, :2] / HEAT_STEP
    shift = turn @ (0.5, 0.5) + to_frame[:, 2] / HEAT_STEP - 0.5
    spread = cv2.warpAffine(cells, np.column_stack([turn, shift]), size, flags=cv2.INTER_LINEAR)
    return cv2.imencode(".png", spread)[1].tobytes()


def _heat_path(picture: Path) -> Path:
    return picture.with_suffix(HEAT_SUFFIX)


def _path_of(record: InspectionRecord) -> str:
    verdict = record.verdict.name.lower()
    return f"{record.seen_at_utc[:10]}/{record.part.part_id:016x}-{verdict}.jpg"


def _scan(folder: Path) -> tuple[deque[_Kept], deque[_Kept]]:
    passes: deque[_Kept] = deque()
    others: deque[_Kept] = deque()
    for path in sorted(folder.glob("????-??-??/*.jpg")):
        part, _, verdict = path.stem.partition("-")
        try:
            size = path.stat().st_size + (_heat_path(path).stat().st_size if _heat_path(path).is_file() else 0)
            kept = _Kept(int(part, 16), path.relative_to(folder).as_posix(), size)
        except ValueError:
            continue  # not one of ours: never touched
        (passes if verdict == "pass" else others).append(kept)
    for partial in folder.glob("????-??-??/*.part"):
        partial.unlink(missing_ok=True)
    return passes, others
