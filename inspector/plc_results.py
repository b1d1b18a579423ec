"""An inspection as the result block of the PLC contract: verdict, and where a robot finds part and defect.

What it is: a translation, with positions in millimetres where the belt plane is calibrated (of the robot's frame where
that is, too), else in the picture's pixels; the block says which. What it is not: the handshake
(`firmware_bridge.plc`). Pure; line thread.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np

from firmware_bridge.plc.results import Result
from firmware_bridge.plc.signals import LengthUnit, PlcVerdict
from inspector.calibrated import Plane, Robot
from inspector.types import Defect, Inspection, Pose, Verdict

_ARM_PX = 20.0
_VERDICT = {
    Verdict.PASS: PlcVerdict.PASS,
    Verdict.REJECT: PlcVerdict.REJECT,
    Verdict.NOT_INSPECTED: PlcVerdict.NOT_INSPECTED,
}


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are for a robot: millimetres of the robot's frame, of the belt plane, or the picture's pixels."""

    plane: Plane | None = None
    robot: Robot | None = None

    @property
    def unit(self) -> LengthUnit:
        """What `of` gives."""
        return LengthUnit.PX_0_1 if self.plane is None else LengthUnit.MM_0_01

    def of(self, x_px: float, y_px: float) -> tuple[float, float] | None:
        """A point of the picture; None where the plane's lens model does not reach: left out, not guessed."""
        if self.plane is None:
            return (x_px, y_px)
        place = self.plane.mm_from_px(np.array([[x_px, y_px]], np.float64))
        x, y = (place if self.robot is None else self.robot.robot_from_mm(place))[0]
        return (float(x), float(y)) if np.isfinite(x) and np.isfinite(y) else None

    def angle_deg(self, pose: Pose) -> float:
        """The part's turn: as `Pose` has it in pixels; in millimetres the direction of what points along the picture's
        rows in the taught pose, from the frame's x axis towards its y axis."""
        if self.plane is None:
            return pose.angle_deg
        turn = math.radians(pose.angle_deg)
        start = self.of(pose.x_px, pose.y_px)
        end = self.of(pose.x_px + _ARM_PX * math.cos(turn), pose.y_px - _ARM_PX * math.sin(turn))
        if start is None or end is None:
            return 0.0
        return math.degrees(math.atan2(end[1] - start[1], end[0] - start[0]))


def plc_result(inspection: Inspection, wire_id: int, labels: tuple[str, ...], places: Places) -> Result:
    """The result of one part. `labels` are the recipe's defect labels: a defect's class is its place there, from 1.

    `part_xy` is the pose's reference point, `defect_xy` the middle of the box of the defect that is farthest above its
    threshold.
    """
    worst = max(inspection.defects, key=_excess, default=None)
    pose = inspection.pose
    part = None if pose is None else places.of(pose.x_px, pose.y_px)
    return Result(
        part_id=wire_id,
        verdict=_VERDICT[inspection.verdict],
        record_id=inspection.part_id,
        score=inspection.score if inspection.score is not None and math.isfinite(inspection.score) else 0.0,
        inspection_ms=sum(inspection.stage_ms.values()),
        defect_class=labels.index(worst.label) + 1 if worst is not None and worst.label in labels else 0,
        defect_count=len(inspection.defects),
        unit=places.unit,
        part_xy=part,
        angle_deg=places.angle_deg(pose) if pose is not None and part is not None else 0.0,
        defect_xy=None if worst is None else places.of(*_middle(worst)),
    )


def settings_checksum(recipe_rev: str, model_sha: str, calibration_id: str) -> int:
    """CRC-32 over what a job judges by; the same on every station with the same files."""
    return zlib.crc32(f"{recipe_rev}\n{model_sha}\n{calibration_id}".encode())


def _excess(defect: Defect) -> float:
    return defect.score / defect.threshold if defect.threshold > 0 else defect.score


def _middle(defect: Defect) -> tuple[float, float]:
    x, y, width, height = defect.box_px
    return (x + (width - 1) / 2, y + (height - 1) / 2)
