"""The list of sample pictures: which part, pose, lamp and camera setting each one shows.

`shots()` lists the pictures in an order that gives a small complete set first; every random
choice comes from the picture's name, so the set is the same each time. Pictures that share
a `base` come from one render (never one of train/ and one of test/).
Not run by itself; imported by make.py.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from defects import KINDS

TRAIN, TRAIN_BASES = 60, 18
TEST_GOOD, TEST_BASES = 50, 14
DEFECTS = 10
AWKWARD = {
    "empty": ("empty_0", "empty_1", "empty_2"),
    "two_parts": ("two_0", "two_1"),
    "half_part": ("half_0", "half_1", "half_2"),
    "rotated_180": ("turned_0", "turned_1", "turned_2"),
    "occluded": ("hidden_0", "hidden_1", "hidden_2"),
    "blurred": ("odd_0", "odd_1", "odd_0"),
    "over_exposed": ("odd_1", "odd_0"),
    "under_exposed": ("odd_0", "odd_1"),
}
LADDER = ("obvious", "visible", "just_visible")


@dataclass(frozen=True)
class Picture:
    """One picture: where it is written, what it shows and which render it is taken from."""

    file: str
    label: str
    kind: str
    severity: str
    base: str
    expected: str
    copy: int = 0  # 0 is the render as it is, 1.. are shifted, turned and re-lit


def rng_of(*words: object) -> np.random.Generator:
    """A generator that depends on the words only."""
    return np.random.default_rng([4711, *(zlib.crc32(str(w).encode()) for w in words)])


def good(folder: str, count: int, bases: int) -> list[Picture]:
    """Good parts; the first pass uses every base once."""
    stem = folder.split("/")[0]
    return [
        Picture(f"{folder}/good_{i:03d}.jpg", "good", "good", "", f"{stem}_base_{i % bases:02d}", "PASS", i // bases)
        for i in range(count)
    ]


def bad() -> list[Picture]:
    """Defective parts, each its own render, severities in turn."""
    out = []
    for i in range(DEFECTS):
        for k, kind in enumerate(KINDS):
            name = f"{kind}_{i:02d}"
            out.append(Picture(f"test/{kind}/{name}.jpg", "defect", kind, LADDER[(i + k) % 3], name, "REJECT"))
    return out


def awkward() -> list[Picture]:
    """Pictures that are not a part to judge, and a good part turned by 180 degrees."""
    out = []
    for kind, bases in AWKWARD.items():
        for i, base in enumerate(bases):
            expected = "PASS" if kind == "rotated_180" else "NOT_INSPECTED"
            out.append(Picture(f"awkward/{kind}_{i:02d}.jpg", "awkward", kind, "", base, expected, i // 2))
    return out


def first(picture: Picture) -> bool:
    """Whether a picture belongs to the small first set."""
    limits = {"train": 12, "good": 6, "defect": 2, "awkward": 1}
    group = "train" if picture.file.startswith("train") else picture.label
    return int(picture.file[-6:-4]) < limits[group]


def shots(small: bool = False) -> list[Picture]:
    """All pictures, or the small first set."""
    every = good("train/good", TRAIN, TRAIN_BASES) + good("test/good", TEST_GOOD, TEST_BASES) + bad() + awkward()
    return [p for p in every if first(p)] if small else every


def bases(pictures: list[Picture]) -> dict[str, Picture]:
    """The renders needed, in order, each with the first picture that uses it."""
    out: dict[str, Picture] = {}
    for picture in pictures:
        out.setdefault(picture.base, picture)
    return out
