"""card.toml: what a model is, in numbers that are checked before it is believed.

What it is: the strict schema of a model's card, and reading it. What it is not: the session (runner).
Main thread, at start-up.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from inspector.config import Fraction, Positive, Section, load_toml, parse
from inspector.errors import ConfigError, ModelError

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class FileRef(Section):
    """A file beside the card and the sha256 of its bytes."""

    file: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    sha256: Sha256


class PatchCard(Section):
    """[patch] - how the patch is made from a frame: `resize` the whole frame, or `rectify` the located part."""

    kind: Literal["resize", "rectify"]
    height: Positive
    width: Positive
    pixel_format: Literal["BGR8"]
    normalisation: Literal["in_graph"]
    locate: FileRef | None = None


class OutputCard(Section):
    """[output] - the names of the graph's outputs, the size of the map in cells, and of how many cells the score is
    the mean: the `top_cells` highest."""

    score: str
    map: str
    map_height: Positive
    map_width: Positive
    top_cells: Positive
    labels: list[str] = Field(min_length=1)


class ThresholdCard(Section):
    """[threshold] - where 1.0 lies, and what it stands for.

    `raw` is the model's own score at the threshold (the graph already divides by it); at most
    `false_rejects_at_most` of good parts like the `images` taught ones are thrown out, at `confidence`.
    """

    score: float = Field(gt=0)
    raw: float = Field(gt=0)
    false_rejects_at_most: Fraction
    false_rejects_seen: int = Field(ge=0)
    confidence: Fraction
    images: Positive
    images_needed: Positive
    target_false_rejects: Fraction
    method: str


class ReferenceCard(FileRef):
    """[reference] - pictures and the outputs they must give on every machine, to `tolerance` on the score's scale."""

    tolerance: float = Field(gt=0, le=1e-2)


class Card(Section):
    """A model's card. `folder` is where it lies."""

    schema_version: Literal[1]
    name: str
    revision: str
    method: str
    backbone: str
    backbone_sha256: Sha256
    seed: int
    images: Positive
    images_sha256: Sha256
    model: FileRef
    patch: PatchCard
    output: OutputCard
    threshold: ThresholdCard
    reference: ReferenceCard
    folder: Path = Field(default=Path("."), exclude=True)


def load_card(folder: Path) -> Card:
    """The card of the model in `folder`; raises ModelError naming file, key, value found and wanted."""
    path = folder / "card.toml"
    try:
        tables = load_toml(path)
        if "folder" in tables:
            raise ModelError(f"{path}: unknown key 'folder'")
        return parse(Card, tables | {"folder": folder}, path)
    except ConfigError as why:
        raise ModelError(str(why)) from None
