"""What a station is made of, as files.

What it is: the list that a backup takes and a restore replaces. What it is not: their content. Main thread of a command
or a job.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from inspector.calibrated import KINDS
from inspector.config import StationConfig, toml_of
from inspector.errors import ConfigError
from inspector.record.reader import store_url

DATABASES = ("web store", "records")


def inventory(config: StationConfig, station_file: Path, *, records: bool, pictures: bool) -> list[tuple[str, Path]]:
    """(role, file) of everything that makes this station; what is not there is left out."""
    found = [("station", station_file.resolve())]
    found += [("recipe", path) for path in _recipe_files(config)]
    found += [("model", path) for folder in _model_folders(config) for path in _files(folder)]
    names = [getattr(config.calibration, kind) for kind in KINDS]
    found += [("calibration", config.path(name)) for name in names if name]
    found += [("web store", path) for path in _database(config, config.web.store)]
    if records:
        found += [("records", path) for path in _database(config, config.record.store)]
    if pictures:
        found += [("picture", path) for path in _files(config.path(config.record.images))]
    return [(role, path) for role, path in dict.fromkeys(found) if path.is_file()]


def left_out(config: StationConfig, *, records: bool, pictures: bool) -> list[str]:
    """What of the station is not in the backup, in words."""
    said = ["the API's token", "passwords of other systems"]
    for name, store in (("users, audit log and labels", config.web.store), ("records", config.record.store)):
        if not store_url(store, config.folder).startswith("sqlite"):
            said.append(f"{name}: they lie in a database of their own, back it up by its own means")
    said += [] if records else ["records"]
    return said + ([] if pictures else ["pictures"])


def _recipe_files(config: StationConfig) -> Iterator[Path]:
    folder = config.path(config.station.recipe).parent
    for path, tables in _recipes(folder):
        yield path
        if tables.get("ignore"):
            yield (folder / str(tables["ignore"])).resolve()
    for history in sorted(folder.glob("*.history")):
        yield from _files(history)


def _model_folders(config: StationConfig) -> list[Path]:
    """The model of every recipe and of every version of it: a roll-back needs them."""
    folder = config.path(config.station.recipe).parent
    return list(dict.fromkeys((folder / str(tables["model"])).resolve() for _, tables in _recipes(folder)))


def _recipes(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted([*folder.glob("*.toml"), *folder.glob("*.history/*.toml")]):
        try:
            tables = toml_of(path.read_bytes(), path)
        except ConfigError:
            continue
        if {"id", "model"} <= tables.keys():
            yield path.resolve(), tables


def _database(config: StationConfig, store: str) -> list[Path]:
    url = store_url(store, config.folder)
    return [Path(url.removeprefix("sqlite:///"))] if url.startswith("sqlite:///") else []


def _files(folder: Path) -> list[Path]:
    """Every file below a folder but hidden ones, which are locks and drafts."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return [path.resolve() for path in found]
