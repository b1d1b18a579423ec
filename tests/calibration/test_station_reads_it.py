"""From the tools' command line to the station: files are written or not, refused or not, and stand in every record."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from calibration import printing
from calibration.__main__ import app
from calibration.boards import make_board
from calibration.views import View, find
from calibration.writing import result_tables, write_result
from inspector.calibrated import CameraId, load_plane
from inspector.calibration_set import load_calibration
from inspector.checkup import check
from inspector.clock import SystemClock
from inspector.config import CalibrationConfig, StationConfig, load_station
from inspector.errors import ConfigError
from inspector.types import OutcomeKind, Verdict
from tests.calibration.rendered import Camera, render
from tests.calibration.test_calibrated import CAMERA, LENS, MATRIX
from tests.calibration.test_plane import BOARD, SIZE
from tests.calibration.test_plane import LENS as TRUE_LENS
from tests.made import record

SAMPLES = Path(__file__).parents[2] / "sample_images"
WHOSE = ["--camera-serial", CAMERA.serial, "--lens-setting", CAMERA.lens_setting]


def stored(folder: Path, kind: str, value: dict[str, Any], camera: CameraId = CAMERA, **uncertainty: float) -> str:
    tables = result_tables(
        kind, SystemClock(), camera, [], value=value, uncertainty=uncertainty, residual={"rms_px": 0.1}
    )
    write_result(folder / f"{kind}.toml", tables)
    return str(tables["id"])


def configured(folder: Path, **section: Any) -> StationConfig:
    config = load_station(SAMPLES / "station.toml")
    whose = {"camera_serial": CAMERA.serial, "lens_setting": CAMERA.lens_setting}
    files = {kind: str(folder / f"{kind}.toml") for kind in section.pop("kinds")}
    return config.model_copy(update={"calibration": CalibrationConfig(**(whose | files | section))})


def test_the_station_knows_what_it_stands_on(tmp_path: Path) -> None:
    lens_id = stored(tmp_path, "lens", LENS)
    stored(tmp_path, "plane", {"mm_from_ray": MATRIX, "lens": LENS, "lens_id": lens_id}, place_mm=0.02)
    both = load_calibration(configured(tmp_path, kinds=["lens", "plane"]))
    assert both.id
    assert both.id != load_calibration(configured(tmp_path, kinds=["lens"])).id
    row = both.stamp(record(1, Verdict.NOT_INSPECTED, OutcomeKind.FIRED))
    assert row.inspection.calibration_id == both.id
    written = dataclasses.replace(row, inspection=dataclasses.replace(row.inspection, calibration_id="earlier"))
    assert both.stamp(written) is written
    nothing = load_calibration(load_station(SAMPLES / "station.toml"))
    assert (nothing.id, nothing.illumination) == ("", None)


@pytest.mark.parametrize(
    ("section", "words"),
    [({"camera_serial": "other"}, "made for serial"), ({"lens_setting": "8 mm"}, "made for lens_setting")],
)
def test_another_cameras_results_are_refused(tmp_path: Path, section: dict[str, str], words: str) -> None:
    stored(tmp_path, "lens", LENS)
    with pytest.raises(ConfigError, match=words):
        load_calibration(configured(tmp_path, kinds=["lens"], **section))


def test_results_of_a_replaced_lens_or_plane_are_refused(tmp_path: Path) -> None:
    stored(tmp_path, "lens", LENS)
    stored(tmp_path, "plane", {"mm_from_ray": MATRIX, "lens": LENS, "lens_id": "0" * 12}, place_mm=0.02)
    with pytest.raises(ConfigError, match="was made with lens result"):
        load_calibration(configured(tmp_path, kinds=["lens", "plane"]))
    value = {"angle_deg": 1.0, "x_mm": 0.0, "y_mm": 0.0, "mirrored": False, "plane_id": "0" * 12}
    stored(tmp_path, "robot", value)
    with pytest.raises(ConfigError, match="was made with plane result"):
        load_calibration(configured(tmp_path, kinds=["plane", "robot"]))


class Earlier(SystemClock):
    """A computer whose calendar is wrong."""

    def utc(self) -> str:
        return "2026-01-02T00:00:00.000Z"


def finding(config: StationConfig, clock: Any = None) -> tuple[str, str, str]:
    found = next(one for one in check(config, clock or SystemClock()) if one.what == "calibration")
    return found.level, found.found, found.advice


def test_check_says_how_old_and_how_fit(tmp_path: Path) -> None:
    stored(tmp_path, "lens", LENS)
    timing = {"camera_tick": 1500, "gate_tick": 6050, "lead_ms": 8.0, "tick_um": 100}
    level, found, _ = finding(configured(tmp_path, kinds=["lens"]))
    assert (level, "lens 0 days old" in found) == ("ok", True)
    stored(tmp_path, "timing", timing, camera_tick=1.0, gate_tick=2.0)
    level, found, advice = finding(configured(tmp_path, kinds=["lens", "timing"]))
    assert level == "warn"
    assert "gate_tick is 6000, learned 6050" in found
    assert "gate_tick = 6050" in advice
    level, _, advice = finding(configured(tmp_path, kinds=["lens"]), Earlier())
    assert (level, "make lens again" in advice) == ("warn", True)
    level, found, _ = finding(configured(tmp_path, kinds=["lens"], camera_serial="other"))
    assert (level, "made for serial" in found) == ("fail", True)


def called(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_plane_and_robot_from_the_command_line(tmp_path: Path) -> None:
    camera = Camera(TRUE_LENS, SIZE, over=2)
    pose = (np.zeros(3), np.array([-100.0, -72.0, 1700 * 215 / 1280]))
    image = tmp_path / "belt.png"
    cv2.imwrite(str(image), render(camera, camera.rays(), BOARD, pose, np.random.default_rng(1)))
    value = {key: getattr(TRUE_LENS, key) for key in ("fx", "fy", "cx", "cy")}
    stored(tmp_path, "lens", value | {"distortion": list(TRUE_LENS.distortion)})
    size = ["--size", "11x8", "--square-mm", "18"]
    out = tmp_path / "plane.toml"
    said = called("plane", image, "--lens", tmp_path / "lens.toml", *size, "--out", out, "--json")
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout)["residual"]["mean_mm"] < 0.05
    plane = load_plane(out)
    assert plane.uncertainty_mm > 0
    touches = tmp_path / "touches.csv"
    places = np.array([[10.0, 10], [180, 20], [90, 130]])
    rows = [
        f"{x},{y},{a},{b}"
        for (x, y), (a, b) in zip(plane.px_from_mm(places), places + np.array([500, 20]), strict=True)
    ]
    touches.write_text("\n".join(["x_px,y_px,robot_x_mm,robot_y_mm", *rows]))
    said = called("robot", touches, "--plane", out, "--out", tmp_path / "robot.toml", "--json")
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout)["x_mm"] == pytest.approx(500, abs=1e-6)
    ready = configured(tmp_path, kinds=["lens", "plane", "robot"])
    assert set(load_calibration(ready).results) == {"lens", "plane", "robot"}


def test_a_refusal_shows_why_and_writes_nothing(tmp_path: Path) -> None:
    files = []
    for number in range(3):
        files.append(tmp_path / f"{number}.png")
        cv2.imwrite(str(files[-1]), np.full((480, 640), 80 + number, np.uint8))
    out, why = tmp_path / "lens.toml", tmp_path / "why.png"
    said = called("lens", *files, "--out", out, "--why", why, "--json", *WHOSE)
    assert said.exit_code == 2
    assert said.stdout == ""
    assert "found in 0 pictures of 3, wanted 8" in said.stderr
    assert cv2.imread(str(why)) is not None
    assert not out.exists()
    said = called("lens", *files, "--out", out)
    assert (said.exit_code, "--camera-serial" in said.stderr) == (2, True)


def test_timing_is_written_as_a_result(tmp_path: Path) -> None:
    out = tmp_path / "timing.toml"
    command = [sys.executable, "-m", "calibration", "timing", "--station", SAMPLES / "station.toml"]
    done = subprocess.run([*command, "--out", out, "--json", *WHOSE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["gate_tick"] == pytest.approx(6000, abs=3)
    assert finding(configured(tmp_path, kinds=["timing"]))[0] == "ok"


@pytest.mark.parametrize(("kind", "size"), [("charuco", "11x8"), ("chessboard", "9x6")])
def test_a_printed_board_is_true_to_scale(tmp_path: Path, kind: str, size: str) -> None:
    board = make_board(kind, size, 20.0)
    sheet = np.full((2100, 2970), 255, np.uint8)
    for one in printing.rectangles(board, "a4"):
        left, top = round(one.left * 10), round(one.top * 10)
        sheet[top : round((one.top + one.height) * 10), left : round((one.left + one.width) * 10)] = 0
    view = find(Path("sheet"), sheet, board)
    assert isinstance(view, View)
    assert len(view.ids) == len(board.points_mm)
    places = view.corners_px / 10
    # A chessboard looks the same the other way round.
    assert np.abs(np.abs(places - places[0]) - (board.points_mm - board.points_mm[0])).max() < 0.05
    assert called("board", tmp_path / "b.pdf", "--board", kind, "--size", size).exit_code == 0
    assert (tmp_path / "b.pdf").read_bytes().startswith(b"%PDF-1.4")
    assert called("board", tmp_path / "b.png", "--board", kind, "--size", size).exit_code == 0
    data = (tmp_path / "b.png").read_bytes()
    per_metre = int.from_bytes(data[data.index(b"pHYs") + 4 :][:4], "big")
    squares = cv2.imread(str(tmp_path / "b.png"), cv2.IMREAD_GRAYSCALE).shape[1] / (board.squares[0] + 2)
    assert squares / per_metre * 1000 == pytest.approx(20.0, abs=0.002)
    said = called("board", tmp_path / "c.pdf", "--size", "30x20")
    assert (said.exit_code, (tmp_path / "c.pdf").exists()) == (2, False)
