"""Flat field: an uneven lamp is taken out of every frame, on any camera, and what cannot be corrected is refused."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest

from calibration.illumination import learn
from inspector import station
from inspector.calibrated import CameraId
from inspector.calibration_set import load_calibration
from inspector.camera import Guard, open_camera
from inspector.camera.flat_field import FlatField
from inspector.clock import SystemClock
from inspector.config import CalibrationConfig, CameraConfig, StationConfig, load_station
from inspector.errors import ConfigError, FrameTimeout
from inspector.types import Frame, Pixels, Verdict
from inspector.verbs_check import check
from inspector.vision.drift import DriftWatch, brightness_grid
from tests.calibration.test_station_reads_it import stored
from tests.camera.conftest import NumberedScene, picture

SAMPLES = Path(__file__).parents[2] / "sample_images"
CAMERA = CameraId(serial="c1", width=1280, height=960, lens_setting="f/4")


def lamp(height: int, width: int, falloff: float = 0.4) -> Pixels:
    """One lamp to the upper left: brightness over the field, 1 at its brightest, `1 - falloff` at its darkest."""
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    far = np.hypot(down / height - 0.3, across / width - 0.35)
    return np.asarray(1 - falloff * (far / far.max()) ** 2, np.float32)


def lit(pixels: Pixels, light: Pixels) -> Pixels:
    shown = pixels * (light if pixels.ndim == 2 else light[..., None])
    return np.clip(shown + 0.5, 0, 255).astype(np.uint8)


def frame(pixels: Pixels, number: int = 1) -> Frame:
    return Frame(frame_id=number, part_id=number, camera="c", exposed_at_ns=number, pixels=pixels)


@pytest.mark.parametrize("shape", [(960, 1280, 3), (960, 1280), (481, 643)])
def test_a_card_under_an_uneven_lamp_comes_out_even(shape: tuple[int, ...]) -> None:
    light = lamp(*shape[:2])
    card = lit(np.full(shape, 180, np.uint8), light)
    flat = FlatField(brightness_grid(card))(frame(card)).pixels
    assert np.ptp(card) > 60
    assert flat.shape == shape
    off = np.abs(flat.astype(float) - card.mean())
    assert np.percentile(off, 99) <= 2  # roundings before and after, and 0.3 % of gain steps
    assert off.max() <= 4  # the very corners, where the curve goes on beyond the last cells' centres
    assert abs(float(flat.mean()) - float(card.mean())) < 0.5


def test_without_correction_needed_nothing_changes() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (96, 128, 3), np.uint8)
    flat = FlatField([[1.0] * 8] * 6)(frame(pixels))
    assert np.abs(flat.pixels.astype(int) - pixels).max() <= 1
    assert flat.frame_id == 1
    assert not flat.pixels.flags.writeable


def test_too_dark_a_corner_is_refused() -> None:
    cells = np.ones((6, 8))
    cells[0, 0] = 0.2
    with pytest.raises(ConfigError, match=r"darkest cell .* 20% .* wanted more than 25%"):
        FlatField(cells.tolist())


def configured(**section: object) -> StationConfig:
    config = load_station(SAMPLES / "station.toml")
    whose = {"camera_serial": CAMERA.serial, "lens_setting": CAMERA.lens_setting, "flat_field": True}
    return config.model_copy(update={"calibration": CalibrationConfig(**(whose | section))})


def uneven(folder: Path) -> Path:
    """The sample line's good parts and a grey card under an uneven lamp, and the result of `illumination` on them."""
    light = lamp(960, 1280)
    files = []
    for path in sorted((SAMPLES / "train/good").glob("*.jpg"))[:12]:
        files.append(folder / f"{path.stem}.png")
        cv2.imwrite(str(files[-1]), lit(cv2.imread(str(path)), light))
    cv2.imwrite(str(folder / "card.png"), lit(np.full((960, 1280, 3), 150, np.uint8), light))
    value = learn([folder / "card.png"], files, [], 0.0, 0.0).value
    stored(folder, "illumination", value.model_dump(), CAMERA)
    return folder / "illumination.toml"


def test_the_station_corrects_what_its_camera_gives(tmp_path: Path) -> None:
    """Corrected, good parts score as in even light of the same mean, nearer than uncorrected; and the drift watch says
    nothing, since its baseline is corrected too."""
    config = configured(illumination=str(uneven(tmp_path)))
    line = station.load_line(config, station.load_recipe_of(config))
    flat = station.load_flat_field(config)
    baseline = load_calibration(config).illumination
    assert flat is not None
    assert baseline is not None
    watch, light = DriftWatch(baseline), lamp(960, 1280)
    scores: dict[str, list[float]] = {"even": [], "uneven": [], "corrected": []}
    for number, path in enumerate(sorted((SAMPLES / "test/good").glob("*.jpg"))[:12], 1):
        pixels = cv2.imread(str(path))
        dim = frame(lit(pixels, light), number)
        even = lit(pixels, np.full_like(light, light.mean()))
        corrected = flat(dim)
        for name, shown in (("even", frame(even, number)), ("uneven", dim), ("corrected", corrected)):
            line.forget_frame()
            inspection = line.inspect(shown)
            assert inspection.verdict is not Verdict.NOT_INSPECTED, inspection.reasons
            scores[name].append(inspection.score or 0.0)
        watch.look(corrected.pixels)
    off = {name: np.abs(np.subtract(scores[name], scores["even"])) for name in ("uneven", "corrected")}
    print({name: (float(np.mean(values)), float(np.max(values))) for name, values in off.items()})
    assert off["corrected"].mean() < 0.5 * off["uneven"].mean()
    assert watch.drifts() == ()


def test_it_is_of_the_calibration_and_of_check(tmp_path: Path) -> None:
    file = str(uneven(tmp_path))
    with_it, without = (load_calibration(configured(illumination=file, flat_field=on)) for on in (True, False))
    assert with_it.id != without.id
    found = next(one for one in check(configured(illumination=file), SystemClock()) if one.what == "calibration")
    assert "flat-field corrected" in found.found
    with pytest.raises(ConfigError, match="illumination is empty"):
        load_calibration(configured())


def test_an_older_result_is_refused(tmp_path: Path) -> None:
    card = {"mean_grey": 100.0, "grid": [[1.0] * 8] * 6, "gain_bgr": [1.0, 1.0, 1.0], "focus": 0.2}
    card |= {"exposure_time_us": 0.0, "gain_db": 0.0, "anchors_px": [], "anchor_patches": []}
    stored(tmp_path, "illumination", card, CAMERA)
    with pytest.raises(ConfigError, match="has no flat_mean_grey"):
        load_calibration(configured(illumination=str(tmp_path / "illumination.toml")))


@pytest.mark.parametrize("threads", [True, False])
def test_every_camera_of_a_station_is_corrected(threads: bool) -> None:
    clock = SystemClock()
    flat = FlatField([[0.5] * 8] * 6)  # not a mean of 1: every pixel doubles, so that it shows
    config = CameraConfig(kind="simulated", width=64, height=48)
    camera = open_camera(config, Path(), clock, NumberedScene(), threads=threads, finish=flat)
    if isinstance(camera, Guard):
        assert camera.wait_connected(5.0)
    camera.trigger(clock.now_ns())
    while True:
        with suppress(FrameTimeout):
            found = camera.next_frame(1.0)
            break
    camera.close()
    wanted = np.minimum(picture(1).astype(int) * 2, 255)
    assert np.abs(found.pixels.astype(int) - wanted).max() <= 2
