"""Sets of pictures to teach from: collected from the line, or brought along.

What it is: folders below `[web] work`, each with its pictures and where they come from. What it is not: teaching (a
job), or a judgement of the pictures (the data doctor's). Any process, any thread.

Pictures of the line are linked, not copied: they cost no room while the line keeps them, and stay when its disk budget
removes them there.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from inspector.errors import UsageError
from inspector.recipe_book import write_whole
from inspector.record.reader import Reader, RecordFilter
from inspector.types import Verdict

MOST_SETS = 50
MOST_FROM_LINE = 5000
_PAGE = 500
_SEARCHED = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TeachingSet:
    """One set. From the line: passes of `recipe_id`, the last `wanted`, or from `since_utc` on where that is given."""

    id: int
    name: str
    source: str  # "line" or "upload"
    by: str
    at_utc: str
    recipe_id: str = ""
    wanted: int = 0
    since_utc: str = ""


class TeachingSets:
    """All sets, below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def all(self) -> list[TeachingSet]:
        """Every set, newest first."""
        with contextlib.suppress(FileNotFoundError):
            numbers = sorted((int(e.name) for e in os.scandir(self.root) if e.name.isdigit()), reverse=True)
            return [self.get(number) for number in numbers]
        return []

    def get(self, number: int) -> TeachingSet:
        """The set of this number; raises UsageError if there is none."""
        try:
            return TeachingSet(**json.loads((self._folder(number) / "set.json").read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            raise UsageError(f"there is no set of pictures {number}") from None

    def create(self, new: TeachingSet) -> TeachingSet:
        """Make a set, with a number of its own; raises UsageError where there are too many."""
        known = [one.id for one in self.all()]
        if len(known) >= MOST_SETS:
            raise UsageError(f"there are {len(known)} sets of pictures; remove one first")
        made = replace(new, id=max(known, default=0) + 1)
        (self._folder(made.id) / "pictures").mkdir(parents=True)
        write_whole(self._folder(made.id) / "set.json", json.dumps(asdict(made)).encode())
        return made

    def remove(self, number: int) -> None:
        """Remove a set and its pictures; those that the line keeps stay there."""
        self.get(number)
        shutil.rmtree(self._folder(number))

    def pictures(self, number: int) -> list[Path]:
        """The pictures of a set, sorted by name."""
        return sorted(self.folder(number).iterdir())

    def folder(self, number: int) -> Path:
        """Where the pictures of a set lie; raises UsageError if there is none."""
        self.get(number)
        return self._folder(number) / "pictures"

    def collect(self, number: int, reader: Reader, images: Path) -> int:
        """Link the passes that a set from the line asks for and has not yet; how many came."""
        wanted, folder = self.get(number), self.folder(number)
        came = 0
        have = {path.name for path in folder.iterdir()}
        for path in _passes(wanted, reader):
            if len(have) >= wanted.wanted:
                break
            source = (images / path).resolve()
            if source.name in have or not source.is_relative_to(images) or not source.is_file():
                continue
            try:
                os.link(source, folder / source.name)
            except OSError:
                shutil.copyfile(source, folder / source.name)
            have.add(source.name)
            came += 1
        return came

    def _folder(self, number: int) -> Path:
        return self.root / f"{number:06d}"


def _passes(wanted: TeachingSet, reader: Reader) -> list[str]:
    which = RecordFilter(verdict=Verdict.PASS, recipe_id=wanted.recipe_id, since_utc=wanted.since_utc or None)
    found: list[str] = []
    before: int | None = None
    searched = 0
    while len(found) < wanted.wanted and searched < _SEARCHED:
        page = reader.records(which, before, _PAGE)
        if not page:
            break
        kept = (one for one in page if one.image_removed_at_utc is None)
        found += [one.record.image_path for one in kept if one.record.image_path is not None]
        before, searched = page[-1].number, searched + len(page)
    return found
