"""What the API answers, as types: the source of the OpenAPI description.

What it is: pydantic models and the functions that fill them from the station's own types. What it is not: queries.
Part ids are strings here, since they have 64 bits and a browser's numbers 53. Any thread.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

from pydantic import BaseModel, Field

from inspector.link.messages import plain
from inspector.record.rows import StoredRecord
from inspector.types import StationStatus, Verdict
from inspector.web.errors import CODES

VerdictName = Literal["PASS", "REJECT", "NOT_INSPECTED"]


class ErrorBody(BaseModel):
    """Why a request was not done."""

    code: str = Field(description="Stable name of the error.")
    message: str = Field(description="One line for a person.")
    detail: Any = Field(default=None, description="More, for a program; its shape depends on the code.")


class ErrorOut(BaseModel):
    """The one shape of every error."""

    error: ErrorBody


class LineOut(BaseModel):
    """How the web process stands with the line."""

    connected: bool = Field(description="Whether there is a line at the other end of the link.")
    status_age_s: float | None = Field(description="Seconds since the line last said anything; null before that.")
    trouble: str = Field(description="Why it is not connected; empty when it is.")


class StatusOut(BaseModel):
    """The station as it is now."""

    line: LineOut
    status: dict[str, Any] | None = Field(
        description="What the line last said: station, state, recipe_id, recipe_rev, counts, alarms, latency_ms, "
        "slack_ms, link, queues, camera, last_part_id, at_utc, camera_trouble, preparing, "
        "test_left_s, unchecked. Null before the first; old when status_age_s is large."
    )


class OutcomeOut(BaseModel):
    """What became of the part at the gate, told by the controller."""

    kind: Literal["FIRED", "PASSED", "TOO_LATE", "UNCONFIRMED"]
    reason: str
    tick: int | None


class RecordOut(BaseModel):
    """One part, one record."""

    number: int = Field(description="Running number of the record; pages are keyed by it.")
    part_id: str = Field(description="64-bit id as decimal digits: boot of the controller, running number.")
    verdict: Literal["NONE", "PASS", "REJECT", "NOT_INSPECTED"]
    outcome: OutcomeOut
    seen_at_utc: str
    score: float | None = Field(description="Part score; 1.0 is the model's threshold.")
    slack_ms: float | None = Field(description="Deadline minus the moment the verdict was sent.")
    reasons: list[dict[str, Any]]
    defects: list[dict[str, Any]]
    pose: dict[str, float] | None
    stage_ms: dict[str, float | None]
    measurements: list[dict[str, Any]] = Field(
        description="name, value (null: could not be measured, text says why), unit, low, high, uncertainty (k = 2), "
        "shapes in the picture's pixels."
    )
    codes: list[dict[str, Any]] = Field(description="name, content (empty: not read), symbology, text, polygon_px.")
    serial: str = Field(description="What the part's code says; empty where the recipe reads none.")
    plc_part: int | None = Field(description="The number a PLC that triggers gave the part; it may come again.")
    frame_id: int | None
    recipe_id: str
    recipe_rev: str
    model_sha: str
    calibration_id: str
    truth: str | None = Field(description="The label of the picture, where the line runs on labelled ones.")
    image: Literal["kept", "removed", "none"]
    image_removed_at_utc: str | None
    image_removed_reason: str | None


class PageOut(BaseModel):
    """A page of records, newest first."""

    records: list[RecordOut]
    next_before: int | None = Field(description="Give this as `before` for the next page; null on the last.")


class RecipeOut(BaseModel):
    """A recipe file beside the station's."""

    id: str
    description: str
    revision: str
    file: str
    active: bool = Field(description="Whether the line says that it runs this revision.")
    trouble: str = Field(description="Why it cannot be used; empty when it can.")


class RecipeIn(BaseModel):
    """Which recipe to change to."""

    recipe_id: str = Field(min_length=1, max_length=64, examples=["bracket"])


class AckIn(BaseModel):
    """Which alarm was seen."""

    code: str = Field(min_length=1, max_length=64)


class DoneOut(BaseModel):
    """The line did it."""

    ok: Literal[True] = True


# What every command to the line may be answered with.
REFUSALS = ("token_missing", "token_wrong", "forbidden", "origin_wrong", "refused", "invalid", "line_down")


def error_answers(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route, for OpenAPI."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        status, meaning = CODES[code]
        by_status.setdefault(status, []).append(f"`{code}`: {meaning}")
    return {status: {"model": ErrorOut, "description": " ".join(texts)} for status, texts in by_status.items()}


def status_out(status: StationStatus | None) -> dict[str, Any] | None:
    """The line's status as JSON."""
    if status is None:
        return None
    body: dict[str, Any] = plain(asdict(status))
    body["last_part_id"] = None if status.last_part_id is None else str(status.last_part_id)
    return body


def record_out(stored: StoredRecord) -> RecordOut:
    """A stored record as the API shows it."""
    record, inspection = stored.record, stored.record.inspection
    body = plain(asdict(inspection))
    image: Literal["kept", "removed", "none"] = "kept" if record.image_path else "none"
    if stored.image_removed_at_utc is not None:
        image = "removed"
    shown = {
        "number": stored.number,
        "part_id": str(record.part.part_id),
        "plc_part": record.part.plc_part,
        "verdict": Verdict(inspection.verdict).name,
        "outcome": {"kind": record.outcome.kind.name, "reason": record.outcome.reason, "tick": record.outcome.tick},
        "seen_at_utc": record.seen_at_utc,
        "slack_ms": record.slack_ms,
        "truth": record.truth,
        "image": image,
        "image_removed_at_utc": stored.image_removed_at_utc,
        "image_removed_reason": stored.image_removed_reason,
    }
    return RecordOut.model_validate(body | shown)
