"""Messages for the tests of this folder."""

import numpy as np

from inspector.link.messages import Heat, PartEvent
from inspector.types import Alarm, Counts, Defect, Measurement, Reason, StationStatus, Verdict


def make_status(number=1, **more):
    return StationStatus(
        station="demo",
        state="execute",
        recipe_id="bracket",
        recipe_rev="abc",
        counts=Counts(seen=number, passed=number, records=number),
        alarms=(Alarm(code="camera", severity="high", text="t", advice="a", since_utc="2026-03-01T10:00:00.000Z"),),
        latency_ms={"p50": 8.5},
        slack_ms={"min": 100.0},
        link={"connected": True},
        queues={"recorder": {"waiting": 0, "limit": 256}},
        last_part_id=(1 << 32) | number,
        at_utc="2026-03-01T10:00:00.000Z",
        **more,
    )


def make_event(number=1, verdict=Verdict.REJECT, **more):
    return PartEvent(
        part_id=(1 << 32) | number,
        verdict=verdict,
        at_utc="2026-03-01T10:00:00.000Z",
        counts=Counts(seen=number, rejected=number, records=number),
        score=2.5,
        reasons=(Reason(code="score", value=2.5, limit=1.0, text="too high"),),
        defects=(Defect(label="scratch", score=2.5, threshold=1.0, box_px=(1, 2, 3, 4), area_mm2=0.5),),
        measurements=(
            Measurement(
                name="gap", value=None, unit="mm", low=1.0, high=2.0, text="no edge", shapes=(("circle", 1, 2, 3),)
            ),
        ),
        heat=Heat(width=2, height=1, cells="AP8=", to_frame=(1.0, 0.0, 5.0, 0.0, 1.0, 6.0)),
        **more,
    )


def make_pixels(value=7, height=96, width=128):
    return np.full((height, width, 3), value, np.uint8)
