"""`lens`: from pictures of a board to the camera's intrinsics, with what they are worth.

What it is: which views are used, which distortion model, whether the board is taken as flat - all chosen by 5-fold
hold-out over the views - and the numbers. What it is not: the fit (`adjust`), the report (`lens_report`) or the file.
Main thread of a tool.

How the choice is made. Tangential terms (p1, p2), k1 and k2 are always in: no hold-out can tell whether p1 and p2 are
needed, but without them the principal point is claimed several times more certain than it is. Of the further radial
terms the fewest are taken whose hold-out error is within 0.5 % of the best (one term too many costs about 0.1 %). The
board's own shape is fitted where that makes the hold-out error at least 5 % smaller.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from calibration import adjust
from calibration.adjust import PARAMETERS, Fit
from calibration.boards import Board
from calibration.refused import Refused, captioned
from calibration.views import Rejected, View, find, read_grey
from inspector.lens import Points
from inspector.types import Pixels

MIN_VIEWS = 8
MIN_ANGLE_DEG = 12.0
MODELS = {
    "k1 k2 p1 p2": ("k1", "k2", "p1", "p2"),
    "k1 k2 p1 p2 k3": ("k1", "k2", "p1", "p2", "k3"),
    "k1 k2 p1 p2 k3 k4 k5 k6": ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"),
}
FIRST = "k1 k2 p1 p2"
SHAPE_SHARE = 0.02
"""How far a printed board's points are expected to lie off, as a share of a square."""
_FOLDS = 5
_SIMPLER = 1.005
_SHAPE_GAIN = 0.95
_BAD_VIEW = 2.5
_GOOD_PX = 0.15
"""A view that fits this well is never bad, however well the others do."""
_COVERAGE = 2.0

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One candidate of the hold-out."""

    model: str
    shaped: bool
    holdout_rms_px: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LensFound:
    """The outcome. `size` is (width, height); `detector_holdout_px` what the detector's own corners, unrefined, would
    have given with the same model and a flat board."""

    board: Board
    size: tuple[int, int]
    fit: Fit
    model: str
    shaped: bool
    holdout_rms_px: float
    trials: tuple[Trial, ...]
    detector_holdout_px: float
    views: tuple[View, ...]
    rejected: tuple[Rejected, ...]

    @property
    def uncertainty(self) -> dict[str, float]:
        """Expanded uncertainty (k = 2) of each fitted number."""
        deviations = np.sqrt(np.maximum(np.diag(self.fit.covariance), 0))
        return {PARAMETERS[index]: float(_COVERAGE * one) for index, one in zip(self.fit.free, deviations, strict=True)}

    @property
    def distortion(self) -> list[float]:
        """Coefficients in OpenCV's order, as short as the model allows (5 or 8)."""
        values = [float(value) for value in self.fit.intrinsics[4:]]
        return values if any(values[5:]) else values[:5]

    def document(self) -> dict[str, Any]:
        """What `--json` prints."""
        fx, fy, cx, cy = (float(value) for value in self.fit.intrinsics[:4])
        return {
            "rms_px": self.fit.rms_px,
            "holdout_rms_px": self.holdout_rms_px,
            "fx": fx,
            "fy": fy,
            "cx": cx,
            "cy": cy,
            "distortion": self.distortion,
            "uncertainty": self.uncertainty,
            "views_used": [view.path.name for view in self.views],
            "views_rejected": [{"name": one.path.name, "reason": one.reason} for one in self.rejected],
            "model": self.model,
            "board_shape_fitted": self.shaped,
            "trials": [
                {"model": one.model, "board_shape_fitted": one.shaped, "holdout_rms_px": one.holdout_rms_px}
                for one in self.trials
            ],
            "detector_holdout_rms_px": self.detector_holdout_px,
        }


def calibrate(
    images: Sequence[Path], board: Board, progress: Progress = lambda _stage, _done, _total: None
) -> LensFound:
    """The lens from pictures of one camera; raises ImageError, or Refused with the picture that shows why."""
    pixels, size = read_all(images)
    found = []
    for number, path in enumerate(images):
        progress("corners", number, len(images))
        found.append(find(path, pixels[path], board))
    views = [one for one in found if isinstance(one, View)]
    rejected = [one for one in found if isinstance(one, Rejected)]
    require_views(views, rejected, pixels, size, board)
    flat = np.c_[board.points_mm, np.zeros(len(board.points_mm))]
    views, first, bad = _without_bad(views, flat, size)
    rejected += bad
    require_views(views, rejected, pixels, size, board)
    progress("hold-out", 0, 1)
    trials = _try_all(views, first, board)
    best = _choose(trials)
    final = adjust.fit(views, first, MODELS[best.model], SHAPE_SHARE * board.square_mm if best.shaped else 0.0)
    return LensFound(
        board=board,
        size=size,
        fit=final,
        model=best.model,
        shaped=best.shaped,
        holdout_rms_px=best.holdout_rms_px,
        trials=tuple(trials),
        detector_holdout_px=_detector_holdout(views, first, best.model),
        views=tuple(views),
        rejected=tuple(rejected),
    )


def read_all(images: Sequence[Path]) -> tuple[dict[Path, Pixels], tuple[int, int]]:
    """The pictures and their common size (width, height); raises Refused for one of another size."""
    if not images:
        raise Refused("no pictures were given")
    pixels = {path: read_grey(path) for path in images}
    height, width = pixels[images[0]].shape[:2]
    for path, picture in pixels.items():
        if picture.shape[:2] != (height, width):
            text = f"{path}: is {picture.shape[1]} x {picture.shape[0]}, {images[0].name} is {width} x {height}"
            raise Refused(f"{text}: all pictures must be of one camera at one resolution", captioned(picture, text))
    return pixels, (width, height)


def require_views(
    views: Sequence[View],
    rejected: Sequence[Rejected],
    pixels: dict[Path, Pixels],
    size: tuple[int, int],
    board: Board,
) -> None:
    """Raises Refused if the views are too few, or all at one angle."""
    if len(views) < MIN_VIEWS:
        text = f"the board ({board.words}) was found in {len(views)} pictures of {len(pixels)}, wanted {MIN_VIEWS}"
        if not rejected:
            raise Refused(text)
        worst = rejected[0]
        why = f"{worst.path.name}: {worst.reason}"
        raise Refused(f"{text}; {why}", captioned(pixels[worst.path], why))
    angle = angle_between_views(views, board, size)
    if angle < MIN_ANGLE_DEG:
        text = (
            f"all {len(views)} views show the board at one angle: the largest difference is {angle:.0f} degrees, "
            f"wanted {MIN_ANGLE_DEG:.0f} or more; tilt the board to both sides and to and fro"
        )
        raise Refused(text, captioned(outlines(views, size, board), text))


def angle_between_views(views: Sequence[View], board: Board, size: tuple[int, int]) -> float:
    """The largest angle between the board's normals, in degrees, under a guessed focal length of 1.2 widths."""
    matrix = np.array([[1.2 * size[0], 0, size[0] / 2], [0, 1.2 * size[0], size[1] / 2], [0, 0, 1.0]])
    normals = []
    for view in views:
        points = np.c_[board.points_mm, np.zeros(len(board.points_mm))][view.ids]
        found, turn, _ = cv2.solvePnP(points, view.corners_px, matrix, None, flags=cv2.SOLVEPNP_IPPE)
        if found:
            normals.append(np.asarray(cv2.Rodrigues(turn)[0])[:, 2])
    cosines = np.clip(np.array(normals) @ np.array(normals).T, -1, 1)
    return float(np.degrees(np.arccos(cosines.min())))


def outlines(views: Sequence[View], size: tuple[int, int], board: Board) -> Pixels:
    """Where the board was in the field, view by view, uint8 (H, W, 3)."""
    out = np.full((size[1], size[0], 3), 255, np.uint8)
    first, last = board.points_mm.min(axis=0), board.points_mm.max(axis=0)
    box = np.array([[first[0], first[1]], [last[0], first[1]], [last[0], last[1]], [first[0], last[1]]])
    for number, view in enumerate(views):
        matrix, _ = cv2.findHomography(board.points_mm[view.ids], view.corners_px)
        shape = np.asarray(cv2.perspectiveTransform(box[None], matrix))[0].round().astype(np.int32)
        colour = (60 + 37 * number % 160, 60 + 91 * number % 160, 60 + 53 * number % 160)
        cv2.polylines(out, [shape], True, colour, 2, cv2.LINE_AA)
    return out


def _without_bad(views: list[View], flat: Points, size: tuple[int, int]) -> tuple[list[View], Fit, list[Rejected]]:
    """Views whose corners fit far worse than the others' go, the worst first, at most a third of them."""
    bad: list[Rejected] = []
    most = len(views) // 3
    while True:
        try:
            first = adjust.start(views, flat, size)
        except ValueError as why:
            raise Refused(str(why)) from why
        fitted = adjust.fit(views, first, MODELS[FIRST])
        each = np.array([adjust.rms([error]) for error in fitted.errors])
        worst, usual = int(each.argmax()), float(np.median(each))
        if each[worst] <= max(_BAD_VIEW * usual, _GOOD_PX) or len(bad) == most:
            return views, first, bad
        reason = f"its corners lie {each[worst]:.2f} px off, the others' {usual:.2f} px: blurred, moved or bent"
        bad.append(Rejected(views[worst].path, reason))
        views = views[:worst] + views[worst + 1 :]


def _try_all(views: Sequence[View], first: Fit, board: Board) -> list[Trial]:
    shape_mm = SHAPE_SHARE * board.square_mm
    flat, bent = (holdout(views, first, FIRST, one) for one in (0.0, shape_mm))
    shaped = bent < _SHAPE_GAIN * flat
    trials = [
        Trial(model=FIRST, shaped=False, holdout_rms_px=flat),
        Trial(model=FIRST, shaped=True, holdout_rms_px=bent),
    ]
    for model in MODELS:
        if model != FIRST:
            error = holdout(views, first, model, shape_mm if shaped else 0.0)
            trials.append(Trial(model=model, shaped=shaped, holdout_rms_px=error))
    return trials


def _choose(trials: Sequence[Trial]) -> Trial:
    """The fewest terms within 0.5 % of the best; see the module."""
    flat, bent = trials[0], trials[1]
    shaped = bent.holdout_rms_px < _SHAPE_GAIN * flat.holdout_rms_px
    among = [trial for trial in trials if trial.shaped == shaped]
    best = min(trial.holdout_rms_px for trial in among)
    near = [trial for trial in among if trial.holdout_rms_px <= _SIMPLER * best]
    return min(near, key=lambda trial: len(MODELS[trial.model]))


def holdout(views: Sequence[View], first: Fit, model: str, shape_mm: float) -> float:
    """5-fold hold-out error in px: of every fifth view, with a camera fitted to the others; only its pose is fitted."""
    errors = []
    for fold in range(_FOLDS):
        kept = [index for index in range(len(views)) if index % _FOLDS != fold]
        camera = adjust.fit([views[i] for i in kept], replace(first, poses=first.poses[kept]), MODELS[model], shape_mm)
        errors += [adjust.view_errors(view, camera)[1] for view in views[fold::_FOLDS]]
    return adjust.rms(errors)


def _detector_holdout(views: Sequence[View], first: Fit, model: str) -> float:
    return holdout([replace(view, corners_px=view.plain_px) for view in views], first, model, 0.0)
