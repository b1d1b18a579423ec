"""A record as a row, and back.

What it is: two pure functions and the small types around them. What it is not: SQL. Any thread.

Part ids and boot ids are unsigned 64 and 32 bits on the wire; databases know signed 64 bits only, so the top half
is stored as its two's complement. Numbers that are not finite (a model that returned NaN) are stored as none,
since a part must be recorded whatever was computed for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from inspector.types import (
    CodeRead,
    Defect,
    Inspection,
    InspectionRecord,
    Measurement,
    OutcomeKind,
    Part,
    Pose,
    Reason,
    RejectOutcome,
    Verdict,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecord:
    """A record as it lies in the store: `number` grows by one with each, and pages are keyed by it."""

    number: int
    record: InspectionRecord
    image_removed_at_utc: str | None = None
    image_removed_reason: str | None = None


def signed(part_id: int) -> int:
    """An unsigned 64-bit id as the signed one that databases keep."""
    return part_id - (1 << 64) if part_id >= 1 << 63 else part_id


def unsigned(stored: int) -> int:
    """The inverse of `signed`."""
    return stored + (1 << 64) if stored < 0 else stored


def finite(value: float | None) -> float | None:
    """`value` as a plain float; none for none, NaN and infinity."""
    return float(value) if value is not None and math.isfinite(value) else None


def row_of(number: int, record: InspectionRecord) -> dict[str, Any]:
    """The row of `record`, made of plain ints, floats and strings only (numpy scalars are converted)."""
    part, inspection, outcome = record.part, record.inspection, record.outcome
    return {
        "id": number,
        "part_id": signed(part.part_id),
        "verdict": int(record.verdict),
        "judged": int(inspection.verdict),
        "outcome": int(outcome.kind),
        "outcome_reason": outcome.reason,
        "outcome_tick": outcome.tick,
        "seen_at_utc": record.seen_at_utc,
        "seen_tick": part.seen_tick,
        "due_tick": part.due_tick,
        "seen_at_ns": part.seen_at_ns,
        "trigger_at_ns": part.trigger_at_ns,
        "frame_id": inspection.frame_id,
        "score": finite(inspection.score),
        "slack_ms": finite(record.slack_ms),
        "part_recipe_id": part.recipe_id,
        "recipe_id": inspection.recipe_id,
        "recipe_rev": inspection.recipe_rev,
        "model_sha": inspection.model_sha,
        "calibration_id": inspection.calibration_id,
        "pose": _pose_row(inspection.pose),
        "reasons": [_reason_row(reason) for reason in inspection.reasons],
        "defects": [_defect_row(defect) for defect in inspection.defects],
        "stage_ms": {stage: finite(ms) for stage, ms in inspection.stage_ms.items()},
        "image_path": record.image_path,
        "truth": record.truth,
        "serial": inspection.serial or None,
        "measurements": [_measurement_row(one) for one in inspection.measurements] or None,
        "codes": [asdict(one) for one in inspection.codes] or None,
        "plc_part": part.plc_part,
    }


def record_of(row: Mapping[str, Any]) -> InspectionRecord:
    """The record of a row, the inverse of `row_of`."""
    part_id = unsigned(row["part_id"])
    return InspectionRecord(
        part=Part(
            part_id=part_id,
            seen_tick=row["seen_tick"],
            due_tick=row["due_tick"],
            seen_at_ns=row["seen_at_ns"],
            trigger_at_ns=row["trigger_at_ns"],
            plc_part=row["plc_part"],
            recipe_id=row["part_recipe_id"],
        ),
        inspection=_inspection_of(part_id, row),
        outcome=RejectOutcome(
            part_id=part_id, kind=OutcomeKind(row["outcome"]), reason=row["outcome_reason"], tick=row["outcome_tick"]
        ),
        seen_at_utc=row["seen_at_utc"],
        slack_ms=row["slack_ms"],
        image_path=row["image_path"],
        truth=row["truth"],
    )


def _inspection_of(part_id: int, row: Mapping[str, Any]) -> Inspection:
    return Inspection(
        part_id=part_id,
        frame_id=row["frame_id"],
        verdict=Verdict(row["judged"]),
        reasons=tuple(Reason(**reason) for reason in row["reasons"]),
        defects=tuple(Defect(**{**defect, "box_px": tuple(defect["box_px"])}) for defect in row["defects"]),
        score=row["score"],
        pose=Pose(**row["pose"]) if row["pose"] else None,
        stage_ms=row["stage_ms"],
        serial=row["serial"] or "",
        measurements=tuple(_measurement_of(one) for one in row["measurements"] or ()),
        codes=tuple(CodeRead(**{**one, "polygon_px": tuple(one["polygon_px"])}) for one in row["codes"] or ()),
        recipe_id=row["recipe_id"],
        recipe_rev=row["recipe_rev"],
        model_sha=row["model_sha"],
        calibration_id=row["calibration_id"],
    )


def _pose_row(pose: Pose | None) -> dict[str, float] | None:
    if pose is None or not all(map(math.isfinite, (pose.x_px, pose.y_px, pose.angle_deg, pose.score))):
        return None
    return {
        "x_px": float(pose.x_px),
        "y_px": float(pose.y_px),
        "angle_deg": float(pose.angle_deg),
        "score": float(pose.score),
    }


def _reason_row(reason: Reason) -> dict[str, Any]:
    return {
        "code": reason.code,
        "value": finite(reason.value),
        "limit": finite(reason.limit),
        "text": reason.text,
    }


def _defect_row(defect: Defect) -> dict[str, Any]:
    return {
        "label": defect.label,
        "score": finite(defect.score),
        "threshold": finite(defect.threshold),
        "box_px": [int(edge) for edge in defect.box_px],
        "area_mm2": finite(defect.area_mm2),
    }


def _measurement_row(one: Measurement) -> dict[str, Any]:
    return {
        "name": one.name,
        "value": finite(one.value),
        "unit": one.unit,
        "low": one.low,
        "high": one.high,
        "uncertainty": finite(one.uncertainty),
        "text": one.text,
        "shapes": [list(shape) for shape in one.shapes],
    }


def _measurement_of(stored: Mapping[str, Any]) -> Measurement:
    return Measurement(**{**stored, "shapes": tuple(tuple(shape) for shape in stored["shapes"])})
