"""Pictures that people bring along: names, archives and bombs, none of which is trusted."""

import struct
import zipfile
import zlib

import cv2
import numpy as np
import pytest

from inspector.errors import UsageError
from inspector.uploads import MB, Limits, check_room, free_name, refusal, safe_name, unpack

PNG = cv2.imencode(".png", np.zeros((4, 4), np.uint8))[1].tobytes()


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "set" / "pictures"
    made.mkdir(parents=True)
    return made


def archive(tmp_path, entries, method=zipfile.ZIP_DEFLATED):
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w", method) as packed:
        for name, content in entries:
            packed.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("good 01.PNG", "good_01.png"),
        ("../../etc/passwd.png", "passwd.png"),
        ("..\\..\\windows\\x.jpg", "x.jpg"),
        ("/abs/olute.jpeg", "olute.jpeg"),
        ("图片.png", "picture.png"),
        ("a" * 300 + ".bmp", "a" * 80 + ".bmp"),
        (".png", ""),
        ("x.png.exe", ""),
        ("x.svg", ""),
        ("__MACOSX/._x.png", ""),
        ("..", ""),
        ("a\0b\n<script>.png", "a_b_script.png"),
    ],
)
def test_of_a_name_only_harmless_characters_of_its_last_step_are_kept(given, kept):
    assert safe_name(given) == kept


def test_first_bytes_decide_and_a_picture_of_a_billion_pixels_is_refused_unopened():
    assert refusal(PNG[:64]) == ""
    assert refusal(b"GIF89a" + bytes(60)) == "does not begin like a picture"
    assert refusal(b"") == "does not begin like a picture"
    huge = PNG[:16] + struct.pack(">II", 50_000, 50_000) + PNG[24:64]
    assert refusal(huge) == "is 50000 x 50000, wanted at most 64 megapixels"
    bitmap = b"BM" + bytes(16) + struct.pack("<ii", 40_000, -40_000) + bytes(30)
    assert "40000 x 40000" in refusal(bitmap)


def test_an_archive_with_paths_copies_and_other_files_gives_its_pictures_and_counts_the_rest(folder, tmp_path):
    entries = [("../../up.png", PNG), ("/root/abs.png", PNG), ("a/x.png", PNG), ("b/x.png", PNG), ("notes.txt", b"hi")]
    entries += [("fake.png", b"not a picture at all"), ("empty.jpg", b""), ("inner.zip", b"PK")]
    taken = unpack(archive(tmp_path, entries), folder, Limits())
    assert sorted(path.name for path in folder.iterdir()) == ["abs.png", "up.png", "x-2.png", "x.png"]
    assert taken.pictures == 4
    assert dict(taken.left_out) == {
        "not a picture by its name": 2,
        "not a picture by its first bytes, or too large": 2,
    }
    assert sorted(path.name for path in folder.parent.iterdir()) == ["pictures"]
    assert not list(tmp_path.glob("*.png"))


def test_a_bomb_ends_at_the_limit_whatever_the_archive_says_of_its_size(folder, tmp_path):
    bomb = b"\x89PNG\r\n\x1a\n" + bytes(8) + struct.pack(">II", 10, 10) + bytes(3 * MB)
    path = archive(tmp_path, [(f"{number}.png", bomb) for number in range(12)])
    assert path.stat().st_size < 1 * MB
    taken = unpack(path, folder, Limits(one_bytes=2 * MB))
    assert taken.pictures == 0
    assert taken.left_out["larger than 2 MB"] == 12
    with pytest.raises(UsageError, match="unpacks to more than 20 MB"):
        unpack(path, folder, Limits(all_bytes=20 * MB))
    assert sum(one.stat().st_size for one in folder.iterdir()) <= 20 * MB
    lying = bytearray(path.read_bytes())
    at = -1
    while (at := lying.find(b"PK\x01\x02", at + 1)) >= 0:
        struct.pack_into("<I", lying, at + 24, 100)  # the directory says: 100 bytes
    path.write_bytes(lying)
    for old in folder.iterdir():
        old.unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        unpack(path, folder, Limits())
    assert sum(one.stat().st_size for one in folder.iterdir()) <= 100


def _fill(folder, tmp_path, most):
    path = archive(tmp_path, [(f"{number}.png", PNG) for number in range(most + 1)], zipfile.ZIP_STORED)
    steps, limits = [], Limits(pictures=most)
    with pytest.raises(UsageError, match=f"{most} pictures, wanted at most"):
        unpack(path, folder, limits, lambda done, total: steps.append((done, total)))
    assert len(list(folder.iterdir())) == most
    assert steps[-1] == (most, most + 1)
    with pytest.raises(UsageError, match=f"the set has {most} pictures"):
        check_room(folder, limits)


def test_a_set_is_filled_to_its_limit_and_one_more_is_refused(folder, tmp_path):
    assert Limits().pictures == 5000
    _fill(folder, tmp_path, 300)


@pytest.mark.soak
def test_five_thousand_pictures_are_taken_and_one_more_is_refused(folder, tmp_path):
    _fill(folder, tmp_path, 5000)


def test_a_full_disk_a_broken_and_an_encrypted_archive_are_told(folder, tmp_path):
    path = archive(tmp_path, [("x.png", PNG)])
    with pytest.raises(UsageError, match="MB free"):
        unpack(path, folder, Limits(free_bytes=1 << 60))
    content = bytearray(path.read_bytes())
    path.write_bytes(content[:-30])
    with pytest.raises(UsageError, match="cannot be read"):
        unpack(path, folder, Limits())
    content[6] |= 1  # says it is encrypted
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(UsageError, match="encrypted"):
        unpack(path, folder, Limits())
    path.write_bytes(b"\x1f\x8b" + zlib.compress(b"no zip"))
    with pytest.raises(UsageError, match="cannot be read"):
        unpack(path, folder, Limits())
    many = archive(tmp_path, [(f"{number}.txt", b"") for number in range(41)])
    with pytest.raises(UsageError, match="41 files, wanted at most 40"):
        unpack(many, folder, Limits(pictures=10))
    assert list(folder.iterdir()) == []


def test_a_name_that_is_taken_gets_a_number(folder):
    for _ in range(3):
        free_name(folder, "a.png").write_bytes(PNG)
    assert sorted(path.name for path in folder.iterdir()) == ["a-2.png", "a-3.png", "a.png"]
