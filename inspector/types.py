"""The words of the station: what one part is called at each stage of its way.

What it is: frozen value types, checked at the door; numpy is the only import. What it is not: behaviour. Any thread.

Units are in the names (`_ns _us _ms _px _mm _tick _deg`). `_ns` is the station's monotonic clock; a *tick* is the
controller's unit of belt travel (an encoder count, or a step of its clock), of 64 bits. Wall time: only in records.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
_UINT8 = np.dtype(np.uint8)


class Verdict(enum.IntEnum):
    """What the station says of a part. An enum everywhere, on the wire too: a zeroed word is not a PASS."""

    NONE = 0
    PASS = 1
    REJECT = 2
    NOT_INSPECTED = 3


class FrameStatus(enum.StrEnum):
    """What the camera itself says of a frame."""

    OK = "ok"
    INCOMPLETE = "incomplete"


class OutcomeKind(enum.IntEnum):
    """What became of a part at the gate, told by the controller and never assumed."""

    FIRED = 1
    PASSED = 2
    TOO_LATE = 3
    UNCONFIRMED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One exposure.

    `pixels` is uint8, `(H, W)` grey or `(H, W, 3)` BGR, C-contiguous, and is made read-only here; ValueError for any
    other. `frame_id` counts this camera's exposures; a gap in it is a lost frame. `part_id` is None until the tracker
    has bound the frame to a part by its time. `exposed_at_ns` is the start of exposure on the station's clock.
    """

    frame_id: int
    camera: str
    exposed_at_ns: int
    pixels: Pixels
    part_id: int | None = None
    trigger_tick: int | None = None
    status: FrameStatus = FrameStatus.OK
    source: str = ""

    def __post_init__(self) -> None:
        pixels = self.pixels
        shape, flags = pixels.shape, pixels.flags
        fits = len(shape) == 2 or (len(shape) == 3 and shape[2] == 3)
        if pixels.dtype != _UINT8 or not fits or 0 in shape:
            raise ValueError(
                f"frame {self.frame_id} of camera {self.camera!r}: pixels are {pixels.dtype}{list(pixels.shape)}, "
                "wanted uint8 (H, W) or (H, W, 3) BGR"
            )
        if not flags.c_contiguous:
            raise ValueError(f"frame {self.frame_id} of camera {self.camera!r}: pixels are not C-contiguous")
        flags.writeable = False

    def of_part(self, part_id: int) -> Frame:
        """This frame, bound to a part. Not `dataclasses.replace`, which would check the pixels again."""
        bound = object.__new__(Frame)
        for name in self.__slots__:
            object.__setattr__(bound, name, getattr(self, name))
        object.__setattr__(bound, "part_id", part_id)
        return bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part that the photo-eye saw. Made by the eye, not by an image: a part without an image still exists.

    `part_id` is 64 bits, boot count and running number of the controller, so that it is never given twice. `plc_part`
    is a triggering PLC's number, which may come again. `seen_tick` is where the eye's edge lay, `due_tick` where its
    gate is, `seen_at_ns` the edge on the station's clock, `trigger_at_ns` the camera's trigger (None until it came).
    """

    part_id: int
    seen_tick: int
    due_tick: int
    seen_at_ns: int
    trigger_at_ns: int | None = None
    plc_part: int | None = None
    recipe_id: str

    def triggered(self, at_ns: int) -> Part:
        """This part, with the moment its camera was triggered."""
        return replace(self, trigger_at_ns=at_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """Where the part lies: its reference point in the frame, the turn from the taught pose, and how sure (0..1).
    `angle_deg` is in (-180, 180], positive counter-clockwise as seen on the screen."""

    x_px: float
    y_px: float
    angle_deg: float
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """One finding. `box_px` is (x, y, width, height) in the frame's pixels; `score` and `threshold` share a scale."""

    label: str
    score: float
    threshold: float
    box_px: tuple[int, int, int, int]
    area_mm2: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a part was not passed: a stable code, the number that was found and the limit it broke."""

    code: str
    value: float | None = None
    limit: float | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One measured value and its tolerance; `value` is None where it could not be measured, `text` says why, and
    `uncertainty` is expanded (k = 2). `shapes` in the frame's pixels: ("line", x1, y1, x2, y2), ("circle", x, y, r),
    ("polygon", x1, y1, x2, y2, ...)."""

    name: str
    value: float | None
    unit: str
    low: float
    high: float
    uncertainty: float | None = None
    text: str = ""
    shapes: tuple[tuple[Any, ...], ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it was measured, and lies within its tolerance."""
        return self.value is not None and self.low <= self.value <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRead:
    """What a bar code or matrix code said. `content` is empty where none was read; `text` says why."""

    name: str
    content: str
    symbology: str = ""
    text: str = ""
    polygon_px: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What the station decided of a part, and everything that explains it a year later.

    `score` is the model's part score on the calibrated scale (1.0 is the threshold), None where none was made.
    `stage_ms` has the milliseconds of every stage in order, `serial` what the code says, and `heat` makes the HeatMap.
    `sorter` is the ejector before the gate that is to take the part out, 0 where none is.
    """

    part_id: int
    frame_id: int | None
    verdict: Verdict
    reasons: tuple[Reason, ...] = ()
    defects: tuple[Defect, ...] = ()
    score: float | None = None
    pose: Pose | None = None
    stage_ms: dict[str, float] = field(default_factory=dict)
    measurements: tuple[Measurement, ...] = ()
    codes: tuple[CodeRead, ...] = ()
    serial: str = ""
    sorter: int = 0
    recipe_id: str = ""
    recipe_rev: str = ""
    model_sha: str = ""
    calibration_id: str = ""
    heat: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectOutcome:
    """What the controller says became of the part: `reason` is the controller's own name for why."""

    part_id: int
    kind: OutcomeKind
    reason: str
    tick: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectionRecord:
    """One part, one row: the inspection, the outcome, and when. `slack_ms` is deadline minus the moment of sending.

    `truth` is what a recorded or simulated source says of its picture; a real camera says nothing.
    """

    part: Part
    inspection: Inspection
    outcome: RejectOutcome
    seen_at_utc: str
    slack_ms: float | None
    image_path: str | None = None
    truth: str | None = None

    @property
    def verdict(self) -> Verdict:
        """What the part counts as: PASS only if the controller let it through, REJECT only if it was judged bad.

        Judged PASS and not let through (late, lease, purge) is NOT_INSPECTED: what was judged is in `inspection`.
        """
        if self.outcome.kind is OutcomeKind.PASSED:
            return Verdict.PASS
        return Verdict.REJECT if self.inspection.verdict is Verdict.REJECT else Verdict.NOT_INSPECTED


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Where a restart goes on: all parts of the controller's `boot` before `first_open` have their record."""

    boot: int
    first_open: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A stable code, how bad, what is so and what to do, in English; `fields` fill in the words of other languages."""

    code: str
    severity: str
    text: str
    advice: str
    since_utc: str
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The law in numbers: `seen == passed + rejected + not_inspected + open`, which is on the belt; `without_picture`
    of those not inspected ended without a frame."""

    seen: int = 0
    passed: int = 0
    rejected: int = 0
    not_inspected: int = 0
    open: int = 0
    records: int = 0
    without_picture: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StationStatus:
    """What the line tells the screens, about ten times a second; no authority. `preparing`: the recipe being loaded.
    `test_left_s`: until forced outputs are let go. `unchecked`: parts passed in bypass. None where there is none."""

    station: str
    state: str
    recipe_id: str
    recipe_rev: str
    counts: Counts
    alarms: tuple[Alarm, ...] = ()
    latency_ms: dict[str, float] = field(default_factory=dict)
    slack_ms: dict[str, float] = field(default_factory=dict)
    link: dict[str, Any] = field(default_factory=dict)
    queues: dict[str, dict[str, int]] = field(default_factory=dict)
    camera: dict[str, str] = field(default_factory=dict)
    last_part_id: int | None = None
    at_utc: str = ""
    camera_trouble: str = ""
    preparing: str = ""
    test_left_s: float | None = None
    unchecked: int | None = None
