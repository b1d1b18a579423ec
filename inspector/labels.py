"""What recorded pictures are known to show.

What it is: the truth about a folder of pictures, from its `labels.csv` or from the names of its folders
(`good`, or the kind of defect). What it is not: part of a verdict; the line never sees it. Main thread.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from inspector.errors import DatasetError
from inspector.types import Verdict

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True, slots=True)
class Truth:
    """What a picture shows (`good`, or the kind of defect or trouble) and the verdict that would be right."""

    kind: str
    expected: Verdict


def picture_files(folder: Path) -> list[str]:
    """All pictures below `folder`, as sorted relative POSIX paths, masks left out.

    Raises DatasetError if the folder is missing or has none.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder of pictures")
    found = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.suffix.lower() in PICTURES and not {"ground_truth", "render"} & set(path.relative_to(folder).parts)
    )
    if not found:
        raise DatasetError(f"{folder}: no pictures found, wanted files that end in {', '.join(PICTURES)}")
    return found


def load_labels(path: Path) -> dict[str, Truth]:
    """The truth by file from a CSV with at least the columns `file, kind, expected`; raises DatasetError."""
    try:
        with path.open(newline="", encoding="utf-8") as handle:
            return {row["file"]: Truth(row["kind"], Verdict[row["expected"]]) for row in csv.DictReader(handle)}
    except OSError as why:
        raise DatasetError(f"{path}: cannot be read: {why.strerror}") from why
    except KeyError as why:
        raise DatasetError(f"{path}: column or verdict {why} is wrong; wanted columns file, kind, expected") from why


def labels_of(files: Iterable[str]) -> dict[str, Truth]:
    """The truth by file from the folder each lies in: `good` should pass, any other folder's name is a defect."""
    return {file: _by_folder(Path(file).parent.name or "good") for file in files}


def _by_folder(kind: str) -> Truth:
    return Truth(kind, Verdict.PASS if kind == "good" else Verdict.REJECT)
