"""Results on their way to the PLC: what one holds, and the buffer they wait in.

What it is: pure values and a pure queue: one result shown, up to eight behind it, the oldest first. What it is not:
the handshake (`contract`). Used under the contract's lock.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from firmware_bridge.plc.events import PlcEvent, ResultLost, ResultTaken
from firmware_bridge.plc.fields import Value
from firmware_bridge.plc.signals import LengthUnit, PlcVerdict, ResultFlag

DEPTH = 8
# Register steps in one unit.
_STEPS = {LengthUnit.MM_0_01: 100, LengthUnit.PX_0_1: 10}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the station says of one part.

    `part_xy` and `defect_xy` are (x, y) in millimetres or pixels, as `unit` says; None where there is none. `angle_deg`
    belongs to `part_xy`. `score` is the part score, 1.0 the threshold. `record_id` is the part's 64-bit number in the
    station's records. The contract adds job, checksum and encoder of the part's trigger. Raises ValueError for a
    number that is not finite, and for a position without a unit.
    """

    part_id: int
    verdict: PlcVerdict
    record_id: int = 0
    score: float = 0.0
    inspection_ms: float = 0.0
    defect_class: int = 0
    defect_count: int = 0
    unit: LengthUnit = LengthUnit.NONE
    part_xy: tuple[float, float] | None = None
    angle_deg: float = 0.0
    defect_xy: tuple[float, float] | None = None
    job: int = 0
    checksum: int = 0
    encoder: int = 0
    first_piece: bool = False

    def __post_init__(self) -> None:
        numbers = (self.score, self.inspection_ms, self.angle_deg, *(self.part_xy or ()), *(self.defect_xy or ()))
        if not all(math.isfinite(number) for number in numbers):
            raise ValueError(f"result of part {self.part_id}: found {numbers}, wanted finite numbers")
        if self.unit is LengthUnit.NONE and (self.part_xy or self.defect_xy):
            raise ValueError(f"result of part {self.part_id}: a position without a unit; wanted MM_0_01 or PX_0_1")
        if self.verdict not in list(PlcVerdict)[1:]:
            raise ValueError(f"result of part {self.part_id}: verdict is {self.verdict!r}, wanted 1 to 5")

    def held(self, verdict: PlcVerdict) -> Result:
        """This result if it is no PASS, else the same with `verdict` instead."""
        return replace(self, verdict=verdict) if self.verdict is PlcVerdict.PASS else self

    def values(self, inspection_id: int) -> dict[str, Value]:
        """The fields of the result block."""
        steps = _STEPS.get(self.unit, 0)
        part, defect = self.part_xy or (0.0, 0.0), self.defect_xy or (0.0, 0.0)
        flags = ResultFlag.POSE if self.part_xy else ResultFlag(0)
        flags |= ResultFlag.DEFECT if self.defect_xy else ResultFlag(0)
        flags |= ResultFlag.FIRST_PIECE if self.first_piece else ResultFlag(0)
        return {
            "result_part_id": self.part_id,
            "inspection_id": inspection_id,
            "verdict": self.verdict,
            "result_flags": flags,
            "defect_class": self.defect_class,
            "defect_count": self.defect_count,
            "score": self.score,
            "inspection_time": self.inspection_ms,
            "length_unit": self.unit,
            "part_x": round(part[0] * steps),
            "part_y": round(part[1] * steps),
            "part_angle": self.angle_deg,
            "result_job": self.job,
            "defect_x": round(defect[0] * steps),
            "defect_y": round(defect[1] * steps),
            "result_checksum": self.checksum,
            "result_encoder": self.encoder,
            "record_boot": self.record_id >> 32,
            "record_number": self.record_id & 0xFFFF_FFFF,
            "inspection_id_copy": inspection_id,
        }


@dataclass(slots=True)
class InFlight:
    """A part that was triggered and has no result yet. `doomed`: a fault came between, its PASS is void."""

    accepted_ns: int
    job: int
    checksum: int
    encoder: int
    first_piece: bool
    doomed: bool
    record_id: int = 0

    def answer(self, result: Result, job: int, checksum: int) -> Result:
        """The result of this part as the PLC may have it; `job` and `checksum` are those that judge by now."""
        result = replace(
            result,
            record_id=result.record_id or self.record_id,
            job=self.job,
            checksum=self.checksum,
            encoder=self.encoder,
            first_piece=self.first_piece,
        )
        result = result.held(PlcVerdict.FAULT) if self.doomed else result
        judged_alike = (self.job, self.checksum) == (job, checksum)
        return result if judged_alike and not self.first_piece else result.held(PlcVerdict.UNKNOWN)


class ResultBuffer:
    """See the module. `valid` is RESULTS_VALID; the block is empty but for its inspection id while it is False."""

    def __init__(self, tell: Callable[[PlcEvent], None]) -> None:
        self._tell = tell
        self.waiting: deque[tuple[int, Result]] = deque()
        self.shown: Result | None = None
        self.inspection_id = 0
        self.last_id = 0
        self.completed = False

    @property
    def valid(self) -> bool:
        """RESULTS_VALID."""
        return self.shown is not None

    def offer(self, result: Result, wanted: bool, deep: bool) -> bool:
        """Number a result and queue it; False if it is not wanted or has no room: it is lost, its number stays used.

        Not `deep`: nothing waits behind a result that is shown.
        """
        self.last_id = self.last_id % 0xFFFF + 1
        if not wanted or len(self.waiting) >= (DEPTH if deep else int(not self.valid)):
            self._tell(ResultLost(result.part_id))
            return False
        self.waiting.append((self.last_id, result))
        return True

    def holds(self, part_id: int) -> bool:
        """Whether a result of this part is shown or waits."""
        results = [result for _, result in self.waiting] + ([self.shown] if self.shown else [])
        return any(result.part_id == part_id for result in results)

    def show_next(self) -> Result | None:
        """Put the oldest waiting result into the block, if the block is free."""
        if self.valid or not self.waiting:
            return None
        self.inspection_id, self.shown = self.waiting.popleft()
        self.completed = not self.completed
        return self.shown

    def acknowledge(self) -> bool:
        """The PLC has the result: empty the block; False if there was none in it."""
        if self.shown is None:
            return False
        self._tell(ResultTaken(self.shown.part_id, self.shown.verdict))
        self.shown = None
        return True

    def take_back(self) -> None:
        """Empty the block, whatever the PLC knows of it."""
        if self.shown is not None:
            self._tell(ResultLost(self.shown.part_id))
        self.shown = None

    def doom(self) -> None:
        """A fault: what waits is no PASS any more."""
        self.waiting = deque((number, result.held(PlcVerdict.FAULT)) for number, result in self.waiting)

    def empty(self) -> list[Result]:
        """Drop what waits; what was dropped."""
        dropped = [result for _, result in self.waiting]
        self.waiting.clear()
        for result in dropped:
            self._tell(ResultLost(result.part_id))
        return dropped

    def values(self) -> dict[str, Value]:
        """The fields of the result block as it is now."""
        if self.shown is not None:
            return self.shown.values(self.inspection_id)
        return {"inspection_id": self.inspection_id, "inspection_id_copy": self.inspection_id}
