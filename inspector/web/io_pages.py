"""The pages of inputs and outputs: what stands between station, PLC and reject controller, and one part in lanes.

What it is: routes that answer HTML; the live values come over the API. What it is not: the handshake, or a way to an
output (plc_routes). Thread pool.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from inspector.errors import StoreError
from inspector.record.reader import RecordFilter
from inspector.web.roles import Role, require
from inspector.web.setup_pages import FACTS
from inspector.web.shell import render
from inspector.web.words import mark

NEWEST = 200
pages = APIRouter(include_in_schema=False, dependencies=[Depends(require(Role.INTEGRATOR))])
LINK = (*((key, words) for group, key, words in FACTS if group == "link"), ("reread", mark("Rows read again")))
SLACK = (("min", mark("Slack, least, ms")), ("p50", mark("Slack, median, ms")), ("p99", mark("Slack, 99 %, ms")))


@pages.get("/io")
def io_page(request: Request) -> HTMLResponse:
    """Every signal and register, live; maintenance; the reject controller's link."""
    config = request.app.state.config
    scripts = ("io.js", "io-controller.js") if config.plc is not None else ("io-controller.js",)
    context: dict[str, Any] = {"plc": config.plc, "link": LINK, "slack": SLACK, "newest": NEWEST}
    return render(request, "io.html", scripts=scripts, outcomes=_outcomes(request), **context)


def _outcomes(request: Request) -> list[tuple[str, str, int]]:
    """What became of the newest parts at the gate: kind, the controller's reason, how often; empty without a store."""
    try:
        found = request.app.state.store.reader().records(RecordFilter(), None, NEWEST)
    except StoreError:
        return []
    counted = Counter((one.record.outcome.kind.name, one.record.outcome.reason) for one in found)
    return [(kind, reason, count) for (kind, reason), count in counted.most_common()]
