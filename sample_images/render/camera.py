"""The industrial camera: lens blur, Bayer sensor, shot and read noise, tone curve, JPEG.

`expose` turns a linear render into the 8-bit colour picture a 1280 x 960 area camera would
send. It is a plausible sensor model, not a calibrated one. Not run by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from shapes import Field

FULL_WELL = 12000.0  # electrons at the white level
READ_NOISE = 6.0  # electrons
GAMMA = 1.65
CHANNEL_GAIN = np.array([0.62, 1.0, 0.72], np.float32)  # sensitivity of R, G, B (undone by white balance)


@dataclass(frozen=True)
class Shot:
    """Settings of one exposure."""

    exposure: float = 1.0
    blur: float = 0.7  # px, lens and pixel
    motion: float = 0.0  # px along the belt
    well: float = FULL_WELL


def lens(linear: Field, shot: Shot) -> Field:
    """Blur by the lens, by defocus and by motion; add a little vignetting."""
    out = cv2.GaussianBlur(linear, (0, 0), shot.blur)
    if shot.motion >= 2:
        kernel = np.ones((1, int(shot.motion)), np.float32) / int(shot.motion)
        out = cv2.filter2D(out, -1, kernel)
    glare = cv2.resize(
        cv2.GaussianBlur(cv2.resize(out, (160, 120), interpolation=cv2.INTER_AREA), (0, 0), 9),
        (out.shape[1], out.shape[0]),
    )
    yy, xx = np.mgrid[-0.75 : 0.75 : out.shape[0] * 1j, -1 : 1 : out.shape[1] * 1j]
    falloff = 1 - 0.06 * (xx * xx + yy * yy)
    return ((0.985 * out + 0.015 * glare) * falloff[..., None]).astype(np.float32)


def sense(linear: Field, shot: Shot, rng: np.random.Generator) -> Field:
    """Sample through the Bayer mosaic with noise and develop back to linear RGB, 0..1."""
    signal = np.clip(linear * shot.exposure, 0, None) * CHANNEL_GAIN
    mosaic = signal[..., 1].copy()
    mosaic[0::2, 0::2] = signal[0::2, 0::2, 0]
    mosaic[1::2, 1::2] = signal[1::2, 1::2, 2]
    electrons = rng.poisson(np.minimum(mosaic, 1.3) * shot.well) + rng.normal(0, READ_NOISE, mosaic.shape)
    electrons *= 1 + rng.normal(0, 0.004, mosaic.shape)  # pixel response spread
    counts = np.clip(electrons / shot.well * 4000 + 64, 0, 4095).astype(np.uint16) * 16
    rgb = cv2.cvtColor(counts, cv2.COLOR_BayerBG2RGB_EA).astype(np.float32) / 16
    return (rgb - 64) / 4000 / CHANNEL_GAIN


def develop(rgb: Field) -> Field:
    """White balance is done; mild desaturation, tone curve, 8 bits, BGR."""
    grey = rgb.mean(-1, keepdims=True)
    rgb = np.clip(grey + 0.85 * (rgb - grey), 0, 1)
    tone = np.power(rgb + 1e-6, 1 / GAMMA)
    return (np.clip(tone * 255 + 0.5, 0, 255)).astype(np.uint8)[..., ::-1]


def expose(linear: Field, shot: Shot, rng: np.random.Generator) -> Field:
    """Take the picture."""
    return develop(sense(lens(linear, shot), shot, rng))


def save(path: Path, picture: Field, quality: int) -> None:
    """Write the JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(
        str(path),
        picture,
        [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1, cv2.IMWRITE_JPEG_PROGRESSIVE, 1],
    )
