import errno
import os
from dataclasses import replace

import cv2
import numpy as np
import pytest

from inspector.errors import StoreError
from inspector.record.images import HEAT_STEP, ImageFolder, heat_png
from inspector.types import Verdict

from .made import make_frame, make_record

PIXELS = make_frame(height=240, width=320).pixels
PLENTY = 10**12


def _folder(path, noted, budget_mb=10, free=lambda _: PLENTY, **more):
    return ImageFolder(path, budget_mb=budget_mb, min_free_mb=1, note=noted.extend, free_bytes=free, **more)


def _files(path):
    return sorted(file.name for file in path.rglob("*.jpg"))


def test_a_picture_is_the_part_s_own_and_named_after_it(tmp_path):
    folder = _folder(tmp_path, [])
    path = folder.keep(make_record((1 << 32) | 23, Verdict.REJECT), PIXELS)
    assert path == "2026-03-01/0000000100000017-reject.jpg"
    read = cv2.imread(str(tmp_path / path))
    assert read.shape == PIXELS.shape
    assert np.abs(read.astype(int) - PIXELS).mean() < 12
    assert folder.used_bytes == (tmp_path / path).stat().st_size
    assert not list(tmp_path.rglob("*.part"))


def test_oldest_passes_go_first_then_oldest_others_and_each_removal_is_noted_before(tmp_path):
    noted = []
    first = _folder(tmp_path, noted)
    for part in range(1, 9):
        first.keep(make_record(part, Verdict.REJECT if part in (2, 5) else Verdict.PASS), PIXELS)
    size = first.used_bytes // 8
    there = []

    def note(removals):
        there.extend((tmp_path / removal.image_path).is_file() for removal in removals)
        noted.extend(removals)

    # A restart finds the same files; room for four of them.
    folder = ImageFolder(tmp_path, budget_mb=1, min_free_mb=1, note=note, free_bytes=lambda _: PLENTY)
    folder._budget = int(size * 4.5)
    assert folder.keep(make_record(9, Verdict.PASS), PIXELS) is not None
    assert [removal.part_id for removal in noted] == [1, 3, 4, 6, 7]
    assert folder.keep(make_record(10, Verdict.PASS), PIXELS) is not None
    folder._budget = int(size * 3.5)
    assert folder.keep(make_record(11, Verdict.REJECT), PIXELS) is not None
    assert [removal.part_id for removal in noted] == [1, 3, 4, 6, 7, 8, 9, 10]
    folder.keep(make_record(12, Verdict.REJECT), PIXELS)
    assert noted[-1].part_id == 2
    assert there == [True] * len(noted)
    assert folder.removed == len(noted)
    assert _files(tmp_path) == [f"000000000000000{part}-reject.jpg" for part in "5bc"]
    assert folder.used_bytes == sum(file.stat().st_size for file in tmp_path.rglob("*.jpg"))


def test_too_little_free_space_removes_then_refuses(tmp_path):
    noted, free = [], [PLENTY]
    folder = _folder(tmp_path, noted, free=lambda _: free[0])
    folder.keep(make_record(1), PIXELS)
    free[0] = 1_000_000
    assert folder.keep(make_record(2), PIXELS) is not None
    assert [removal.part_id for removal in noted] == [1]
    free[0] = 0
    assert folder.keep(make_record(3), PIXELS) is None
    assert _files(tmp_path) == []


def test_a_removal_that_cannot_be_noted_does_not_happen(tmp_path):
    def note(_removals):
        raise StoreError("store is gone")

    folder = ImageFolder(tmp_path, budget_mb=10, min_free_mb=1, note=note, free_bytes=lambda _: PLENTY)
    folder.keep(make_record(1), PIXELS)
    folder._budget = 1
    with pytest.raises(StoreError, match="gone"):
        folder.keep(make_record(2), PIXELS)
    assert _files(tmp_path) == ["0000000000000001-pass.jpg"]


def test_a_full_disk_leaves_no_half_picture(tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    folder = _folder(tmp_path, [])
    with pytest.raises(OSError, match="No space"):
        folder.keep(make_record(1), PIXELS)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert folder.used_bytes == 0


def test_a_restart_sweeps_half_pictures_and_leaves_foreign_files_alone(tmp_path):
    day = tmp_path / "2026-03-01"
    day.mkdir()
    (day / "0000000000000001-pass.part").write_bytes(b"half")
    (day / "holiday.jpg").write_bytes(b"not ours")
    folder = _folder(tmp_path, [])
    assert (folder.used_bytes, [file.name for file in day.iterdir()]) == (0, ["holiday.jpg"])


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="pictures cannot be kept here"):
        _folder(tmp_path / "file" / "images", [])


def test_a_picture_is_never_replaced_by_another_of_the_same_part(tmp_path):
    folder = _folder(tmp_path, [])
    path = folder.keep(make_record(1), PIXELS)
    before = (tmp_path / path).read_bytes()
    assert folder.keep(make_record(1), PIXELS[::-1].copy()) is None
    assert (tmp_path / path).read_bytes() == before


def _heated(record, to_frame=((8.0, 0.0, 0.0), (0.0, 8.0, 0.0)), at=(10, 20)):
    cells = np.zeros((30, 40), np.uint8)
    cells[at] = 255
    heat = (cells, np.array(to_frame))
    return replace(record, inspection=replace(record.inspection, heat=lambda: heat))


def test_a_heat_map_lies_on_its_picture_wherever_the_part_lies():
    straight = cv2.imdecode(np.frombuffer(heat_png(_heated(make_record()).inspection.heat(), PIXELS), np.uint8), -1)
    assert straight.shape == (240 // HEAT_STEP, 320 // HEAT_STEP)
    assert np.unravel_index(straight.argmax(), straight.shape) == (10, 20)
    assert straight.max() == 255
    # A cell of 16 x 16 frame pixels, the part turned by a quarter: column to y, row to -x.
    turned = _heated(make_record(), to_frame=((0.0, -16.0, 300.0), (16.0, 0.0, 40.0)), at=(5, 3))
    found = cv2.imdecode(np.frombuffer(heat_png(turned.inspection.heat(), PIXELS), np.uint8), -1)
    y, x = (HEAT_STEP * ((np.indices(found.shape) * found).sum(axis=(1, 2)) / found.sum() + 0.5)).tolist()
    assert x == pytest.approx(300 - 16 * 5.5, abs=1)
    assert y == pytest.approx(40 + 16 * 3.5, abs=1)


def test_a_heat_map_counts_in_the_budget_and_goes_with_its_picture(tmp_path):
    folder = _folder(tmp_path, [])
    for part in (1, 2):
        folder.keep(_heated(make_record(part, Verdict.REJECT)), PIXELS)
    everything = sum(file.stat().st_size for file in tmp_path.rglob("*.*"))
    assert folder.used_bytes == everything
    assert len(list(tmp_path.rglob("*.heat.png"))) == 2
    again = _folder(tmp_path, [])
    assert again.used_bytes == everything
    again._budget = int(1.6 * everything / 2)
    assert again.keep(_heated(make_record(3, Verdict.REJECT)), PIXELS) is not None
    assert sorted(file.name[:16] for file in tmp_path.rglob("*.heat.png")) == [f"{3:016x}"]
    assert _files(tmp_path) == [f"{3:016x}-reject.jpg"]
    assert again.used_bytes == sum(file.stat().st_size for file in tmp_path.rglob("*.*"))


def test_a_heat_map_that_the_disk_refuses_costs_no_picture(tmp_path):
    folder = _folder(tmp_path, [])
    record = _heated(make_record(1, Verdict.REJECT))
    (tmp_path / "2026-03-01" / f"{1:016x}-reject.heat.png").mkdir(parents=True)  # no file can be written there
    path = folder.keep(record, PIXELS)
    assert (tmp_path / path).is_file()
    assert (folder.heat_maps_dropped, folder.used_bytes) == (1, (tmp_path / path).stat().st_size)
