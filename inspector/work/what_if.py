"""The job `what_if`: which verdicts would change under a version of a recipe that is not in force yet.

What it is: stored pictures judged twice, by the recipe in force and by the version, in the line's own walk; and counts
against labels where the parts have some. What it is not: a prediction for parts whose pictures were not kept (passes
are thinned out by `keep_every_nth_pass`, which the result says). The job's process.

Both are judged anew from the same stored JPEG, so that what differs is the recipe alone; where the recipe in force
does not give the verdict that was recorded (an older version, the JPEG's loss), that is counted apart.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from inspector.camera.folder import FolderCamera
from inspector.clock import SimulatedClock, SystemClock
from inspector.config import CameraConfig, StationConfig, load_station
from inspector.errors import CameraError, DatasetError
from inspector.jobs.context import JobContext
from inspector.labels import Truth
from inspector.line import Line
from inspector.recipe_book import RecipeBook
from inspector.record.reader import Reader, RecordFilter, store_url
from inspector.record.rows import StoredRecord
from inspector.station import load_line, simulate
from inspector.types import Frame, Inspection, Pixels, Verdict

MOST = 2000
SHOWN = 200
_PAGE = 500
_SEARCHED = 100_000


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
    stored = _with_pictures(config, recipe_id, wanted)
    if not stored:
        raise DatasetError(f"no stored part of recipe {recipe_id!r} has a picture; let the line run first")
    truth = _truth(config)
    rows = [_judge(job, config, (now, then), one, (done, len(stored)), truth) for done, one in enumerate(stored)]
    return _summary(rows) | {
        "recipe_id": recipe_id,
        "in_force": before,
        "version": number,
        "keep_every_nth_pass": config.record.keep_every_nth_pass,
        "oldest_utc": stored[-1].record.seen_at_utc,
    }


def _with_pictures(config: StationConfig, recipe_id: str, wanted: int) -> list[StoredRecord]:
    reader = Reader.open(store_url(config.record.store, config.folder))
    found: list[StoredRecord] = []
    before: int | None = None
    searched = 0
    try:
        while len(found) < wanted and searched < _SEARCHED:
            page = reader.records(RecordFilter(recipe_id=recipe_id), before, _PAGE)
            if not page:
                break
            found += [one for one in page if one.record.image_path and one.image_removed_at_utc is None]
            before, searched = page[-1].number, searched + len(page)
    finally:
        reader.close()
    return found[:wanted]


def _judge(
    job: JobContext,
    config: StationConfig,
    lines: tuple[Line, Line],
    stored: StoredRecord,
    progress: tuple[int, int],
    truth: dict[str, Truth],
) -> dict[str, Any]:
    job.step("judging stored pictures", *progress)
    record = stored.record
    camera = CameraConfig(kind="folder", pixel_format=config.camera.pixel_format)
    reader = FolderCamera(camera, config.path(config.record.images), SimulatedClock())
    row: dict[str, Any] = {"part_id": str(record.part.part_id), "stored": record.inspection.verdict.name}
    known = truth.get((record.truth or "").partition("#")[0])
    row["should"] = None if known is None else known.expected.name
    try:
        pixels = reader.read(str(record.image_path))
    except CameraError:
        return row | {"lost": True}
    row["size"] = [pixels.shape[1], pixels.shape[0]]
    for name, line in zip(("now", "then"), lines, strict=True):
        row[name] = _plain(_inspect(line, pixels))
    return row


def _inspect(line: Line, pixels: Pixels) -> Inspection:
    line.forget_frame()
    return line.inspect(Frame(frame_id=1, camera="what-if", exposed_at_ns=0, pixels=pixels, part_id=1))


def _plain(inspection: Inspection) -> dict[str, Any]:
    return {
        "verdict": inspection.verdict.name,
        "score": None if inspection.score is None else round(float(inspection.score), 3),
        "reasons": [reason.code for reason in inspection.reasons],
        "boxes": [[int(edge) for edge in defect.box_px] for defect in inspection.defects],
    }


def _summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    judged = [row for row in rows if "then" in row]
    changed = [row for row in judged if row["now"]["verdict"] != row["then"]["verdict"]]
    labelled = [row for row in judged if row["should"] is not None]
    moves = Counter(f"{row['now']['verdict']} -> {row['then']['verdict']}" for row in changed)
    return {
        "parts": len(judged),
        "lost": len(rows) - len(judged),
        "changed_count": len(changed),
        "moves": dict(sorted(moves.items())),
        "verdicts": {name: dict(Counter(row[name]["verdict"] for row in judged)) for name in ("now", "then")},
        "not_as_recorded": sum(row["now"]["verdict"] != row["stored"] for row in judged),
        "labelled": len(labelled),
        "false_rejects": {name: _wrong(labelled, name, escape=False) for name in ("now", "then")},
        "escapes": {name: _wrong(labelled, name, escape=True) for name in ("now", "then")},
        "changed": changed[:SHOWN],
    }


def _wrong(labelled: list[dict[str, Any]], name: str, *, escape: bool) -> int:
    """Parts let through that should not be (`escape`), or thrown out that are good."""
    passed = Verdict.PASS.name
    return sum((row["should"] == passed) != escape and (row[name]["verdict"] == passed) == escape for row in labelled)


def _truth(config: StationConfig) -> dict[str, Truth]:
    """What the simulated line's pictures are known to show; a real camera says nothing."""
    return {} if config.simulation is None else dict(simulate(config, 1).truth)
