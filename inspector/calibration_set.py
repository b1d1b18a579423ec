"""The results that one station trusts, read together at start-up.

What it is: the files of `[calibration]`, checked against this station's camera, resolution and lens setting and against
each other, and the id that stands in every record. What it is not: the files' schema (`calibrated`). Main thread.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from inspector.calibrated import (
    KINDS,
    CameraId,
    IlluminationResult,
    IlluminationValue,
    Plane,
    PlaneResult,
    Result,
    Robot,
    RobotResult,
    load_plane,
    load_result,
    load_robot,
    require,
)
from inspector.config import StationConfig
from inspector.errors import ConfigError
from inspector.types import InspectionRecord


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was read: results by kind, with their files. `id` is empty where there is none; `flat` says whether
    frames are corrected by the flat field."""

    id: str
    results: dict[str, Result]
    paths: dict[str, Path]
    flat: bool = False

    @property
    def illumination(self) -> IlluminationValue | None:
        """The baseline that drift is seen against, of corrected pictures where the station corrects its pictures."""
        found = self.results.get("illumination")
        if not isinstance(found, IlluminationResult):
            return None
        return found.value.model_copy(update={"mean_grey": found.value.flat_mean_grey}) if self.flat else found.value

    @property
    def plane(self) -> Plane | None:
        """What measurements in millimetres are made with."""
        return load_plane(self.paths["plane"]) if "plane" in self.paths else None

    @property
    def robot(self) -> Robot | None:
        """The robot's frame over the plane's."""
        return load_robot(self.paths["robot"]) if "robot" in self.paths else None

    def stamp(self, row: InspectionRecord) -> InspectionRecord:
        """`row` with this calibration's id, where nobody inspected a picture and so nobody wrote it."""
        if row.inspection.calibration_id or not self.id:
            return row
        return replace(row, inspection=replace(row.inspection, calibration_id=self.id))


def load_calibration(config: StationConfig) -> Calibration:
    """The station's results; raises ConfigError if one cannot be read, is another camera's, or belongs to a lens or
    plane that was replaced."""
    section = config.calibration
    names = {kind: getattr(section, kind) for kind in KINDS if getattr(section, kind)}
    if section.flat_field and "illumination" not in names:
        raise ConfigError("[calibration] flat_field is true, but illumination is empty: there is no grey card to go by")
    if not names:
        return Calibration("", {}, {})
    width, height = config.camera.width, config.camera.height
    if width is None or height is None:
        raise ConfigError("[camera] width and height are not set: a calibration is true for one resolution only")
    camera = CameraId(serial=section.camera_serial, width=width, height=height, lens_setting=section.lens_setting)
    paths = {kind: config.path(name) for kind, name in names.items()}
    results = {kind: load_result(path, kind) for kind, path in paths.items()}
    for kind, result in results.items():
        require(result, paths[kind], camera)
    _require_together(results, paths)
    _require_flat(section.flat_field, results, paths)
    text = " ".join(f"{kind}:{results[kind].id}" for kind in sorted(results)) + " flat" * section.flat_field
    return Calibration(hashlib.sha256(text.encode()).hexdigest()[:12], results, paths, section.flat_field)


def _require_flat(flat: bool, results: dict[str, Result], paths: dict[str, Path]) -> None:
    found = results.get("illumination")
    if flat and isinstance(found, IlluminationResult) and not found.value.flat_mean_grey:
        text = f"{paths['illumination']}: has no flat_mean_grey, which [calibration] flat_field needs"
        raise ConfigError(f"{text}; make it again: python -m calibration illumination")


def _require_together(results: dict[str, Result], paths: dict[str, Path]) -> None:
    plane, robot, lens = results.get("plane"), results.get("robot"), results.get("lens")
    if isinstance(plane, PlaneResult):
        load_plane(paths["plane"])
        if lens is not None and plane.value.lens_id != lens.id:
            text = f"{paths['plane']}: was made with lens result {plane.value.lens_id}, this station's is {lens.id}"
            raise ConfigError(f"{text}; make it again: python -m calibration plane")
    if isinstance(robot, RobotResult) and plane is not None and robot.value.plane_id != plane.id:
        text = f"{paths['robot']}: was made with plane result {robot.value.plane_id}, this station's is {plane.id}"
        raise ConfigError(f"{text}; make it again: python -m calibration robot")
