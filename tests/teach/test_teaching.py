"""Teaching from end to end on small made-up parts, and everything a person can get wrong."""

from __future__ import annotations

import base64
import errno
import json
import os
import shutil
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from inspector.errors import DatasetError, ImageError, StationError
from inspector.evaluate import evaluate, load_maker
from inspector.inference.runner import Runner
from inspector.teach import Cancelled, TeachOptions, TeachResult, teach
from inspector.teach.doctor import examine
from inspector.teach.pictures import list_pictures, read_ahead, read_picture
from inspector.teach.watch import Watch
from tests.teach.made import bad_part, good_part, never, quiet, write_parts


def run(files: list[Path], out: Path, **options: object) -> TeachResult:
    return teach(files, out, TeachOptions(**options), quiet, never)  # type: ignore[arg-type]


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_taught_model_tells_bad_from_good(model: Path) -> None:
    runner = Runner(model, threads=1)
    maker = load_maker(runner)
    scores = {}
    for kind, draw in (("good", good_part), ("bad", bad_part)):
        found = []
        for seed in range(500, 508):
            assert maker.make(draw(seed), runner.buffer) is not None
            found.append(runner.run(runner.buffer).score)
        scores[kind] = found
    assert max(scores["good"]) < min(scores["bad"])
    assert min(scores["bad"]) > 1.0


def test_same_pictures_and_seed_give_the_same_model_for_any_number_of_threads(
    taught: TeachResult, tmp_path: Path
) -> None:
    files = write_parts(tmp_path / "good", 24)
    with threadpool_limits(1):
        assert run(files, tmp_path / "disc" / "r1", threads=1).model_sha == taught.model_sha


def test_the_folder_is_whole_and_says_what_it_stands_for(taught: TeachResult) -> None:
    names = {"model.onnx", "card.toml", "reference.npz", "locate.npz", "report.html"}
    assert set(left_behind(taught.folder)) == names
    assert left_behind(taught.folder.parent) == ["r1"]
    card = Runner(taught.folder, threads=1).card
    assert card.threshold.false_rejects_at_most == taught.false_rejects_at_most
    report = (taught.folder / "report.html").read_text()
    assert "ms a part" in report
    assert "--target-false-rejects" in report
    assert "at 95 %" in report
    assert "http" not in report


def test_three_bad_ones_among_sixty_are_the_most_suspicious(tmp_path: Path) -> None:
    files = write_parts(tmp_path / "good", 60) + write_parts(tmp_path / "good", 3, bad=True)
    result = run(sorted(files), tmp_path / "m" / "r1")
    assert sum("bad_" in Path(name).name for name in result.suspects) == 3
    cleaned = run(sorted(files), tmp_path / "m" / "r2", exclude_suspects=True)
    assert cleaned.images < 63
    assert not any("bad_" in path.name for path in sorted(tmp_path.glob("m/r2/*")))


def test_five_pictures_work_and_promise_little(tmp_path: Path) -> None:
    result = run(write_parts(tmp_path / "good", 5), tmp_path / "m" / "r1")
    assert result.false_rejects_at_most > 0.4
    assert "too few" in result.reason


def test_an_ignored_place_does_not_count(tmp_path: Path) -> None:
    files = write_parts(tmp_path / "good", 16)
    mask = np.zeros((128, 128), np.uint8)
    mask[:, 64:] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    runner = Runner(run(files, tmp_path / "m" / "r1", ignore=tmp_path / "mask.png").folder, threads=1)
    output = runner.run(np.full(runner.buffer.shape, 255, np.uint8))
    half = runner.card.output.map_width // 2
    assert not output.map[:, half:].any()
    assert output.map[:, :half].max() > 1


def test_defects_are_used_and_evaluated(tmp_path: Path, taught: TeachResult) -> None:
    files = write_parts(tmp_path / "good", 24)
    write_parts(tmp_path / "bad", 4, bad=True)
    result = run(files, tmp_path / "m" / "r1", defects=tmp_path / "bad")
    assert result.threshold_raw > taught.threshold_raw * 0.99
    report = (result.folder / "report.html").read_text()
    assert "What the 4 defect pictures changed" in report
    assert "<td>4 of 4</tr>" in report
    write_parts(tmp_path / "set" / "test" / "good", 6, first=600)
    write_parts(tmp_path / "set" / "test" / "blob", 6, bad=True, first=600)
    found = evaluate(result.folder, tmp_path / "set", threads=1, progress=quiet)
    assert found.image_auroc == 1.0
    assert found.per_defect == {"blob": found.escape_rate}
    assert json.dumps(found.per_defect)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_pictures(tmp_path: Path, count: int) -> None:
    files = write_parts(tmp_path / "good", count)
    with pytest.raises(DatasetError, match="wanted at least 3"):
        run(files, tmp_path / "m" / "r1")
    assert left_behind(tmp_path / "m") == []


def test_an_output_folder_that_exists_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "m" / "r1"
    out.mkdir(parents=True)
    (out / "mine.txt").write_text("kept")
    with pytest.raises(DatasetError, match="exists already"):
        run(write_parts(tmp_path / "good", 4), out)
    assert left_behind(out) == ["mine.txt"]


def test_stopping_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    files = write_parts(tmp_path / "good", 8)
    stages: list[str] = []
    with pytest.raises(Cancelled):
        teach(files, tmp_path / "m" / "r1", TeachOptions(), lambda s: stages.append(s.stage), lambda: len(stages) > 12)
    assert left_behind(tmp_path / "m") == []


def test_ctrl_c_while_writing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("inspector.teach.teaching.write_report", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(write_parts(tmp_path / "good", 6), tmp_path / "m" / "r1")
    assert left_behind(tmp_path / "m") == []


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("inspector.teach.teaching.write_model", full)
    with pytest.raises(StationError, match="No space left"):
        run(write_parts(tmp_path / "good", 6), tmp_path / "m" / "r1")
    assert left_behind(tmp_path / "m") == []


def test_the_doctor_finds_what_is_wrong_with_files(tmp_path: Path) -> None:
    files = write_parts(tmp_path, 12)
    part = good_part(0)
    (tmp_path / "text.png").write_text("not a picture")
    shutil.copy(files[0], tmp_path / "copy.png")
    cv2.imwrite(str(tmp_path / "blurred.png"), cv2.GaussianBlur(good_part(90), (0, 0), 4))
    cv2.imwrite(str(tmp_path / "white.png"), np.full_like(part, 255))
    cv2.imwrite(str(tmp_path / "large.png"), cv2.resize(good_part(91), (160, 160)))
    cv2.imwrite(str(tmp_path / "grey.png"), cv2.cvtColor(good_part(92), cv2.COLOR_BGR2GRAY))
    cv2.imwrite(str(tmp_path / "deep.png"), good_part(93).astype(np.uint16) * 256)
    cv2.imwrite(str(tmp_path / "alpha.png"), cv2.cvtColor(good_part(94), cv2.COLOR_BGR2BGRA))
    checkup = examine(sorted(tmp_path.glob("*.png")), Watch(quiet, never))
    found = {(finding.path.name, finding.code) for finding in checkup.findings}
    wanted = {
        ("text.png", "unreadable"),
        ("blurred.png", "blurred"),
        ("white.png", "over_exposed"),
        ("large.png", "size"),
        ("grey.png", "colour"),
        ("deep.png", "converted"),
        ("alpha.png", "converted"),
    }
    assert wanted <= found
    assert [code for _, code in found].count("duplicate") == 1
    assert len(checkup.usable) == 12 + 6


def test_pictures_of_every_kind_teach_together(tmp_path: Path) -> None:
    write_parts(tmp_path / "good", 4)
    folder = tmp_path / "good"
    cv2.imwrite(str(folder / "deep.png"), good_part(93).astype(np.uint16) * 256)
    cv2.imwrite(str(folder / "alpha.png"), cv2.cvtColor(good_part(94), cv2.COLOR_BGR2BGRA))
    cv2.imwrite(str(folder / "grey.png"), cv2.cvtColor(good_part(92), cv2.COLOR_BGR2GRAY))
    cv2.imwrite(str(folder / "large.png"), cv2.resize(good_part(91), (160, 160)))
    (folder / "notes.txt").write_text("not a picture, and not named like one")
    (folder / "text.png").write_text("not a picture")
    result = run(list_pictures(folder), tmp_path / "m" / "r1")
    # The part in the large picture is a quarter larger than the others: not found, left out and told of.
    assert result.images == 7
    assert any("large.png: the part was not found" in finding for finding in result.findings)
    assert any("text.png" in finding for finding in result.findings)
    assert not any("notes.txt" in finding for finding in result.findings)


def test_a_picture_of_a_hundred_megapixels_is_left_out_with_its_size(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    cv2.imwrite(str(path), np.zeros((10_000, 10_000), np.uint8))
    checkup = examine([path], Watch(quiet, never))
    assert "100 megapixels" in checkup.findings[0].text


def test_a_printers_picture_keeps_its_colours(tmp_path: Path) -> None:
    # A JPEG of 16 x 16 equal pixels, cyan 0, magenta 200, yellow 100, key 20 of 255: about (235, 51, 143) in RGB.
    text = (
        "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwANCQoLCggNCwoLDg4NDxMgFRMSEhMnHB4XIC4pMTAuKS0sMzpKPjM2RjcsLUBXQUZMTlJTUjI+WmFa"
        "UGBKUVJP/8AAFAgAEAAQBEMRAE0RAFkRAEsRAP/EABcAAQEBAQAAAAAAAAAAAAAAAAAHBQb/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/9oADgRD"
        "AE0AWQBLAAA/AKc5JoqEAAAA/9k="
    )
    (tmp_path / "cmyk.jpg").write_bytes(base64.b64decode(text))
    assert np.abs(read_picture(tmp_path / "cmyk.jpg").pixels.astype(int) - (143, 51, 235)).max() <= 4


def test_pictures_are_read_ahead_in_order_and_an_unreadable_one_is_told(tmp_path: Path) -> None:
    files = write_parts(tmp_path, 4)
    for path, pixels in zip(files, read_ahead(files), strict=True):
        np.testing.assert_array_equal(pixels, read_picture(path).pixels)
    reading = read_ahead([files[0], tmp_path / "none.png", files[1]])
    assert next(reading).shape == (128, 128, 3)
    with pytest.raises(ImageError, match=r"none\.png: cannot be read"):
        next(reading)
    before = threading.active_count()
    given_up = read_ahead(files)
    next(given_up)
    assert threading.active_count() == before + 1
    given_up.close()
    assert threading.active_count() == before
