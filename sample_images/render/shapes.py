"""Two-dimensional building blocks of the rendered part: grid, distance fields, profiles, noise.

It is the small geometry kit of the sample pictures: signed distances (mm, negative inside)
on the part's own grid, wall/chamfer/fillet profiles made from them, and band-limited noise.
It is not a CAD kernel: the part is one height over every point (no undercuts).
Not run by itself; imported by part.py, defects.py and belt.py.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]

PITCH = 0.1  # mm per texel of the part's maps
HALF_X, HALF_Y = 66.0, 52.0  # mm, the part's maps reach from -HALF to +HALF

_xs = np.arange(-HALF_X, HALF_X, PITCH, dtype=np.float32) + PITCH / 2
_ys = np.arange(-HALF_Y, HALF_Y, PITCH, dtype=np.float32) + PITCH / 2
X, Y = np.meshgrid(_xs, _ys)  # row 0 is the lowest y
SHAPE = X.shape


def circle(cx: float, cy: float, r: float) -> Field:
    """Distance to a disc."""
    return np.hypot(X - cx, Y - cy) - np.float32(r)


def rbox(cx: float, cy: float, hx: float, hy: float, r: float, deg: float = 0.0) -> Field:
    """Distance to a box with half sides hx, hy and corner radius r, turned by deg."""
    c, s = np.cos(np.radians(deg)), np.sin(np.radians(deg))
    u = np.abs((X - cx) * c + (Y - cy) * s) - np.float32(hx - r)
    v = np.abs(-(X - cx) * s + (Y - cy) * c) - np.float32(hy - r)
    outer = np.hypot(np.maximum(u, 0), np.maximum(v, 0))
    return (outer + np.minimum(np.maximum(u, v), 0) - r).astype(np.float32)


def capsule(ax: float, ay: float, bx: float, by: float, r: float) -> Field:
    """Distance to a thick line from a to b."""
    dx, dy = bx - ax, by - ay
    t = np.clip(((X - ax) * dx + (Y - ay) * dy) / (dx * dx + dy * dy), 0, 1)
    return np.hypot(X - ax - t * dx, Y - ay - t * dy) - np.float32(r)


def smin(a: Field, b: Field, k: float) -> Field:
    """Smooth union of two distances; k is the width of the blend in mm."""
    h = np.maximum(k - np.abs(a - b), 0) / k
    return np.minimum(a, b) - h * h * np.float32(k * 0.25)


def quarter(t: Field, r: float) -> Field:
    """Depth of a rounded edge of radius r at distance t from where it starts (0 beyond r)."""
    u = np.clip(1 - t / r, 0, 1)
    return (r * (1 - np.sqrt(1 - u * u))).astype(np.float32)


def rise(d: Field, top: float, wall: float, edge: float, rounded: bool) -> Field:
    """Height of a raised body: drafted wall of the given width, then chamfer or round edge."""
    inside = -d - wall
    loss = quarter(inside, edge) if rounded else np.clip(edge - inside, 0, edge)
    wallz = np.clip(-d / wall, 0, 1) * (top + 4) - 4
    return np.where(inside < 0, np.minimum(wallz, top - edge), top - loss).astype(np.float32)


def cut(z: Field, d: Field, floor: float, chamfer: float, top: float, wall: float = 0.25) -> Field:
    """Cut a hole or pocket with distance d down to floor, with a chamfer at height top."""
    down = np.clip(-d / wall, 0, 1)
    hole = (top - chamfer) * (1 - down) + floor * down
    rim = top - (chamfer - d)
    z = np.where((d > 0) & (d < chamfer), np.minimum(z, rim), z)
    return np.where(d <= 0, np.minimum(z, hole), z).astype(np.float32)


def noise(
    rng: np.random.Generator, size: float, shape: tuple[int, int] = SHAPE, pitch: float = PITCH, stretch: float = 1.0
) -> Field:
    """Unit-variance smooth noise with features of about size mm (stretch: longer along x)."""
    step = max(1, int(size / pitch / 3))
    small = (shape[0] // step + 3, int(shape[1] / (step * stretch)) + 3)
    field = rng.standard_normal(small).astype(np.float32)
    sigma = size / pitch / step / 2.5
    field = cv2.GaussianBlur(field, (0, 0), max(sigma, 0.4))
    if step > 1 or stretch != 1.0:
        field = cv2.resize(field, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    field = field[: shape[0], : shape[1]]
    return (field - field.mean()) / (field.std() + 1e-9)


def lines(rng: np.random.Generator, coordinate: Field, size: float) -> Field:
    """Unit-variance noise of one coordinate only: tool marks of about size mm."""
    low, high = float(coordinate.min()), float(coordinate.max())
    count = int((high - low) / 0.05) + 2
    row = cv2.GaussianBlur(rng.standard_normal((1, count)), (0, 0), size / 0.05 / 2.5)[0]
    row /= row.std() + 1e-9
    return np.interp(coordinate, np.linspace(low, high, count), row).astype(np.float32)


def soft(d: Field, width: float = 0.15) -> Field:
    """Coverage 0..1 of the region d < 0 with an edge of the given width."""
    return np.clip(0.5 - d / width, 0, 1).astype(np.float32)
