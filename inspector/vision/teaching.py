"""Learning where a part lies from good pictures alone: no labels, no boxes, no angles.

What it is: `teach_reference`. What it is not: the model of what a good part looks like (teach/). The job process of
a teaching, once; seconds.

The steps: how the part stands out of its background (the threshold whose outlines agree best from picture to
picture), a first template from the most typical picture, rounds of aligning all pictures to their mean, a
fixed frame with the long side of the part across, and what good pictures measure like.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from inspector.errors import DatasetError
from inspector.types import Pixels
from inspector.vision import health
from inspector.vision.align import Look, SmallPose, around, look
from inspector.vision.background import choose_background, largest
from inspector.vision.belonging import box_of, is_whole
from inspector.vision.locate import Search
from inspector.vision.reference import Background, Floats, HealthBaseline, Reference, Spread
from inspector.vision.silhouette import Blob, border_level, decimation, foreground, shrink

MOST_PICTURES = 60
FEWEST_PICTURES = 3
_SHAPE_ROUNDS = 2
_ROUNDS = 3
_ALIGNED = 0.8
_VAGUE = 0.5
_LONG = 0.3


def teach_reference(images: Sequence[Pixels]) -> Reference:
    """The reference learned from good pictures, uint8 `(H, W)` or `(H, W, 3)`, a few dozen of one part.

    At most `MOST_PICTURES` of them are used, evenly spread. Raises DatasetError for fewer than `FEWEST_PICTURES`.
    """
    if len(images) < FEWEST_PICTURES:
        raise DatasetError(f"{len(images)} good pictures, wanted at least {FEWEST_PICTURES} to learn the pose from")
    step = max(1.0, len(images) / MOST_PICTURES)
    used = [images[int(at)] for at in np.arange(0, len(images), step)]
    return _Teaching(used).reference()


class _Teaching:
    def __init__(self, images: Sequence[Pixels]) -> None:
        height, width = (int(np.median([image.shape[axis] for image in images])) for axis in (0, 1))
        self.images = images
        self.picture_wh = (width, height)
        self.factor = decimation(width, height)
        self.smalls = [shrink(image, self.factor) for image in images]

    def reference(self) -> Reference:
        background = choose_background(self.smalls)
        if background is None:
            return self.fixed()
        return self.outline(background) or self.fixed()

    def fixed(self) -> Reference:
        width, height = self.picture_wh
        return Reference(
            kind="fixed",
            factor=self.factor,
            picture_wh=self.picture_wh,
            pose_varies=False,
            has_angle=False,
            box_xy=(0.0, 0.0),
            box_wh=(float(width), float(height)),
            health=HealthBaseline(
                **health.light_baseline(self.smalls), **health.steps_baseline(self.images, self.smalls)
            ),
            taught_from=len(self.images),
        )

    def outline(self, background: Background) -> Reference | None:
        """The taught outline, or None where the pictures do not align with one another, or where it is not the whole
        part."""
        seen = [largest(small, background) for small in self.smalls]
        kept = [index for index, blob in enumerate(seen) if blob is not None]
        found = [blob for blob in seen if blob is not None]
        if len(found) < max(FEWEST_PICTURES, 0.8 * len(seen)):
            return None
        align = _Alignment(kept, [self.smalls[index] for index in kept], found, background)
        turning = align.rounds(has_angle=True)
        has_angle = not is_round(found) or align.turns_with_texture(turning)
        poses = turning if has_angle else align.rounds(has_angle=False)
        if float(np.median([pose.score for pose in poses])) < _ALIGNED:
            return None
        draft = align.template(poses, has_angle)
        if vagueness(draft.mask) > _VAGUE:
            return None
        poses, spread = framed(poses, draft.mask)
        draft = align.template(poses, has_angle)
        # Of a casting whose dark middle alone stands out, the flange around it would not be looked at.
        if not is_whole([self.smalls[at] for at in kept], poses, *box_of(draft.mask)):
            return None
        return self.finished(background, align, draft, poses, spread)

    def finished(
        self, background: Background, align: _Alignment, draft: Reference, poses: list[SmallPose], spread: Spread
    ) -> Reference:
        """`draft` with its fixed frame, how much the pose varies, and what good pictures measure like."""
        factor = self.factor
        box_xy, box_wh = box_of(draft.mask)
        spread = replace(spread, x_px=spread.x_px * factor, y_px=spread.y_px * factor)
        reference = replace(
            draft,
            factor=factor,
            picture_wh=self.picture_wh,
            pose_varies=varies(spread, self.picture_wh, max(box_wh) * factor),
            box_xy=(box_xy[0] * factor, box_xy[1] * factor),
            box_wh=(box_wh[0] * factor, box_wh[1] * factor),
            background=background,
            spread=spread,
            taught_from=len(self.images),
        )
        areas = [blob.area for blob in align.found]
        search = Search(reference)
        sharp = [
            health.edge_sharpness(self.images[at], search.edges(pose))
            for at, pose in zip(align.kept, poses, strict=True)
        ]
        return replace(
            reference,
            health=HealthBaseline(
                **health.light_baseline(self.smalls),
                **health.steps_baseline(self.images, self.smalls),
                sharp_edges=min(sharp),
                area_small_px=float(np.median(areas)),
                area_max=max(areas),
                border=float(max(blob.border for blob in align.found)),
            ),
        )


class _Alignment:
    """All pictures against their own mean."""

    def __init__(self, kept: list[int], smalls: list[Pixels], found: list[Blob], background: Background) -> None:
        """`kept`: which of the pictures these small ones and their outlines are."""
        self.kept = kept
        self.found = found
        self.typical = int(np.argsort([blob.area for blob in found])[len(found) // 2])
        blob = found[self.typical]
        reach = np.hypot(blob.contour[:, 0, 0] - blob.x, blob.contour[:, 0, 1] - blob.y).max()
        self.side = 2 * math.ceil(1.2 * float(reach) + 4) + 1
        masks = [foreground(small, background, border_level(small)) for small in smalls]
        self.looks = [look(small, mask) for small, mask in zip(smalls, masks, strict=True)]
        self.shapes = [Look(softened(mask, float(reach)), mask) for mask in masks]

    def rounds(self, has_angle: bool) -> list[SmallPose]:
        """The pose of every picture after some rounds, each against the mean of the one before: first by shape alone,
        so that no single picture's threads or print become the template, then exactly."""
        blob = self.found[self.typical]
        template = self.template([SmallPose(blob.x, blob.y, 0.0, 1.0)], has_angle, self.shapes, [self.typical])
        for number in range(_SHAPE_ROUNDS + _ROUNDS):
            looks = self.shapes if number < _SHAPE_ROUNDS else self.looks
            search = Search(template)
            poses = [search.near(seen, blob.x, blob.y) for seen, blob in zip(looks, self.found, strict=True)]
            good = [pose.score for pose in poses]
            limit = float(np.median(good)) - 0.15
            members = [at for at, score in enumerate(good) if score >= limit]
            template = self.template(poses, has_angle, looks if number + 1 < _SHAPE_ROUNDS else self.looks, members)
        return poses

    def template(
        self,
        poses: list[SmallPose],
        has_angle: bool,
        looks: list[Look] | None = None,
        members: list[int] | None = None,
    ) -> Reference:
        """Mean, scatter and coverage of these pictures under these poses, as an unfinished reference."""
        looks = self.looks if looks is None else looks
        members = list(range(len(poses))) if members is None else members
        poses = poses if len(poses) == len(looks) else poses * len(looks)
        warped = np.stack([self._warp(looks[at].grey, poses[at]) for at in members])
        covered = np.stack([self._warp(self._filled(at), poses[at], 0.0) for at in members]) / 255
        std = warped.std(axis=0) if len(members) > 1 else np.full(warped.shape[1:], 16.0)
        return Reference(
            kind="outline",
            factor=1,
            picture_wh=(1, 1),
            pose_varies=True,
            has_angle=has_angle,
            box_xy=(0.0, 0.0),
            box_wh=(1.0, 1.0),
            mean=warped.mean(axis=0),
            std=std.astype(np.float32),
            mask=covered.mean(axis=0),
        )

    def _filled(self, at: int) -> Floats:
        mask = np.zeros(self.looks[at].mask.shape, np.float32)
        cv2.drawContours(mask, [self.found[at].contour], -1, 255.0, cv2.FILLED)
        return mask

    def _warp(self, picture: Floats, pose: SmallPose, outside: float | None = None) -> Floats:
        matrix = around(pose.x, pose.y, pose.turn)
        matrix[:, 2] -= matrix[:, :2] @ np.full(2, (self.side - 1) / 2)
        mode = cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(picture, matrix, (self.side, self.side), flags=flags, borderMode=mode)  # type: ignore[return-value]

    def turns_with_texture(self, poses: list[SmallPose]) -> bool:
        """Whether a round part's marks give it an angle: it lay at several, and each was found beyond doubt."""
        turns = np.array([pose.turn for pose in poses])
        if math.degrees(circular_std(turns)) < 5:
            return False
        search = Search(self.template(poses, True))
        doubts = [doubt(search.turns(seen, pose.x, pose.y)) for seen, pose in zip(self.looks, poses, strict=True)]
        return float(np.median(doubts)) > 0.1


def doubt(turns: list[tuple[float, float]]) -> float:
    """How far the best angle's correlation stands above the next."""
    return turns[0][1] - turns[1][1] if len(turns) > 1 else 1.0


def softened(mask: Pixels, radius: float) -> Floats:
    """A mask blurred by a triangle a fifth of the part's radius wide: threads and teeth are gone, the shape is left."""
    side = 2 * round(radius / 20) + 1
    return cv2.blur(cv2.blur(mask, (side, side)), (side, side)).astype(np.float32)


def is_round(found: list[Blob]) -> bool:
    """Whether the outlines are circles: their distance from the centroid varies by less than 3 %."""
    reaches = [np.hypot(b.contour[:, 0, 0] - b.x, b.contour[:, 0, 1] - b.y) for b in found]
    return float(np.median([reach.std() / reach.mean() for reach in reaches])) < 0.03


def vagueness(mask: Floats) -> float:
    """How far the good parts' outlines disagree once aligned: 0 where they coincide, 1 where they share nothing."""
    return float((4 * mask * (1 - mask)).sum() / max(float(mask.sum()), 1e-6))


def circular_std(turns: npt.NDArray[np.float64]) -> float:
    """Circular standard deviation in radians (Mardia and Jupp, Directional Statistics, 2000)."""
    length = min(1.0, max(1e-9, abs(np.exp(1j * turns).mean())))
    return math.sqrt(-2 * math.log(length))


def framed(poses: list[SmallPose], mask: Floats) -> tuple[list[SmallPose], Spread]:
    """The poses in the fixed frame, and their spread (in small pixels).

    The reference point is the middle of the part. The taught angle is the mean of the pictures' where these are
    alike; where parts lay at any angle it is the one that puts the part's long side across.
    """
    turns = np.array([pose.turn for pose in poses])
    mean = float(np.angle(np.exp(1j * turns).mean()))
    away = np.abs(np.angle(np.exp(1j * (turns - mean))))
    half = (mask.shape[0] - 1) / 2
    covered = (mask > 0.5).astype(np.uint8)
    moments = cv2.moments(covered, binaryImage=True)
    u, v = moments["m10"] / moments["m00"] - half, moments["m01"] / moments["m00"] - half
    turn = mean if away.max() < math.radians(30) else -long_side(covered)
    moved = []
    for pose in poses:
        x, y = around(pose.x, pose.y, pose.turn) @ (u, v, 1.0)
        moved.append(SmallPose(float(x), float(y), math.remainder(pose.turn - turn, 2 * math.pi), 1.0))
    spread = Spread(
        x_px=float(np.std([pose.x for pose in moved])),
        y_px=float(np.std([pose.y for pose in moved])),
        angle_deg=math.degrees(circular_std(turns)),
        angle_max_deg=math.degrees(float(away.max())),
    )
    return moved, spread


def long_side(covered: Pixels) -> float:
    """The turn (radians, counter-clockwise on the screen) of a mask's long side: its principal axis where it is clearly
    longer than wide, else the long side of the smallest box around it."""
    moments = cv2.moments(covered, binaryImage=True)
    mu20, mu02, mu11 = moments["mu20"], moments["mu02"], moments["mu11"]
    if math.hypot(mu20 - mu02, 2 * mu11) > _LONG * (mu20 + mu02):
        return -0.5 * math.atan2(2 * mu11, mu20 - mu02)
    contours, _ = cv2.findContours(covered, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    corners = cv2.boxPoints(cv2.minAreaRect(np.concatenate(contours)))
    side = max(corners[1] - corners[0], corners[2] - corners[1], key=lambda edge: float(np.hypot(*edge)))
    return math.atan2(-float(side[1]), float(side[0]))


def varies(spread: Spread, picture_wh: tuple[int, int], length_px: float) -> bool:
    """Whether parts lie differently enough that rectifying pays: by more than one in a hundred of the picture."""
    turned = math.radians(min(spread.angle_deg, 90.0)) * length_px / 2
    return max(spread.x_px, spread.y_px, turned) > 0.01 * max(picture_wh)
