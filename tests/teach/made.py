"""Small made-up parts for the teach tests: a disc with a bar on a dark ground, lit and placed a little differently."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from inspector.types import Pixels


def good_part(seed: int, side: int = 128) -> Pixels:
    """A good part, uint8 (side, side, 3)."""
    rng = np.random.default_rng(seed)
    picture = np.full((side, side, 3), 40, np.uint8)
    centre = (side // 2 + int(rng.integers(-1, 2)), side // 2 + int(rng.integers(-1, 2)))
    cv2.circle(picture, centre, side // 3, (150, 150, 150), -1, cv2.LINE_AA)
    cv2.rectangle(picture, (centre[0] - 30, centre[1] - 6), (centre[0] + 30, centre[1] + 6), (90, 110, 90), -1)
    noise = rng.normal(rng.normal(0, 3), 4, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def bad_part(seed: int, side: int = 128) -> Pixels:
    """A part with a bright blob where none belongs."""
    picture = good_part(seed, side)
    rng = np.random.default_rng(seed)
    at = (side // 2 + int(rng.integers(-25, 25)), side // 2 + int(rng.integers(-25, 25)))
    cv2.circle(picture, at, 9, (250, 250, 255), -1)
    return picture


def write_parts(folder: Path, count: int, *, bad: bool = False, first: int = 0) -> list[Path]:
    """`count` pictures as PNG files in `folder`; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index in range(first, first + count):
        path = folder / f"{'bad' if bad else 'part'}_{index:03d}.png"
        cv2.imwrite(str(path), bad_part(index + 1000) if bad else good_part(index))
        paths.append(path)
    return paths


def quiet(*_: object) -> None:
    """Progress nobody looks at."""


def never() -> bool:
    """Nobody cancels."""
    return False
