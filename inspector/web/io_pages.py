"""The pages of inputs and outputs: what stands between station, PLC and reject controller, and one part in lanes.

What it is: routes that answer HTML; the live values come over the API. What it is not: the handshake, or a way to an
output (plc_routes). Thread pool.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from firmware_bridge.plc.maintenance import FORCEABLE, VERDICT
from firmware_bridge.plc.signals import PlcVerdict
from inspector.errors import StoreError
from inspector.outputs import outputs_of
from inspector.record import search
from inspector.record.asked import Search
from inspector.record.reader import Reader, RecordFilter
from inspector.record.rows import StoredRecord
from inspector.web.defects import MAX_ID, VERDICT_WORDS
from inspector.web.finding import part_name
from inspector.web.lanes import DECISION, drawn, lanes_of
from inspector.web.names import SERVER, name_words
from inspector.web.roles import Role, require
from inspector.web.said import link_table, outcome_words, script_json
from inspector.web.setup_pages import FACTS
from inspector.web.shell import render, words_of
from inspector.web.words import mark

NEWEST = 200
pages = APIRouter(include_in_schema=False, dependencies=[Depends(require(Role.INTEGRATOR))])
LINK = (*((key, words) for group, key, words in FACTS if group == "link"), ("reread", mark("Rows read again")))
FORCEABLE_WORDS = [
    (signal, [(value, PlcVerdict(value).name if signal == VERDICT else value) for value in values])
    for signal, values in FORCEABLE.items()
]
SLACK = (("min", mark("Slack, least, ms")), ("p50", mark("Slack, median, ms")), ("p99", mark("Slack, 99 %, ms")))


@pages.get("/io")
def io_page(request: Request) -> HTMLResponse:
    """Every signal and register, live; maintenance; the reject controller's link."""
    config = request.app.state.config
    scripts = (*(("io.js",) if config.plc is not None else ()), "io-maintenance.js", "io-controller.js")
    context: dict[str, Any] = {"plc": config.plc, "link": LINK, "slack": SLACK, "newest": NEWEST}
    context |= {"outputs": list(outputs_of(config).values()), "forceable": FORCEABLE_WORDS}
    triggers = config.plc is not None and config.plc.wiring == "triggers"
    words = words_of(request)
    counted = {"server": {name: words(said) for name, said in SERVER.items()}}
    context["codes"] = script_json(link_table(words, plc_triggers=triggers) | counted)
    return render(request, "io.html", scripts=scripts, outcomes=_outcomes(request), **context)


@pages.get("/io/timing")
def timing_page(request: Request, part: Annotated[str, Query(pattern=r"^\d{0,20}$")] = "") -> HTMLResponse:
    """One part's way in lanes; without an id the newest."""
    reader = request.app.state.store.reader()
    found = _record(reader, part)
    context: dict[str, Any] = {"part_id": part, "record": None, "older": None, "newer": None}
    if found is not None:
        words, record = words_of(request), found.record
        lanes = lanes_of(record, request.app.state.config)
        names = [name_words(words, lane.name, "stage") if lane.stage else words(lane.name) for lane in lanes]
        newer, older = search.beside(reader, Search(), found.number)
        context |= {
            "part_id": str(record.part.part_id),
            "record": record,
            "verdict_words": VERDICT_WORDS,
            "name": part_name(record.part.part_id),
            "older": _part_id(reader, older),
            "newer": _part_id(reader, newer),
            "svg": drawn(lanes, names, words("Timing of one part")),
            "placed": any(lane.name == DECISION for lane in lanes),
        }
    return render(request, "io_timing.html", **context)


def _record(reader: Reader, part: str) -> StoredRecord | None:
    if not part:
        return next(iter(reader.records(RecordFilter(), None, 1)), None)
    return reader.record(int(part)) if int(part) <= MAX_ID else None


def _part_id(reader: Reader, number: int | None) -> str | None:
    found = [] if number is None else reader.numbered([number])
    return str(found[0].record.part.part_id) if found else None


def _outcomes(request: Request) -> list[tuple[str, str, int]]:
    """What became of the newest parts at the gate: kind and reason in words, how often; empty without a store."""
    try:
        found = request.app.state.store.reader().records(RecordFilter(), None, NEWEST)
    except StoreError:
        return []
    words = words_of(request)
    counted = Counter(outcome_words(words, one.record.outcome) for one in found)
    return [(kind, reason, count) for (kind, reason), count in counted.most_common()]
