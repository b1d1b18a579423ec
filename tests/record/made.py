"""Records and frames for the tests of this folder."""

import numpy as np

from inspector.types import (
    Defect,
    Frame,
    Inspection,
    InspectionRecord,
    OutcomeKind,
    Part,
    Pose,
    Reason,
    RejectOutcome,
    Verdict,
)

OUTCOME = {
    Verdict.PASS: OutcomeKind.PASSED,
    Verdict.REJECT: OutcomeKind.FIRED,
    Verdict.NOT_INSPECTED: OutcomeKind.TOO_LATE,
}


def make_record(
    part_id=1, verdict=Verdict.PASS, *, label="scratch", score=0.4, seen="2026-03-01T10:00:00.000Z", **more
):
    defects = (Defect(label=label, score=2.5, threshold=1.0, box_px=(1, 2, 3, 4), area_mm2=0.5),)
    inspection = Inspection(
        part_id=part_id,
        frame_id=7,
        verdict=verdict,
        reasons=() if verdict is Verdict.PASS else (Reason(code="score", value=2.5, limit=1.0, text="too high"),),
        defects=defects if verdict is Verdict.REJECT else (),
        score=score,
        pose=Pose(x_px=1.5, y_px=2.5, angle_deg=-30.0, score=0.9),
        stage_ms={"locate": 1.25, "model": 8.5},
        recipe_id=more.pop("recipe_id", "bracket"),
        recipe_rev="abc",
        model_sha="def",
        calibration_id="ghi",
    )
    return InspectionRecord(
        part=Part(part_id=part_id, seen_tick=10, due_tick=20, seen_at_ns=30, trigger_at_ns=40, recipe_id="bracket"),
        inspection=more.pop("inspection", inspection),
        outcome=RejectOutcome(part_id=part_id, kind=OUTCOME[verdict], reason="told", tick=21),
        seen_at_utc=seen,
        slack_ms=12.5,
        truth="good",
        **more,
    )


def make_frame(part_id=1, height=24, width=32):
    rows = np.arange(height * width * 3, dtype=np.uint32).reshape(height, width, 3) % 251
    return Frame(frame_id=7, camera="c", exposed_at_ns=1, pixels=rows.astype(np.uint8), part_id=part_id)
