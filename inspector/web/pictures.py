"""Pictures that pages show beside those of parts: what a model was taught to see.

What it is: patches of a model's folder as JPEG. What it is not: vision; the web never looks for a part. Thread pool.
"""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from inspector.errors import ModelError

QUALITY = 88


def taught_patch(model: Path, number: int) -> bytes:
    """One of the good patches that prove a model, JPEG: the picture that a recipe's fractions are of.

    `number` counts round through those there are. Raises ModelError where the folder has none.
    """
    try:
        with np.load(model / "reference.npz", allow_pickle=False) as stored:
            patches = stored["patches"]
        patch = np.ascontiguousarray(patches[number % len(patches)], np.uint8)
    except (OSError, ValueError, KeyError, ZeroDivisionError) as why:
        raise ModelError(f"{model}: has no taught picture: {why}") from why
    return cv2.imencode(".jpg", patch, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def models_beside(model: Path, folder: Path) -> list[str]:
    """Every model folder beside `model` (`<name>/<revision>`), as a recipe in `folder` would write it, sorted."""
    root = model.parent.parent
    return sorted(os.path.relpath(card.parent, folder) for card in root.glob("*/*/card.toml"))
