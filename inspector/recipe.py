"""recipe.toml: what a good part is.

What it is: the schema of a recipe and its revision (a hash over the file, its masks and the model's hash stand
in every record). What it is not: the station's wiring (config), or the model itself (inference/card).
Main thread; a recipe never changes once it is loaded.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, Strict

from inspector.config import Fraction, Section, load_toml, parse, toml_of
from inspector.errors import ConfigError


class HealthLimits(Section):
    """[health] - when a picture is not fit to be judged.

    The fractions are of what the taught good pictures measured like, so that the defaults hold on any line; the
    absolute values are on 8-bit grey values, and 0 switches each of these off. `dark_fraction`: mean grey value
    below this share of the taught. `blown_fraction_max`: saturated pixels beyond the taught, as a share of the
    part's area. `sharpness_fraction`: edges less steep than this share of the dullest taught picture's.
    `border_fraction_max`: run of the outline along the picture's border beyond the taught, as a share of the square
    root of the part's area. `area_fraction_max`: outlines larger than this many times the largest taught part.
    `hidden_fraction_max`: share of the part that looks nothing like the taught one; from here on it is taken for
    covered and not for defective, so set it above the largest defect that the model shall judge.
    """

    black_mean_max: float = Field(default=12.0, ge=0, le=255)
    dark_fraction: Fraction = 0.4
    blown_fraction_max: Fraction = 0.35
    sharpness_min: float = Field(default=0.0, ge=0)
    sharpness_fraction: Fraction = 0.75
    frozen_difference_min: float = Field(default=0.05, ge=0)
    border_fraction_max: Fraction = 0.15
    area_fraction_max: float = Field(default=1.5, ge=1)
    hidden_fraction_max: Fraction = 0.5


class LocateLimits(Section):
    """[locate] - which found poses are believed.

    `score_min`: the least correlation with the taught part. `second_part_score`: from here on a second find is a
    second part. `area_fraction_min`: outlines smaller than this share of the taught part's are not looked at.
    """

    score_min: Fraction = 0.5
    second_part_score: Fraction = 0.8
    area_fraction_min: Fraction = 0.25


# TOML knows arrays only, and the sections are strict.
Place = Annotated[tuple[Fraction, Fraction], Strict(strict=False)]
Span = Annotated[tuple[int, int], Strict(strict=False)]


class Zone(Section):
    """[[zone]] - a polygon in patch coordinates (fractions of width and height, 0..1) with its own threshold."""

    name: str
    polygon: list[Place] = Field(min_length=3)
    threshold: float = Field(gt=0)


class IgnoreRegion(Section):
    """[[ignore_region]] - a polygon of the patch in which nothing is judged, drawn on the screen."""

    name: str
    polygon: list[Place] = Field(min_length=3)


class Feature(Section):
    """What [[line]] and [[circle]] share: a name, and how its edge is looked for.

    `edge` is read along the search: outwards for a circle; across a line from its right side to its left, as one
    walks from `start` to `end` on the screen. `search_px` is how far to either side, in the camera's pixels; edges
    of less than `contrast_min` grey values are none. `rays` calipers look for it, and half of them have to find it.
    """

    name: str
    edge: Literal["dark_to_light", "light_to_dark", "either"] = "either"
    search_px: int = Field(default=10, ge=3, le=100)
    contrast_min: float = Field(default=20.0, gt=0, le=255)
    rays: int = Field(default=12, ge=6, le=128)


class LineFeature(Feature):
    """[[line]] - a straight edge of the part, from `start` to `end` (fractions of the patch's width and height)."""

    start: Place
    end: Place


class CircleFeature(Feature):
    """[[circle]] - a round edge about `at` (fractions of the patch), `radius_px` in the camera's pixels."""

    at: Place
    radius_px: float = Field(gt=2)


class AreaFeature(Section):
    """[[area]] - what lies in a polygon of the patch between two grey values; spots below `spot_min_px` (pixels of the
    patch) do not count."""

    name: str
    polygon: list[Place] = Field(min_length=3)
    grey: Span
    spot_min_px: int = Field(default=20, ge=1)


class Measure(Section):
    """[[measure]] - a number of one or two features, and what it may be: `nominal` - `minus` .. `nominal` + `plus`.

    `mm` needs the plane calibration; without it a recipe measures in `px`, the camera's pixels.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_. -]{1,40}$")
    kind: Literal["diameter", "roundness", "distance", "angle", "position", "count", "share"]
    of: list[str] = Field(min_length=1, max_length=2)
    unit: Literal["mm", "px", "deg", "%", "1"]
    nominal: float
    plus: float = Field(ge=0)
    minus: float = Field(ge=0)


class Code(Section):
    """[[code]] - a bar code or matrix code in a polygon of the patch.

    The first code of a recipe is the part's serial number. `content` is a regular expression that the whole content
    has to match. `unreadable` says what a part is whose code cannot be read.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_. -]{1,40}$")
    polygon: list[Place] = Field(min_length=3)
    symbology: list[str] = Field(default_factory=list)
    content: str = ""
    unreadable: Literal["not_inspected", "reject", "allow"] = "not_inspected"


class Sort(Section):
    """[[sort]] - which sorter takes out a part that is rejected for `reason`, the code of a reason (`*`: anything)."""

    reason: str = Field(min_length=1)
    sorter: int = Field(ge=1, le=3)


class Recipe(Section):
    """One recipe: a model and the limits that go with it. `ignore` is a PNG mask of the patch, white is ignored."""

    id: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    description: str = ""
    model: str
    threshold: float = Field(default=1.0, gt=0)
    ignore: str = ""
    min_defect_area_px: int = Field(default=0, ge=0)
    zone: list[Zone] = Field(default_factory=list)
    ignore_region: list[IgnoreRegion] = Field(default_factory=list)
    line: list[LineFeature] = Field(default_factory=list)
    circle: list[CircleFeature] = Field(default_factory=list)
    area: list[AreaFeature] = Field(default_factory=list)
    measure: list[Measure] = Field(default_factory=list)
    code: list[Code] = Field(default_factory=list)
    sort: list[Sort] = Field(default_factory=list)
    health: HealthLimits = HealthLimits()
    locate: LocateLimits = LocateLimits()
    folder: Path = Field(default=Path("."), exclude=True)
    revision: str = Field(default="", exclude=True)

    def path(self, relative: str) -> Path:
        """`relative` as a path that starts at the recipe file's folder."""
        return (self.folder / relative).resolve()


def find_recipe(folder: Path, recipe_id: str) -> Recipe:
    """The recipe of this id among the TOML files of `folder`; raises ConfigError if there is none, or it is bad."""
    for path in sorted(folder.glob("*.toml")):
        tables = load_toml(path)
        if tables.get("id") == recipe_id and "model" in tables:
            return load_recipe(path)
    raise ConfigError(f"{folder}: has no recipe {recipe_id!r}")


def load_recipe(path: Path) -> Recipe:
    """The recipe file at `path` with its revision; raises ConfigError."""
    try:
        return recipe_of(path.read_bytes(), path)
    except OSError as why:
        raise ConfigError(f"{path}: cannot be read: {why.strerror}") from why


def recipe_of(content: bytes, path: Path) -> Recipe:
    """The recipe that `content` would be as the file `path`, with its revision; raises ConfigError."""
    digest = hashlib.sha256(content)
    recipe = parse(Recipe, toml_of(content, path) | {"folder": path.parent}, path)
    if recipe.ignore and recipe.path(recipe.ignore).is_file():
        digest.update(recipe.path(recipe.ignore).read_bytes())
    return recipe.model_copy(update={"revision": digest.hexdigest()[:12]})
