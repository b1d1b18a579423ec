"""Pictures of boards with known truth: a pinhole camera with distortion, blur and noise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from calibration.boards import Board, picture
from inspector.lens import Lens, Points
from inspector.types import Pixels

_MARGIN_SQUARES = 1


@dataclass(frozen=True)
class Camera:
    lens: Lens
    size: tuple[int, int]
    blur_px: float = 0.8
    noise: float = 2.0
    over: int = 3

    def rays(self) -> Points:
        """The ray of every sample, `over` x `over` of them a pixel."""
        width, height = self.size
        steps = (np.arange(self.over) - (self.over - 1) / 2) / self.over
        across = (np.arange(width)[:, None] + steps).ravel()
        down = (np.arange(height)[:, None] + steps).ravel()
        grid = np.stack(np.meshgrid(across, down), -1)
        k = np.array([[self.lens.fx, 0, self.lens.cx], [0, self.lens.fy, self.lens.cy], [0, 0, 1]])
        flat = cv2.undistortPoints(
            grid.reshape(-1, 1, 2).astype(np.float32), k, np.array(self.lens.distortion or (0.0,) * 4)
        )
        return flat.reshape(*grid.shape)


def board_over_plane(turn: Points, shift: Points) -> Points:
    """Homography from board millimetres to rays."""
    rotation, _ = cv2.Rodrigues(turn)
    return np.column_stack([rotation[:, 0], rotation[:, 1], shift])


def render(
    camera: Camera, rays: Points, board: Board, pose: tuple[Points, Points], random: np.random.Generator
) -> Pixels:
    """One exposure of the board at a pose (rotation vector, translation in mm), uint8 (H, W)."""
    across, down = board.squares
    per = 40 if board.kind == "charuco" else 8
    sheet = np.full(((down + 2) * per, (across + 2) * per), 255, np.uint8)
    sheet[per:-per, per:-per] = picture(board, per)
    start = -1.0 if board.kind == "charuco" else -2.0
    matrix = np.linalg.inv(board_over_plane(*pose)).astype(np.float32)
    x, y = rays[..., 0], rays[..., 1]
    w = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
    u = (matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]) / w / board.square_mm
    v = (matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]) / w / board.square_mm
    fine = cv2.remap(
        sheet, (u - start) * per - 0.5, (v - start) * per - 0.5, cv2.INTER_NEAREST, None, cv2.BORDER_CONSTANT, 90
    )
    small = cv2.resize(fine, camera.size, interpolation=cv2.INTER_AREA).astype(np.float32)
    lit = 25 + 0.75 * cv2.GaussianBlur(small, (0, 0), camera.blur_px)
    return np.clip(lit + camera.noise * random.standard_normal(lit.shape, np.float32) + 0.5, 0, 255).astype(np.uint8)


def poses(camera: Camera, board: Board, count: int, random: np.random.Generator) -> list[tuple[Points, Points]]:
    """Poses at which the whole board is in the picture, tilted every way."""
    found: list[tuple[Points, Points]] = []
    width = float(np.ptp(board.points_mm[:, 0]))
    middle = np.r_[board.points_mm.mean(axis=0), 0]
    while len(found) < count:
        tilt = np.radians(random.uniform(15, 42))
        way, spin = random.uniform(0, 2 * np.pi), random.uniform(-0.5, 0.5)
        turn = np.asarray(
            cv2.Rodrigues(
                np.asarray(cv2.Rodrigues(tilt * np.array([np.cos(way), np.sin(way), 0]))[0])
                @ np.asarray(cv2.Rodrigues(np.array([0, 0, spin]))[0])
            )[0]
        ).ravel()
        far = camera.lens.fx * width / camera.size[0] * random.uniform(1.15, 1.8)
        spot = np.array([random.uniform(0.25, 0.75) * camera.size[0], random.uniform(0.25, 0.75) * camera.size[1]])
        ray = camera.lens.rays_from_px(spot[None])[0]
        shift = far * np.r_[ray, 1] - np.asarray(cv2.Rodrigues(turn)[0]) @ middle
        there = board.points_mm @ np.asarray(cv2.Rodrigues(turn)[0])[:, :2].T + shift
        seen = camera.lens.px_from_rays(there[:, :2] / there[:, 2:])
        if seen.min() > 25 and (seen < np.array(camera.size) - 25).all():
            found.append((turn, shift))
    return found


def draw_camera(random: np.random.Generator, size: tuple[int, int]) -> Camera:
    """A camera with its own focal length, centre and distortion."""
    f = size[0] * random.uniform(0.9, 1.5)
    lens = Lens(
        f,
        f * random.uniform(0.998, 1.002),
        size[0] / 2 + random.uniform(-12, 12),
        size[1] / 2 + random.uniform(-12, 12),
        (
            random.uniform(-0.25, 0.05),
            random.uniform(-0.05, 0.15),
            random.uniform(-1e-3, 1e-3),
            random.uniform(-1e-3, 1e-3),
            0.0,
        ),
    )
    return Camera(lens, size, blur_px=random.uniform(0.6, 1.2), noise=random.uniform(1.0, 3.0))


def write_views(folder: Path, camera: Camera, board: Board, count: int, random: np.random.Generator) -> list[Path]:
    """Render and store; returns the files."""
    rays = camera.rays()
    files = []
    for number, pose in enumerate(poses(camera, board, count, random)):
        path = folder / f"view{number:02d}.png"
        cv2.imwrite(str(path), render(camera, rays, board, pose, random))
        files.append(path)
    return files
