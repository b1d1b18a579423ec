"""The lens: real pictures against plain OpenCV, rendered ones against their truth, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from calibration.adjust import PARAMETERS
from calibration.boards import Board, make_board
from calibration.lens import calibrate
from calibration.lens_report import lens_report
from calibration.refused import Refused
from calibration.views import View, find
from tests.calibration.rendered import Camera, draw_camera, poses, render, write_views

DATASETS = Path(os.environ.get("INSPECTOR_DATASETS", Path(__file__).parents[3] / "shared/datasets"))
STEREO = DATASETS / "calibration_stereo"
CHESS = make_board("chessboard", "9x6", 20.0)
CHARUCO = make_board("charuco", "11x8", 20.0)
SIZE = (640, 480)


@pytest.mark.skipif(not STEREO.is_dir(), reason="no ../shared/datasets/calibration_stereo (or INSPECTOR_DATASETS)")
@pytest.mark.parametrize(("side", "plain_px", "stored"), [("left", 0.170, 518.05), ("right", 0.172, 518.05)])
def test_real_pictures_are_better_than_plain_opencv(side: str, plain_px: float, stored: float) -> None:
    found = calibrate(sorted(STEREO.glob(f"{side}*.jpg")), CHESS)
    assert found.holdout_rms_px < 0.11 < plain_px
    assert found.holdout_rms_px < 0.65 * found.detector_holdout_px
    assert abs(found.fit.intrinsics[0] / stored - 1) < 0.02
    assert found.shaped
    assert not found.rejected


@pytest.mark.parametrize(("board", "seed"), [(CHESS, 1), (CHARUCO, 2)], ids=["chessboard", "charuco"])
def test_rendered_truth_comes_back(tmp_path: Path, board: object, seed: int) -> None:
    random = np.random.default_rng(seed)
    camera = draw_camera(random, SIZE)
    found = calibrate(write_views(tmp_path, camera, board, 14, random), board)  # type: ignore[arg-type]
    fx, fy, cx, cy = found.fit.intrinsics[:4]
    assert abs(fx / camera.lens.fx - 1) < 1e-3
    assert abs(fy / camera.lens.fy - 1) < 1e-3
    assert np.hypot(cx - camera.lens.cx, cy - camera.lens.cy) < 1
    assert not found.shaped
    assert abs(fx - camera.lens.fx) < 2 * found.uncertainty["fx"]


@pytest.mark.soak
@pytest.mark.parametrize("board", [CHESS, CHARUCO], ids=["chessboard", "charuco"])
def test_stated_uncertainties_cover_the_truth(tmp_path: Path, board: Board) -> None:
    covered: dict[str, list[bool]] = {}
    for seed in range(100):
        random = np.random.default_rng(seed)
        camera = draw_camera(random, SIZE)
        found = calibrate(write_views(tmp_path, camera, board, 15, random), board)
        truth = dict(zip(PARAMETERS, (camera.lens.fx, camera.lens.fy, camera.lens.cx, camera.lens.cy), strict=False))
        truth |= dict(zip(PARAMETERS[4:], camera.lens.distortion, strict=False))
        for index, value in enumerate(found.fit.intrinsics):
            name = PARAMETERS[index]
            if name in found.uncertainty and name in truth:
                covered.setdefault(name, []).append(abs(value - truth[name]) <= found.uncertainty[name])
    shares = {name: sum(hits) / len(hits) for name, hits in covered.items()}
    print(shares)
    assert all(share >= 0.9 for name, share in shares.items() if len(covered[name]) > 30)


def test_charuco_corners_are_found_between_the_markers() -> None:
    """Twice as well as the detector sees them, and a quarter better than in a square that ends before the markers."""
    plain, refined = [], []
    for seed in range(3):
        random = np.random.default_rng(seed)
        camera = draw_camera(random, SIZE)
        rays = camera.rays()
        for turn, shift in poses(camera, CHARUCO, 3, random):
            view = find(Path("view"), render(camera, rays, CHARUCO, (turn, shift), random), CHARUCO)
            assert isinstance(view, View)
            there = CHARUCO.points_mm[view.ids] @ np.asarray(cv2.Rodrigues(turn)[0])[:, :2].T + shift
            truth = camera.lens.px_from_rays(there[:, :2] / there[:, 2:])
            plain.append(view.plain_px - truth)
            refined.append(view.corners_px - truth)
    before, after = (float(np.sqrt((np.concatenate(one) ** 2).mean())) for one in (plain, refined))
    assert after < 0.6 * before
    assert after < 0.05


def test_a_bad_view_is_named_and_left_out(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    camera = draw_camera(random, SIZE)
    files = write_views(tmp_path, camera, CHESS, 12, random)
    pixels = cv2.imread(str(files[4]), cv2.IMREAD_GRAYSCALE)
    down, across = np.mgrid[0 : SIZE[1], 0 : SIZE[0]].astype(np.float32)
    cv2.imwrite(str(files[4]), cv2.remap(pixels, across + 3 * np.sin(down / 40), down, cv2.INTER_LINEAR))
    cv2.imwrite(str(files[7]), np.full(SIZE[::-1], 90, np.uint8))
    found = calibrate(files, CHESS)
    assert {one.path.name for one in found.rejected} == {"view04.png", "view07.png"}
    assert abs(found.fit.intrinsics[0] / camera.lens.fx - 1) < 1e-3
    html = lens_report(found)
    assert "view04.png" in html
    assert "http" not in html.replace("http://www.w3.org", "")


def refused(files: list[Path], board: object = CHESS) -> Refused:
    with pytest.raises(Refused) as why:
        calibrate(files, board)  # type: ignore[arg-type]
    return why.value


def test_too_few_views_and_no_board_are_refused(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    files = write_views(tmp_path, draw_camera(random, SIZE), CHESS, 5, random)
    assert "found in 5 pictures of 5, wanted 8" in str(refused(files))
    cv2.imwrite(str(files[0]), np.full(SIZE[::-1], 90, np.uint8))
    why = refused(files)
    assert "view00.png: no chessboard was found" in str(why)
    assert why.picture is not None


def test_another_board_is_named(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    camera = draw_camera(random, SIZE)
    files = write_views(tmp_path, camera, CHESS, 2, random)
    assert "a chessboard of about" in str(refused(files, make_board("chessboard", "8x6", 20)))
    files = write_views(tmp_path, camera, CHARUCO, 2, random)
    assert "another board or --size" in str(refused(files, make_board("charuco", "9x6", 20)))


def test_views_at_one_angle_are_refused(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    camera = draw_camera(random, SIZE)
    rays = camera.rays()
    turn, shift = poses(camera, CHESS, 1, random)[0]
    files = []
    for number in range(9):
        files.append(tmp_path / f"{number}.png")
        moved = (turn, shift + np.array([2.0 * number, -number, 3 * number]))
        cv2.imwrite(str(files[-1]), render(camera, rays, CHESS, moved, random))
    why = refused(files)
    assert "at one angle" in str(why)
    assert why.picture is not None


def test_another_resolution_is_refused_with_its_picture(tmp_path: Path) -> None:
    random = np.random.default_rng(6)
    files = write_views(tmp_path, Camera(draw_camera(random, SIZE).lens, SIZE), CHESS, 2, random)
    cv2.imwrite(str(files[1]), np.zeros((240, 320), np.uint8))
    why = refused(files)
    assert "view01.png: is 320 x 240, view00.png is 640 x 480" in str(why)
    assert why.picture is not None
