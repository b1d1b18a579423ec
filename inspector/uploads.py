"""Pictures that people bring along, taken in without trusting them: bounded, streamed to the disk, named anew.

What it is: names, first bytes and zip archives, and the refusals in words. What it is not: a decoder; whether a picture
is whole is found by the data doctor, in a job. Any thread.

Nothing of an archive's paths is used but the last step of each, and of that only harmless characters. What an archive
says of its sizes is not believed: bytes are counted as they come, and it ends where they pass the limit.
"""

from __future__ import annotations

import os
import re
import shutil
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from inspector.errors import UsageError

MB = 1_000_000
_PIECE = 1 << 20
_HEAD = 64
_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
_MOST_PX = 64_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much may come: `pictures` in a set, bytes of one, bytes of all, and what must stay free on the disk."""

    pictures: int = 5000
    one_bytes: int = 64 * MB
    all_bytes: int = 8000 * MB
    free_bytes: int = 200 * MB


@dataclass(slots=True)
class Taken:
    """What came of an archive: how many pictures, and how many files were left out for which reason."""

    pictures: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


def safe_name(name: str) -> str:
    """The last step of a path with harmless characters only; empty where that is no picture's name."""
    last = PurePosixPath(name.replace("\\", "/")).name
    stem, suffix = os.path.splitext(last)
    if suffix.lower() not in _SUFFIXES or last.startswith("._"):
        return ""
    return (re.sub(r"[^A-Za-z0-9_-]+", "_", stem).strip("_")[:80] or "picture") + suffix.lower()


def refusal(head: bytes) -> str:
    """Why the first bytes of a file are not those of a picture that can be taught from; empty where they are."""
    if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) >= 24:
        width, height = struct.unpack(">II", head[16:24])
        too_large = width * height > _MOST_PX
        return f"is {width} x {height}, wanted at most 64 megapixels" if too_large else ""
    if head.startswith(b"BM") and len(head) >= 26:
        width, height = struct.unpack("<ii", head[18:26])
        too_large = abs(width * height) > _MOST_PX
        return f"is {width} x {abs(height)}, wanted at most 64 megapixels" if too_large else ""
    known = head.startswith((b"\xff\xd8\xff", b"II*\0", b"MM\0*")) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
    return "" if known else "does not begin like a picture"


def free_name(folder: Path, name: str) -> Path:
    """A path in `folder` that is not taken: the name, or the name with a number."""
    stem, suffix = os.path.splitext(name)
    path, number = folder / name, 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}{suffix}"
    return path


def check_room(folder: Path, limits: Limits) -> None:
    """Raises UsageError where `folder` is full, or the disk nearly is."""
    sizes = [entry.stat().st_size for entry in os.scandir(folder)]
    if len(sizes) >= limits.pictures:
        raise UsageError(f"the set has {len(sizes)} pictures, wanted at most {limits.pictures}")
    if sum(sizes) >= limits.all_bytes:
        raise UsageError(f"the set has {sum(sizes) // MB} MB, wanted at most {limits.all_bytes // MB}")
    if shutil.disk_usage(folder).free < limits.free_bytes:
        raise UsageError(f"the disk has less than {limits.free_bytes // MB} MB free")


def unpack(archive: Path, folder: Path, limits: Limits, step: Callable[[int, int], None] | None = None) -> Taken:
    """Take the pictures of a zip archive into `folder`; `step` is told (done, total) entries.

    Raises UsageError for what is no zip archive or passes a limit; what was taken until then stays.
    """
    taken = Taken()
    try:
        with zipfile.ZipFile(archive) as packed:
            entries = [entry for entry in packed.infolist() if not entry.is_dir()]
            if len(entries) > 4 * limits.pictures:
                raise UsageError(f"the archive has {len(entries)} files, wanted at most {4 * limits.pictures}")
            check_room(folder, limits)
            room = [limits.pictures - sum(1 for _ in os.scandir(folder)), limits.all_bytes]
            for number, entry in enumerate(entries):
                if step is not None:
                    step(number, len(entries))
                _take(packed, entry, folder, limits, room, taken)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error, EOFError) as why:
        raise UsageError(f"the archive cannot be read: {why}; {taken.pictures} pictures were taken") from why
    return taken


def _take(
    packed: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path, limits: Limits, room: list[int], taken: Taken
) -> None:
    name = safe_name(entry.filename)
    if not name:
        taken.left_out["not a picture by its name"] += 1
        return
    if room[0] <= 0:
        raise UsageError(f"the set has {limits.pictures} pictures, wanted at most that many; the rest was left out")
    target = free_name(folder, name)
    draft = folder.parent / f".{target.name}.part"
    try:
        with packed.open(entry) as source, draft.open("wb") as into:
            trouble = _copy(source, into, limits, room)
        if trouble:
            taken.left_out[trouble] += 1
            return
        draft.replace(target)
        taken.pictures += 1
        room[0] -= 1
    finally:
        draft.unlink(missing_ok=True)


def _copy(source: IO[bytes], into: IO[bytes], limits: Limits, room: list[int]) -> str:
    """Copy what is within the limits; why it is left out, or empty."""
    head = source.read(_HEAD)
    if refusal(head):
        return "not a picture by its first bytes, or too large"
    written = len(head)
    into.write(head)
    while piece := source.read(_PIECE):
        written += len(piece)
        room[1] -= len(piece)
        if written > limits.one_bytes:
            return f"larger than {limits.one_bytes // MB} MB"
        if room[1] < 0:
            raise UsageError(f"the archive unpacks to more than {limits.all_bytes // MB} MB")
        if shutil.disk_usage(into.name).free < limits.free_bytes:
            raise UsageError(f"the disk has less than {limits.free_bytes // MB} MB free")
        into.write(piece)
    return ""
