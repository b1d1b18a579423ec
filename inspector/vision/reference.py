"""What the locator knows of a part: the taught reference, its file, and the geometry from frame to patch.

What it is: a plain value (`Reference`) learned by `teaching.teach_reference`, one `.npz` file of it, and the fixed
frame it defines. What it is not: the search itself (locate) or the teaching. Any thread; nothing here changes.

Geometry: the *template frame* has its origin at the part's reference point, x to the right, y down, in pixels of the
decimated ("small") picture; a pose turns it counter-clockwise as seen on the screen and moves it. Pixel centres are
at whole numbers, so that small coordinate s and frame coordinate f meet in `f = (s + 0.5) * factor - 0.5`.
"""

from __future__ import annotations

import json
import math
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from inspector.errors import ModelError
from inspector.types import Pixels, Pose

VERSION = 1
Floats = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """How the part stands out: grey values further than `threshold` from the picture's border level, on `polarity`'s
    side. `noise` is the border's own scatter at teaching (median absolute deviation, grey levels)."""

    polarity: Literal["dark", "bright", "both"] = "dark"
    threshold: float = 20.0
    noise: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How much the pose varied over the taught pictures: standard deviations, and the largest turn from the mean."""

    x_px: float = 0.0
    y_px: float = 0.0
    angle_deg: float = 0.0
    angle_max_deg: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthBaseline:
    """What the taught good pictures measured like; limits are fractions of these, and 0 means not known.

    `mean` is the median mean grey value, `blown` the largest share of saturated pixels, `sharp_edges` the
    dullest picture's edges (see `health.edge_sharpness`), for a part without a clear one `sharp_across` and
    `sharp_down` (see `health.sharpness`), `area_small_px` the median outline area in small
    pixels with its largest, `border` the longest run of an outline along the picture's border in small pixels.
    """

    mean: float = 0.0
    blown: float = 0.0
    sharp_edges: float = 0.0
    sharp_across: float = 0.0
    sharp_down: float = 0.0
    area_small_px: float = 0.0
    area_max: float = 0.0
    border: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A taught part.

    `kind` is `"outline"` for a part that stands out of its background and `"fixed"` where nothing does (a texture
    that fills the picture): then the pose is always the picture's centre. `has_angle` is False for a round part,
    whose angle is always 0. `box_wh` is the patch in frame pixels around the reference point at `box_xy` (frame
    pixels from the reference point to the box's centre, in the template frame). `mean`, `std` are float32
    `(S, S)` template pictures with the reference point at the centre, `mask` float32 `(S, S)` the share of good
    parts that cover a pixel; all empty for `"fixed"`.
    """

    kind: Literal["outline", "fixed"]
    factor: int
    picture_wh: tuple[int, int]
    pose_varies: bool
    has_angle: bool
    box_xy: tuple[float, float]
    box_wh: tuple[float, float]
    background: Background = Background()
    spread: Spread = Spread()
    health: HealthBaseline = HealthBaseline()
    taught_from: int = 0
    mean: Floats = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    std: Floats = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    mask: Floats = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def save(self, path: Path) -> None:
        """Write one `.npz`: the arrays, and everything else as JSON under `about`."""
        about = {key: value for key, value in asdict(self).items() if key not in ("mean", "std", "mask")}
        text = json.dumps(about | {"version": VERSION}, sort_keys=True)
        with path.open("wb") as file:
            np.savez_compressed(file, about=np.array(text), mean=self.mean, std=self.std, mask=self.mask)

    @staticmethod
    def load(path: Path) -> Reference:
        """The reference saved at `path`; raises ModelError naming the file and what is wrong with it."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                about = json.loads(str(stored["about"]))
                pictures = {name: stored[name].astype(np.float32) for name in ("mean", "std", "mask")}
        except OSError as why:
            raise ModelError(f"{path}: cannot be read: {why.strerror or why}") from why
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as why:
            raise ModelError(f"{path}: is not a pose reference: {why}") from why
        return _from_about(about, pictures, path)


def _from_about(about: Any, pictures: dict[str, Floats], path: Path) -> Reference:
    if not isinstance(about, dict) or about.get("version") != VERSION:
        found = about.get("version") if isinstance(about, dict) else about
        raise ModelError(f"{path}: pose reference of version {found!r}, wanted {VERSION}: teach it again")
    sizes = {name: picture.shape for name, picture in pictures.items()}
    if len(set(sizes.values())) != 1 or pictures["mean"].ndim != 2:
        raise ModelError(f"{path}: template pictures have shapes {sizes}, wanted one shape (S, S)")
    del about["version"]
    try:
        nested: dict[str, Any] = {
            "background": Background(**about.pop("background")),
            "spread": Spread(**about.pop("spread")),
            "health": HealthBaseline(**about.pop("health")),
        }
        pairs = {key: tuple(about.pop(key)) for key in ("picture_wh", "box_xy", "box_wh")}
        return Reference(**(about | nested | pairs | pictures))
    except (KeyError, TypeError) as why:
        raise ModelError(f"{path}: is not a pose reference: {why}") from why


def patch_size(reference: Reference, longest: int = 640, multiple: int = 32) -> tuple[int, int]:
    """A (width, height) for the rectified patch: the box's shape, never larger than the box itself or `longest`,
    rounded up to `multiple` (the stride of the usual networks). A long thin part gets a long thin patch."""
    width, height = reference.box_wh
    scale = min(1.0, longest / max(width, height))
    return tuple(max(multiple, math.ceil(side * scale / multiple - 0.25) * multiple) for side in (width, height))  # type: ignore[return-value]


def transform(pose: Pose, reference: Reference, size_wh: tuple[int, int]) -> Matrix:
    """The 2x3 float64 matrix that takes frame pixels to patch pixels for a part at `pose`.

    The box is centred in the patch at one scale for both axes; where the shapes differ the patch shows more
    surroundings. A `"fixed"` reference fills the patch with the whole picture, each axis at its own scale.
    """
    width, height = size_wh
    across, down = width / reference.box_wh[0], height / reference.box_wh[1]
    if reference.kind == "outline":
        across = down = min(across, down)
    turn = math.radians(pose.angle_deg)
    cos, sin = math.cos(turn), math.sin(turn)
    x = (width - 1) / 2 - across * (reference.box_xy[0] + cos * pose.x_px - sin * pose.y_px)
    y = (height - 1) / 2 - down * (reference.box_xy[1] + sin * pose.x_px + cos * pose.y_px)
    return np.array([[cos * across, -sin * across, x], [sin * down, cos * down, y]])


def rectify(pixels: Pixels, pose: Pose, reference: Reference, size_wh: tuple[int, int]) -> Pixels:
    """The part in the fixed frame: uint8 `(height, width[, 3])`, one bilinear warp, edge pixels repeated outside."""
    matrix = transform(pose, reference, size_wh)
    patch: Pixels = cv2.warpAffine(pixels, matrix, size_wh, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[assignment]
    return patch
