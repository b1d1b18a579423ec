"""The inspected part: a die-cast, machined aluminium sensor bracket as maps of height and surface.

`build(rng)` makes one individual good part: every call draws its own casting skin, tool marks,
oil film and mark contrast. It is not a CAD model: one height (mm above the belt) for each
point seen from above. Not run by itself; imported by make.py and defects.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import prints
from shapes import SHAPE, Field, X, Y, capsule, circle, cut, lines, noise, quarter, rbox, rise, smin, soft

BX, BY = -27.0, 3.0  # centre of the boss
PLATE, BOSS, PAD = 9.0, 17.0, 10.6  # heights of the plate, the boss face and the print pad
BOLTS = [(BX + 21.7 * np.cos(a), BY + 21.7 * np.sin(a)) for a in np.radians([90, 150, 210, 270, 330])]
EARS = {"bush": (-49.0, -34.0), "plain": (-8.0, 34.0), "slot": (50.0, 29.0)}
PIN, TAP = (6.0, -13.5), (6.0, -23.0)
THROUGH = -3.0

ALU = np.array([0.79, 0.80, 0.80], np.float32)
SKIN = np.array([0.47, 0.475, 0.475], np.float32)
BRASS = np.array([0.78, 0.60, 0.30], np.float32)
STEEL = np.array([0.62, 0.62, 0.64], np.float32)
RUBBER = np.array([0.018, 0.018, 0.02], np.float32)


@dataclass
class Strip:
    """A thin loose sheet of metal (burr, flash): a band of points rows x columns x 3."""

    points: Field


@dataclass
class PartMaps:
    """Everything the renderer needs of one part, on the part's grid."""

    z: Field
    bump: Field
    albedo: Field
    rough: Field
    metal: Field
    machined: Field
    strips: list[Strip] = field(default_factory=list)


@dataclass(frozen=True)
class Build:
    """What is present on the part; a missing feature or wrong print is a changed Build."""

    bolts: tuple[bool, ...] = (True,) * 5
    bolt_chamfers: tuple[bool, ...] = (True,) * 5
    bolt_floor: float = THROUGH
    pin: bool = True
    bush: bool = True
    ring: bool = True
    tap: bool = True
    clock: bool = True
    slot_chamfer: float = 0.6
    print_map: Field | None = None


@lru_cache(maxsize=1)
def outline() -> Field:
    """Distance to the outer contour of the casting."""
    d = smin(circle(BX, BY, 33), rbox(22, -3, 37, 26, 10), 12)
    d = smin(d, capsule(BX, BY, *EARS["bush"], 9), 9)
    d = smin(d, capsule(-20, 8, *EARS["plain"], 9), 9)
    return smin(d, capsule(38, 6, *EARS["slot"], 10), 9)


def spot(name: str) -> Field:
    """Distance to the machined spot face of an ear."""
    if name == "slot":
        return rbox(*EARS[name], 9.6, 6.9, 6.8, 35)
    return circle(*EARS[name], 7.2)


@lru_cache(maxsize=1)
def cast_body() -> Field:
    """Height of the raw casting: plate, boss, print pad, ear pads, pin boss and pocket."""
    z = rise(outline(), PLATE, 0.5, 1.6, True)
    boss = circle(BX, BY, 27)
    z = np.maximum(z, np.where(boss > 0, np.minimum(z, PLATE) + quarter(boss, 2.6), -9))
    z = np.maximum(z, rise(boss, BOSS, 0.6, 0.7, False))
    z = np.maximum(z, rise(rbox(27, 9, 23.6, 7.6, 2.4), PAD, 0.4, 0.4, False))
    for name in EARS:
        z = np.maximum(z, rise(spot(name) - 0.6, PLATE + 0.8, 0.4, 0.3, False))
    z = np.maximum(z, rise(circle(*PIN, 5.2), PLATE + 0.8, 0.4, 0.4, False))
    return pocket(z)


def pocket(z: Field) -> Field:
    """Sink the cast pocket with its rib, bottom radii and raised casting marks."""
    d = rbox(33, -15, 20, 9.5, 4)
    d = np.maximum(d, 1.3 - np.abs(X - 34 - 0.12 * (Y + 15)))
    floor = 4.0 + quarter(-d - 0.9, 2.2)
    wall = np.clip(-d / 0.9, 0, 1)
    z = np.where(d < 0, (PLATE - 1.0) * (1 - wall) + floor * wall, z)
    return np.where((d >= 0) & (d < 1.0), z - quarter(d, 1.0), z).astype(np.float32)


def cast_marks(z: Field, build: Build) -> Field:
    """Add raised casting letters, the date clock and the ejector marks."""
    letters = np.maximum(prints.text("AlSi9", 44.8, -12.4, 2.6), prints.text("Cu3(Fe)", 44.8, -17.6, 2.2))
    clock = np.minimum(np.abs(circle(19.5, -15, 4.4)) - 0.3, rbox(19.5, -13.4, 0.4, 2.3, 0.2))
    for a in np.radians(np.arange(0, 360, 30)):
        clock = np.minimum(clock, circle(19.5 + 3.4 * np.cos(a), -15 + 3.4 * np.sin(a), 0.35))
    raised = np.maximum(letters, soft(clock, 0.3) if build.clock else 0) * 0.4
    sunk = sum(soft(circle(x, y, 2.4), 0.4) for x, y in ((28.2, -20.3), (-54.5, 11), (51, -25)))
    return (z + raised - 0.22 * sunk).astype(np.float32)


def machine(z: Field, build: Build) -> Field:
    """Drill, bore and chamfer everything that is machined after casting."""
    z = cut(z, circle(BX, BY, 17.2), BOSS - 3.2, 0.5, BOSS)
    z = cut(z, circle(BX, BY, 13.5), THROUGH, 0.9, BOSS - 3.2)
    for (x, y), there, chamfer in zip(BOLTS, build.bolts, build.bolt_chamfers, strict=True):
        if there:
            z = cut(z, circle(x, y, 1.75), build.bolt_floor, 0.55 if chamfer else 0.0, BOSS)
    ear = PLATE + 0.8
    z = cut(z, circle(*EARS["plain"], 3.3), THROUGH, 0.6, ear)
    z = cut(z, rbox(*EARS["slot"], 6.4, 3.0, 2.99, 35), THROUGH, build.slot_chamfer, ear)
    z = cut(z, circle(*EARS["bush"], 4.6), THROUGH, 0.3, ear)
    z = cut(z, circle(*PIN, 2.8), THROUGH, 0.4, ear)
    return cut(z, circle(*TAP, 2.1), THROUGH, 0.7, PLATE) if build.tap else z


def inserts(z: Field, build: Build) -> tuple[Field, dict[str, Field]]:
    """Press in the bush, the dowel pin and the O-ring; return the height and their regions."""
    regions = {}
    if build.bush:
        d = np.abs(circle(*EARS["bush"], 3.65)) - 0.85
        z = np.where(d < 0, np.maximum(z, rise(d, PLATE + 0.5, 0.1, 0.25, True)), z)
        regions["bush"] = soft(d)
    if build.pin:
        d = circle(*PIN, 2.55)
        z = np.where(d < 0, np.maximum(z, rise(d, 13.0, 0.12, 0.7, True)), z)
        regions["pin"] = soft(d)
    if build.ring:
        r = circle(BX, BY, 15.45)
        tube = BOSS - 3.2 + 0.4 + np.sqrt(np.maximum(1.45**2 - r * r, 0))
        z = np.where(np.abs(r) < 1.45, np.maximum(z, tube), z)
        regions["ring"] = soft(np.abs(r) - 1.4)
    return z.astype(np.float32), regions


@lru_cache(maxsize=1)
def machined_regions() -> Field:
    """Coverage of the machined faces (the rest is casting skin)."""
    d = np.minimum(circle(BX, BY, 26.6), rbox(27, 9, 23.2, 7.2, 2.2))
    for name in EARS:
        d = np.minimum(d, spot(name) - 0.4)
    for x, y, r in ((*PIN, 4.8), (*TAP, 2.8)):
        d = np.minimum(d, circle(x, y, r))
    return soft(d, 0.2)


def tool_marks(rng: np.random.Generator) -> Field:
    """Micro height (mm) of turning, milling and spot-facing marks."""
    radius = np.hypot(X - BX, Y - BY + 0.05 * noise(rng, 20))
    marks = 0.0080 * lines(rng, radius, 0.55) + 0.0028 * lines(rng, radius, 0.25)
    feed = X - np.sqrt(np.maximum(28.0**2 - (Y - 9 + rng.uniform(-3, 3)) ** 2, 0))
    mill = 0.0055 * lines(rng, feed, 0.65) + 0.0018 * lines(rng, feed, 0.25)
    marks = np.where(rbox(27, 9, 24, 8, 2) < 0, mill, marks)
    for x, y in (*EARS.values(), PIN, TAP):
        r = np.hypot(X - x, Y - y)
        marks = np.where(r < 11, 0.0075 * lines(rng, r, 0.5), marks)
    return (marks + 0.0003 * noise(rng, 0.3)).astype(np.float32)


def skin_bump(rng: np.random.Generator) -> Field:
    """Micro height (mm) of the blasted casting skin."""
    peel = 0.028 * noise(rng, 1.6) + 0.018 * noise(rng, 0.75) + 0.008 * noise(rng, 0.35)
    pits = np.clip(noise(rng, 0.5) - 3.1, 0, 1) * 0.05
    return (peel + 0.03 * noise(rng, 9) - pits).astype(np.float32)


def surface(rng: np.random.Generator, z: Field, regions: dict[str, Field]) -> PartMaps:
    """Colour, roughness, metalness and micro height of an unmarked part."""
    m = machined_regions()
    tint = 1 + 0.05 * noise(rng, 14) + 0.035 * noise(rng, 3) + 0.05 * noise(rng, 0.4)
    albedo = (SKIN * tint[..., None]) * (1 - m[..., None])
    albedo += ALU * (1 + 0.015 * noise(rng, 5) + 0.012 * noise(rng, 0.3))[..., None] * m[..., None]
    film = np.clip(noise(rng, 12), 0, 2) * rng.uniform(0.01, 0.04)
    rough = (0.56 + 0.03 * noise(rng, 2)) * (1 - m) + (rng.uniform(0.30, 0.34) + film) * m
    bump = skin_bump(rng) * (1 - m) + tool_marks(rng) * m
    maps = PartMaps(z, bump, albedo, rough, np.full(SHAPE, 0.96, np.float32), m)
    for name, colour, gloss, metal in (
        ("bush", BRASS, 0.3, 1.0),
        ("pin", STEEL, 0.34, 1.0),
        ("ring", RUBBER, 0.5, 0.0),
    ):
        if name in regions:
            coat(maps, regions[name], colour, gloss, metal)
    return maps


def coat(maps: PartMaps, cover: Field, colour: Field, rough: float, metal: float) -> None:
    """Lay a material over the maps where cover is 1."""
    maps.albedo = maps.albedo * (1 - cover[..., None]) + colour * cover[..., None]
    maps.rough = maps.rough * (1 - cover) + rough * cover
    maps.metal = maps.metal * (1 - cover) + metal * cover


def build(rng: np.random.Generator, plan: Build = Build()) -> PartMaps:
    """Make one individual part after the plan."""
    z = machine(cast_marks(cast_body(), plan), plan)
    z, regions = inserts(z, plan)
    maps = surface(rng, z, regions)
    mark = prints.pad_print() if plan.print_map is None else plan.print_map
    mark = np.maximum(mark, prints.datum())
    dose = rng.uniform(0.80, 0.92) * (1 + 0.05 * noise(rng, 0.3) + 0.03 * noise(rng, 4))
    coat(maps, np.clip(mark * dose, 0, 1), np.array([0.10, 0.10, 0.10], np.float32), 0.6, 0.5)
    return maps
