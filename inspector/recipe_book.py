"""The versions of a station's recipes: every text that ever was, who wrote it, when and why.

What it is: files beside the recipes. `bracket.toml` is in force; `bracket.history/` holds each version whole
(`0007.toml`) with its facts (`0007.json`), and `in_force.jsonl`, who put which in force. What it is not: the line,
which reads only what is in force; so a draft that is not activated never judges a part, also after a crash. Any
process, any thread: changes hold a lock.

A text that someone put in place by hand becomes a version too when it is first seen, so that nothing is lost by what a
screen writes.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tomli_w

from inspector.clock import Clock
from inspector.config import load_toml, toml_of
from inspector.errors import ConfigError, UsageError
from inspector.recipe import Recipe, recipe_of

BY_HAND = "(file)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version: `based_on` is the number it was made from, 0 for what was found on the disk."""

    number: int
    revision: str
    by: str
    at_utc: str
    why: str
    based_on: int


class RecipeChanged(UsageError):
    """Somebody saved another version since the one that the change was made from."""


class RecipeBook:
    """All recipes of `folder`. Raises ConfigError for a recipe that is not there, OSError where the disk refuses."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self._clock = clock

    def files(self) -> dict[str, Path]:
        """The recipe files by id, sorted by name; a file that is not TOML, or no recipe, is left out."""
        found: dict[str, Path] = {}
        for path in sorted(self.folder.glob("*.toml")):
            try:
                tables = load_toml(path)
            except ConfigError:
                continue
            if "model" in tables and isinstance(tables.get("id"), str):
                found.setdefault(tables["id"], path)
        return found

    def path(self, recipe_id: str) -> Path:
        """The file that is in force for a recipe."""
        path = self.files().get(recipe_id)
        if path is None:
            raise ConfigError(f"{self.folder}: has no recipe {recipe_id!r}")
        return path

    def versions(self, recipe_id: str) -> list[Version]:
        """Every version, newest first; the text in force is one of them."""
        with self._locked(recipe_id) as history:
            self._adopt(recipe_id, history)
            return self._listed(history)

    def content(self, recipe_id: str, number: int) -> bytes:
        """The text of a version."""
        if all(version.number != number for version in self.versions(recipe_id)):
            raise ConfigError(f"recipe {recipe_id!r} has no version {number}")
        return _text(self._history(recipe_id), number)

    def tables(self, recipe_id: str, number: int) -> dict[str, Any]:
        """The tables of a version."""
        return toml_of(self.content(recipe_id, number), self.path(recipe_id))

    def recipe(self, recipe_id: str, number: int) -> Recipe:
        """A version as the line would load it if it were in force."""
        return recipe_of(self.content(recipe_id, number), self.path(recipe_id))

    def in_force(self, recipe_id: str) -> int:
        """The number of the version whose text is in force; the newest of several that are equal."""
        numbers, content = [version.number for version in self.versions(recipe_id)], self.path(recipe_id).read_bytes()
        history = self._history(recipe_id)
        return next((number for number in numbers if _text(history, number) == content), numbers[0])

    def save(self, recipe_id: str, tables: dict[str, Any], based_on: int, by: str, why: str) -> Version:
        """A new version, not in force yet.

        Raises RecipeChanged where `based_on` is not the newest, ConfigError where the line could not load it.
        """
        content = tomli_w.dumps(tables).encode()
        recipe = recipe_of(content, self.path(recipe_id))
        if recipe.id != recipe_id:
            raise ConfigError(f"key 'id' is {recipe.id!r}, wanted {recipe_id!r}: a recipe keeps its id")
        with self._locked(recipe_id) as history:
            self._adopt(recipe_id, history)
            newest = self._listed(history)[0]
            if newest.number != based_on:
                text = f"{newest.by} saved version {newest.number} of recipe {recipe_id!r} at {newest.at_utc}"
                raise RecipeChanged(f"{text}; this change was made from version {based_on}")
            return self._append(history, content, recipe.revision, by, why, based_on)

    def put_in_force(self, recipe_id: str, number: int, by: str) -> int:
        """Make a version the one that the line loads; the number of the version that was in force before."""
        content = self.content(recipe_id, number)
        recipe_of(content, self.path(recipe_id))
        before = self.in_force(recipe_id)
        with self._locked(recipe_id) as history:
            self._adopt(recipe_id, history)
            write_whole(self.path(recipe_id), content)
            note = {"number": number, "before": before, "by": by, "at_utc": self._clock.utc()}
            with (history / "in_force.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(note) + "\n")
        return before

    def create(self, recipe_id: str, tables: dict[str, Any], by: str, why: str) -> Version:
        """A new recipe, in force at once; nothing changes until the line is asked to take it."""
        path = self.folder / f"{recipe_id}.toml"
        if recipe_id in self.files() or path.exists():
            raise ConfigError(f"{path.name}: there is a recipe or file of this name already; choose another id")
        content = tomli_w.dumps(tables | {"id": recipe_id}).encode()
        recipe = recipe_of(content, path)
        write_whole(path, content)
        with self._locked(recipe_id) as history:
            return self._append(history, content, recipe.revision, by, why, 0)

    def activations(self, recipe_id: str) -> list[dict[str, Any]]:
        """Who put which version in force, newest first."""
        try:
            lines = (self._history(recipe_id) / "in_force.jsonl").read_text("utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in reversed(lines)]

    def _history(self, recipe_id: str) -> Path:
        self.path(recipe_id)  # only ids that there are make a path
        return self.folder / f"{recipe_id}.history"

    @contextmanager
    def _locked(self, recipe_id: str) -> Iterator[Path]:
        history = self._history(recipe_id)
        history.mkdir(exist_ok=True)
        with (history / ".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield history

    def _listed(self, history: Path) -> list[Version]:
        facts = sorted(history.glob("[0-9]*.json"), key=lambda path: int(path.stem), reverse=True)
        return [Version(**json.loads(path.read_text("utf-8"))) for path in facts]

    def _adopt(self, recipe_id: str, history: Path) -> None:
        """Keep what is in force if no version has its text: it was written by hand."""
        content = self.path(recipe_id).read_bytes()
        known = self._listed(history)
        if any(_text(history, version.number) == content for version in known):
            return
        try:
            revision = recipe_of(content, self.path(recipe_id)).revision
        except ConfigError:
            revision = ""
        why = "changed outside of the screens" if known else "as it was found"
        self._append(history, content, revision, BY_HAND, why, known[0].number if known else 0)

    def _append(self, history: Path, content: bytes, revision: str, by: str, why: str, based_on: int) -> Version:
        number = max((version.number for version in self._listed(history)), default=0) + 1
        version = Version(number=number, revision=revision, by=by, at_utc=self._clock.utc(), why=why, based_on=based_on)
        write_whole(history / f"{number:04d}.toml", content)
        # The facts last: a version without them is none.
        write_whole(history / f"{number:04d}.json", json.dumps(asdict(version)).encode())
        return version


def _text(history: Path, number: int) -> bytes:
    return (history / f"{number:04d}.toml").read_bytes()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole, also after a power cut, or as it was. Raises OSError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
