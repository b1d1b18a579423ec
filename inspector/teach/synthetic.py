"""Made-up defects on pictures of good parts, to choose between ways of teaching without a bad part at hand.

What it is: five kinds of damage in random places, sizes and strengths, from a seed. What it is not: a picture of
real defects: it only has to rank methods, and no threshold is ever placed by it. The teaching process.

Methods: pasted cuts and scars as in Li et al., "CutPaste" (2021); textures under a cloud-shaped mask as in
Zavrtanik et al., "DRAEM" (2021); stains, dents (local shifts) and missing pieces (filled from the surroundings).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from inspector.types import Pixels

Floats = npt.NDArray[np.float32]
# Of the picture's side. Larger ones are found by every way and would tell nothing of small ones.
SMALLEST, LARGEST = 0.012, 0.15
KINDS = ("cut", "scar", "stain", "texture", "missing", "dent")


def damage(patch: Pixels, others: Sequence[Pixels], kind: str, rng: np.random.Generator, where: Floats) -> Pixels:
    """`patch` (uint8 (H, W, 3)) with one defect of `kind`; `others` are patches to take texture from.

    `where` (H, W) weighs the places a defect's centre may fall on. The result is a new array.
    """
    height, width = patch.shape[:2]
    centre = int(rng.choice(where.size, p=where.ravel() / where.sum()))
    y, x = divmod(centre, width)
    side = float(np.sqrt(height * width))
    size = side * float(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST))))
    mask = _shape(kind, (height, width), (y, x), size, rng)
    content = _content(kind, patch, others, (y, x), size, rng)
    mixed = patch * (1 - mask[:, :, None]) + content * mask[:, :, None]
    return np.clip(mixed + 0.5, 0, 255).astype(np.uint8)


def _shape(kind: str, shape: tuple[int, int], at: tuple[int, int], size: float, rng: np.random.Generator) -> Floats:
    """The defect's mask in 0..1, soft at its edge."""
    mask = np.zeros(shape, np.float32)
    angle = float(rng.uniform(0, 180))
    if kind == "scar":
        thick = max(1, round(size * 0.06))
        turn = np.deg2rad(angle + np.cumsum(rng.normal(0, 12, 6)))
        steps = np.stack([np.cos(turn), np.sin(turn)], axis=1) * size * 2.5 / 6
        points = np.array([at[1], at[0]]) + np.cumsum(steps, axis=0) - steps.sum(axis=0) / 2
        cv2.polylines(mask, [points.round().astype(np.int32)], False, (1.0,), thick, cv2.LINE_AA)
        return np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.6), np.float32)
    axes = (max(1, round(size / 2)), max(1, round(size / 2 * float(rng.uniform(0.4, 1)))))
    cv2.ellipse(mask, (at[1], at[0]), axes, angle, 0, 360, (1.0,), -1)
    if kind in ("stain", "texture"):
        cloud = _noise(shape, max(2.0, size / 5), rng)
        mask *= np.clip(0.7 + cloud, 0, 1)
    soft = {"cut": 0.7, "missing": 1.0, "texture": 1.5}.get(kind, max(1.0, size / 8))
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), soft), np.float32)


def _content(
    kind: str, patch: Pixels, others: Sequence[Pixels], at: tuple[int, int], size: float, rng: np.random.Generator
) -> Floats:
    """What shows inside the mask: float32 (H, W, 3)."""
    grey = patch.astype(np.float32)
    sign = float(rng.choice([-1, 1])) * float(rng.uniform(25, 80))
    if kind == "scar":
        return grey + sign
    if kind == "stain":
        tint = rng.normal(0, 8, 3).astype(np.float32)
        return grey + sign * 0.7 + tint
    if kind == "dent":
        pull = float(rng.uniform(0.15, 0.4)) * size
        return _shifted(grey, pull, float(rng.uniform(0, 2 * np.pi)))
    other = others[int(rng.integers(len(others)))].astype(np.float32)
    if kind == "missing":
        return np.asarray(cv2.GaussianBlur(grey, (0, 0), max(1.0, size / 2)), np.float32)
    far = (int(rng.integers(patch.shape[0])), int(rng.integers(patch.shape[1])))
    moved = np.roll(other, (at[0] - far[0], at[1] - far[1]), axis=(0, 1))
    if kind == "texture":
        return 0.4 * grey + 0.6 * moved
    return moved[:, ::-1] if rng.random() < 0.3 else moved


def _shifted(grey: Floats, pull: float, turn: float) -> Floats:
    matrix = np.array([[1, 0, pull * np.cos(turn)], [0, 1, pull * np.sin(turn)]])
    size = (grey.shape[1], grey.shape[0])
    return np.asarray(cv2.warpAffine(grey, matrix, size, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _noise(shape: tuple[int, int], grain: float, rng: np.random.Generator) -> Floats:
    small = rng.normal(0, 1, (max(2, int(shape[0] / grain)), max(2, int(shape[1] / grain)))).astype(np.float32)
    return np.asarray(cv2.resize(small, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), np.float32)
