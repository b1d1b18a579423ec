"""The model folder: written beside its place and moved there whole, or not at all.

What it is: model.onnx, card.toml, reference.npz, locate.npz and the report as files. What it is not: their content.
The teaching process.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tomli_w

from inspector.errors import DatasetError, StationError


def refuse_existing(out: Path) -> None:
    """Raises DatasetError if `out` exists: a taught model is never overwritten."""
    if out.exists():
        raise DatasetError(f"{out}: exists already; a model is never overwritten, name another revision")


@contextmanager
def appears_whole(out: Path) -> Iterator[Path]:
    """A folder to write into, which becomes `out` at the end, or vanishes if anything is raised on the way.

    Raises StationError if the disk refuses (full, read-only).
    """
    refuse_existing(out)
    half = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        half.mkdir(parents=True)
        yield half
        os.rename(half, out)
    except OSError as why:
        raise StationError(f"{out}: cannot be written: {why.strerror or why}") from why
    finally:
        shutil.rmtree(half, ignore_errors=True)


def file_ref(path: Path) -> dict[str, str]:
    """The card's entry for a file: its name and sha256."""
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def write_card(folder: Path, tables: dict[str, Any]) -> None:
    """Write card.toml."""
    (folder / "card.toml").write_bytes(tomli_w.dumps(tables).encode())
