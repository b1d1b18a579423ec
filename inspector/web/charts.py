"""The page of charts: Pareto, reject rate, yield, a measurement, times, and where findings lie on the part.

What it is: which numbers a chart needs, and where a click leads. What it is not: the statistics (spc), the sums
(record.sums) or the drawing (drawing). Thread pool.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from inspector import spc
from inspector.record import sums
from inspector.record.pictures import picture_size, reference_number
from inspector.record.sums import Sample, Slot
from inspector.types import Verdict
from inspector.web import drawing
from inspector.web.asking import CHOSEN, Asked, asked_of
from inspector.web.defects import form_context
from inspector.web.finding import Stores
from inspector.web.moments import Place, iso, parse_utc, quarter_back
from inspector.web.roles import Role, require
from inspector.web.shell import render, words_of
from inspector.web.words import Words, mark

pages = APIRouter(include_in_schema=False, dependencies=[Depends(require(Role.QUALITY))])
CHARTS = {
    "pareto": mark("Classes"),
    "p": mark("Reject rate"),
    "yield": mark("Yield"),
    "imr": mark("Measurement"),
    "times": mark("Times"),
    "places": mark("Places"),
}
STEPS = {"": mark("as it fits"), "hour": mark("hour"), "shift": mark("shift"), "day": mark("day")}
MOST_BARS = 15
MOST_POINTS = 200
GRID = 24
_DEFAULT_SPAN = "7d"


@dataclass(frozen=True, slots=True)
class Group:
    """Parts of one hour, shift or day: its name, its ends in UTC, and how many of each verdict."""

    name: str
    since_utc: str
    until_utc: str
    counts: dict[Verdict, int]

    @property
    def judged(self) -> int:
        """Parts that were inspected."""
        return self.counts[Verdict.PASS] + self.counts[Verdict.REJECT]


@pages.get("/charts")
def charts_page(
    request: Request, chart: str = "pareto", step: str = "", measure: str = "", wide: bool = False
) -> Response:
    """One chart of a filter, with its numbers in a table."""
    asked, stores, words = _whole_quarters(asked_of(request, _DEFAULT_SPAN)), Stores.of(request.app), words_of(request)
    chart = chart if chart in CHARTS else "pareto"
    step = step if step in STEPS else ""
    makers: dict[str, Callable[[], dict[str, Any]]] = {
        "pareto": lambda: _pareto(stores, asked, words),
        "p": lambda: _reject_rate(stores, asked, words, step, wide),
        "yield": lambda: _yield(stores, asked, words, step),
        "imr": lambda: _measurement(stores, asked, words, measure),
        "times": lambda: _times(stores, asked, words),
        "places": lambda: _places(stores, asked, words),
    }
    own = {"chart": chart, "charts": CHARTS, "steps": STEPS, "step": step, "measure": measure, "wide": wide}
    context = form_context(request, stores, asked) | own | makers[chart]()
    return render(request, "charts.html", **context)


def _whole_quarters(asked: Asked) -> Asked:
    """The filter as sums of quarters of an hour can answer it."""
    since, until = asked.ends()
    ends = {}
    if asked.span == CHOSEN:
        ends = {"since": quarter_back(since) if since else "", "until": quarter_back(until) if until else ""}
    left_out = tuple(name for name in ("score_min", "score_max", "serial", "review") if getattr(asked, name))
    return replace(
        asked, score_min="", score_max="", serial="", review="", view="", trouble=asked.trouble + left_out, **ends
    )


def _pareto(stores: Stores, asked: Asked, words: Words) -> dict[str, Any]:
    found = sums.by_class(stores.reader, asked.search())
    slots = sums.by_time(stores.reader, replace(asked, label="").search())
    parts = sum(slot.parts for slot in slots)
    total = sum(one.parts for one in found)
    rest = sum(one.parts for one in found[MOST_BARS:])
    bars = [(one.label, one.parts, f"/defects?{asked.query(label=one.label)}") for one in found[:MOST_BARS]]
    if rest:
        bars.append((words("others"), rest, f"/defects?{asked.query(label=None)}"))
    so_far, rows = 0, []
    for name, count, href in bars:
        so_far += count
        rows.append([(name, href), count, f"{100 * count / total:.1f} %", f"{100 * so_far / total:.1f} %"])
    return {
        "svg": drawing.pareto(words("Classes"), bars, total) if bars else None,
        "heads": [words("Class"), words("Parts"), words("Share"), words("Cumulative")],
        "rows": rows,
        "notes": [words("{parts} parts; a part may be of several classes.", parts=parts)],
    }


def _reject_rate(stores: Stores, asked: Asked, words: Words, step: str, wide: bool) -> dict[str, Any]:
    groups = [group for group in _groups(stores, asked, step) if group.judged]
    if not groups:
        return _nothing()
    chart = spc.p_chart([group.counts[Verdict.REJECT] for group in groups], [group.judged for group in groups], wide)
    hrefs = [_of_group(asked, group, "reject") for group in groups]
    names = [group.name for group in groups]
    rows = [
        [(group.name, href), group.judged, group.counts[Verdict.REJECT], _percent(point.value), _percent(point.low),
         _percent(point.high), ", ".join(map(str, point.broken))]
        for group, href, point in zip(groups, hrefs, chart.points, strict=True)
    ]  # fmt: skip
    notes = [words("Mean {mean}: rejected among inspected parts.", mean=_percent(chart.centre))]
    if chart.spread > 1.5:
        notes.append(
            words("The points scatter {times} times as far as chance alone explains; limits by Laney's p' take that in.",
                  times=f"{chart.spread:.1f}")
        )  # fmt: skip
    return {
        "svg": drawing.control(words("Reject rate"), chart.points, names, hrefs, percent=True),
        "heads": [words(text) for text in (mark("When"), mark("Inspected"), mark("Rejected"), mark("Rate"),
                                           mark("Lower limit"), mark("Upper limit"), mark("Rules broken"))],
        "rows": list(reversed(rows)),
        "notes": notes,
        "rules": True,
        "spread": chart.spread,
    }  # fmt: skip


def _yield(stores: Stores, asked: Asked, words: Words, step: str) -> dict[str, Any]:
    groups = _groups(stores, asked, step)
    if not groups:
        return _nothing()
    kinds = [Verdict.PASS, Verdict.REJECT, Verdict.NOT_INSPECTED]
    hrefs = [_of_group(asked, group, "all") for group in groups]
    slots = [(group.name, [group.counts[kind] for kind in kinds]) for group in groups]
    rows = [
        [(group.name, href), sum(counts), *counts, _percent(counts[0] / sum(counts))]
        for group, href, (_, counts) in zip(groups, hrefs, slots, strict=True)
    ]
    total = [sum(counts[place] for _, counts in slots) for place in range(3)]
    return {
        "svg": drawing.shares(words("Yield"), slots, ["passed", "rejected", "missed"], hrefs),
        "heads": [words(text) for text in (mark("When"), mark("Seen"), mark("Passed"), mark("Rejected"),
                                           mark("Not inspected"), mark("Yield"))],
        "rows": list(reversed(rows)),
        "notes": [words("Yield {share}: passed among all parts seen.", share=_percent(total[0] / sum(total)))],
        "legend": True,
    }  # fmt: skip


def _measurement(stores: Stores, asked: Asked, words: Words, measure: str) -> dict[str, Any]:
    every = sums.samples(stores.reader, _any_verdict(asked).search())
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
        return _nothing() | own
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
        "svg_2": drawing.control(words("Moving range"), chart.ranges, at[1:], hrefs[1:], percent=False),
        "heads": [words(text) for text in (mark("When"), mark("Value"), mark("From"), mark("To"), mark("Rules broken"))],
        "rows": list(reversed(rows)),
        "notes": [
            words("The newest {count} values. Mean {mean}, limits {low} to {high}: what the process does by itself.",
                  count=len(found), mean=f"{point.centre:.4f}", low=f"{point.low:.4f}", high=f"{point.high:.4f}"),
            words("The tolerance is {low} to {high} {unit}: what the drawing allows.", **limits),
        ],
        "rules": True,
    }  # fmt: skip


def _times(stores: Stores, asked: Asked, words: Words) -> dict[str, Any]:
    found = sums.samples(stores.reader, _any_verdict(asked).search())
    slack = [sample.slack_ms for sample in found if sample.slack_ms is not None]
    whole = [sum(ms for ms in sample.stage_ms.values() if ms) for sample in found if sample.stage_ms]
    stages: dict[str, list[float]] = {words("slack"): slack, words("all stages"): whole}
    for sample in found:
        for stage, ms in sample.stage_ms.items():
            if ms is not None:
                stages.setdefault(stage, []).append(ms)
    rows = [
        [(name, ""), len(values), *(f"{_quantile(values, share):.2f}" for share in (0, 0.5, 0.95, 1))]
        for name, values in stages.items()
        if values
    ]
    return {
        "svg": drawing.histogram(words("Slack before the deadline, ms"), slack, at=0.0) if slack else None,
        "svg_2": drawing.histogram(words("Time of all stages, ms"), whole) if whole else None,
        "captions": [words("Slack before the deadline, ms"), words("Time of all stages, ms")],
        "heads": [words(text) for text in (mark("Stage, ms"), mark("Parts"), mark("Least"), mark("Median"),
                                           mark("95 of 100"), mark("Greatest"))],
        "rows": rows,
        "notes": [words("The newest {count} parts.", count=len(found))],
    }  # fmt: skip


def _places(stores: Stores, asked: Asked, words: Words) -> dict[str, Any]:
    """Findings by where they lie on the part: each is turned with its part onto the part that is shown."""
    found = [sample for sample in sums.samples(stores.reader, asked.search()) if sample.defects and sample.pose]
    if not found:
        return _nothing()
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
    notes = [words("{count} findings of the newest {parts} parts with one.", count=len(spots), parts=len(found))]
    notes.append(
        words("Drawn on part {part}.", part=shown.name) if picture and shown else words("No picture to draw on.")
    )
    return {
        "svg": drawing.places(words("Places"), counts, (width, height), picture),
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


def _groups(stores: Stores, asked: Asked, step: str) -> list[Group]:
    slots = sums.by_time(stores.reader, _any_verdict(replace(asked, label="")).search())
    return group_slots(slots, step, asked.place)


def group_slots(slots: Sequence[Slot], step: str, place: Place) -> list[Group]:
    """Quarters of an hour put together by hour, shift or day of a place, at most MOST_POINTS, the newest."""
    if not slots:
        return []
    if not step:
        days = (parse_utc(slots[-1].starts_at_utc) - parse_utc(slots[0].starts_at_utc)) / dt.timedelta(days=1)
        step = "hour" if days <= 4 else "shift" if days <= 32 else "day"
    found: dict[str, list[Slot]] = {}
    for slot in slots:
        found.setdefault(_group_name(slot, step, place), []).append(slot)
    groups = []
    for name, some in list(found.items())[-MOST_POINTS:]:
        counts = dict.fromkeys((Verdict.PASS, Verdict.REJECT, Verdict.NOT_INSPECTED), 0)
        for slot in some:
            counts[slot.verdict] += slot.parts
        until = parse_utc(some[-1].starts_at_utc) + dt.timedelta(minutes=15)
        groups.append(Group(name, iso(parse_utc(some[0].starts_at_utc)), iso(until), counts))
    return groups


def _group_name(slot: Slot, step: str, place: Place) -> str:
    if step == "shift":
        day, name = place.shift_at(slot.starts_at_utc)
        return f"{day[5:]} {name}".strip()
    return place.local(slot.starts_at_utc).strftime("%m-%d %H:00 %z"[:9] if step == "hour" else "%Y-%m-%d")


def _of_group(asked: Asked, group: Group, verdict: str) -> str:
    ends = {"span": CHOSEN, "since": group.since_utc, "until": group.until_utc}
    return f"/defects?{asked.query(verdict=verdict, shift=None, label=None, **ends)}"


def _any_verdict(asked: Asked) -> Asked:
    return replace(asked, verdict="all")


def _nothing() -> dict[str, Any]:
    return {"svg": None, "heads": [], "rows": [], "notes": []}


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, round(share * (len(values) - 1)))]
