"""A checked backup put in place of what is there; what was there is kept aside.

What it is: file by file, each whole, and again from the start after a power cut. What it is not: the check (`archive`).
The station must not run: main thread of the command `restore`, or of `inspector run` before anything else.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from inspector.backup.archive import MANIFEST, Manifest, manifest_of, target_of
from inspector.backup.inventory import inventory
from inspector.clock import Clock
from inspector.config import load_station
from inspector.errors import ConfigError, StationError
from inspector.jobs.folder import JobFolder, read_json, write_json

WAITING = "restore.json"
_LOGS = ("-wal", "-shm")


def put_in_place(unpacked: Path, station_file: Path, aside: Path) -> Manifest:
    """Put an unpacked backup in place; what was there goes to the folder `aside`. Raises StationError for the disk."""
    manifest = manifest_of(json.loads((unpacked / MANIFEST).read_text("utf-8")))
    base = station_file.parent.resolve()
    targets = [
        station_file.resolve() if entry.role == "station" else target_of(base, entry) for entry in manifest.entries
    ]
    try:
        # A second time after a power cut: what is in place is then new already, and the old one lies aside.
        if not (unpacked / "aside.done").exists():
            for path in _in_the_way(station_file, manifest, targets):
                _move(path, aside / _aside_place(base, path))
            (unpacked / "aside.done").touch()
        for number, target in enumerate(targets):
            _place(unpacked / "files" / f"{number:06d}", target)
    except OSError as why:
        raise StationError(f"restoring: {why}; what was there lies in {aside}; start again to go on") from why
    return manifest


def restore_waiting(station_file: Path, work: Path, clock: Clock) -> str:
    """Put in place the backup that a person asked to be restored at this start; what was done, empty if nothing."""
    staged = work / "restore"
    asked = read_json(staged / WAITING)
    if not asked.get("apply"):
        return ""
    if JobFolder(work / "jobs").served():
        return "a backup waits to be restored, but this station runs already"
    aside = station_file.parent.resolve() / str(
        asked.setdefault("aside", f"replaced-{clock.utc()[:19].replace(':', '')}")
    )
    write_json(staged / WAITING, asked)
    manifest = put_in_place(staged / "unpacked", station_file, aside)
    shutil.rmtree(staged, ignore_errors=True)
    return f"restored {len(manifest.entries)} files of {manifest.made_at_utc}; what was there lies in {aside}"


def _in_the_way(station_file: Path, manifest: Manifest, targets: list[Path]) -> Iterator[Path]:
    """Everything that the station is made of now and that the backup replaces, with what databases have beside them."""
    roles = {entry.role for entry in manifest.entries}
    here: list[Path] = []
    if station_file.is_file():
        try:
            config = load_station(station_file)
            found = inventory(config, station_file, records="records" in roles, pictures="picture" in roles)
            here = [path for role, path in found if role in roles]
        except ConfigError:
            here = []  # what cannot be read is replaced file by file
    for path in dict.fromkeys([*here, *targets]):
        yield path
        yield from (path.with_name(path.name + suffix) for suffix in _LOGS)


def _move(path: Path, kept: Path) -> None:
    if path.exists() and not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, kept)


def _aside_place(base: Path, path: Path) -> str:
    return os.path.relpath(path, base.parent) if path.is_relative_to(base.parent) else f"elsewhere/{path.name}"


def _place(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.part")
    shutil.copyfile(source, draft)
    with draft.open("rb+") as file:
        os.fsync(file.fileno())
    draft.replace(target)
