"""Bar codes and matrix codes on the part.

What it is: the reading of a recipe's codes in the camera's own picture, turned upright by the located pose. What it is
not: what an unreadable code means (`decision`). The line thread. The decoder is zxing-cpp.
"""

from __future__ import annotations

import cv2
import numpy as np
import zxingcpp

from inspector.errors import ConfigError
from inspector.recipe import Code, Recipe
from inspector.types import CodeRead, Pixels
from inspector.vision.patch import Affine
from inspector.vision.shapes import Points

# A code needs a quiet zone, and a module must not be smaller than two pixels: small ones are enlarged.
MARGIN_PX = 12
SMALL_PX = 120


class CodeReader:
    """The codes of one recipe. Raises ConfigError for a symbology that the decoder does not know."""

    def __init__(self, recipe: Recipe, patch_hw: tuple[int, int]) -> None:
        patch_wh = np.array([patch_hw[1], patch_hw[0]], np.float64)
        self._regions = [_Region(recipe, code, patch_wh) for code in recipe.code]

    def read(self, frame: Pixels, frame_to_patch: Affine) -> tuple[tuple[Code, CodeRead], ...]:
        """Each code of the recipe with what it says. `frame` is uint8 (H, W) or (H, W, 3); the 2 x 3
        `frame_to_patch` says where the patch was cut from it."""
        return tuple((region.code, region.read(frame, frame_to_patch)) for region in self._regions)


class _Region:
    def __init__(self, recipe: Recipe, code: Code, patch_wh: Points) -> None:
        self.code = code
        corners = np.array(code.polygon) * patch_wh
        self._low, self._high = corners.min(axis=0) - MARGIN_PX, corners.max(axis=0) + MARGIN_PX
        names = code.symbology or ["All"]
        self._formats = zxingcpp.BarcodeFormats([_format(recipe, code, name) for name in names])

    def read(self, frame: Pixels, frame_to_patch: Affine) -> CodeRead:
        scale = float(np.sqrt(abs(np.linalg.det(frame_to_patch[:, :2]))))
        zoom = (2.0 if min(self._high - self._low) / scale < SMALL_PX else 1.0) / scale
        width, height = np.ceil((self._high - self._low) * zoom).astype(int)
        matrix = zoom * (frame_to_patch - np.array([[0, 0, self._low[0]], [0, 0, self._low[1]]]))
        crop = np.asarray(cv2.warpAffine(frame, matrix, (int(width), int(height)), flags=cv2.INTER_CUBIC))
        grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY) if crop.ndim == 3 else crop
        found = [one for one in zxingcpp.read_barcodes(grey, self._formats) if one.valid and one.text]
        if len(found) != 1:
            texts = ", ".join(repr(one.text) for one in found)
            text = f"{len(found)} codes in its region, wanted one: {texts}" if found else "no code could be read"
            return CodeRead(name=self.code.name, content="", text=text)
        corners = (found[0].position.top_left, found[0].position.top_right, found[0].position.bottom_right)
        ring = np.array([[point.x, point.y] for point in (*corners, found[0].position.bottom_left)], np.float64)
        back = np.asarray(cv2.invertAffineTransform(matrix), np.float64)
        polygon = tuple(round(float(value), 1) for value in (ring @ back[:, :2].T + back[:, 2]).ravel())
        symbology = str(found[0].format).removeprefix("BarcodeFormat.")
        return CodeRead(name=self.code.name, content=found[0].text, symbology=symbology, polygon_px=polygon)


def _format(recipe: Recipe, code: Code, name: str) -> zxingcpp.BarcodeFormat:
    try:
        return zxingcpp.barcode_format_from_str(name)
    except ValueError:
        where = f"recipe {recipe.id!r}, code {code.name!r}"
        raise ConfigError(f"{where}: no symbology {name!r}; wanted one such as DataMatrix, QRCode, Code128") from None
