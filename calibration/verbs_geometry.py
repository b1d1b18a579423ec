"""The verbs `board`, `lens`, `plane` and `robot`.

What it is: arguments in, one result on stdout, a file, an exit code. What it is not: the work. Main thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from calibration import printing
from calibration.boards import make_board
from calibration.lens import LensFound, calibrate
from calibration.lens_report import lens_report
from calibration.plane import find_plane, fit_robot, read_touches
from calibration.telling import (
    WHY,
    AsJson,
    BoardKind,
    LensSetting,
    Out,
    Serial,
    Size,
    SquareMm,
    Why,
    failing,
    require_camera,
    tell,
)
from calibration.writing import result_tables, write_atomically, write_result
from inspector.calibrated import CameraId, LensResult, PlaneResult, lens_of, load_plane, load_result
from inspector.clock import SystemClock
from inspector.errors import UsageError


def register(app: typer.Typer) -> None:
    """Mount the verbs on `app`."""
    app.command("board")(board_verb)
    app.command("lens")(lens_verb)
    app.command("plane")(plane_verb)
    app.command("robot")(robot_verb)


def board_verb(
    out: Annotated[Path, typer.Argument(help="File to write: .pdf or .png.")],
    board: BoardKind = "charuco",
    size: Size = "11x8",
    square_mm: SquareMm = 20.0,
    paper: Annotated[str, typer.Option(help="a4, a3, a2 or letter, lying; for PDF.")] = "a4",
) -> None:
    """Print a board in true scale."""
    with failing():
        made = make_board(board, size, square_mm)
        if out.suffix.lower() not in (".pdf", ".png"):
            raise UsageError(f"{out}: wanted a name that ends in .pdf or .png")
        content = printing.pdf(made, paper) if out.suffix.lower() == ".pdf" else printing.png(made)
        write_atomically(out, content)
    typer.echo(f"{out}: {printing.caption(made)}")


def lens_verb(
    images: Annotated[list[Path], typer.Argument(help="Pictures of the board, one camera, tilted every way.")],
    board: BoardKind = "charuco",
    size: Size = "11x8",
    square_mm: SquareMm = 20.0,
    out: Out = None,
    report: Annotated[Path | None, typer.Option(help="HTML file to write.")] = None,
    camera_serial: Serial = "",
    lens_setting: LensSetting = "",
    why: Why = WHY,
    as_json: AsJson = False,
) -> None:
    """Intrinsics and distortion, with what they are worth."""
    with failing(why):
        require_camera(out, camera_serial, lens_setting)
        found = calibrate(images, make_board(board, size, square_mm))
        document = found.document()
        if report is not None:
            write_atomically(report, lens_report(found).encode())
        if out is not None:
            document |= _store_lens(out, found, camera_serial, lens_setting)
    tell(document, _lens_words(document), as_json)


def _store_lens(out: Path, found: LensFound, serial: str, setting: str) -> dict[str, Any]:
    numbers = found.document()
    value = {key: numbers[key] for key in ("fx", "fy", "cx", "cy", "distortion")}
    camera = CameraId(serial=serial, width=found.size[0], height=found.size[1], lens_setting=setting)
    residual = {"rms_px": found.fit.rms_px, "holdout_rms_px": found.holdout_rms_px}
    files = [view.path for view in found.views]
    tables = result_tables(
        "lens", SystemClock(), camera, files, value=value, uncertainty=found.uncertainty, residual=residual
    )
    write_result(out, tables)
    return {"id": tables["id"], "file": str(out)}


def _lens_words(document: dict[str, Any]) -> str:
    spread = document["uncertainty"]
    lines = [f"{key:3s} {document[key]:10.3f} +- {spread[key]:.3f} px (k = 2)" for key in ("fx", "fy", "cx", "cy")]
    lines.append(f"distortion {document['model']}: {', '.join(f'{one:.5f}' for one in document['distortion'])}")
    lines.append(f"rms {document['rms_px']:.4f} px, hold-out {document['holdout_rms_px']:.4f} px")
    lines.append(f"{len(document['views_used'])} views used")
    lines += [f"not used: {one['name']}: {one['reason']}" for one in document["views_rejected"]]
    return "\n".join(lines)


def plane_verb(
    image: Annotated[Path, typer.Argument(help="One picture of the board lying on the belt.")],
    lens: Annotated[Path, typer.Option(help="The lens result.")],
    board: BoardKind = "charuco",
    size: Size = "11x8",
    square_mm: SquareMm = 20.0,
    out: Out = None,
    why: Why = WHY,
    as_json: AsJson = False,
) -> None:
    """Millimetres on the belt plane, from one picture."""
    with failing(why):
        lens_result = load_result(lens, "lens")
        assert isinstance(lens_result, LensResult)
        camera = lens_result.camera
        found = find_plane(
            image, lens_of(lens_result.value), (camera.width, camera.height), make_board(board, size, square_mm)
        )
        worst = float(found.field_mm.max())
        residual = {
            "mean_mm": found.mean_mm,
            "max_mm": float(np.linalg.norm(found.residuals_mm, axis=1).max()),
            "rms_px": found.residual_px,
        }
        uncertainty = {"place_mm": worst, "place_picture_corner_mm": found.picture_mm}
        value = {
            "mm_from_ray": found.plane.mm_from_ray.tolist(),
            "lens": lens_result.value.model_dump(),
            "lens_id": lens_result.id,
        }
        document = value | {"residual": residual, "uncertainty": uncertainty, "corners": len(found.view.ids)}
        document["field"] = [
            {"x_px": float(x), "y_px": float(y), "uncertainty_mm": float(spread)}
            for (x, y), spread in zip(found.field_px, found.field_mm, strict=True)
        ]
        if out is not None:
            tables = result_tables(
                "plane", SystemClock(), camera, [image], value=value, uncertainty=uncertainty, residual=residual
            )
            write_result(out, tables)
            document |= {"id": tables["id"], "file": str(out)}
    words = (
        f"plane from {len(found.view.ids)} corners: mean error {residual['mean_mm']:.4f} mm, "
        f"largest {residual['max_mm']:.4f} mm, uncertainty of a place at most {worst:.4f} mm (k = 2) on the board's "
        f"field, {found.picture_mm:.4f} mm in the picture's corners"
    )
    tell(document, words, as_json)


def robot_verb(
    touches: Annotated[Path, typer.Argument(help="CSV: x_px,y_px,robot_x_mm,robot_y_mm; at least 3 touched points.")],
    plane: Annotated[Path, typer.Option(help="The plane result.")],
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """The robot's frame over the belt plane, from touched points."""
    with failing():
        plane_result = load_result(plane, "plane")
        assert isinstance(plane_result, PlaneResult)
        points, robot_mm = read_touches(touches)
        places = load_plane(plane).mm_from_px(points)
        if not np.isfinite(places).all():
            raise UsageError(f"{touches}: a point lies outside of what the lens model reaches")
        found = fit_robot(places, robot_mm)
        each = np.linalg.norm(found.residuals_mm, axis=1)
        residual = {
            "rms_mm": float(np.sqrt((each**2).mean())),
            "max_mm": float(each.max()),
            "sigma_mm": found.sigma_mm,
            "scale": found.scale,
        }
        value = {
            "angle_deg": found.angle_deg,
            "x_mm": found.x_mm,
            "y_mm": found.y_mm,
            "mirrored": found.mirrored,
            "plane_id": plane_result.id,
        }
        document = value | {"residual": residual, "uncertainty": found.uncertainty, "residuals_mm": each.tolist()}
        if out is not None:
            tables = result_tables(
                "robot",
                SystemClock(),
                plane_result.camera,
                [],
                value=value,
                uncertainty=found.uncertainty,
                residual=residual,
            )
            write_result(out, tables)
            document |= {"id": tables["id"], "file": str(out)}
    words = (
        f"robot = turned by {found.angle_deg:.4f} deg, moved by ({found.x_mm:.3f}, {found.y_mm:.3f}) mm; residuals "
        f"{', '.join(f'{one:.3f}' for one in each)} mm, scale {found.scale:.5f}"
    )
    tell(document, words, as_json)
