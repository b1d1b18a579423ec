"""The backup's file: a tar.gz whose first member is a manifest with the SHA-256 of every other.

What it is: made, and checked to the last byte while it is unpacked. What it is not: put in place (`restore`). Main
thread of a command or a job.

Members have numbers for names, so that no name in an archive can lead anywhere; places are in the manifest, relative to
the station file's folder, and only that folder and those beside it are taken from or written to. Of databases SQLite's
own backup is taken, which is whole while they are written.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from inspector.backup.inventory import DATABASES, inventory, left_out
from inspector.config import StationConfig, load_station, parse, toml_of
from inspector.errors import UsageError
from inspector.recipe import recipe_of

FORMAT = 1
MANIFEST = "manifest.json"
_MANIFEST_BYTES = 100_000_000
_PIECE = 1 << 20
_MB = 1_000_000
Step = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file of a backup: where it belongs (from the station file's folder), what it is, and its content's hash."""

    place: str
    role: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup says of itself; member `files/000003` is `entries[3]`."""

    format: int
    station: str
    made_at_utc: str
    left_out: list[str]
    entries: list[Entry]


def make_backup(
    station_file: Path, target: Path, at_utc: str, step: Step, *, records: bool = False, pictures: bool = False
) -> Manifest:
    """Write the backup `target`, whole or not at all.

    Raises ConfigError for a bad station file, UsageError for a file that lies too far away, OSError for the disk.
    """
    config = load_station(station_file)
    files = inventory(config, station_file, records=records, pictures=pictures)
    base, entries, sources = station_file.parent.resolve(), list[Entry](), list[Path]()
    draft = target.with_name(f".{target.name}.part")
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=target.parent) as scratch:
        for number, (role, path) in enumerate(files):
            step(number, 2 * len(files))
            place = _place(base, path)
            source = _snapshot(path, Path(scratch) / f"{number}") if role in DATABASES else path
            entries.append(Entry(place=place, role=role, size=source.stat().st_size, sha256=_sha256(source)))
            sources.append(source)
        missing = left_out(config, records=records, pictures=pictures)
        manifest = Manifest(
            format=FORMAT, station=config.station.name, made_at_utc=at_utc, left_out=missing, entries=entries
        )
        try:
            _write(draft, manifest, sources, lambda done: step(len(files) + done, 2 * len(files)))
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    return manifest


def unpack_backup(archive: Path, into: Path, step: Step) -> Manifest:
    """Check a backup and unpack it into the new folder `into`: `files/<number>` and, at last, `manifest.json`.

    Raises UsageError naming what is wrong; then nothing of it may be used.
    """
    (into / "files").mkdir(parents=True)
    try:
        with tarfile.open(archive, "r:gz") as packed:
            manifest = _read_manifest(packed)
            _unpack_files(packed, manifest, into, step)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as why:
        raise UsageError(f"{archive.name}: is not a whole backup: {why}") from why
    _check_content(manifest, into)
    (into / MANIFEST).write_text(json.dumps(asdict(manifest)), "utf-8")
    return manifest


def manifest_of(tables: dict[str, Any]) -> Manifest:
    """A manifest from its JSON; raises UsageError for another format or what is not one."""
    if tables.get("format") != FORMAT:
        raise UsageError(f"{MANIFEST}: format is {tables.get('format')!r}, this program reads {FORMAT}")
    try:
        entries = [Entry(**one) for one in tables["entries"]]
        rest = {key: tables[key] for key in ("format", "station", "made_at_utc", "left_out")}
        sizes = [int(entry.size) for entry in entries]
        places = [str(entry.place) for entry in entries]
    except (KeyError, TypeError, ValueError) as why:
        raise UsageError(f"{MANIFEST}: cannot be read: {type(why).__name__}: {why}") from why
    if min(sizes, default=0) < 0 or len(set(places)) != len(places):
        raise UsageError(f"{MANIFEST}: a size is negative, or a place is there twice")
    return Manifest(**rest, entries=entries)


def target_of(base: Path, entry: Entry) -> Path:
    """Where an entry belongs; raises UsageError where that is outside the station's folder and those beside it."""
    target = Path(os.path.normpath(base / entry.place))
    if Path(entry.place).is_absolute() or not target.is_relative_to(base.parent) or target == base.parent:
        raise UsageError(f"{MANIFEST}: {entry.place!r} lies outside of {base.parent}")
    return target


def _place(base: Path, path: Path) -> str:
    if not path.is_relative_to(base.parent):
        raise UsageError(
            f"{path}: lies outside of {base.parent}; a backup holds the station's folder and those beside it"
        )
    return os.path.relpath(path, base)


def _snapshot(path: Path, into: Path) -> Path:
    """A whole copy of an SQLite database while others write to it."""
    with closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True)) as source, closing(sqlite3.connect(into)) as copy:
        source.backup(copy)
    return into


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, manifest: Manifest, sources: list[Path], step: Callable[[int], None]) -> None:
    text = json.dumps(asdict(manifest), indent=1).encode()
    with tarfile.open(path, "w:gz", compresslevel=3) as packed:
        head = tarfile.TarInfo(MANIFEST)
        head.size = len(text)
        packed.addfile(head, io.BytesIO(text))
        for number, (entry, source) in enumerate(zip(manifest.entries, sources, strict=True)):
            step(number)
            member = tarfile.TarInfo(f"files/{number:06d}")
            member.size = entry.size
            with source.open("rb") as file:
                packed.addfile(member, file)


def _read_manifest(packed: tarfile.TarFile) -> Manifest:
    first = packed.next()
    if first is None or first.name != MANIFEST or not first.isfile() or first.size > _MANIFEST_BYTES:
        raise UsageError(f"the first file of the archive is {first.name if first else None!r}, wanted {MANIFEST}")
    content = packed.extractfile(first)
    assert content is not None
    try:
        tables = json.loads(content.read())
    except ValueError as why:
        raise UsageError(f"{MANIFEST}: is not JSON: {why}") from why
    return manifest_of(tables if isinstance(tables, dict) else {})


def _unpack_files(packed: tarfile.TarFile, manifest: Manifest, into: Path, step: Step) -> None:
    entries = manifest.entries
    needed = sum(entry.size for entry in entries)
    if (free := shutil.disk_usage(into).free) < 2 * needed:
        raise UsageError(
            f"the backup needs {2 * needed // 1_000_000} MB to be checked and restored, {free // 1_000_000} are free"
        )
    for number, (entry, member) in enumerate(_pairs(packed, entries)):
        step(number, len(entries))
        content = packed.extractfile(member)
        assert content is not None
        found = _copy(content, into / "files" / f"{number:06d}")
        if found != entry.sha256:
            raise UsageError(f"{entry.place}: SHA-256 is {found[:12]}..., the manifest says {entry.sha256[:12]}...")


def _pairs(packed: tarfile.TarFile, entries: list[Entry]) -> Iterator[tuple[Entry, tarfile.TarInfo]]:
    """Each entry with its member, in order; raises UsageError for one too few, too many, or another size or kind."""
    for number, entry in enumerate(entries):
        member = packed.next()
        name = f"files/{number:06d}"
        if member is None or member.name != name or not member.isfile() or member.size != entry.size:
            found = None if member is None else f"{member.name} of {member.size} bytes"
            raise UsageError(f"{entry.place}: found {found}, the manifest says {name} of {entry.size} bytes")
        yield entry, member
    if (extra := packed.next()) is not None:
        raise UsageError(f"the archive holds {extra.name!r}, which the manifest does not name")


def _copy(source: IO[bytes], path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        while piece := source.read(_PIECE):
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def _check_content(manifest: Manifest, into: Path) -> None:
    """The station file, and the recipe it names, must be such that a station would start with them."""
    base = Path("/station/folder")  # any: places are checked, not used
    targets = {target_of(base, entry): number for number, entry in enumerate(manifest.entries)}
    stations = [number for number, entry in enumerate(manifest.entries) if entry.role == "station"]
    if len(stations) != 1:
        raise UsageError(f"{MANIFEST}: names {len(stations)} station files, wanted one")
    content = [(into / "files" / f"{number:06d}").read_bytes for number in range(len(targets))]
    name = Path("station.toml")
    config = parse(StationConfig, toml_of(content[stations[0]](), name) | {"folder": base}, name)
    named = config.path(config.station.recipe)
    if named not in targets:
        raise UsageError(f"{MANIFEST}: has no {named.name}, the recipe that the station file starts with")
    recipe_of(content[targets[named]](), named)
