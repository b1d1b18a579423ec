"""The data doctor: what is wrong with the pictures before anyone trusts a model taught from them.

What it is: findings on single pictures (duplicate, blurred, over-exposed, another size, grey among colour), and on
how unlike the others a picture is. What it is not: a veto, except for pictures that cannot be read. The teaching
process.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from inspector.errors import ImageError
from inspector.teach.graph import Floats
from inspector.teach.pictures import Picture, read_picture
from inspector.teach.watch import Watch
from inspector.types import Pixels

BLOWN_SHARE = 0.35
BLURRED_BELOW = 0.35
UNLIKE_SPREADS = 4.0
THUMBNAIL_PX = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something about one picture: a stable `code`, the words, and a thumbnail (BGR, at most 96 pixels) or None."""

    path: Path
    code: str
    text: str
    thumbnail: Pixels | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """`usable` are the pictures to teach from (readable, each content once), `findings` what was noticed."""

    usable: tuple[Path, ...]
    findings: tuple[Finding, ...]
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    path: Path
    digest: str
    shape: tuple[int, ...]
    grey: bool
    notes: tuple[str, ...]
    sharpness: float
    blown: float
    thumbnail: Pixels


def thumbnail(pixels: Pixels) -> Pixels:
    """A copy with at most 96 pixels on the longer side."""
    scale = min(1.0, THUMBNAIL_PX / max(pixels.shape[:2]))
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def write_thumbnail(path: Path, pixels: Pixels) -> None:
    """Write a thumbnail as the JPEG `path`."""
    cv2.imwrite(str(path), pixels)


def _look(picture: Picture) -> _Look:
    grey = cv2.cvtColor(picture.pixels, cv2.COLOR_BGR2GRAY)
    scale = min(1.0, 512 / max(grey.shape))
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return _Look(
        path=picture.path,
        digest=hashlib.sha256(picture.pixels.tobytes()).hexdigest(),
        shape=picture.pixels.shape,
        grey=picture.grey,
        notes=picture.notes,
        sharpness=float(cv2.Laplacian(small, cv2.CV_32F).var()),
        blown=float((small >= 254).mean()),
        thumbnail=thumbnail(picture.pixels),
    )


def examine(files: Sequence[Path], watch: Watch) -> Checkup:
    """Look at every file once; what cannot be read, and every further copy of a picture, is left out."""
    looks: list[_Look] = []
    findings: list[Finding] = []
    for index, path in enumerate(files):
        watch.step("looking at the pictures", index, len(files))
        try:
            looks.append(_look(read_picture(path)))
        except ImageError as why:
            findings.append(Finding(path=path, code="unreadable", text=str(why)))
    kept: dict[str, _Look] = {}
    for look in looks:
        if look.digest in kept:
            text = f"{look.path.name}: the same picture as {kept[look.digest].path.name}; used once"
            findings.append(Finding(path=look.path, code="duplicate", text=text, thumbnail=look.thumbnail))
        else:
            kept[look.digest] = look
    findings += _oddities(list(kept.values()))
    return Checkup(
        usable=tuple(look.path for look in kept.values()),
        findings=tuple(findings),
        digest=hashlib.sha256("".join(sorted(kept)).encode()).hexdigest(),
    )


def _oddities(looks: Sequence[_Look]) -> list[Finding]:
    if not looks:
        return []
    sharp = float(np.median([look.sharpness for look in looks]))
    blown = float(np.median([look.blown for look in looks]))
    shapes = Counter(look.shape for look in looks)
    usual, often = shapes.most_common(1)[0]
    grey = sum(look.grey for look in looks) * 2 > len(looks)
    found = []
    for look in looks:
        name = look.path.name
        told = {
            "blurred": look.sharpness < BLURRED_BELOW * sharp
            and f"{name}: sharpness {look.sharpness:.0f}, the others' median is {sharp:.0f}",
            "over_exposed": look.blown > blown + BLOWN_SHARE
            and f"{name}: {100 * look.blown:.0f} % of it is white, the others' median is {100 * blown:.0f} %",
            "size": often > len(looks) / 2
            and look.shape != usual
            and f"{name}: {look.shape[1]} x {look.shape[0]}, most are {usual[1]} x {usual[0]}",
            "colour": look.grey != grey and f"{name}: is {'grey' if look.grey else 'colour'}, most are not",
            "converted": bool(look.notes) and f"{name}: {', '.join(look.notes)}",
        }
        found += [
            Finding(path=look.path, code=code, text=text, thumbnail=look.thumbnail)
            for code, text in told.items()
            if isinstance(text, str)
        ]
    return found


def rank_unlike(files: Sequence[Path], scores: Floats) -> tuple[list[int], list[int]]:
    """(all by how unlike the others they are, those that stand out) as indexes; `scores` (n,) are cross-validated.

    One stands out if it lies more than four of the upper half's spreads above the median.
    """
    order = [int(index) for index in np.argsort(-scores, kind="stable")]
    middle, high = np.percentile(scores, [50, 84])
    limit = middle + UNLIKE_SPREADS * max(float(high - middle), 1e-6)
    return order, [index for index in order if scores[index] > limit and len(files) >= 8]
