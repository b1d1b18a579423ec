"""Pictures from files: listed in a fixed order, read as uint8 BGR, refused with a reason.

What it is: the only reader of picture files for teaching and evaluating. What it is not: a judge of their quality
(doctor). The teaching or evaluating process, and a thread of it that reads ahead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from inspector.errors import DatasetError, ImageError
from inspector.types import Pixels

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
LARGEST_PX = 64_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One decoded file: `pixels` is uint8 (H, W, 3) BGR; `notes` says what had to be converted."""

    path: Path
    pixels: Pixels
    grey: bool
    notes: tuple[str, ...]


def list_pictures(folder: Path) -> list[Path]:
    """Picture files in `folder` (not below it), sorted by name; raises DatasetError if there is no such folder."""
    if not folder.is_dir():
        raise DatasetError(f"{folder}: is not a folder of pictures")
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())


def read_picture(path: Path) -> Picture:
    """The picture at `path`; raises ImageError if it does not decode or has more than 64 megapixels.

    16-bit values are divided by 256, alpha is dropped, grey becomes three equal channels; `notes` says so.
    """
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as why:
        raise ImageError(f"{path}: cannot be read: {why.strerror}") from why
    raw = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if content.size else None
    if raw is None:
        raise ImageError(f"{path}: does not decode as a picture ({content.size} bytes)")
    if raw.shape[0] * raw.shape[1] > LARGEST_PX:
        raise ImageError(f"{path}: has {raw.shape[0] * raw.shape[1] / 1e6:.0f} megapixels, wanted at most 64")
    return _convert(path, np.asarray(raw))


def read_ahead(files: Sequence[Path]) -> Iterator[Pixels]:
    """The pixels of each of `files` in turn, the next one read while the caller works on this one."""
    return one_ahead(read_picture(path).pixels for path in files)


def one_ahead(pictures: Iterator[Pixels]) -> Iterator[Pixels]:
    """The same pictures in the same order, the next one made in a thread while the caller works on this one."""
    with ThreadPoolExecutor(1) as maker:
        waiting = maker.submit(next, pictures, None)
        while (picture := waiting.result()) is not None:
            waiting = maker.submit(next, pictures, None)
            yield picture


def _convert(path: Path, raw: npt.NDArray[Any]) -> Picture:
    notes = []
    if raw.dtype == np.uint16:
        raw = (raw >> 8).astype(np.uint8)
        notes.append("16-bit, divided by 256")
    if raw.dtype != np.uint8:
        raise ImageError(f"{path}: pixels are {raw.dtype}, wanted 8 or 16 bit whole numbers")
    grey = raw.ndim == 2
    if raw.ndim == 3 and raw.shape[2] == 4:
        raw = np.ascontiguousarray(raw[:, :, :3])
        notes.append("alpha channel dropped")
    if grey:
        raw = np.asarray(cv2.cvtColor(raw, cv2.COLOR_GRAY2BGR))
    if raw.ndim != 3 or raw.shape[2] != 3:
        raise ImageError(f"{path}: has shape {list(raw.shape)}, wanted 1, 3 or 4 channels")
    return Picture(path=path, pixels=raw, grey=grey, notes=tuple(notes))


def read_mask(path: Path, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """A defect mask, white on black, brought to (height, width): a pixel is set if any of what it covers is."""
    mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise ImageError(f"{path}: mask does not decode as a picture")
    small = cv2.resize(mask, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(small) > 63


def write_mask(path: Path, mask: npt.NDArray[np.bool_]) -> None:
    """Write a mask (H, W) as the PNG `path`, white where it is set."""
    cv2.imwrite(str(path), mask.astype(np.uint8) * 255)


def warp_map(
    values: npt.NDArray[np.float32],
    transform: npt.NDArray[np.float64],
    patch: tuple[int, ...],
    frame: tuple[int, ...],
    size: tuple[int, int],
) -> npt.NDArray[np.float32]:
    """A map (h, w) of a patch, laid back on the frame it was cut from, at `size` (height, width); 0 outside it.

    `transform` is the frame-to-patch 2 x 3 of the patch's maker; `patch` and `frame` are (height, width) in pixels.
    """
    down, across = values.shape[0] / patch[0], values.shape[1] / patch[1]
    to_map = np.array([[across, 0, across / 2 - 0.5], [0, down, down / 2 - 0.5]])
    up_y, up_x = frame[0] / size[0], frame[1] / size[1]
    to_frame = np.array([[up_x, 0, up_x / 2 - 0.5], [0, up_y, up_y / 2 - 0.5], [0, 0, 1]])
    whole = np.vstack([to_map, [0, 0, 1]]) @ np.vstack([transform, [0, 0, 1]]) @ to_frame
    warped = cv2.warpAffine(
        np.ascontiguousarray(values),
        whole[:2],
        (size[1], size[0]),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(warped, np.float32)
