"""Charts of single parts: a measurement, times, and where findings lie.

What it is: samples of the newest parts made into what the page of charts shows. What it is not: the page (charts), or
charts that are made of sums. Thread pool.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from inspector import spc
from inspector.record import sums
from inspector.record.pictures import picture_size, reference_number
from inspector.record.sums import Sample
from inspector.web import drawing
from inspector.web.asking import Asked
from inspector.web.finding import Stores
from inspector.web.names import name_words
from inspector.web.words import Words, mark

MOST_POINTS = 200
GRID = 24


def measurement(stores: Stores, asked: Asked, words: Words, measure: str) -> dict[str, Any]:
    """Single values of a measurement and their moving range."""
    every = sums.samples(stores.reader, any_verdict(asked).search())
    names = sums.names_of(every)
    measure = measure if measure in names else next(iter(names), "")
    found = [
        (sample, one)
        for sample in every
        for one in sample.measurements
        if one["name"] == measure and one["value"] is not None
    ][-MOST_POINTS:]
    own = {"measures": names, "measure": measure}
    if len(found) < 2:
        return nothing() | own
    chart = spc.individuals([one["value"] for _, one in found])
    at = [asked.place.brief(sample.seen_at_utc)[:11] for sample, _ in found]
    hrefs = [f"/parts/{sample.part_id}?{asked.query()}" for sample, _ in found]
    last = found[-1][1]
    limits = {"low": f"{last['low']:g}", "high": f"{last['high']:g}", "unit": last["unit"]}
    rows = [
        [
            (name, href),
            f"{point.value:.4f} {one['unit']}",
            f"{one['low']:g}",
            f"{one['high']:g}",
            ", ".join(map(str, point.broken)),
        ]
        for name, href, point, (_, one) in zip(at, hrefs, chart.points, found, strict=True)
    ]
    point = chart.points[0]
    return own | {
        "svg": drawing.control(measure, chart.points, at, hrefs, percent=False),
        "svg_2": drawing.control(words(mark("Moving range")), chart.ranges, at[1:], hrefs[1:], percent=False),
        "heads": [words(text) for text in (mark("When"), mark("Value"), mark("At least"), mark("At most"),
                                           mark("Rules broken"))],
        "rows": list(reversed(rows)),
        "notes": [
            words(mark("The newest {count} values. Mean {mean}, limits {low} to {high}: what the process does."),
                  count=len(found), mean=f"{point.centre:.4f}", low=f"{point.low:.4f}", high=f"{point.high:.4f}"),
            words(mark("The tolerance is {low} to {high} {unit}: what the drawing allows."), **limits),
        ],
        "rules": True,
    }  # fmt: skip


def times(stores: Stores, asked: Asked, words: Words) -> dict[str, Any]:
    """How long the stages take, and what is left before the deadline."""
    found = sums.samples(stores.reader, any_verdict(asked).search())
    slack = [sample.slack_ms for sample in found if sample.slack_ms is not None]
    whole = [sum(ms for ms in sample.stage_ms.values() if ms) for sample in found if sample.stage_ms]
    stages: dict[str, list[float]] = {words(mark("slack")): slack, words(mark("all stages")): whole}
    for sample in found:
        for stage, ms in sample.stage_ms.items():
            if ms is not None:
                stages.setdefault(name_words(words, stage, "stage"), []).append(ms)
    rows = [
        [(name, ""), len(values), *(f"{_quantile(values, share):.2f}" for share in (0, 0.5, 0.95, 1))]
        for name, values in stages.items()
        if values
    ]
    return {
        "svg": drawing.histogram(words(mark("Slack before the deadline, ms")), slack, at=0.0) if slack else None,
        "svg_2": drawing.histogram(words(mark("Time of all stages, ms")), whole) if whole else None,
        "captions": [words(mark("Slack before the deadline, ms")), words(mark("Time of all stages, ms"))],
        "heads": [words(text) for text in (mark("Stage, ms"), mark("Parts"), mark("Least"), mark("Median"),
                                           mark("95 of 100"), mark("Greatest"))],
        "rows": rows,
        "notes": [words(mark("The newest {count} parts."), count=len(found))],
    }  # fmt: skip


def places(stores: Stores, asked: Asked, words: Words) -> dict[str, Any]:
    """Findings by where they lie on the part: each is turned with its part onto the part that is shown."""
    found = [sample for sample in sums.samples(stores.reader, asked.search()) if sample.defects and sample.pose]
    if not found:
        return nothing()
    newest = stores.reader.numbered([found[-1].number])
    number = reference_number(stores.reader, newest[0]) if newest else None
    shown = next(iter(stores.shown([number], asked)), None) if number is not None else None
    pose = shown.stored.record.inspection.pose if shown is not None else None
    size = picture_size(shown.path) if shown is not None and shown.path is not None and pose is not None else None
    target = (pose.x_px, pose.y_px, pose.angle_deg) if pose is not None and size is not None else None
    spots = [spot for sample in found for spot in _spots(sample, asked.label, target)]
    width, height = size or (max(x for x, _ in spots) * 1.1, max(y for _, y in spots) * 1.1)
    counts = [[0] * GRID for _ in range(GRID)]
    for x, y in spots:
        column, row = int(GRID * x / width), int(GRID * y / height)
        if 0 <= column < GRID and 0 <= row < GRID:
            counts[row][column] += 1
    picture = f"/api/v1/images/{shown.part_id}" if shown is not None and size is not None else ""
    notes = [words(mark("{count} findings of the newest {parts} parts with one."), count=len(spots), parts=len(found))]
    notes.append(
        words(mark("Drawn on part {part}."), part=shown.name)
        if picture and shown
        else words(mark("No picture to draw on."))
    )
    return {
        "svg": drawing.places(words(mark("Places")), counts, (width, height), picture),
        "notes": notes,
        "heads": [],
        "rows": [],
    }


def _spots(sample: Sample, label: str, target: tuple[float, float, float] | None) -> list[tuple[float, float]]:
    """The middles of a record's findings (of one class), in the picture of the part whose pose is `target`."""
    middles = [
        (box[0] + box[2] / 2, box[1] + box[3] / 2)
        for box in (defect["box_px"] for defect in sample.defects if label in ("", defect["label"]))
    ]
    if target is None or sample.pose is None:
        return middles
    # Angles are counter-clockwise as seen, and y points down.
    turn = math.radians(target[2] - sample.pose["angle_deg"])
    cos, sin = math.cos(turn), math.sin(turn)
    moved = []
    for x, y in middles:
        dx, dy = x - sample.pose["x_px"], y - sample.pose["y_px"]
        moved.append((target[0] + cos * dx + sin * dy, target[1] - sin * dx + cos * dy))
    return moved


def any_verdict(asked: Asked) -> Asked:
    """The filter for parts of every verdict."""
    return replace(asked, verdict="all")


def nothing() -> dict[str, Any]:
    """A chart without a part."""
    return {"svg": None, "heads": [], "rows": [], "notes": []}


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, round(share * (len(values) - 1)))]
