"""The reader of result files: geometry that agrees with OpenCV's, and files that are refused."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tomli_w

from calibration.writing import result_tables, write_result
from inspector.calibrated import CameraId, Plane, load_plane, load_result, require
from inspector.clock import SimulatedClock
from inspector.errors import ConfigError
from inspector.lens import Lens

CAMERA = CameraId(serial="4711", width=1280, height=960, lens_setting="12 mm f/5.6 ring at 0.35 m")
LENS = {"fx": 1500.0, "fy": 1502.0, "cx": 650.0, "cy": 470.0, "distortion": [-0.12, 0.08, 0.001, -0.0005, 0.01]}
MATRIX = [[300.0, 5.0, 100.0], [-4.0, 301.0, 80.0], [0.01, -0.02, 1.0]]


def plane_tables(**changes: Any) -> dict[str, Any]:
    clock = SimulatedClock(datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC))
    value = {"mm_from_ray": MATRIX, "lens": LENS, "lens_id": "0123456789ab"} | changes
    uncertainty, residual = {"place_mm": 0.02}, {"mean_mm": 0.01}
    return result_tables("plane", clock, CAMERA, [], value=value, uncertainty=uncertainty, residual=residual)


@pytest.mark.parametrize(
    "distortion",
    [(), (-0.12, 0.08, 0.001, -0.0005, 0.01), (-0.1, 0.1, 0.001, 0.002, -0.02, 0.1, -0.05, 0.01)],
)
def test_pixels_are_opencvs_and_come_back(distortion: tuple[float, ...]) -> None:
    lens = Lens(900.0, 910.0, 640.0, 480.0, distortion)
    grid = np.stack(np.meshgrid(np.linspace(0, 1279, 9), np.linspace(0, 959, 7)), -1).reshape(-1, 2)
    rays = lens.rays_from_px(grid)
    k = np.array([[900.0, 0, 640], [0, 910, 480], [0, 0, 1]])
    there = np.concatenate([rays, np.ones((len(rays), 1))], 1)
    seen, _ = cv2.projectPoints(there, np.zeros(3), np.zeros(3), k, np.array(distortion or (0.0,) * 4))
    assert np.abs(seen.reshape(-1, 2) - grid).max() < 1e-6
    assert np.abs(lens.px_from_rays(rays) - grid).max() < 1e-6


def test_beyond_the_models_reach_there_is_no_ray() -> None:
    lens = Lens(500.0, 500.0, 320.0, 240.0, (-0.9, 0.2, 0.0, 0.0))
    rays = lens.rays_from_px(np.array([[320.0, 240.0], [5000.0, 240.0]]))
    assert np.allclose(rays[0], 0)
    assert np.isnan(rays[1]).all()


def test_a_plane_measures_both_ways(tmp_path: Path) -> None:
    path = tmp_path / "plane.toml"
    write_result(path, plane_tables())
    plane = load_plane(path)
    points = np.array([[100.0, 200.0], [640.0, 480.0], [1200.0, 900.0]])
    places = plane.mm_from_px(points)
    assert np.abs(plane.px_from_mm(places) - points).max() < 1e-6
    step = np.linalg.norm(plane.mm_from_px(points + np.array([0.01, 0.0])) - places, axis=1) / 0.01
    assert plane.scale_mm_per_px_at((640.0, 480.0)) == pytest.approx(step[1], rel=0.02)
    assert plane.calibration_id == plane_tables()["id"]
    assert plane.uncertainty_mm == 0.02


def test_scale_of_a_plain_plane() -> None:
    plane = Plane("x", Lens(1000.0, 1000.0, 0.0, 0.0, ()), np.diag([250.0, 250.0, 1.0]), 0.0)
    assert plane.scale_mm_per_px_at((10.0, 20.0)) == pytest.approx(0.25)


def test_a_file_changed_by_hand_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plane.toml"
    write_result(path, plane_tables())
    path.write_text(path.read_text().replace("1500.0", "1501.0"))
    with pytest.raises(ConfigError, match="changed after the tool wrote it"):
        load_plane(path)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("kind", "lens", "wanted 'plane'"),
        ("version", 2, "version 2"),
        ("surprise", 1, "unknown key 'surprise'"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, key: str, value: Any, words: str) -> None:
    path = tmp_path / "plane.toml"
    path.write_text(tomli_w.dumps(plane_tables() | {key: value}))
    with pytest.raises(ConfigError, match=words):
        load_plane(path)


def test_a_flat_matrix_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plane.toml"
    write_result(path, plane_tables(mm_from_ray=[[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    with pytest.raises(ConfigError, match="invertible"):
        load_plane(path)


@pytest.mark.parametrize(
    ("key", "value"), [("serial", "4712"), ("width", 640), ("height", 480), ("lens_setting", "8 mm")]
)
def test_another_camera_is_refused(tmp_path: Path, key: str, value: Any) -> None:
    path = tmp_path / "plane.toml"
    write_result(path, plane_tables())
    result = load_result(path, "plane")
    require(result, path, CAMERA)
    with pytest.raises(ConfigError, match=f"made for {key}"):
        require(result, path, CAMERA.model_copy(update={key: value}))


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "plane.toml"
    write_result(path, plane_tables())
    before = path.read_bytes()
    with pytest.raises(ConfigError):
        write_result(path, plane_tables(lens={"fx": -1.0}))
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["plane.toml"]
