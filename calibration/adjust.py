"""The fit of a camera to its views of a board: least squares over lens, poses and - if asked - the board's own shape.

What it is: bundle adjustment by Levenberg-Marquardt, with each view's pose eliminated (Schur complement), and the
covariance that follows from its Jacobian (B. Triggs et al., Bundle adjustment - a modern synthesis, 1999). What it
is not: the choice of the model or of the views (`lens`). Main thread of a tool.

The board's shape: printed paper is never quite flat nor quite to scale. Each board point may move in x, y and z
against a weak prior (`shape_share` of a square), which also fixes what the pictures cannot see. Whether that is true
or only fits is for the hold-out to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from calibration.views import View
from inspector.lens import Points

PARAMETERS = ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
MODELS: dict[str, tuple[str, ...]] = {
    "k1": ("k1",),
    "k1 k2": ("k1", "k2"),
    "k1 k2 p1 p2": ("k1", "k2", "p1", "p2"),
    "k1 k2 k3": ("k1", "k2", "k3"),
    "k1 k2 p1 p2 k3": ("k1", "k2", "p1", "p2", "k3"),
    "k1 k2 p1 p2 k3 k4 k5 k6": ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"),
}
_NOISE_PX = 0.1
"""What a corner's place is taken to be uncertain by, where the board's prior is weighed against it."""
_STEPS = 60
_END = 1e-7


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted camera. `intrinsics` (12,) in the order of `PARAMETERS`, `free` the model's indices into it, `board`
    (P, 3) mm, `poses` (V, 6) rotation vector and translation of each view; `errors` (N, 2) px per view; `covariance`
    of the free intrinsics in their order; `sigma_px` the corners' standard deviation in one coordinate."""

    intrinsics: Points
    free: tuple[int, ...]
    board: Points
    poses: Points
    errors: tuple[Points, ...]
    covariance: Points
    sigma_px: float

    @property
    def rms_px(self) -> float:
        """Root mean square of the distances, as OpenCV gives it."""
        return rms(self.errors)

    @property
    def matrix(self) -> Points:
        """The camera matrix."""
        fx, fy, cx, cy = self.intrinsics[:4]
        return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])


def rms(errors: Sequence[Points]) -> float:
    """Root mean square of the lengths of all (N, 2) errors."""
    return float(np.sqrt(np.mean(np.concatenate([(error**2).sum(axis=1) for error in errors]))))


def start(views: Sequence[View], board: Points, size: tuple[int, int]) -> Fit:
    """A first fit with k1 alone, from nothing. `board` is (P, 3) mm, `size` (width, height).

    Raises ValueError if there is none.
    """
    objects = [board[view.ids].astype(np.float32) for view in views]
    seen = [view.corners_px.astype(np.float32) for view in views]
    fixed = cv2.CALIB_FIX_K2 | cv2.CALIB_FIX_K3 | cv2.CALIB_ZERO_TANGENT_DIST
    try:
        _, matrix, distortion, turns, shifts = cv2.calibrateCamera(objects, seen, size, None, None, flags=fixed)
    except cv2.error as why:
        raise ValueError(f"no camera fits the views: {why}") from why
    intrinsics = np.zeros(12)
    intrinsics[:4] = matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]
    intrinsics[4] = np.ravel(distortion)[0]
    poses = np.asarray(np.hstack([np.reshape(turns, (-1, 3)), np.reshape(shifts, (-1, 3))]), np.float64)
    return Fit(intrinsics, (0, 1, 2, 3, 4), board, poses, (), np.zeros((5, 5)), 0.0)


def fit(views: Sequence[View], first: Fit, model: Sequence[str], shape_mm: float = 0.0) -> Fit:
    """The least-squares camera of `model`, from `first` (its poses belong to `views`). `shape_mm` > 0 lets the board's
    points move against a prior of that standard deviation; `first.board` is then where the prior lies."""
    free = tuple(PARAMETERS.index(name) for name in ("fx", "fy", "cx", "cy", *model))
    intrinsics = first.intrinsics.copy()
    intrinsics[[index for index in range(4, 12) if index not in free]] = 0.0
    state = replace(first, intrinsics=intrinsics, free=free)
    system = _System(views, first.board, free, shape_mm)
    state, factor = system.refer(state), 1e-4
    for _ in range(_STEPS):
        normal = system.linearise(state)
        better = None
        while better is None and factor < 1e9:
            trial = system.step(state, normal, factor)
            better = trial if trial is not None and system.cost(trial) <= system.cost(state) else None
            factor = factor / 10 if better is not None else factor * 10
        if better is None:
            break
        change = 1 - system.cost(better) / max(system.cost(state), 1e-300)
        state = better
        if change < _END:
            break
    return system.finish(state)


@dataclass(slots=True)
class _Normal:
    shared: Points
    right: Points
    blocks: list[tuple[Points, Points, Points]]
    pulls: list[Points]
    slopes: list[Points]


class _System:
    def __init__(self, views: Sequence[View], prior: Points, free: tuple[int, ...], shape_mm: float) -> None:
        self._views = views
        self._prior = prior
        self._free = list(free)
        self._weight = _NOISE_PX / shape_mm if shape_mm > 0 else 0.0
        self._count = len(free) + (prior.size if shape_mm > 0 else 0)

    def refer(self, state: Fit) -> Fit:
        errors = tuple(
            view.corners_px - _project(state.board[view.ids], pose, state.intrinsics)
            for view, pose in zip(self._views, state.poses, strict=True)
        )
        return replace(state, errors=errors)

    def cost(self, state: Fit) -> float:
        seen = sum(float((error**2).sum()) for error in state.errors)
        return seen + float(((self._weight * (state.board - self._prior)) ** 2).sum())

    def linearise(self, state: Fit) -> _Normal:
        shared = np.zeros((self._count, self._count))
        right = np.zeros(self._count)
        blocks, pulls, squares = [], [], []
        for view, pose, error in zip(self._views, state.poses, state.errors, strict=True):
            a, b = self._slopes(state, view, pose)
            squares.append(a.T @ a)
            shared += squares[-1]
            pulls.append(a.T @ error.ravel())
            right += pulls[-1]
            blocks.append((a.T @ b, b.T @ b, b.T @ error.ravel()))
        if self._weight:
            n = len(self._free)
            shared[range(n, self._count), range(n, self._count)] += self._weight**2
            right[n:] += self._weight**2 * (self._prior - state.board).ravel()
        return _Normal(shared, right, blocks, pulls, squares)

    def step(self, state: Fit, normal: _Normal, factor: float) -> Fit | None:
        s = normal.shared + factor * np.diag(np.diag(normal.shared))
        g = normal.right.copy()
        inner = []
        try:
            for cross, own, right in normal.blocks:
                solved = np.linalg.solve(own + factor * np.diag(np.diag(own)), np.c_[cross.T, right])
                s -= cross @ solved[:, :-1]
                g -= cross @ solved[:, -1]
                inner.append(solved)
            change = np.linalg.solve(s, g)
        except np.linalg.LinAlgError:
            return None
        poses = state.poses + np.array([solved[:, -1] - solved[:, :-1] @ change for solved in inner])
        intrinsics = state.intrinsics.copy()
        intrinsics[self._free] += change[: len(self._free)]
        board = state.board
        if self._weight:
            board = board + change[len(self._free) :].reshape(-1, 3)
        trial = self.refer(replace(state, intrinsics=intrinsics, poses=poses, board=board))
        return trial if np.isfinite(self.cost(trial)) else None

    def finish(self, state: Fit) -> Fit:
        normal = self.linearise(state)
        s = normal.shared.copy()
        for cross, own, _ in normal.blocks:
            s -= cross @ np.linalg.solve(own, cross.T)
        inverse, n = np.asarray(np.linalg.pinv(s, hermitian=True)), len(self._free)
        # What the board's shape took is what its prior did not hold.
        shape = self._count - n - self._weight**2 * np.trace(inverse[n:, n:])
        left = sum(error.size for error in state.errors) - 6 * len(self._views) - n - shape
        sigma = float(np.sqrt(self.cost(state) / max(left, 1.0)))
        covariance = self._widened(inverse[:n, :n] * sigma**2, s, normal)
        return replace(state, covariance=covariance, sigma_px=sigma)

    def _widened(self, covariance: Points, whole: Points, normal: _Normal) -> Points:
        """The covariance, widened where the views disagree by more than independent corners would: where the
        estimate that leaves out a view at a time gives a parameter a larger deviation (the jackknife form CR3 of the
        estimate clustered by views: R. Bell, D. McCaffrey, Bias reduction in standard errors, 2002). A view pulls the
        fit towards itself, so that its pull on the finished fit alone would say too little with few views."""
        n, count = len(self._free), len(self._views)
        scale = np.sqrt(np.maximum(np.diag(whole), 1e-300))
        moves = []
        for pull, a, (cross, own, right) in zip(normal.pulls, normal.slopes, normal.blocks, strict=True):
            solved = np.linalg.solve(own, np.c_[cross.T, right])
            held = a - cross @ solved[:, :-1]
            others = (whole - held) / np.outer(scale, scale)
            move = np.linalg.pinv(others, rcond=1e-10, hermitian=True) @ ((pull - cross @ solved[:, -1]) / scale)
            moves.append((move / scale)[:n])
        spread = np.array(moves).T @ np.array(moves) * (count - 1) / count
        wider = np.sqrt(np.maximum(1.0, np.diag(spread) / np.diag(covariance)))
        return np.asarray(covariance * np.outer(wider, wider))

    def _slopes(self, state: Fit, view: View, pose: Points) -> tuple[Points, Points]:
        _, jacobian = cv2.projectPoints(
            state.board[view.ids], pose[:3], pose[3:], state.matrix, np.ascontiguousarray(state.intrinsics[4:])
        )
        slopes = np.asarray(jacobian, np.float64)
        a = np.zeros((len(slopes), self._count))
        a[:, : len(self._free)] = slopes[:, 6:18][:, self._free]
        if self._weight:
            turn, _ = cv2.Rodrigues(pose[:3])
            along = slopes[:, 3:6] @ np.asarray(turn)
            rows = np.arange(len(slopes))
            for axis in range(3):
                a[rows, len(self._free) + 3 * view.ids.repeat(2) + axis] = along[:, axis]
        return a, slopes[:, :6]


def _project(points: Points, pose: Points, intrinsics: Points) -> Points:
    fx, fy, cx, cy = intrinsics[:4]
    matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    seen, _ = cv2.projectPoints(points, pose[:3], pose[3:], matrix, np.ascontiguousarray(intrinsics[4:]))
    return np.asarray(seen, np.float64).reshape(-1, 2)


def view_errors(view: View, camera: Fit) -> tuple[Points, Points]:
    """Pose (6,) and errors (N, 2) of a view that the camera was not fitted to: only its pose is fitted."""
    points = camera.board[view.ids]
    k = np.ascontiguousarray(camera.intrinsics[4:])
    found, turn, shift = cv2.solvePnP(points, view.corners_px, camera.matrix, k)
    if not found:
        raise ValueError(f"{view.path}: no pose fits the corners")
    turn, shift = cv2.solvePnPRefineLM(points, view.corners_px, camera.matrix, k, turn, shift)
    pose = np.concatenate([np.ravel(turn), np.ravel(shift)])
    return pose, view.corners_px - _project(points, pose, camera.intrinsics)
