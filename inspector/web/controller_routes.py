"""The reject controller over the API: its queue of parts, counters, clock, and how much time its verdicts had left.

What it is: what the line last said of the controller, beside what the newest records say of its outcomes. What it is
not: a page (io_pages), or a way to command it. Thread pool.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from firmware_bridge.codes import Fault, Mode
from inspector.errors import StoreError
from inspector.record.reader import RecordFilter
from inspector.types import StationStatus
from inspector.web.errors import ApiError
from inspector.web.roles import Role, require
from inspector.web.schemas import error_answers

NEWEST = 200
# Upper edges in ms; a verdict with less than no slack came too late.
EDGES_MS = (0, 10, 20, 50, 100, 200, 500, 1000, 2000)
api = APIRouter(prefix="/api/v1", tags=["read"], dependencies=[Depends(require(Role.WATCH))])


class QueuedPart(BaseModel):
    """A part between eye and gate that is not decided yet."""

    part: int = Field(description="Its number since the controller's boot.")
    phase: str = Field(description="SEEN or TRIGGERED; UNREAD while its row has not come.")
    to_gate: int | None = Field(description="Encoder counts from the last status to the gate.")
    verdict: str | None = Field(description="A verdict on its way that the controller has not acknowledged.")


class SlackBin(BaseModel):
    """Verdicts whose slack was below `below_ms` and not in a bin before; null is everything above."""

    below_ms: int | None
    parts: int


class ControllerOut(BaseModel):
    """The reject controller, as the line last told of it."""

    linked: bool
    mode: str | None = Field(description="Its state: READY, RUN, SHUT_DOWN ...; null before the first status.")
    fault: str | None = Field(description="Why it shut down.")
    boot: int | None = Field(description="Counts its starts.")
    clock_error_us: int = Field(description="How far the map between its clock and the station's may be off.")
    queue: list[QueuedPart] = Field(description="Oldest first.")
    counters: dict[str, int] = Field(description="What it refused or missed since its boot (docs/protocol.md).")
    link: dict[str, int] = Field(description="Frames damaged, verdicts sent again, rows read again, ports reopened.")
    reasons: dict[str, int] = Field(description=f"Its reasons for the outcomes of the newest {NEWEST} parts.")
    slack: list[SlackBin] = Field(description="The same parts: deadline minus sending of the verdict.")


@api.get("/controller", responses=error_answers("not_found", "line_down"))
def controller(request: Request) -> ControllerOut:
    """Queue, counters and reasons, clock sync and slack of the reject controller."""
    told: StationStatus | None = request.app.state.client.status
    if told is None:
        raise ApiError("line_down", "the line has not told of its controller yet")
    if "parts" not in told.link:
        raise ApiError("not_found", "this station has no reject controller: the PLC triggers and rejects")
    reasons, slack = _newest(request)
    return ControllerOut(
        linked=bool(told.link["linked"]),
        mode=_name(Mode, told.link["mode"]),
        fault=_name(Fault, told.link["fault"]),
        boot=told.link["boot"],
        clock_error_us=told.link["clock_error_us"],
        queue=[QueuedPart.model_validate(part) for part in told.link["parts"]],
        counters=told.link["troubles"],
        link={key: told.link[key] for key in ("damaged", "resent", "reread", "reopened")},
        reasons=reasons,
        slack=slack,
    )


def _newest(request: Request) -> tuple[dict[str, int], list[SlackBin]]:
    """Reasons and slack of the newest parts; none where there is no store yet."""
    try:
        found = request.app.state.store.reader().records(RecordFilter(), None, NEWEST)
    except StoreError:
        return {}, []
    reasons = Counter(one.record.outcome.reason for one in found)
    return dict(reasons.most_common()), slack_bins([one.record.slack_ms for one in found])


def slack_bins(slack_ms: list[float | None]) -> list[SlackBin]:
    """A histogram over `EDGES_MS`; verdicts that were never sent have no slack and are in none."""
    counted = Counter(next((edge for edge in EDGES_MS if ms < edge), None) for ms in slack_ms if ms is not None)
    return [SlackBin(below_ms=edge, parts=counted[edge]) for edge in (*EDGES_MS, None)]


def _name(of: type[Any], value: int | None) -> str | None:
    return None if value is None else str(of(value).name)
