"""Drawn parts on a belt, with known truth, and where the other pictures are."""

from __future__ import annotations

import csv
import math
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.types import Pixels

REPOSITORY = Path(__file__).parents[2]
SAMPLES = REPOSITORY / "sample_images"
_FINE = 4  # drawn so much larger, then averaged down: edges with true sub-pixel places

BRACKET = np.array([(-150, -60), (110, -60), (150, -20), (150, 60), (40, 60), (40, 20), (-150, 20)], float)
HOLES = [(-110.0, -20.0, 18.0), (90.0, 20.0, 26.0)]


def belt(seed: int, width: int, height: int) -> Pixels:
    """A dark belt with a sensor's noise."""
    random = np.random.default_rng(seed)
    return np.clip(random.normal(45, 2.5, (height, width, 3)), 0, 255).astype(np.uint8)


def place(points: np.ndarray, x: float, y: float, turn_deg: float, scale: float = 1.0) -> np.ndarray:
    """Template points at a pose: counter-clockwise as seen on the screen."""
    turn = math.radians(turn_deg)
    across = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    return points * scale @ across.T + (x, y)


def _polygon(canvas: Pixels, points: np.ndarray, grey: int) -> None:
    fixed = np.round(((points + 0.5) * _FINE - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(canvas, [fixed], grey, lineType=cv2.LINE_AA, shift=4)


def bracket(
    x: float,
    y: float,
    turn_deg: float,
    *,
    seed: int = 0,
    scale: float = 1.0,
    light: float = 1.0,
    onto: Pixels | None = None,
    missing: bool = False,
    size: tuple[int, int] = (640, 480),
) -> Pixels:
    """An asymmetric bracket at a pose, uint8 `(H, W, 3)`; `missing` breaks one end off."""
    width, height = size
    ground = belt(seed, width, height) if onto is None else onto
    cover = np.zeros((height * _FINE, width * _FINE), np.uint8)
    outline = BRACKET.copy()
    if missing:
        outline[outline[:, 0] < -100, 0] = -95
    _polygon(cover, place(outline, x, y, turn_deg, scale), 255)
    circle = np.array([(math.cos(a), math.sin(a)) for a in np.linspace(0, 2 * math.pi, 48)])
    for u, v, radius in HOLES:
        _polygon(cover, place(circle * radius + (u, v), x, y, turn_deg, scale), 0)
    share = cv2.resize(cover, size, interpolation=cv2.INTER_AREA)[..., None] / 255.0
    metal = np.random.default_rng(seed + 1).normal(170, 4, ground.shape)
    return np.clip((ground * (1 - share) + metal * share) * light, 0, 255).astype(np.uint8)


def disc(x: float, y: float, *, seed: int = 0) -> Pixels:
    """A round part without any mark."""
    ground = belt(seed, 640, 480)
    cover = np.zeros((480 * _FINE, 640 * _FINE), np.uint8)
    centre = tuple(round(((value + 0.5) * _FINE - 0.5) * 16) for value in (x, y))
    cv2.circle(cover, centre, 120 * _FINE * 16, 255, -1, cv2.LINE_AA, 4)
    cv2.circle(cover, centre, 50 * _FINE * 16, 90, -1, cv2.LINE_AA, 4)
    share = cv2.resize(cover, (640, 480), interpolation=cv2.INTER_AREA)[..., None] / 255.0
    metal = np.random.default_rng(seed + 1).normal(170, 4, ground.shape)
    return np.clip(ground * (1 - share) + metal * share, 0, 255).astype(np.uint8)


def good_brackets(count: int, turn_deg: float, seed: int = 100) -> list[Pixels]:
    """Good parts within 25 px and `turn_deg` of the middle."""
    random = np.random.default_rng(seed)
    poses = np.column_stack([320 + random.uniform(-25, 25, count), 240 + random.uniform(-25, 25, count)])
    return [bracket(x, y, random.uniform(-turn_deg, turn_deg), seed=at) for at, (x, y) in enumerate(poses)]


def datasets() -> Path:
    """The folder of real pictures; the test is skipped, naming it, where it is absent."""
    folder = Path(os.environ.get("INSPECTOR_DATASETS", REPOSITORY.parent / "shared" / "datasets"))
    if not folder.is_dir():
        pytest.skip(f"no real pictures at {folder}: set INSPECTOR_DATASETS")
    return folder


def real(folder: str, every: int = 1) -> list[Pixels]:
    """Pictures of one folder of the real ones."""
    files = sorted((datasets() / folder).glob("*"))[::every]
    return [cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in files]


def sample_rows() -> list[dict[str, str]]:
    """The rows of the sample pictures' labels."""
    with (SAMPLES / "labels.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def sample(row: dict[str, str]) -> Pixels:
    """A row's picture."""
    pixels = cv2.imread(str(SAMPLES / row["file"]))
    assert pixels is not None, row["file"]
    return pixels
