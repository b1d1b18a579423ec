"""The plane on rendered truth, and the robot's frame."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from calibration.boards import make_board
from calibration.plane import find_plane, fit_robot, read_touches
from calibration.refused import Refused
from inspector.errors import UsageError
from inspector.lens import Lens
from tests.calibration.rendered import Camera, board_over_plane, render

SIZE = (1280, 960)
LENS = Lens(1700.0, 1701.0, 648.0, 473.0, (-0.12, 0.05, 0.0004, -0.0003, 0.0))
BOARD = make_board("charuco", "11x8", 18.0)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_field_of_200_mm_is_true_to_50_um(tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    camera = Camera(LENS, SIZE, blur_px=1.0, noise=2.5, over=2)
    turn = np.radians(random.uniform(-6, 6, 3))
    pose = (turn, np.array([-100.0, -72.0, 1700 * 215 / 1280]))
    path = tmp_path / "plane.png"
    cv2.imwrite(str(path), render(camera, camera.rays(), BOARD, pose, random))
    found = find_plane(path, LENS, SIZE, BOARD)
    truth = board_over_plane(*pose)
    mm = np.stack(np.meshgrid(np.linspace(0, 198, 21), np.linspace(0, 144, 15)), -1).reshape(-1, 2)
    far = np.c_[mm, np.ones(len(mm))] @ truth.T
    errors = np.linalg.norm(found.plane.mm_from_px(LENS.px_from_rays(far[:, :2] / far[:, 2:])) - mm, axis=1)
    print(f"mean {errors.mean():.4f} mm, largest {errors.max():.4f} mm, stated {found.field_mm.max():.4f} mm")
    assert errors.mean() <= 0.05
    assert errors.max() < 2 * found.picture_mm + 0.01


def test_without_undistortion_it_would_not_be(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    camera = Camera(LENS, SIZE, over=2)
    pose = (np.zeros(3), np.array([-100.0, -72.0, 1700 * 215 / 1280]))
    path = tmp_path / "plane.png"
    cv2.imwrite(str(path), render(camera, camera.rays(), BOARD, pose, random))
    with pytest.raises(Refused, match="not this camera's") as why:
        find_plane(path, Lens(1700.0, 1701.0, 648.0, 473.0, ()), SIZE, BOARD)
    assert why.value.picture is not None


def test_no_board_and_another_size_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "plane.png"
    cv2.imwrite(str(path), np.full((960, 1280), 100, np.uint8))
    with pytest.raises(Refused, match="no ChArUco board"):
        find_plane(path, LENS, SIZE, BOARD)
    with pytest.raises(Refused, match="is 1280 x 960, the lens result is for 640 x 480"):
        find_plane(path, LENS, (640, 480), BOARD)


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_robots_frame_comes_back(mirrored: bool) -> None:
    random = np.random.default_rng(7)
    places = random.uniform(0, 200, (6, 2))
    angle = np.radians(33.0)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turn = turn @ np.diag([1, -1 if mirrored else 1])
    inside = []
    for _ in range(200):
        found = fit_robot(places, places @ turn.T + (400.0, -150.0) + random.normal(0, 0.1, (6, 2)))
        inside.append(abs(found.angle_deg - 33.0) <= found.uncertainty["angle_deg"])
        assert found.mirrored is mirrored
    assert np.mean(inside) > 0.85
    exact = fit_robot(places, places @ turn.T + (400.0, -150.0))
    assert (exact.angle_deg, exact.x_mm, exact.y_mm) == pytest.approx((33.0, 400.0, -150.0))
    assert np.abs(exact.residuals_mm).max() < 1e-9
    assert exact.scale == pytest.approx(1.0)


def test_residuals_are_what_was_put_in() -> None:
    places = np.array([[0.0, 0], [100, 0], [100, 100], [0, 100]])
    off = np.array([[0.3, 0], [-0.3, 0], [0.3, 0], [-0.3, 0]])
    found = fit_robot(places, places + off)
    assert np.linalg.norm(found.residuals_mm, axis=1) == pytest.approx([0.3] * 4, abs=1e-9)
    assert found.sigma_mm == pytest.approx(np.sqrt(4 * 0.09 / 5))


def test_touches_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="2 touched points"):
        fit_robot(np.zeros((2, 2)), np.zeros((2, 2)))
    line = np.array([[0.0, 0], [50, 50], [100, 100]])
    with pytest.raises(UsageError, match="one line"):
        fit_robot(line, line)
    path = tmp_path / "touches.csv"
    path.write_text("x_px,y_px,robot_x_mm,robot_y_mm\n1,2,3,4\n1,2,nan,4\n")
    with pytest.raises(UsageError, match="line 3"):
        read_touches(path)
