"""Small copies of kept pictures, for lists of parts.

What it is: a JPEG read at a fraction of its size and packed again; some milliseconds. What it is not: a cache; the
browser keeps what it has been given. Thread pool.
"""

from __future__ import annotations

from pathlib import Path

import cv2

from inspector.errors import ImageError

QUALITY = 75
_REDUCED = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}
# The decoder reduces by powers of two almost for free; from a picture of unknown size it is asked this much.
_USUAL_WIDTH = 1280


def thumbnail(path: Path, width: int) -> bytes:
    """The picture at `path`, `width` pixels wide (smaller pictures stay as they are), as JPEG; raises ImageError."""
    step = max((one for one in _REDUCED if _USUAL_WIDTH // one >= width), default=1)
    pixels = cv2.imread(str(path), _REDUCED.get(step, cv2.IMREAD_COLOR))
    if pixels is None:
        raise ImageError(f"{path}: is not a picture")
    height = round(pixels.shape[0] * width / pixels.shape[1])
    if pixels.shape[1] > width:
        pixels = cv2.resize(pixels, (width, max(1, height)), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
