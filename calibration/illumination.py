"""`illumination`: the light and the focus as they are when all is well.

What it is: flat field, exposure and gain, grey balance from pictures of a grey card, and the baseline of drift from
pictures of good parts on the line. What it is not: the watch over drift (`inspector.vision.drift`). Main thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from calibration.lens import read_all
from calibration.refused import Refused, captioned
from inspector.calibrated import IlluminationValue
from inspector.camera.flat_field import FlatField
from inspector.errors import ConfigError, ImageError
from inspector.types import Frame, Pixels
from inspector.vision.drift import ANCHOR_PX, anchor_patch, brightness_grid, light_and_focus

MIN_PARTS = 10
CARD_GREY = (90.0, 200.0)
"""Where a grey card's mean should lie: darker wastes the sensor's steps, brighter leaves no room for a glint."""
MAX_CLIPPED = 0.002
_SATURATED = 250
_COVERAGE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IlluminationFound:
    """The outcome. `findings` say what should be set otherwise, in SFNC names; the result holds all the same."""

    value: IlluminationValue
    size: tuple[int, int]
    uncertainty: dict[str, float]
    residual: dict[str, float]
    findings: tuple[str, ...]


def read_colour(path: Path) -> Pixels:
    """A picture as uint8 (H, W, 3) BGR; raises ImageError."""
    try:
        pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error) as why:
        raise ImageError(f"{path}: cannot be read: {getattr(why, 'strerror', None) or 'empty file'}") from why
    if pixels is None:
        raise ImageError(f"{path}: is not a picture that can be decoded")
    return np.asarray(pixels, np.uint8)


def learn(
    cards: Sequence[Path],
    parts: Sequence[Path],
    anchors: Sequence[tuple[int, int]],
    exposure_time_us: float,
    gain_db: float,
) -> IlluminationFound:
    """The baseline from pictures of a grey card and of at least 10 good parts; raises ImageError or Refused."""
    if len(parts) < MIN_PARTS:
        raise Refused(f"{len(parts)} pictures of good parts, wanted at least {MIN_PARTS}")
    _, size = read_all([*cards, *parts])
    card = np.mean([read_colour(path).astype(np.float32) for path in cards], axis=0).astype(np.uint8)
    clipped = float((card >= _SATURATED).mean())
    if clipped > MAX_CLIPPED:
        text = f"{cards[0]}: {clipped:.1%} of the card is saturated: lower ExposureTime or Gain"
        raise Refused(text, captioned(card, text))
    pictures = [read_colour(path) for path in parts]
    looks = np.array([light_and_focus(picture) for picture in pictures])
    mean_grey, focus = (float(value) for value in np.median(looks, axis=0))
    spread = looks.std(axis=0, ddof=1)
    grid = brightness_grid(card)
    flat_mean_grey = _flat_mean_grey(pictures, grid)
    bgr = card.reshape(-1, 3).mean(axis=0)
    value = IlluminationValue(
        mean_grey=mean_grey,
        flat_mean_grey=flat_mean_grey,
        grid=grid,
        gain_bgr=[float(bgr.mean() / max(one, 1.0)) for one in bgr],
        focus=focus,
        exposure_time_us=exposure_time_us,
        gain_db=gain_db,
        anchors_px=[[float(x), float(y)] for x, y in anchors],
        anchor_patches=[_anchor(pictures, x, y, size) for x, y in anchors],
    )
    per_mean = _COVERAGE * 1.25 * spread / np.sqrt(len(looks))  # a median's, against a mean's
    return IlluminationFound(
        value=value,
        size=size,
        uncertainty={"mean_grey": float(per_mean[0]), "focus": float(per_mean[1])},
        residual={"mean_grey_spread": float(spread[0]), "focus_spread": float(spread[1])},
        findings=tuple(_findings(float(card.mean()), value)),
    )


def _flat_mean_grey(pictures: Sequence[Pixels], grid: list[list[float]]) -> float:
    """The mean grey value of corrected pictures; 0 where the lamp is too uneven for a correction."""
    try:
        flat = FlatField(grid)
    except ConfigError:
        return 0.0
    corrected = [flat(Frame(frame_id=1, camera="", exposed_at_ns=0, pixels=picture)).pixels for picture in pictures]
    return float(np.median([light_and_focus(picture)[0] for picture in corrected]))


def _anchor(pictures: Sequence[Pixels], x: int, y: int, size: tuple[int, int]) -> list[int]:
    patches = [anchor_patch(picture, x, y) for picture in pictures]
    if patches[0].shape != (ANCHOR_PX, ANCHOR_PX):
        raise Refused(f"--anchor {x},{y} lies within {ANCHOR_PX // 2} px of the border of {size[0]} x {size[1]}")
    usual = np.median(patches, axis=0)
    if float(usual.std()) < 6:
        text = f"--anchor {x},{y}: there is nothing to recognise there; name an edge or a screw of the machine"
        raise Refused(text, captioned(pictures[0], text))
    moving = float(np.median([np.abs(patch - usual).mean() for patch in patches]))
    if moving > 12:
        text = f"--anchor {x},{y}: looks different in every picture ({moving:.0f} grey levels): it does not stand still"
        raise Refused(text, captioned(pictures[0], text))
    return [int(one) for one in usual.ravel()]


def _findings(card_mean: float, value: IlluminationValue) -> list[str]:
    found = []
    low, high = CARD_GREY
    if card_mean < low:
        found.append(
            f"the card's mean is {card_mean:.0f}, wanted {low:.0f} to {high:.0f}: raise ExposureTime or the lamp"
        )
    if card_mean > high:
        found.append(f"the card's mean is {card_mean:.0f}, wanted {low:.0f} to {high:.0f}: lower ExposureTime")
    if value.gain_db > 12:
        found.append(f"Gain is {value.gain_db:.0f} dB: more light and less Gain give a quieter picture")
    cells = np.array(value.grid)
    if cells.min() < 0.6:
        found.append(f"the darkest cell of the field has {cells.min():.0%} of the mean brightness: move the lamp")
    worst = max(value.gain_bgr) / min(value.gain_bgr)
    if worst > 1.1:
        ratios = ", ".join(f"{one:.2f}" for one in value.gain_bgr)
        found.append(f"a grey card is not grey: BalanceRatio blue, green, red should be times {ratios}")
    return found
