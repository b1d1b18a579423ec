"""The conveyor belt under the part: a fresh stretch of worn PVC belt for every picture.

`build(rng)` returns colour, roughness and micro height over a square larger than the picture.
Not a general cloth generator. Not run by itself; imported by scene.py and make.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from shapes import Field, noise

SIDE, PITCH = 260.0, 0.2  # mm
COUNT = int(SIDE / PITCH)
_axis = (np.arange(COUNT, dtype=np.float32) + 0.5) * PITCH - SIDE / 2
BX, BY = np.meshgrid(_axis, _axis)


@dataclass
class BeltMaps:
    """Colour, roughness and micro height (mm) of the belt; row 0 is the lowest y."""

    albedo: Field
    rough: Field
    bump: Field


def field(rng: np.random.Generator, size: float, stretch: float = 1.0) -> Field:
    """Noise on the belt's grid."""
    return noise(rng, size, (COUNT, COUNT), PITCH, stretch)


def weave(rng: np.random.Generator) -> Field:
    """Height of the fabric impression, -1..1, slightly irregular."""
    shift = rng.uniform(0, 10, 2)
    u = (BX + shift[0] + 0.06 * field(rng, 6)) * (2 * np.pi / 1.55)
    v = (BY + shift[1] + 0.06 * field(rng, 6)) * (2 * np.pi / 1.35)
    return (np.sin(u) * np.sin(v) + 0.25 * np.sin(v)).astype(np.float32)


def scuffs(rng: np.random.Generator) -> Field:
    """Coverage of the light rubbing marks, mostly along the belt's travel (x)."""
    canvas = np.zeros((COUNT, COUNT), np.float32)
    for _ in range(int(rng.integers(10, 26))):
        x, y = rng.uniform(0, COUNT, 2)
        length, slope = rng.uniform(60, 600), rng.normal(0, 0.04)
        end = (int(x + length), int(y + slope * length))
        cv2.line(canvas, (int(x), int(y)), end, float(rng.uniform(0.15, 0.6)), int(rng.integers(1, 4)), cv2.LINE_AA)
    canvas = cv2.GaussianBlur(canvas, (0, 0), 1.0)
    return canvas * np.clip(0.6 + 0.5 * field(rng, 3), 0, 1)


def specks(rng: np.random.Generator) -> Field:
    """Coverage of dust, fine chips and lint."""
    canvas = np.zeros((COUNT, COUNT), np.float32)
    for _ in range(int(rng.integers(90, 220))):
        centre = tuple(int(v) for v in rng.uniform(0, COUNT, 2))
        size = float(rng.gamma(1.5, 0.7))
        axes = (max(1, int(size * 1.3)), max(1, int(size)))
        cv2.ellipse(
            canvas, centre, axes, float(rng.uniform(0, 180)), 0, 360, float(rng.uniform(0.15, 0.8)), -1, cv2.LINE_AA
        )
    for _ in range(int(rng.integers(2, 7))):
        start, turn = rng.uniform(0, COUNT, 2), rng.uniform(0, 6.3)
        steps = turn + np.cumsum(rng.normal(0, 0.12, 30))
        path = start + np.cumsum(np.stack([np.cos(steps), np.sin(steps)], 1), 0) * 1.2
        cv2.polylines(canvas, [path.astype(np.int32)], False, 0.35, 1, cv2.LINE_AA)
    return np.clip(cv2.GaussianBlur(canvas, (0, 0), 0.6), 0, 1)


def build(rng: np.random.Generator) -> BeltMaps:
    """Make one stretch of belt."""
    fabric = weave(rng)
    base = np.array([0.036, 0.050, 0.047], np.float32) * rng.uniform(0.94, 1.06)
    tone = 1 + 0.10 * field(rng, 40) + 0.07 * field(rng, 5, 3.0) + 0.14 * field(rng, 0.5) + 0.20 * fabric
    albedo = base * np.clip(tone, 0.4, 2)[..., None]
    stain = np.clip(field(rng, 30) - 1.5, 0, 1) * 0.5
    albedo = albedo * (1 - 0.5 * stain[..., None])
    rub, dust = scuffs(rng)[..., None] * 0.12, specks(rng)[..., None] * 0.6
    albedo = albedo * (1 - rub) + np.float32(0.22) * rub
    albedo = albedo * (1 - dust) + np.array([0.30, 0.29, 0.27], np.float32) * dust
    rough = 0.55 - 0.2 * stain + 0.04 * field(rng, 8)
    bump = 0.05 * fabric + 0.015 * field(rng, 0.5) + 0.04 * dust[..., 0]
    return BeltMaps(albedo.astype(np.float32), rough.astype(np.float32), bump.astype(np.float32))
