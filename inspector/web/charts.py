"""The page of charts: Pareto, reject rate, yield, a measurement, times, and where findings lie on the part.

What it is: which numbers a chart needs, and where a click leads. What it is not: the statistics (spc), the sums
(record.sums) or the drawing (drawing). Thread pool.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from inspector import spc
from inspector.record import sums
from inspector.record.sums import Slot
from inspector.types import Verdict
from inspector.web import drawing
from inspector.web.asking import CHOSEN, Asked, asked_of
from inspector.web.defects import form_context
from inspector.web.finding import Stores
from inspector.web.moments import Place, iso, parse_utc, quarter_back
from inspector.web.names import name_words
from inspector.web.roles import Role, require
from inspector.web.said import class_words
from inspector.web.sampled import MOST_POINTS, any_verdict, measurement, nothing, places, times
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
        "imr": lambda: measurement(stores, asked, words, measure),
        "times": lambda: times(stores, asked, words),
        "places": lambda: places(stores, asked, words),
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
    left_out = tuple(
        name for name in ("score_min", "score_max", "serial", "plc_part", "review") if getattr(asked, name)
    )
    return replace(
        asked,
        score_min="",
        score_max="",
        serial="",
        plc_part="",
        review="",
        view="",
        trouble=asked.trouble + left_out,
        **ends,  # type: ignore[arg-type]
    )


def _pareto(stores: Stores, asked: Asked, words: Words) -> dict[str, Any]:
    found = sums.by_class(stores.reader, asked.search())
    slots = sums.by_time(stores.reader, replace(asked, label="").search())
    parts = sum(slot.parts for slot in slots)
    total = sum(one.parts for one in found)
    rest = sum(one.parts for one in found[MOST_BARS:])
    bars = [
        (class_words(words, one.label), one.parts, f"/defects?{asked.query(label=one.label)}")
        for one in found[:MOST_BARS]
    ]
    if rest:
        bars.append((words(mark("others")), rest, f"/defects?{asked.query(label=None)}"))
    so_far, rows = 0, []
    for name, count, href in bars:
        so_far += count
        rows.append([(name, href), count, f"{100 * count / total:.1f} %", f"{100 * so_far / total:.1f} %"])
    return {
        "svg": drawing.pareto(words(mark("Classes")), bars, total) if bars else None,
        "heads": [words(mark("Class")), words(mark("Parts")), words(mark("Share")), words(mark("Cumulative"))],
        "rows": rows,
        "notes": [words(mark("{parts} parts; a part may be of several classes."), parts=parts)],
    }


def _reject_rate(stores: Stores, asked: Asked, words: Words, step: str, wide: bool) -> dict[str, Any]:
    groups = [group for group in _groups(stores, asked, step, words) if group.judged]
    if not groups:
        return nothing()
    chart = spc.p_chart([group.counts[Verdict.REJECT] for group in groups], [group.judged for group in groups], wide)
    hrefs = [_of_group(asked, group, "reject") for group in groups]
    names = [group.name for group in groups]
    rows = [
        [(group.name, href), group.judged, group.counts[Verdict.REJECT], _percent(point.value), _percent(point.low),
         _percent(point.high), ", ".join(map(str, point.broken))]
        for group, href, point in zip(groups, hrefs, chart.points, strict=True)
    ]  # fmt: skip
    notes = [words(mark("Mean {mean}: rejected among inspected parts."), mean=_percent(chart.centre))]
    if chart.spread > 1.5:
        notes.append(
            words(mark("The points scatter {times} times as far as by chance; limits by Laney's p' take that in."),
                  times=f"{chart.spread:.1f}")
        )  # fmt: skip
    return {
        "svg": drawing.control(words(mark("Reject rate")), chart.points, names, hrefs, percent=True),
        "heads": [words(text) for text in (mark("When"), mark("Inspected"), mark("Rejected"), mark("Rate"),
                                           mark("Lower limit"), mark("Upper limit"), mark("Rules broken"))],
        "rows": list(reversed(rows)),
        "notes": notes,
        "rules": True,
        "spread": chart.spread,
    }  # fmt: skip


def _yield(stores: Stores, asked: Asked, words: Words, step: str) -> dict[str, Any]:
    groups = _groups(stores, asked, step, words)
    if not groups:
        return nothing()
    kinds = [Verdict.PASS, Verdict.REJECT, Verdict.NOT_INSPECTED]
    hrefs = [_of_group(asked, group, "all") for group in groups]
    slots = [(group.name, [group.counts[kind] for kind in kinds]) for group in groups]
    rows = [
        [(group.name, href), sum(counts), *counts, _percent(counts[0] / sum(counts))]
        for group, href, (_, counts) in zip(groups, hrefs, slots, strict=True)
    ]
    total = [sum(counts[place] for _, counts in slots) for place in range(3)]
    return {
        "svg": drawing.shares(words(mark("Yield")), slots, ["passed", "rejected", "missed"], hrefs),
        "heads": [words(text) for text in (mark("When"), mark("Seen"), mark("Passed"), mark("Rejected"),
                                           mark("Not inspected"), mark("Yield"))],
        "rows": list(reversed(rows)),
        "notes": [words(mark("Yield {share}: passed among all parts seen."), share=_percent(total[0] / sum(total)))],
        "legend": True,
    }  # fmt: skip


def _groups(stores: Stores, asked: Asked, step: str, words: Words) -> list[Group]:
    slots = sums.by_time(stores.reader, any_verdict(replace(asked, label="")).search())
    return group_slots(slots, step, asked.place, lambda shift: name_words(words, shift, "shift"))


def group_slots(slots: Sequence[Slot], step: str, place: Place, shift_name: Callable[[str], str] = str) -> list[Group]:
    """Quarters of an hour put together by hour, shift or day of a place, at most MOST_POINTS, the newest."""
    if not slots:
        return []
    if not step:
        days = (parse_utc(slots[-1].starts_at_utc) - parse_utc(slots[0].starts_at_utc)) / dt.timedelta(days=1)
        step = "hour" if days <= 4 else "shift" if days <= 32 else "day"
    found: dict[str, list[Slot]] = {}
    for _, same in groupby(slots, key=lambda slot: slot.starts_at_utc):
        some = list(same)
        found.setdefault(_group_name(some[0], step, place, shift_name), []).extend(some)
    groups = []
    for name, some in list(found.items())[-MOST_POINTS:]:
        counts = dict.fromkeys((Verdict.PASS, Verdict.REJECT, Verdict.NOT_INSPECTED), 0)
        for slot in some:
            counts[slot.verdict] += slot.parts
        until = parse_utc(some[-1].starts_at_utc) + dt.timedelta(minutes=15)
        groups.append(Group(name, iso(parse_utc(some[0].starts_at_utc)), iso(until), counts))
    return groups


def _group_name(slot: Slot, step: str, place: Place, shift_name: Callable[[str], str]) -> str:
    if step == "shift":
        day, name = place.shift_at(slot.starts_at_utc)
        return f"{day[5:]} {shift_name(name)}".strip()
    return place.local(slot.starts_at_utc).strftime("%m-%d %H:00" if step == "hour" else "%Y-%m-%d")


def _of_group(asked: Asked, group: Group, verdict: str) -> str:
    ends = {"span": CHOSEN, "since": group.since_utc, "until": group.until_utc}
    return f"/defects?{asked.query(verdict=verdict, shift=None, label=None, **ends)}"


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"
