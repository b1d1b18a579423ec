"""Drift as the operator meets it: an alarm at the warning level, the belt stands at the stop level.

What it is: every few judged parts, a look at the picture when its record is made - after its verdict has gone out, so
that no verdict waits for it. What it is not: the measuring of drift (`vision.drift`). Line thread.
"""

from __future__ import annotations

from inspector.calibrated import IlluminationValue
from inspector.passage import Passage
from inspector.state import Cause
from inspector.types import Frame, InspectionRecord, Verdict
from inspector.vision.drift import Drift, DriftLimits, DriftWatch

EVERY = 4


class DriftAlarms:
    """See the module. One part in `EVERY` is looked at; parts that were not inspected say nothing of the light."""

    def __init__(self, baseline: IlluminationValue, limits: DriftLimits | None = None) -> None:
        self._baseline = baseline
        self._limits = limits
        self._watch = DriftWatch(baseline, limits)
        self._count = 0
        self._levels: dict[str, str] = {}

    def look(self, frame: Frame, row: InspectionRecord, passage: Passage) -> None:
        """Take a recorded part with its picture; raises and settles alarms, and stops the belt at the stop level."""
        if row.inspection.verdict is Verdict.NOT_INSPECTED:
            return
        self._count += 1
        if self._count % EVERY == 0:
            self._tell(self._watch.look(frame.pixels), passage)

    def _tell(self, drifts: tuple[Drift, ...], passage: Passage) -> None:
        now: dict[str, str] = {drift.code: drift.level for drift in drifts}
        for code, level in list(self._levels.items()):
            if now.get(code) != level:
                passage.alarms.settle(code)
        for drift in drifts:
            severity = "stop" if drift.level == "stop" else "warning"
            passage.alarms.raise_(drift.code, severity, **_told(drift))
        self._levels = now
        if "stop" in now.values():
            # After the reset a full look decides again, not the pictures from before the repair.
            self._watch = DriftWatch(self._baseline, self._limits)
            self._levels = {}
            passage.order(Cause.STOP)
            passage.order(Cause.HOLD)


def _told(drift: Drift) -> dict[str, str]:
    """Value and limit as the alarm's words have them."""
    if drift.code == "camera_moved":
        return {"found": f"{drift.value:.1f} px", "limit": f"{drift.limit:g} px"}
    return {
        "found": f"{drift.value:+.1%}" if drift.code == "lamp_drift" else f"{drift.value:.0%}",
        "limit": f"{drift.limit:.0%}",
    }
