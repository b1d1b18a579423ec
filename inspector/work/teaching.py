"""The jobs `examine` and `teach`: the data doctor's look at a set of pictures, and a model from it.

What it is: `inspector.teach` called with a job's progress and cancellation. What it is not: the learning (`teach`).
The job's process.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from inspector.clock import SystemClock
from inspector.config import StationConfig, load_station
from inspector.errors import DatasetError, ModelError
from inspector.inference.card import load_card
from inspector.inference.outputs import polygon_mask
from inspector.jobs.context import JobCancelled, JobContext
from inspector.recipe import Recipe
from inspector.recipe_book import RecipeBook
from inspector.teach import Cancelled, Progress, TeachOptions, teach
from inspector.teach.doctor import examine, write_thumbnail
from inspector.teach.pictures import list_pictures, write_mask
from inspector.teach.watch import Watch
from inspector.teaching_sets import TeachingSets
from inspector.uploads import MB, Limits, unpack

MOST_SHOWN = 500


def examine_set(job: JobContext) -> dict[str, Any]:
    """Arguments: `set`. Findings with a thumbnail each in `out`, named by their number."""
    config = load_station(job.station)
    files = list_pictures(_sets(config).folder(int(job.arguments["set"])))
    if not files:
        raise DatasetError("the set has no pictures yet")
    checkup = _cancellable(lambda: examine(files, _watch(job)))
    shown = []
    for number, finding in enumerate(checkup.findings[:MOST_SHOWN]):
        if finding.thumbnail is not None:
            write_thumbnail(job.out / f"{number}.jpg", finding.thumbnail)
        row = {"file": finding.path.name, "code": finding.code, "text": finding.text}
        shown.append(row | {"thumbnail": finding.thumbnail is not None})
    return {
        "set": int(job.arguments["set"]),
        "files": len(files),
        "usable": len(checkup.usable),
        "findings": shown,
        "more": max(0, len(checkup.findings) - MOST_SHOWN),
    }


def unpack_archive(job: JobContext) -> dict[str, Any]:
    """Arguments: `set`. Takes the pictures of the archive that was brought along, and removes it."""
    config = load_station(job.station)
    number = int(job.arguments["set"])
    folder = _sets(config).folder(number)
    archive = folder.parent / "archive.zip"
    limits = Limits(free_bytes=config.record.min_free_mb * MB)
    try:
        taken = unpack(archive, folder, limits, lambda done, total: job.step("unpacking", done, total))
    finally:
        archive.unlink(missing_ok=True)
    return {"set": number, "pictures": taken.pictures, "left_out": dict(taken.left_out)}


def teach_set(job: JobContext) -> dict[str, Any]:
    """Arguments: `set`, `exclude` (names), `recipe_id`, `name`, `revision`, `target_false_rejects`,
    `exclude_suspects`, `use_ignored` (leave out the recipe's ignored regions)."""
    given, config = job.arguments, load_station(job.station)
    excluded = set(given["exclude"])
    files = [path for path in list_pictures(_sets(config).folder(int(given["set"]))) if path.name not in excluded]
    book = RecipeBook(config.path(config.station.recipe).parent, SystemClock())
    recipe = book.recipe(given["recipe_id"], book.in_force(given["recipe_id"]))
    out = recipe.path(recipe.model).parent.parent / given["name"] / given["revision"]
    _sweep(out)
    options = TeachOptions(
        target_false_rejects=float(given["target_false_rejects"]),
        exclude_suspects=bool(given["exclude_suspects"]),
        ignore=_ignore(job, recipe) if given["use_ignored"] else None,
    )
    result = _cancellable(lambda: teach(files, out, options, _teller(job), job.cancelled))
    shown = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(result).items()}
    shown |= {"suspects": [Path(name).name for name in result.suspects], "findings": list(result.findings)}
    return shown | {
        "model": os.path.relpath(out, recipe.folder.resolve()),
        "recipe_id": given["recipe_id"],
        "excluded": len(excluded),
    }


def _sets(config: StationConfig) -> TeachingSets:
    return TeachingSets(config.path(config.web.work) / "teaching")


def _watch(job: JobContext) -> Watch:
    return Watch(_teller(job), job.cancelled)


def _teller(job: JobContext) -> Any:
    def tell(step: Progress) -> None:
        job.tell(step.stage, step.done, step.total, step.eta_s)

    return tell


def _cancellable(work: Any) -> Any:
    try:
        return work()
    except Cancelled as why:
        raise JobCancelled(str(why)) from None


def _ignore(job: JobContext, recipe: Recipe) -> Path | None:
    """The recipe's ignore regions as the mask that teaching takes, at the size of its present model's patch."""
    if not recipe.ignore_region:
        return recipe.path(recipe.ignore) if recipe.ignore else None
    try:
        patch = load_card(recipe.path(recipe.model)).patch
    except ModelError:
        return None
    masks = [polygon_mask(region.polygon, (patch.height, patch.width)) for region in recipe.ignore_region]
    mask = np.logical_or.reduce(masks)
    write_mask(job.out / "ignore.png", mask)
    return job.out / "ignore.png"


def _sweep(out: Path) -> None:
    """Remove what a killed teaching has left beside the model's place."""
    for half in out.parent.glob(f".{out.name}.*.tmp"):
        shutil.rmtree(half, ignore_errors=True)
