"""The defects of the sample pictures, made in the part itself, each with its exact mask.

`defective(kind, severity, variant, rng)` builds one part with one defect and returns the part's maps
and the coverage of the defect on the part's grid. Scratches, dents and cracks change height,
roughness and colour; burrs are loose sheets of metal; missing features are not built at all.
They are plausible inventions, not measured defects. Not run by itself; imported by make.py.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import prints
from part import BOLTS, BOSS, BX, BY, EARS, PIN, PLATE, TAP, Build, PartMaps, Strip, build, coat, outline
from shapes import HALF_X, HALF_Y, PITCH, SHAPE, Field, X, Y, circle, noise, rbox, soft

KINDS = ("scratch", "dent", "crack", "missing_feature", "burr", "stain", "print")
SEVERITIES = ("just_visible", "visible", "obvious")
OFFSET = np.array([HALF_X, HALF_Y])  # mm
LEAST = 6.6  # mm2 of mask, 0.022 % of the picture
Result = tuple[PartMaps, Field]


def flat_ground(maps: PartMaps, machined: bool | None, margin: float) -> Field:
    """Where a defect may lie: flat metal at least margin mm away from edges and holes."""
    gy, gx = np.gradient(maps.z, PITCH)
    rubber = maps.metal < 0.4
    steep = ((np.hypot(gx, gy) > 0.25) | (maps.z < 3) | (outline() > -1) | rubber).astype(np.uint8)
    steep = cv2.morphologyEx(steep, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    away = cv2.distanceTransform(1 - steep, cv2.DIST_L2, 5) * PITCH > margin
    if machined is None:
        return away
    return away & ((maps.machined > 0.5) == machined)


def pick(rng: np.random.Generator, ground: Field) -> tuple[float, float]:
    """A random point of the ground, in mm."""
    rows, cols = np.nonzero(ground)
    k = int(rng.integers(len(rows)))
    return float(X[0, cols[k]]), float(Y[rows[k], 0])


def texels(points: Field) -> Field:
    """Points in mm as map positions in sixteenths of a texel, for drawing."""
    return np.round(((points + OFFSET) / PITCH - 0.5) * 16).astype(np.int32)


def distance(paths: list[Field]) -> Field:
    """Distance (mm) to polylines given as n x 2 arrays of mm."""
    canvas = np.full(SHAPE, 255, np.uint8)
    for path in paths:
        cv2.polylines(canvas, [texels(path)], False, 0, 1, cv2.LINE_8, 4)
    return cv2.distanceTransform(canvas, cv2.DIST_L2, 5) * np.float32(PITCH)


def walk(
    rng: np.random.Generator,
    start: tuple[float, float],
    heading: float,
    length: float,
    wander: float,
    step: float = 0.4,
) -> Field:
    """A wandering path of the given length."""
    count = max(3, int(length / step))
    turn = heading + np.cumsum(rng.normal(0, wander, count))
    return np.array(start) + np.cumsum(np.stack([np.cos(turn), np.sin(turn)], 1) * step, 0)


def scratch(level: int, rng: np.random.Generator, _variant: int) -> Result:
    """One to three strokes of something hard dragged over the face."""
    maps = build(rng)
    machined = [True, None, None][level]
    start = pick(rng, flat_ground(maps, machined, [1.5, 2.0, 4.0][level]))
    centre = (15.0 if start[0] < 15 else -5.0) - start[0], -start[1]
    heading = np.arctan2(centre[1], centre[0]) + rng.normal(0, 0.7)
    length = [13, 17, 28][level] * rng.uniform(0.85, 1.25)
    paths = []
    for k in range([1, 1, 2][level] + int(rng.random() < 0.4)):
        side = np.array([-np.sin(heading), np.cos(heading)]) * k * rng.uniform(0.8, 1.6)
        paths.append(walk(rng, tuple(np.array(start) + side), heading, length * rng.uniform(0.6, 1), 0.012))
    d = distance(paths)
    gate = np.clip(1.1 + 0.5 * noise(rng, 3), 0, 1) * (maps.z > 3) * (maps.metal > 0.4)
    width, depth = [0.20, 0.24, 0.36][level], [0.02, 0.035, 0.09][level]
    groove = np.exp(-((d / width) ** 2))
    maps.bump += (depth * gate * (0.5 * np.exp(-(((d - 1.6 * width) / (0.6 * width)) ** 2)) - groove)).astype(
        np.float32
    )
    fresh = np.float32(0.86) * (1 - maps.machined) + np.float32(0.42) * maps.machined
    coat(maps, gate * groove * [0.35, 0.45, 0.8][level], fresh[..., None], 0.45, 1.0)
    return maps, ((d < 1.7 * width + 0.05) & (gate > 0.15)).astype(np.float32)


def dent(level: int, rng: np.random.Generator, _variant: int) -> Result:
    """A blow: a bowl with a thrown-up rim."""
    maps = build(rng)
    x, y = pick(rng, flat_ground(maps, True if level == 0 else None, [1.6, 2.0, 2.4][level]))
    radius = [1.5, 2.1, 3.0][level] * rng.uniform(0.9, 1.15)
    a, stretch = rng.uniform(0, np.pi), rng.uniform(1.0, 1.5)
    u, v = (X - x) * np.cos(a) + (Y - y) * np.sin(a), -(X - x) * np.sin(a) + (Y - y) * np.cos(a)
    r = np.hypot(u / stretch, v) / radius * (1 + 0.06 * noise(rng, 1.5))
    depth = [0.13, 0.38, 0.95][level] * rng.uniform(0.9, 1.1)
    bowl = -depth * np.clip(1 - r * r, 0, 1) ** 1.2 + 0.16 * depth * np.exp(-(((r - 1.12) / 0.16) ** 2))
    maps.z += (bowl * (maps.z > 2)).astype(np.float32)
    inside = soft((r - 1) * radius, 0.4)
    maps.bump += 0.012 * noise(rng, 0.4) * inside
    coat(maps, inside * 0.5, maps.albedo * 0.9, 0.42, 1.0)
    return maps, ((r < 1.2) & (maps.z > 0)).astype(np.float32)


def crack_starts() -> list[tuple[float, float]]:
    """Where castings crack: holes, pocket corners, the roots of the ears."""
    rims = [(x + 2.2, y + 0.6) for x, y in BOLTS] + [(x + 3.9, y - 0.5) for x, y in EARS.values()]
    return [*rims, (52.0, -7.0), (14.5, -7.5), (TAP[0] + 2.8, TAP[1]), (-24.0, -27.0), (22.0, 18.0), (-55.0, 8.0)]


def crack(level: int, rng: np.random.Generator, _variant: int) -> Result:
    """A thin dark branching line, starting at a notch."""
    maps = build(rng)
    starts = crack_starts()
    start = starts[int(rng.integers(len(starts)))]
    length = [8, 12, 20][level] * rng.uniform(0.9, 1.2)
    main = walk(rng, start, rng.uniform(0, 2 * np.pi), length, 0.28)
    paths = [main]
    for _ in range([0, 1, 3][level]):
        k = int(rng.integers(len(main) // 4, len(main) - 2))
        heading = np.arctan2(*(main[k + 1] - main[k])[::-1]) + rng.choice([-1, 1]) * rng.uniform(0.5, 1.0)
        paths.append(walk(rng, tuple(main[k]), heading, length * rng.uniform(0.2, 0.4), 0.3))
    d = distance(paths)
    width = [0.10, 0.13, 0.2][level] * np.clip(1 + 0.35 * noise(rng, 1.5), 0.3, 2)
    solid = (maps.z > 3) & (outline() < 0.2) & (maps.metal > 0.4)
    cover = np.clip(1.2 - d / (width + 0.1), 0, 1) * solid * [0.75, 0.9, 1.0][level]
    maps.bump -= cover * [0.06, 0.1, 0.2][level]
    coat(maps, cover, np.array([0.045, 0.042, 0.04], np.float32), 0.9, 0.2)
    return maps, ((d < 0.42) & solid).astype(np.float32)


def missing_feature(level: int, rng: np.random.Generator, variant: int) -> Result:
    """Something was not drilled, not chamfered, or not pressed in."""
    k = int(rng.integers(5))
    one_off = tuple(i != k for i in range(5))
    two_off = tuple(i not in (k, (k + 2) % 5) for i in range(5))
    both = np.minimum(*(circle(*BOLTS[i], 2.4) for i in (k, (k + 2) % 5)))
    three = np.minimum.reduce([circle(*BOLTS[i], 2.4) for i in (0, 2, 4)])
    slot = np.abs(rbox(*EARS["slot"], 6.75, 3.35, 3.34, 35)) - 0.45
    choices: list[list[tuple[Build, Field]]] = [
        [
            (Build(bolt_chamfers=two_off), both),
            (Build(slot_chamfer=0.0), slot),
            (Build(clock=False), circle(19.5, -15, 4.8)),
        ],
        [
            (Build(bolts=one_off), circle(*BOLTS[k], 2.4)),
            (Build(tap=False), circle(*TAP, 2.9)),
            (Build(pin=False), circle(*PIN, 3.0)),
        ],
        [
            (Build(bush=False), circle(*EARS["bush"], 4.9)),
            (Build(ring=False), np.abs(circle(BX, BY, 15.4)) - 1.7),
            (Build(bolts=(False, True, False, True, False)), three),
        ],
    ]
    options = choices[level]
    plan, d = options[variant % len(options)]
    return build(rng, plan), (d < 0).astype(np.float32)


def edge_run(d: Field, rng: np.random.Generator, length: float) -> Field:
    """A stretch of the line d = 0, as n x 2 points in mm."""
    contours, _ = cv2.findContours((d < 0).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    line = max(contours, key=len)[:, 0].astype(np.float32) * PITCH - OFFSET
    line = np.roll(line, -int(rng.integers(len(line))), 0)
    along = np.r_[0, np.cumsum(np.hypot(*np.diff(line, axis=0).T))]
    length = min(length, float(along[-1]) * 0.9)
    at = np.linspace(0, length, int(length / 0.12))
    line = np.stack([np.interp(at, along, cv2.blur(line[:, k : k + 1], (1, 9))[:, 0]) for k in (0, 1)], 1)
    return line


def away(line: Field, d: Field, outward: int) -> Field:
    """Unit normals of a line on d = 0, towards larger d (outward 1) or smaller d (-1)."""
    tangent = np.gradient(line, axis=0)
    normal = np.stack([tangent[:, 1], -tangent[:, 0]], 1) / (np.hypot(*tangent.T)[:, None] + 1e-9)
    probe = line + normal * 0.5
    rows, cols = ((probe + OFFSET)[:, ::-1] / PITCH).astype(int).clip(0, np.array(SHAPE) - 1).T
    return normal * outward * np.sign(np.median(d[rows, cols]))


def burr(level: int, rng: np.random.Generator, _variant: int) -> Result:
    """A ragged thin sheet standing over an edge: flash at the parting line or a drilling burr."""
    maps = build(rng)
    edges = [
        (outline(), 4.6, 1),
        (outline(), 4.6, 1),
        (circle(BX, BY, 17.1), BOSS - 0.3, -1),
        (circle(*EARS["plain"], 3.3), PLATE + 0.4, -1),
        (rbox(*EARS["slot"], 6.4, 3.0, 2.99, 35), PLATE + 0.4, -1),
    ]
    d, height, outward = edges[int(rng.integers(len(edges)))]
    length, reach = [15, 16, 26][level] * rng.uniform(0.9, 1.2), [0.5, 0.95, 1.9][level]
    line = edge_run(d, rng, length)
    normal = away(line, d, outward)
    n = len(line)
    ragged = cv2.GaussianBlur(rng.standard_normal((1, n)), (0, 0), 6)[0] * 1.6 + rng.normal(0, 0.10, n)
    window = np.clip(np.minimum(np.arange(n), n - 1 - np.arange(n)) / (0.18 * n), 0, 1) ** 0.5
    width = reach * np.clip(0.75 + 0.5 * ragged, 0.15, 1.5) * window
    lift = 0.35 * reach * cv2.GaussianBlur(rng.standard_normal((1, n)), (0, 0), 9)[0] * 3
    bands = []
    for t in (-0.8, 0.0, 0.35, 0.7, 1.0):
        xy = line + normal * (np.where(t < 0, t, t * width))[:, None]
        bands.append(np.column_stack([xy, height + lift * max(t, 0) ** 2 + rng.normal(0, 0.02, n)]))
    maps.strips.append(Strip(np.stack(bands).astype(np.float32)))
    shape = np.concatenate([bands[1][:, :2], bands[-1][::-1, :2]])
    mask = np.zeros(SHAPE, np.uint8)
    cv2.fillPoly(mask, [texels(shape)], 1, cv2.LINE_8, 4)
    return maps, cv2.dilate(mask, np.ones((3, 3), np.uint8)).astype(np.float32)


def stain(level: int, rng: np.random.Generator, _variant: int) -> Result:
    """Rust, a burnt mark or dried coolant."""
    maps = build(rng)
    x, y = pick(rng, flat_ground(maps, None, 1.2))
    radius = [2.2, 3.2, 6.0][level] * rng.uniform(0.9, 1.2)
    body = 1 - np.hypot(X - x, (Y - y) * rng.uniform(0.8, 1.3)) / radius
    body = body + 0.30 * noise(rng, 2.2) + 0.14 * noise(rng, 0.8) - 0.1
    cover = np.clip(body * 2.2, 0, 1) * (np.hypot(X - x, Y - y) < 1.8 * radius)
    cover = cover * [0.34, 0.5, 0.85][level] * np.clip(1 + 0.2 * noise(rng, 0.6), 0.4, 1.2) * (maps.z > 0)
    rust = bool(rng.random() < 0.6)
    colour = np.array([0.26, 0.115, 0.045] if rust else [0.13, 0.115, 0.09], np.float32)
    colour = colour * (1 + 0.25 * noise(rng, 0.7))[..., None]
    coat(maps, np.clip(cover, 0, 1), np.clip(colour, 0.01, 1), 0.8 if rust else 0.45, 0.15)
    return maps, (cover > 0.08).astype(np.float32)


def smear(rng: np.random.Generator, good: Field) -> Field:
    """The mark dragged sideways, as when the part moved under the laser."""
    kernel = np.zeros((15, 15), np.float32)
    cv2.line(kernel, (1, 7 + int(rng.integers(-3, 4))), (13, 7), 1.0, 2)
    dragged = cv2.filter2D(good, -1, kernel / kernel.sum())
    shifted = np.roll(dragged, 9, 1)
    side = soft(30 - X if rng.random() < 0.5 else X - 24, 6)
    return good * (1 - side) + np.maximum(dragged, shifted * 0.7) * side


def wrong_prints(level: int, rng: np.random.Generator) -> list[Callable[[], Field]]:
    """The print faults of one severity."""
    good = prints.pad_print()
    if level == 2:
        return [lambda: good * 0, lambda: smear(rng, good), lambda: prints.pad_print("OIS 4822-11", "D  24-02  L7")]
    if level == 1:
        return [
            lambda: prints.pad_print(batch=""),
            lambda: good * soft(X - rng.uniform(24, 30), 3),
            lambda: prints.pad_print("OIS 4711-08"),
        ]
    return [
        lambda: prints.pad_print("OIS 4711-08"),
        lambda: prints.pad_print(batch="E  26-17  L2"),
        lambda: good * (1 - 0.55 * soft(34 - X, 4)),
        lambda: good * (1 - soft(circle(45.6, 10.6, 2.0), 0.5)),
    ]


def bad_print(level: int, rng: np.random.Generator, variant: int) -> Result:
    """A wrong, missing, smeared, faint or damaged laser mark."""
    options = wrong_prints(level, rng)
    mark = options[variant % len(options)]()
    change = (np.abs(mark - prints.pad_print()) > 0.2).astype(np.uint8)
    change = cv2.morphologyEx(change, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    return build(rng, Build(print_map=mark)), cv2.dilate(change, np.ones((3, 3), np.uint8)).astype(np.float32)


MAKERS: dict[str, Callable[[int, np.random.Generator, int], Result]] = {
    "scratch": scratch,
    "dent": dent,
    "crack": crack,
    "missing_feature": missing_feature,
    "burr": burr,
    "stain": stain,
    "print": bad_print,
}


def defective(kind: str, severity: str, variant: int, rng: np.random.Generator) -> Result:
    """Build one part with one defect, not smaller than LEAST; returns maps and mask on the part's grid."""
    for _ in range(8):
        maps, mask = MAKERS[kind](SEVERITIES.index(severity), rng, variant)
        if float(mask.sum()) * PITCH**2 > LEAST:
            return maps, mask
    raise RuntimeError(f"no {kind} of at least {LEAST} mm2 in eight tries")
