"""The verbs `illumination` and `timing`.

What it is: arguments in, one result on stdout, a file, an exit code. What it is not: the work. Main thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from calibration.illumination import learn
from calibration.telling import WHY, AsJson, LensSetting, Out, Serial, Why, failing, require_camera, tell
from calibration.timing import MARKER_MM, estimate, guided_run, read_observations
from calibration.writing import result_tables, write_result
from inspector.calibrated import CameraId
from inspector.clock import SystemClock
from inspector.config import load_station
from inspector.errors import UsageError


def register(app: typer.Typer) -> None:
    """Mount the verbs on `app`."""
    app.command("illumination")(illumination_verb)
    app.command("timing")(timing_verb)


def illumination_verb(
    cards: Annotated[list[Path], typer.Argument(help="Pictures of a grey card that fills the field.")],
    parts: Annotated[Path, typer.Option(help="Folder of pictures of good parts, as the line sees them now.")],
    anchor: Annotated[list[str] | None, typer.Option(help="X,Y of something that stands still; several.")] = None,
    exposure_time_us: Annotated[float, typer.Option(min=0, help="ExposureTime of the camera.")] = 0.0,
    gain_db: Annotated[float, typer.Option(help="Gain of the camera.")] = 0.0,
    out: Out = None,
    camera_serial: Serial = "",
    lens_setting: LensSetting = "",
    why: Why = WHY,
    as_json: AsJson = False,
) -> None:
    """Flat field, exposure, grey balance, and the baseline that drift is seen against."""
    with failing(why):
        require_camera(out, camera_serial, lens_setting)
        files = sorted(path for path in parts.iterdir() if path.is_file()) if parts.is_dir() else []
        found = learn(cards, files, [_place(one) for one in anchor or []], exposure_time_us, gain_db)
        document: dict[str, Any] = {
            "value": found.value.model_dump(),
            "uncertainty": found.uncertainty,
            "residual": found.residual,
            "findings": list(found.findings),
        }
        if out is not None:
            camera = CameraId(
                serial=camera_serial, width=found.size[0], height=found.size[1], lens_setting=lens_setting
            )
            tables = result_tables(
                "illumination",
                SystemClock(),
                camera,
                [*cards, *files],
                value=found.value.model_dump(),
                uncertainty=found.uncertainty,
                residual=found.residual,
            )
            write_result(out, tables)
            document |= {"id": tables["id"], "file": str(out)}
    lines = [f"mean grey {found.value.mean_grey:.1f}, focus {found.value.focus:.3f}"]
    tell(document, "\n".join(lines + [f"set otherwise: {text}" for text in found.findings]), as_json)


def _place(text: str) -> tuple[int, int]:
    parts = text.split(",")
    if len(parts) != 2 or not all(part.strip().isdigit() for part in parts):
        raise UsageError(f"--anchor is {text!r}, wanted X,Y in pixels")
    return int(parts[0]), int(parts[1])


def timing_verb(
    station: Annotated[Path, typer.Option(help="The station file; its line is simulated, or the table is its.")],
    observations: Annotated[
        Path | None, typer.Option(help="CSV of a guided run on the real line: what,speed_mm_per_s,count,value.")
    ] = None,
    part_mm: Annotated[float, typer.Option(min=0.1, help="Length of the marker part along the belt.")] = MARKER_MM,
    out: Out = None,
    camera_serial: Serial = "",
    lens_setting: LensSetting = "",
    as_json: AsJson = False,
) -> None:
    """Eye to camera, eye to ejector, and the ejector's latency, from marker parts."""
    with failing():
        require_camera(out, camera_serial, lens_setting)
        config = load_station(station)
        if observations is not None:
            seen = read_observations(observations)
        elif config.simulation is not None:
            seen = list(guided_run(config.simulation, config.controller))
        else:
            raise UsageError(f"{station}: has no [simulation]: hand in --observations of a run on the real line")
        found = estimate(seen, config.controller.tick_um, part_mm)
        value = {
            "camera_tick": round(found.camera_tick),
            "gate_tick": round(found.gate_tick),
            "lead_ms": found.lead_ms,
            "tick_um": config.controller.tick_um,
        }
        document = value | {"uncertainty": found.uncertainty, "residual": found.residual, "parts": len(seen)}
        if out is not None:
            width, height = config.camera.width, config.camera.height
            if width is None or height is None:
                raise UsageError(f"{station}: [camera] width and height are not set, a result is for one resolution")
            camera = CameraId(serial=camera_serial, width=width, height=height, lens_setting=lens_setting)
            tables = result_tables(
                "timing",
                SystemClock(),
                camera,
                [],
                value=value,
                uncertainty=found.uncertainty,
                residual=found.residual,
            )
            write_result(out, tables)
            document |= {"id": tables["id"], "file": str(out)}
    words = ", ".join(f"{key} {document[key]:g} +- {found.uncertainty[key]:.2g}" for key in found.uncertainty)
    tell(document, f"from {len(seen)} marker parts: {words} (k = 2)", as_json)
