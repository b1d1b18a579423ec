"""The job `what_if`: which verdicts would change under a version of a recipe that is not in force yet.

What it is: stored pictures judged twice, by the recipe in force and by the version, in the line's own walk; and what
people said of these parts, counted against both. What it is not: a prediction for parts whose pictures were not kept
(passes are thinned out by `keep_every_nth_pass`, which the result says). The job's process.

Both are judged anew from the same stored JPEG, so that what differs is the recipe alone; where the recipe in force
does not give the verdict that was recorded (an older version, the JPEG's loss), that is counted apart. Confirmed parts
that are older than the last so many are judged as well: there are few, and they alone say what is right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from inspector.camera.folder import FolderCamera
from inspector.clock import SimulatedClock, SystemClock
from inspector.config import CameraConfig, StationConfig, load_station
from inspector.errors import CameraError, DatasetError
from inspector.jobs.context import JobContext
from inspector.labels import Truth
from inspector.line import Line
from inspector.people.labels import BAD, GOOD, confirmed, reviewed
from inspector.people.store import WebStore
from inspector.recipe_book import RecipeBook
from inspector.record.reader import Reader, RecordFilter, store_url
from inspector.record.rows import StoredRecord
from inspector.station import load_line, simulate
from inspector.types import Frame, Inspection, Pixels, Verdict

MOST = 2000
SHOWN = 200
_PAGE = 500
_SEARCHED = 100_000
_PASS, _REJECT = Verdict.PASS.name, Verdict.REJECT.name
# What a person wants to see first: what would be let through, then what would be thrown out for nothing.
_EFFECTS = ("would_pass", "would_reject", "caught", "mended", "")


def run(job: JobContext) -> dict[str, Any]:
    """Arguments: `recipe_id`, `version`, `parts` (the last so many that still have a picture)."""
    config = load_station(job.station)
    recipe_id, number = str(job.arguments["recipe_id"]), int(job.arguments["version"])
    wanted = min(MOST, int(job.arguments["parts"]))
    job.step("loading both recipes", 0, 2)
    book = RecipeBook(config.path(config.station.recipe).parent, SystemClock())
    before = book.in_force(recipe_id)
    now = load_line(config, book.recipe(recipe_id, before))
    then = load_line(config, book.recipe(recipe_id, number))
    stored, older, labels = _parts(config, recipe_id, wanted)
    if not stored:
        raise DatasetError(f"no stored part of recipe {recipe_id!r} has a picture; let the line run first")
    truth, everything = _truth(config), [*stored, *older]
    rows = []
    for done, one in enumerate(everything):
        job.step("judging stored pictures", done, len(everything))
        known = _known(one, labels, truth)
        rows.append(known | _judge(config, (now, then), one))
    return _summary(rows) | {
        "recipe_id": recipe_id,
        "in_force": before,
        "version": number,
        "older": len(older),
        "keep_every_nth_pass": config.record.keep_every_nth_pass,
        "oldest_utc": stored[-1].record.seen_at_utc,
    }


def _parts(
    config: StationConfig, recipe_id: str, wanted: int
) -> tuple[list[StoredRecord], list[StoredRecord], dict[int, str]]:
    """The last parts of the recipe with a picture; older ones that people confirmed; and people's label of each."""
    reader = Reader.open(store_url(config.record.store, config.folder))
    people = WebStore(store_url(config.web.store, config.folder), SystemClock())
    try:
        last = _with_pictures(reader, recipe_id, wanted)
        numbers = [one.record_number for one in confirmed(people, MOST)]
        older = [
            one
            for start in range(0, len(numbers), _PAGE)
            for one in _usable(reader.numbered(numbers[start : start + _PAGE]))
            if last and one.number < last[-1].number and one.record.part.recipe_id == recipe_id
        ][:wanted]
        said = reviewed(people, [one.record.part.part_id for one in (*last, *older)])
        return last, older, {part_id: one.label for part_id, one in said.items()}
    finally:
        reader.close()
        people.close()


def _with_pictures(reader: Reader, recipe_id: str, wanted: int) -> list[StoredRecord]:
    found: list[StoredRecord] = []
    before: int | None = None
    searched = 0
    while len(found) < wanted and searched < _SEARCHED:
        page = reader.records(RecordFilter(recipe_id=recipe_id), before, _PAGE)
        if not page:
            break
        found += _usable(page)
        before, searched = page[-1].number, searched + len(page)
    return found[:wanted]


def _usable(page: Iterable[StoredRecord]) -> list[StoredRecord]:
    return [one for one in page if one.record.image_path and one.image_removed_at_utc is None]


def _known(stored: StoredRecord, labels: dict[int, str], truth: dict[str, Truth]) -> dict[str, Any]:
    """What the part should have been: `should` by people, `shows` by the label of a simulated line's picture."""
    record = stored.record
    label = labels.get(record.part.part_id, "")
    picture = truth.get((record.truth or "").partition("#")[0])
    return {
        "part_id": str(record.part.part_id),
        "stored": record.inspection.verdict.name,
        "label": label,
        "should": _PASS if label in GOOD else _REJECT if label in BAD else None,
        "shows": None if picture is None else picture.expected.name,
    }


def _judge(config: StationConfig, lines: tuple[Line, Line], stored: StoredRecord) -> dict[str, Any]:
    camera = CameraConfig(kind="folder", pixel_format=config.camera.pixel_format)
    reader = FolderCamera(camera, config.path(config.record.images), SimulatedClock())
    try:
        pixels = reader.read(str(stored.record.image_path))
    except CameraError:
        return {"lost": True}
    judged = {name: _plain(_inspect(line, pixels)) for name, line in zip(("now", "then"), lines, strict=True)}
    return {"size": [pixels.shape[1], pixels.shape[0]]} | judged


def _inspect(line: Line, pixels: Pixels) -> Inspection:
    line.forget_frame()
    return line.inspect(Frame(frame_id=1, camera="what-if", exposed_at_ns=0, pixels=pixels, part_id=1))


def _plain(inspection: Inspection) -> dict[str, Any]:
    return {
        "verdict": inspection.verdict.name,
        "score": None if inspection.score is None else round(float(inspection.score), 3),
        "reasons": list(dict.fromkeys(reason.code for reason in inspection.reasons)),
        "boxes": [[int(edge) for edge in defect.box_px] for defect in inspection.defects],
    }


def _summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    judged = [row for row in rows if "then" in row]
    changed = [row | {"effect": _effect(row)} for row in judged if row["now"]["verdict"] != row["then"]["verdict"]]
    changed.sort(key=lambda row: _EFFECTS.index(row["effect"]))
    moves = Counter(f"{row['now']['verdict']} -> {row['then']['verdict']}" for row in changed)
    return {
        "parts": len(judged),
        "lost": len(rows) - len(judged),
        "changed_count": len(changed),
        "moves": dict(sorted(moves.items())),
        "verdicts": {name: dict(Counter(row[name]["verdict"] for row in judged)) for name in ("now", "then")},
        "not_as_recorded": sum(row["now"]["verdict"] != row["stored"] for row in judged),
        "effects": {effect: sum(row["effect"] == effect for row in changed) for effect in _EFFECTS if effect},
        "people": _against(judged, "should"),
        "pictures": _against(judged, "shows"),
        "changed": changed[:SHOWN],
    }


def _effect(row: dict[str, Any]) -> str:
    """What a changed verdict means for a part that people confirmed; empty for others.

    `would_pass`: a confirmed defect that is thrown out now; `caught`: an escape; `mended`: a false reject;
    `would_reject`: a confirmed good part that passes now.
    """
    passes = row["then"]["verdict"] == _PASS
    if row["should"] is None or passes == (row["now"]["verdict"] == _PASS):
        return ""
    if row["should"] == _PASS:
        return "mended" if passes else "would_reject"
    return "would_pass" if passes else "caught"


def _against(judged: list[dict[str, Any]], key: str) -> dict[str, Any]:
    """How many parts are known by `key`, good and bad, and how many of them each recipe gets wrong."""
    known = [row for row in judged if row[key] is not None]
    good = sum(row[key] == _PASS for row in known)
    wrong = {
        kind: {name: _wrong(known, key, name, escape=kind == "escapes") for name in ("now", "then")}
        for kind in ("false_rejects", "escapes")
    }
    return {"good": good, "bad": len(known) - good} | wrong


def _wrong(known: list[dict[str, Any]], key: str, name: str, *, escape: bool) -> int:
    """Parts let through that should not be (`escape`), or thrown out that are good."""
    return sum((row[key] == _PASS) != escape and (row[name]["verdict"] == _PASS) == escape for row in known)


def _truth(config: StationConfig) -> dict[str, Truth]:
    """What the simulated line's pictures are known to show; a real camera says nothing."""
    return {} if config.simulation is None else dict(simulate(config, 1).truth)
