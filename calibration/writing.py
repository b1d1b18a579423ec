"""Result files: how a tool's numbers become a file that the line believes.

What it is: the one place that writes results - with date, camera, the pictures used and a hash over all of it -
atomically: a file is whole, or it is the one that was there before. What it is not: the schema (inspector.calibrated).
Main thread of a tool.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tomli_w

from inspector.calibrated import KINDS, VERSION, CameraId, UsedImage, digest
from inspector.clock import Clock
from inspector.config import parse
from inspector.errors import UsageError

MADE_BY = "calibration 1"


def result_tables(
    kind: str,
    clock: Clock,
    camera: CameraId,
    images: Sequence[Path],
    *,
    value: dict[str, Any],
    uncertainty: dict[str, float],
    residual: dict[str, float],
) -> dict[str, Any]:
    """The tables of a result file, with their id."""
    tables: dict[str, Any] = {
        "kind": kind,
        "version": VERSION,
        "id": "",
        "made_at": clock.utc(),
        "made_by": MADE_BY,
        "camera": camera.model_dump(),
        "images": [used_image(path).model_dump() for path in images],
        "value": value,
        "uncertainty": uncertainty,
        "residual": residual,
    }
    tables["id"] = digest(tables)
    return tables


def used_image(path: Path) -> UsedImage:
    """A picture by name and content."""
    return UsedImage(name=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def write_result(path: Path, tables: dict[str, Any]) -> None:
    """Write a result whole or not at all; it is checked against the reader's own schema first.

    Raises UsageError if the folder cannot be written to.
    """
    parse(KINDS[tables["kind"]], tables, path)
    write_atomically(path, tomli_w.dumps(tables).encode())


def write_atomically(path: Path, content: bytes) -> None:
    """`content` under `path`, synced and renamed; raises UsageError naming the path."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as why:
        beside.unlink(missing_ok=True)
        raise UsageError(f"{path}: cannot be written: {why.strerror}") from why
