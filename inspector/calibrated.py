"""What the calibration tools found, as the line reads it: pixels to millimetres, and whose camera it is true for.

What it is: the schema of the result files, and the geometry that follows from them - lens (distortion), plane
(millimetres on the belt), robot (its own frame). What it is not: the tools that write them (`calibration`), or any
judgement of a picture (`vision.drift`). Read at start-up by the main thread; nothing here changes afterwards, any
thread may use it.

A result file is TOML, written by a tool and never by hand: its `id` is a hash over everything else in it, and a file
that was changed is refused. A plane carries the lens it was made with, so that one file is enough to measure with.

The lens model is in `lens`. Pixel centres are at whole numbers.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from inspector.config import Section, load_toml, parse
from inspector.errors import ConfigError
from inspector.lens import Lens, Points

VERSION = 1


class CameraId(Section):
    """Whose result it is: a result is true for one camera, one resolution, one setting of its lens."""

    serial: str
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    lens_setting: str


class UsedImage(Section):
    """A picture the result was made from."""

    name: str
    sha256: str


class Result(Section):
    """What every result file says of itself; the tools' own numbers follow in the subclasses.

    `uncertainty` holds the expanded uncertainty (k = 2, about 95 %) of what is named there; `residual` what was left
    over. Units are in the names.
    """

    kind: str
    version: Literal[1]
    id: str
    made_at: str
    made_by: str
    camera: CameraId
    images: list[UsedImage]
    uncertainty: dict[str, float]
    residual: dict[str, float]


class LensValue(Section):
    """Focal lengths and principal point in pixels, and the distortion coefficients in OpenCV's order."""

    fx: float = Field(gt=0)
    fy: float = Field(gt=0)
    cx: float
    cy: float
    distortion: list[float] = Field(max_length=12)


class LensResult(Result):
    """`python -m calibration lens`."""

    value: LensValue


class PlaneValue(Section):
    """`mm_from_ray` is the homography from rays to millimetres on the plane, row by row."""

    mm_from_ray: list[list[float]]
    lens: LensValue
    lens_id: str


class PlaneResult(Result):
    """`python -m calibration plane`."""

    value: PlaneValue


class RobotValue(Section):
    """Robot = turn(angle) * plane + (x, y); `mirrored` where the robot's frame is left-handed to the plane's."""

    angle_deg: float
    x_mm: float
    y_mm: float
    mirrored: bool
    plane_id: str


class RobotResult(Result):
    """`python -m calibration robot`."""

    value: RobotValue


class IlluminationValue(Section):
    """The light and the focus as they were when all was well. Grey levels of 8 bits.

    `mean_grey` is that of good parts' pictures, `flat_mean_grey` the same after flat-field correction (0: made before
    there was one). `grid` is the brightness over the field, rows of cells as shares of their mean; `gain_bgr` is what
    makes a grey card grey; `focus` is the steepness of the card's or the part's edges; `exposure_time_us`, `gain_db`
    are what the camera was set to (0: it did not say). `anchors_px` are places on the machine that stand still under
    the camera, `anchor_patches` their pictures (24 x 24 grey values, row by row), by which a moved camera is seen.
    """

    mean_grey: float = Field(gt=0)
    flat_mean_grey: float = Field(default=0.0, ge=0)
    grid: list[list[float]]
    gain_bgr: list[float] = Field(min_length=3, max_length=3)
    focus: float = Field(gt=0)
    exposure_time_us: float = Field(ge=0)
    gain_db: float
    anchors_px: list[list[float]]
    anchor_patches: list[list[int]]


class IlluminationResult(Result):
    """`python -m calibration illumination`."""

    value: IlluminationValue


class TimingValue(Section):
    """Distances in encoder counts from the eye, and the ejector's latency."""

    camera_tick: int = Field(gt=0)
    gate_tick: int = Field(gt=0)
    lead_ms: float = Field(ge=0)
    tick_um: int = Field(gt=0)


class TimingResult(Result):
    """`python -m calibration timing`."""

    value: TimingValue


KINDS: dict[str, type[Result]] = {
    "lens": LensResult,
    "plane": PlaneResult,
    "robot": RobotResult,
    "illumination": IlluminationResult,
    "timing": TimingResult,
}


def digest(tables: dict[str, Any]) -> str:
    """The id of a result: a hash over all its tables but the id itself, 12 hexadecimal digits."""
    rest = {key: value for key, value in tables.items() if key != "id"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, allow_nan=False).encode()).hexdigest()[:12]


def load_result(path: Path, kind: str) -> Result:
    """The result of one kind at `path`; raises ConfigError if it is missing, another kind, or was changed by hand."""
    tables = load_toml(path)
    found = tables.get("kind")
    if found != kind:
        raise ConfigError(f"{path}: is a result of kind {found!r}, wanted {kind!r}")
    if tables.get("version") != VERSION:
        raise ConfigError(f"{path}: is of version {tables.get('version')!r}, this program reads {VERSION}")
    result = parse(KINDS[kind], tables, path)
    if not _finite(tables):
        raise ConfigError(f"{path}: holds a number that is not finite; make it again: python -m calibration {kind}")
    if (wanted := digest(tables)) != result.id:
        text = f"{path}: id is {result.id!r}, its content makes {wanted!r}: it was changed after the tool wrote it"
        raise ConfigError(f"{text}; make it again: python -m calibration {kind}")
    return result


def _finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_finite(one) for one in value.values())
    if isinstance(value, list):
        return all(_finite(one) for one in value)
    return not isinstance(value, float) or math.isfinite(value)


def require(result: Result, path: Path, camera: CameraId) -> None:
    """Raises ConfigError naming what differs if `result` is not for this camera, resolution and lens setting."""
    for key, wanted in camera.model_dump().items():
        found = getattr(result.camera, key)
        if found != wanted:
            text = f"{path}: was made for {key} {found!r}, this camera has {wanted!r}"
            raise ConfigError(f"{text}; make it again: python -m calibration {result.kind}")


@dataclass(frozen=True, slots=True)
class Plane:
    """The belt plane in millimetres: what a measurement is made with.

    `uncertainty_mm` is the expanded uncertainty (k = 2) of a place on the plane, worst over the calibrated field.
    """

    calibration_id: str
    lens: Lens
    mm_from_ray: Points
    uncertainty_mm: float

    def mm_from_px(self, points: Points) -> Points:
        """Image pixels (N, 2) float64, as the camera gives them, to (N, 2) mm; NaN beyond the lens model's reach."""
        return _through(self.mm_from_ray, self.lens.rays_from_px(points))

    def px_from_mm(self, places: Points) -> Points:
        """Millimetres (N, 2) to image pixels (N, 2)."""
        rays = _through(_inverse(self.mm_from_ray), np.asarray(places, np.float64).reshape(-1, 2))
        return self.lens.px_from_rays(rays)

    def scale_mm_per_px_at(self, point: tuple[float, float] | Points) -> float:
        """Millimetres that one pixel covers at an image point: the square root of the area of a pixel there."""
        x, y = (float(value) for value in np.asarray(point, np.float64).ravel())
        ends = np.array([[x - 0.5, y], [x + 0.5, y], [x, y - 0.5], [x, y + 0.5]])
        left, right, top, bottom = self.mm_from_px(ends)
        (a, b), (c, d) = right - left, bottom - top
        return float(np.sqrt(abs(a * d - b * c)))


def _inverse(matrix: Points) -> Points:
    return np.asarray(np.linalg.inv(matrix), np.float64)


def _through(matrix: Points, points: Points) -> Points:
    far = np.concatenate([points, np.ones((len(points), 1))], axis=1) @ matrix.T
    return np.asarray(far[:, :2] / far[:, 2:])


def lens_of(value: LensValue) -> Lens:
    """The lens of a result's numbers."""
    return Lens(value.fx, value.fy, value.cx, value.cy, tuple(value.distortion))


def load_lens(path: Path) -> Lens:
    """The lens result at `path`; raises ConfigError."""
    result = load_result(path, "lens")
    assert isinstance(result, LensResult)
    return lens_of(result.value)


def load_plane(path: Path) -> Plane:
    """The plane result at `path`; raises ConfigError."""
    result = load_result(path, "plane")
    assert isinstance(result, PlaneResult)
    matrix = np.array(result.value.mm_from_ray, np.float64)
    if matrix.shape != (3, 3) or abs(np.linalg.det(matrix)) < 1e-12:
        raise ConfigError(f"{path}: mm_from_ray is not an invertible 3 x 3 matrix")
    return Plane(result.id, lens_of(result.value.lens), matrix, result.uncertainty.get("place_mm", math.nan))


@dataclass(frozen=True, slots=True)
class Robot:
    """The robot's frame over the plane's."""

    calibration_id: str
    turn: Points
    shift_mm: Points

    def robot_from_mm(self, places: Points) -> Points:
        """Plane millimetres (N, 2) to the robot's millimetres (N, 2)."""
        return np.asarray(np.asarray(places, np.float64).reshape(-1, 2) @ self.turn.T + self.shift_mm)


def load_robot(path: Path) -> Robot:
    """The robot result at `path`; raises ConfigError."""
    result = load_result(path, "robot")
    assert isinstance(result, RobotResult)
    value = result.value
    c, s = math.cos(math.radians(value.angle_deg)), math.sin(math.radians(value.angle_deg))
    turn = np.array([[c, -s], [s, c]]) @ np.diag([1.0, -1.0 if value.mirrored else 1.0])
    return Robot(result.id, turn, np.array([value.x_mm, value.y_mm]))
