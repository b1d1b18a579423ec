"""The reference's file: what goes in comes out, and what is not one is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from inspector.errors import ModelError
from inspector.recipe import LocateLimits
from inspector.vision.locate import Locator
from inspector.vision.reference import VERSION, Reference
from inspector.vision.teaching import teach_reference

from . import made


@pytest.fixture(scope="module")
def reference() -> Reference:
    return teach_reference(made.good_brackets(6, 20))


def test_what_is_saved_is_what_is_loaded(reference: Reference, tmp_path: Path) -> None:
    path = tmp_path / "locate.npz"
    reference.save(path)
    again = Reference.load(path)
    for name in ("mean", "std", "mask"):
        assert np.array_equal(getattr(again, name), getattr(reference, name))
    for name in ("kind", "factor", "box_xy", "box_wh", "background", "spread", "health", "has_angle", "picture_wh"):
        assert getattr(again, name) == getattr(reference, name)
    picture = made.bracket(320, 240, 3)
    one, other = (Locator(taught, LocateLimits()).locate(picture) for taught in (reference, again))
    assert one == other


def test_saving_twice_gives_the_same_arrays(reference: Reference, tmp_path: Path) -> None:
    reference.save(tmp_path / "a.npz")
    reference.save(tmp_path / "b.npz")
    assert str(np.load(tmp_path / "a.npz")["about"]) == str(np.load(tmp_path / "b.npz")["about"])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone\.npz: cannot be read"):
        Reference.load(tmp_path / "gone.npz")


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 torn"])
def test_what_is_not_a_reference_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "locate.npz"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"locate\.npz: is not a pose reference"):
        Reference.load(path)


def _spoil(reference: Reference, path: Path, **changes: object) -> None:
    reference.save(path)
    with np.load(path) as stored:
        parts = {name: stored[name] for name in stored.files}
    about = json.loads(str(parts["about"]))
    about.update({key: value for key, value in changes.items() if key not in parts})
    parts |= {key: value for key, value in changes.items() if key in parts}  # type: ignore[misc]
    parts["about"] = np.array(json.dumps({key: value for key, value in about.items() if value is not None}))
    np.savez(path, **parts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"version": VERSION + 1}, f"of version {VERSION + 1}, wanted {VERSION}"),
        ({"version": None}, "of version None"),
        ({"unknown": 1}, "is not a pose reference"),
        ({"factor": None}, "is not a pose reference"),
        ({"background": {"polarity": "dark", "more": 1}}, "is not a pose reference"),
        ({"mean": np.zeros((3, 4), np.float32)}, r"shapes .*wanted one shape"),
    ],
)
def test_another_version_or_content_is_refused(
    reference: Reference, tmp_path: Path, changes: dict[str, object], found: str
) -> None:
    path = tmp_path / "locate.npz"
    _spoil(reference, path, **changes)
    with pytest.raises(ModelError, match=found):
        Reference.load(path)


def test_pickled_content_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "locate.npz"
    np.savez(path, about=np.array([object()], dtype=object))
    with pytest.raises(ModelError, match="is not a pose reference"):
        Reference.load(path)
