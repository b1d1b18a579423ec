"""recipe.toml: what a good part is.

What it is: the schema of a recipe and its revision (a hash over the file, its masks and the model's hash stand
in every record). What it is not: the station's wiring (config), or the model itself (inference/card).
Main thread; a recipe never changes once it is loaded.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import Field

from inspector.config import Fraction, Section, load_toml, parse


class HealthLimits(Section):
    """[health] - when a picture is not fit to be judged.

    All are on 8-bit grey values of the frame. `sharpness_min` is on the scale of `vision.health.sharpness`;
    0 switches that check off.
    """

    black_mean_max: float = Field(default=12.0, ge=0, le=255)
    blown_fraction_max: Fraction = 0.35
    sharpness_min: float = Field(default=0.0, ge=0)
    frozen_difference_min: float = Field(default=0.05, ge=0)


class LocateLimits(Section):
    """[locate] - which found poses are believed."""

    score_min: Fraction = 0.5
    second_part_score: Fraction = 0.8


class Zone(Section):
    """[[zone]] - a polygon in patch coordinates (fractions of width and height, 0..1) with its own threshold."""

    name: str
    polygon: list[tuple[Fraction, Fraction]] = Field(min_length=3)
    threshold: float = Field(gt=0)


class Recipe(Section):
    """One recipe: a model and the limits that go with it. `ignore` is a PNG mask of the patch, white is ignored."""

    id: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    description: str = ""
    model: str
    view: str = "camera0"
    threshold: float = Field(default=1.0, gt=0)
    ignore: str = ""
    min_defect_area_px: int = Field(default=0, ge=0)
    reject_on: Literal["score"] = "score"
    zone: list[Zone] = []
    health: HealthLimits = HealthLimits()
    locate: LocateLimits = LocateLimits()
    folder: Path = Field(default=Path("."), exclude=True)
    revision: str = Field(default="", exclude=True)

    def path(self, relative: str) -> Path:
        """`relative` as a path that starts at the recipe file's folder."""
        return (self.folder / relative).resolve()


def load_recipe(path: Path) -> Recipe:
    """The recipe file at `path` with its revision; raises ConfigError."""
    tables = load_toml(path)
    digest = hashlib.sha256(path.read_bytes())
    recipe = parse(Recipe, tables | {"folder": path.parent}, path)
    if recipe.ignore and recipe.path(recipe.ignore).is_file():
        digest.update(recipe.path(recipe.ignore).read_bytes())
    return recipe.model_copy(update={"revision": digest.hexdigest()[:12]})
