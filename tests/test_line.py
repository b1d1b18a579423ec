"""The walk of one frame, on the sample pictures and the sample model."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.camera.folder import FolderCamera
from inspector.clock import SimulatedClock
from inspector.config import CameraConfig, LineConfig
from inspector.errors import ConfigError, ModelError
from inspector.inference.runner import Output
from inspector.labels import load_labels
from inspector.line import Line
from inspector.recipe import load_recipe
from inspector.types import Frame, Inspection, Pixels, Verdict

SAMPLES = Path(__file__).parents[1] / "sample_images"
LABELS = load_labels(SAMPLES / "labels.csv")
AWKWARD = sorted(file for file in LABELS if file.startswith("awkward/"))
CAMERA = FolderCamera(CameraConfig(kind="folder"), SAMPLES, SimulatedClock())


@pytest.fixture(scope="module")
def line() -> Line:
    return Line(load_recipe(SAMPLES / "recipe.toml"), LineConfig())


def inspect(line: Line, pixels: Pixels) -> Inspection:
    line.forget_frame()
    return line.inspect(Frame(frame_id=1, camera="c", exposed_at_ns=0, pixels=pixels, part_id=1))


@pytest.mark.parametrize("file", AWKWARD)
def test_awkward_pictures_get_the_verdict_that_is_right(line: Line, file: str) -> None:
    inspection = inspect(line, CAMERA.read(file))
    if LABELS[file].expected is Verdict.NOT_INSPECTED:
        assert inspection.verdict is Verdict.NOT_INSPECTED
        assert inspection.reasons
    else:
        assert inspection.verdict is not Verdict.NOT_INSPECTED, "a good part is found at any angle"


def test_every_stage_is_timed_in_its_order(line: Line) -> None:
    inspection = inspect(line, CAMERA.read("test/good/good_000.jpg"))
    assert list(inspection.stage_ms) == ["shrink", "locate", "health", "patch", "model", "find", "decide"]
    assert inspection.model_sha == line.runner.model_sha
    assert inspection.recipe_rev == line.recipe.revision


def test_the_same_picture_twice_in_a_row_is_frozen(line: Line) -> None:
    pixels = CAMERA.read("test/good/good_001.jpg")
    inspect(line, pixels)
    again = line.inspect(Frame(frame_id=2, camera="c", exposed_at_ns=0, pixels=pixels.copy(), part_id=2))
    assert [reason.code for reason in again.reasons] == ["frozen"]


@pytest.mark.parametrize("shape", [(480, 640, 3), (960, 1280 + 2, 3), (8, 8), (1, 1, 3)])
def test_a_picture_of_another_size_is_not_inspected(line: Line, shape: tuple[int, ...]) -> None:
    inspection = inspect(line, np.full(shape, 90, np.uint8))
    assert inspection.verdict is Verdict.NOT_INSPECTED
    assert inspection.reasons[0].code == "wrong_size"


def test_noise_is_never_passed(line: Line) -> None:
    random = np.random.default_rng(1)
    for _ in range(5):
        inspection = inspect(line, random.integers(0, 256, (960, 1280, 3), dtype=np.uint8))
        assert inspection.verdict is Verdict.NOT_INSPECTED


@pytest.mark.parametrize("score", [np.nan, np.inf])
def test_a_score_that_is_no_number_is_never_a_pass(line: Line, monkeypatch: pytest.MonkeyPatch, score: float) -> None:
    output = line.runner.card.output
    broken = Output(score=score, map=np.full((output.map_height, output.map_width), score, np.float32))
    monkeypatch.setattr(type(line.runner), "run", lambda *_: broken)
    inspection = inspect(line, CAMERA.read("test/good/good_000.jpg"))
    assert inspection.verdict is Verdict.NOT_INSPECTED or score == np.inf
    assert inspection.verdict is not Verdict.PASS


def test_an_unbound_frame_is_refused(line: Line) -> None:
    with pytest.raises(ModelError, match="not bound to a part"):
        line.inspect(Frame(frame_id=1, camera="c", exposed_at_ns=0, pixels=np.zeros((4, 4), np.uint8)))


def test_a_recipe_without_its_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('id = "a"\nmodel = "nowhere"\n')
    with pytest.raises(ModelError, match=r"nowhere.card\.toml"):
        Line(load_recipe(path), LineConfig())


def test_a_recipe_without_its_mask_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(f'id = "a"\nmodel = "{SAMPLES.parent / "models/bracket/r1"}"\nignore = "nowhere.png"\n')
    with pytest.raises(ConfigError, match=r"nowhere\.png"):
        Line(load_recipe(path), LineConfig())


@pytest.fixture(scope="module")
def measured() -> Line:
    return Line(load_recipe(SAMPLES / "measured.toml"), LineConfig())


def test_the_measured_recipe_measures_and_reads_good_parts_and_passes_them(measured: Line) -> None:
    serials = []
    for number in range(8):
        found = inspect(measured, CAMERA.read(f"test/good/good_{number:03}.jpg"))
        assert found.verdict is Verdict.PASS, found.reasons
        assert len(found.measurements) == 10
        assert all(one.ok and one.uncertainty and one.uncertainty < 1.0 for one in found.measurements)
        serials.append(found.serial)
        assert {"measure", "codes"} <= set(found.stage_ms)
    assert serials.count("OIS471103B") >= 7


def test_a_part_that_is_too_large_is_rejected_with_the_value_and_the_limit(measured: Line) -> None:
    pixels = CAMERA.read("test/good/good_000.jpg")
    grown = np.ascontiguousarray(
        cv2.warpAffine(pixels, np.array([[1.01, 0, -6.4], [0, 1.01, -4.8]]), (1280, 960), flags=cv2.INTER_CUBIC)
    )
    found = inspect(measured, grown)
    assert found.verdict is Verdict.REJECT
    reason = next(one for one in found.reasons if one.code == "measure:flange diameter")
    assert reason.limit == pytest.approx(330.6)
    assert reason.value == pytest.approx(329.4 * 1.01, abs=0.6)
    assert any(one.label == "measure:flange diameter" and one.score >= 1.0 for one in found.defects)


def test_a_part_whose_edge_is_hidden_is_not_passed(measured: Line) -> None:
    whole = inspect(measured, CAMERA.read("test/good/good_000.jpg"))
    pixels = CAMERA.read("test/good/good_000.jpg").copy()
    _, x, y, radius = next(one for one in whole.measurements if one.name == "boss hole diameter").shapes[0]
    cv2.circle(pixels, (round(x), round(y)), round(radius) + 14, (200, 200, 200), -1)
    found = inspect(measured, pixels)
    assert found.verdict is not Verdict.PASS
    assert any(one.code == "not_measured" and "boss hole" in one.text for one in found.reasons)


def test_the_map_that_is_drawn_is_of_the_part_that_was_judged_last_and_hot_where_its_defect_is(line: Line) -> None:
    bad = next(file for file, truth in LABELS.items() if file.startswith("test/") and truth.expected is Verdict.REJECT)
    inspection = inspect(line, CAMERA.read(bad))
    heat = line.heat(1)
    assert heat is not None
    assert line.heat(2) is None
    row, column = np.unravel_index(heat.cells.argmax(), heat.cells.shape)
    x, y = heat.to_frame @ [column + 0.5, row + 0.5, 1.0]
    left, top, width, height = inspection.defects[0].box_px
    assert left <= x <= left + width
    assert top <= y <= top + height
    refused = inspect(line, np.zeros((960, 1280, 3), np.uint8))
    assert refused.verdict is Verdict.NOT_INSPECTED
    assert line.heat(1) is refused.heat is None
    # What goes along to be kept is of its own part, whatever was judged since.
    assert inspection.heat is not None
    inspect(line, CAMERA.read("test/good/good_000.jpg"))
    for kept, shown in zip(inspection.heat(), heat, strict=True):
        assert np.array_equal(kept, shown)
