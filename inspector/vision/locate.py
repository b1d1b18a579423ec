"""Where is the part, and how is it turned: the pose that every patch is cut by.

What it is: `Locator`, made once from a taught reference, that finds the parts of a picture best first. What it is
not: a judgement of the picture (health) or of the part (the model). The line thread; no state between pictures.

An outline that stands out of the background gives the place, a polar correlation the angle, a robust sub-pixel
alignment the exact pose; where the outline misleads (a large piece missing, another thing touching it) a slow search
of the whole picture takes over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from inspector.errors import ImageError
from inspector.recipe import LocateLimits
from inspector.types import Pixels, Pose
from inspector.vision.align import Look, Polar, Refiner, SmallPose, look, placed
from inspector.vision.reference import Floats, Reference, patch_size, rectify, transform
from inspector.vision.silhouette import Blob, blobs, border_level, foreground, shrink

__all__ = ["LocateLimits", "Locator", "Reference", "Sighting", "patch_size", "rectify", "shrink", "transform"]

_MOST = 4
_CLOSE = 0.06
_SURE = 0.85
_WIDER_TRIES = 4
_TANGENT = 4
_GROSS = 3.0
_GROSS_LEAST = 25.0
_FITS = 2
Indices = npt.NDArray[np.intp]


class Edges(NamedTuple):
    """Places on the part's outline in frame pixels and the normals there, float32 `(N,)` each, and how many pixels
    before and after a place its edge may lie."""

    x: Floats
    y: Floats
    across: Floats
    down: Floats
    reach: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What one look saw: the poses that are believed, best first; the best correlation reached, believed or not; the
    area of all outlines of a part's size, and the best one's run along the picture's border (small pixels).
    `edges` is where the best part's outline lies, None for a reference without one, and `hidden` the share of its
    body that looks nothing like the taught one."""

    poses: tuple[Pose, ...] = ()
    score: float = 0.0
    area: float = 0.0
    border: float = 0.0
    edges: Edges | None = None
    hidden: float = 0.0


class Search:
    """The steps from a small picture to small poses, for one reference."""

    def __init__(self, reference: Reference) -> None:
        self._has_angle = reference.has_angle
        middle = (reference.mean.shape[0] - 1) / 2
        rows, columns = np.nonzero(reference.mask > 0.3)
        radius = float(np.hypot(rows - middle, columns - middle).max(initial=1.0)) + 1.0
        inside = grown(reference.mask, 2)
        self._reaches = (0.25 * radius, 0.5 * radius)
        self._polar = Polar(reference.mean, reference.mask, radius)
        self._refiner = Refiner(reference.mean, reference.std, inside, reference.has_angle)
        self._place, (rows, columns) = points(grown(reference.mask, 2 + round(0.1 * radius)), 1000)
        self._weight = (1 / np.maximum(reference.std[rows, columns], 8.0)).astype(np.float32)
        self._weight /= self._weight.sum()
        self._body = reference.mask[rows, columns] > 0.5
        self._usual = np.maximum(_GROSS * reference.std[rows, columns], _GROSS_LEAST)[self._body]
        self._mean: Floats = reference.mean[rows, columns]
        self._value = self._mean - self._weight @ self._mean
        self._value /= math.sqrt(float(self._weight @ self._value**2)) or 1.0
        self._factor = reference.factor
        self._outline = outline(reference.mask)

    def near(self, seen: Look, x: float, y: float) -> SmallPose:
        """The best pose of a part whose reference point lies near (x, y)."""
        if not self._has_angle:
            return self._finish(seen, SmallPose(x, y, 0.0, 0.0))
        turns = self._polar.turns(seen, x, y)
        likely = [turn for turn, value in turns if value > turns[0][1] - _CLOSE]
        # No turn may stand out at all (a part among those taught that is nothing like them).
        poses = [self._finish(seen, SmallPose(x, y, turn, 0.0)) for turn in likely or [0.0]]
        return max(poses, key=lambda pose: pose.score)

    def around(self, seen: Look, x: float, y: float) -> SmallPose:
        """As `near`, but the reference point may lie anywhere within half the part's radius of (x, y): for an outline
        whose centroid misleads, because a large piece is missing or something else touches it."""
        turns = np.arange(8) * (math.pi / 4)
        rings = [(x + reach * math.cos(turn), y + reach * math.sin(turn)) for reach in self._reaches for turn in turns]
        tried = [(value, place, turn) for place in rings for turn, value in self._polar.turns(seen, *place, 1)]
        best = sorted(tried, reverse=True)[:_WIDER_TRIES] or [(0.0, (x, y), 0.0)]
        poses = [self._finish(seen, SmallPose(*place, turn, 0.0)) for _, place, turn in best]
        return max(poses, key=lambda pose: pose.score)

    def turns(self, seen: Look, x: float, y: float) -> list[tuple[float, float]]:
        """The likely turns around (x, y), see `Polar.turns`."""
        return self._polar.turns(seen, x, y)

    def _finish(self, seen: Look, start: SmallPose) -> SmallPose:
        pose = self._refiner.refine(seen.grey, start)
        return pose._replace(score=self.score(seen, pose))

    def score(self, seen: Look, pose: SmallPose) -> float:
        """Weighted correlation in [-1, 1] of the picture under `pose` with the template."""
        found = placed(seen.grey, self._place, pose.x, pose.y, pose.turn)
        found = found - self._weight @ found
        return float((self._weight * self._value) @ found) / max(math.sqrt(float(self._weight @ found**2)), 1e-6)

    def hidden(self, seen: Look, pose: SmallPose) -> float:
        """The share of the part's body that looks nothing like the taught one: covered, missing, or something else.

        The lamp's gain and offset are fitted to the three quarters of the places that agree best, surroundings
        included.
        """
        found = placed(seen.grey, self._place, pose.x, pose.y, pose.turn)
        seen_there, wanted, most = found, self._mean, 3 * len(found) // 4
        for _ in range(_FITS):
            mean, value = np.float32(seen_there.mean()), np.float32(wanted.mean())
            spread = wanted - value
            gain = float(spread @ (seen_there - mean)) / max(float(spread @ spread), 1e-6)
            gain = min(max(gain, 0.25), 4.0)
            away = np.abs((found - mean) * np.float32(1 / gain) - (self._mean - value))
            agree = np.argpartition(away, most)[: most + 1]
            seen_there, wanted = found[agree], self._mean[agree]
        return np.count_nonzero(away[self._body] > self._usual) / max(1, len(self._usual))

    def edges(self, pose: SmallPose) -> Edges:
        """Where the outline of a part at `pose` lies in the frame."""
        u, v, across, down = self._outline
        cos, sin, factor = math.cos(pose.turn), math.sin(pose.turn), self._factor
        x = (cos * u + sin * v + pose.x + 0.5) * factor - 0.5
        y = (cos * v - sin * u + pose.y + 0.5) * factor - 0.5
        across, down = cos * across + sin * down, cos * down - sin * across
        single = np.float32
        return Edges(
            np.asarray(x, single),
            np.asarray(y, single),
            np.asarray(across, single),
            np.asarray(down, single),
            2 * factor + 2,
        )


def outline(mask: Floats, most: int = 160) -> tuple[Floats, Floats, Floats, Floats]:
    """At most about `most` places `(u, v)` on the part's outline in template coordinates, and the normals there."""
    contours, _ = cv2.findContours(grown(mask, 0), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return (np.zeros(0, np.float32),) * 4
    line = max(contours, key=len)[:, 0, :].astype(np.float32) - (mask.shape[0] - 1) / 2
    tangent = np.roll(line, -_TANGENT, axis=0) - np.roll(line, _TANGENT, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-6)
    keep = slice(None, None, max(1, len(line) // most))
    return line[keep, 0], line[keep, 1], -tangent[keep, 1], tangent[keep, 0]


def grown(mask: Floats, by: int) -> Pixels:
    """The part's body, widened by `by` small pixels: 0 or 1."""
    body = (mask > 0.5).astype(np.uint8)
    return cv2.dilate(body, np.ones((2 * by + 1, 2 * by + 1), np.uint8)) if by else body  # type: ignore[return-value]


def points(inside: Pixels, most: int) -> tuple[Floats, tuple[Indices, Indices]]:
    """About `most` places spread evenly over a mask: template coordinates float32 `(2, N)`, and (rows, columns)."""
    rows, columns = np.nonzero(inside)
    step = max(1, round(math.sqrt(len(rows) / most)))
    keep = (rows % step == 0) & (columns % step == 0)
    rows, columns = rows[keep], columns[keep]
    middle = (inside.shape[0] - 1) / 2
    return np.stack([columns - middle, rows - middle]).astype(np.float32), (rows, columns)


class Locator:
    """Finds the parts that one reference describes."""

    def __init__(self, reference: Reference, limits: LocateLimits) -> None:
        self.reference = reference
        self._limits = limits
        self._search = Search(reference) if reference.kind == "outline" else None

    def locate(self, pixels: Pixels) -> tuple[Pose, ...]:
        """The parts in a frame, uint8 `(H, W)` or `(H, W, 3)`, best first; empty where none is believed.

        Raises ImageError for a picture that is too small to hold one.
        """
        return self.see(shrink(pixels, self.reference.factor)).poses

    def see(self, small: Pixels) -> Sighting:
        """As `locate`, from the picture already decimated by `silhouette.shrink(pixels, reference.factor)`."""
        if min(small.shape[:2]) < 8:
            raise ImageError(f"picture is {small.shape[1]} x {small.shape[0]} small pixels, wanted at least 8 x 8")
        if self._search is None:
            return Sighting(poses=(self._fixed(small),), score=1.0, area=float(small.size))
        mask = foreground(small, self.reference.background, border_level(small))
        found = blobs(mask, self._limits.area_fraction_min * self.reference.health.area_small_px)[:_MOST]
        return self._sighting(look(small, mask), self._search, found) if found else Sighting()

    def _sighting(self, seen: Look, search: Search, found: tuple[Blob, ...]) -> Sighting:
        tried = sorted(((self._found(seen, search, blob), blob) for blob in found), key=lambda pair: -pair[0].score)
        poses = tuple(self._pose(pose) for pose, _ in tried if pose.score >= self._limits.score_min)
        best, blob = tried[0]
        return Sighting(
            poses=poses,
            score=best.score,
            area=sum(blob.area for blob in found),
            border=float(blob.border),
            edges=search.edges(best),
            hidden=search.hidden(seen, best),
        )

    def _found(self, seen: Look, search: Search, blob: Blob) -> SmallPose:
        pose = search.near(seen, blob.x, blob.y)
        if pose.score >= _SURE or not self.reference.has_angle:
            return pose
        return max(pose, search.around(seen, blob.x, blob.y), key=lambda tried: tried.score)

    def _pose(self, pose: SmallPose) -> Pose:
        factor = self.reference.factor
        turn = math.degrees(math.remainder(pose.turn, 2 * math.pi))
        return Pose(
            x_px=(pose.x + 0.5) * factor - 0.5,
            y_px=(pose.y + 0.5) * factor - 0.5,
            angle_deg=turn if turn > -180 else 180.0,
            score=min(1.0, max(0.0, pose.score)),
        )

    def _fixed(self, small: Pixels) -> Pose:
        factor, (height, width) = self.reference.factor, small.shape[:2]
        return Pose(x_px=(width * factor - 1) / 2, y_px=(height * factor - 1) / 2, angle_deg=0.0, score=1.0)
