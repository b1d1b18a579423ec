"""Drift: the lamp, the focus and a moved camera are told before parts are thrown out for it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from calibration.illumination import learn
from calibration.refused import Refused
from inspector import station
from inspector.calibrated import IlluminationValue
from inspector.clock import SimulatedClock
from inspector.config import load_station
from inspector.drift_alarms import EVERY, DriftAlarms
from inspector.passage import Passage
from inspector.state import Cause, State
from inspector.tracker import Tracker
from inspector.types import Frame, OutcomeKind, Pixels, Verdict
from inspector.vision.drift import Drift, DriftWatch
from tests.made import record

SAMPLES = Path(__file__).parents[2] / "sample_images"
ANCHORS = [(60, 40), (300, 200)]


def card(folder: Path, grey: int = 140, tint: float = 1.0) -> Path:
    pixels = np.full((480, 640, 3), grey, np.float32)
    pixels[..., 0] *= tint
    path = folder / "card.png"
    cv2.imwrite(str(path), pixels.clip(0, 255).astype(np.uint8))
    return path


def scene(
    random: np.random.Generator, light: float = 1.0, blur: float = 0.8, moved: tuple[int, int] = (0, 0)
) -> Pixels:
    """A machine with two bolts that stand still, and a part that does not."""
    picture = np.full((480, 640), 70, np.float32)
    for x, y in ANCHORS:
        cv2.circle(picture, (x + moved[0], y + moved[1]), 6, 180, -1)
        cv2.line(picture, (x - 9 + moved[0], y + moved[1]), (x + 9 + moved[0], y + 4 + moved[1]), 20, 2)
    corner = random.integers(300, 360, 2)
    cv2.rectangle(picture, (int(corner[0]), 260), (int(corner[0]) + 150, 420), 160, -1)
    picture = cv2.GaussianBlur(picture, (0, 0), blur) * light * random.uniform(0.98, 1.02)
    picture += random.normal(0, 1.0, picture.shape)
    return cv2.cvtColor(picture.clip(0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)


def baseline(folder: Path, anchors: list[tuple[int, int]] | None = None) -> IlluminationValue:
    random = np.random.default_rng(1)
    files = []
    for number in range(12):
        files.append(folder / f"part{number:02d}.png")
        cv2.imwrite(str(files[-1]), scene(random))
    return learn([card(folder)], files, ANCHORS if anchors is None else anchors, 800.0, 0.0).value


def drifts(value: IlluminationValue, **changes: object) -> dict[str, Drift]:
    random, watch = np.random.default_rng(2), DriftWatch(value)
    found: tuple[Drift, ...] = ()
    for _ in range(15):
        found = watch.look(scene(random, **changes))  # type: ignore[arg-type]
    return {one.code: one for one in found}


def test_each_drift_has_its_two_levels(tmp_path: Path) -> None:
    value = baseline(tmp_path)
    assert drifts(value) == {}
    assert {code: one.level for code, one in drifts(value, light=0.85).items()} == {"lamp_drift": "warn"}
    assert drifts(value, light=0.7)["lamp_drift"].level == "stop"
    assert drifts(value, light=1.12)["lamp_drift"].level == "warn"
    assert drifts(value, blur=1.1)["focus_drift"].level == "warn"
    assert drifts(value, blur=1.8)["focus_drift"].level == "stop"
    moved = drifts(value, moved=(3, -1))["camera_moved"]
    assert moved.level == "warn"
    assert moved.value == pytest.approx(np.hypot(3, 1), abs=0.3)
    assert drifts(value, moved=(6, 5))["camera_moved"].level == "stop"


def test_one_dark_picture_is_no_drift(tmp_path: Path) -> None:
    random, watch = np.random.default_rng(2), DriftWatch(baseline(tmp_path))
    for number in range(15):
        assert watch.look(scene(random, light=0.3 if number == 9 else 1.0)) == ()


def test_a_lamp_that_loses_15_percent_is_told_before_the_sample_line_rejects_for_it(tmp_path: Path) -> None:
    """On the sample line's good parts: at 85 % light the warning stands, and no more parts are thrown out."""
    config = load_station(SAMPLES / "station.toml")
    line = station.load_line(config, station.load_recipe_of(config))
    taught = sorted((SAMPLES / "train/good").glob("*.jpg"))[:20]
    cv2.imwrite(str(tmp_path / "card.png"), np.full((960, 1280, 3), 140, np.uint8))
    value = learn([tmp_path / "card.png"], taught, [], 0.0, 0.0).value
    good = [cv2.imread(str(path)) for path in sorted((SAMPLES / "test/good").glob("*.jpg"))[::2]]
    rejects, told = {}, {}
    for light in (1.0, 0.95, 0.85):
        watch, count = DriftWatch(value), 0
        for number, picture in enumerate(good, 1):
            pixels = np.clip(picture * light + 0.5, 0, 255).astype(np.uint8)
            line.forget_frame()
            frame = Frame(frame_id=number, part_id=number, camera="c", exposed_at_ns=number, pixels=pixels)
            count += line.inspect(frame).verdict is not Verdict.PASS
            watch.look(pixels)
        rejects[light], told[light] = count, {one.code: one.level for one in watch.drifts()}
    print(rejects, told)
    assert told == {1.0: {}, 0.95: {}, 0.85: {"lamp_drift": "warn"}}
    assert rejects[0.85] <= max(1, 2 * rejects[1.0]) - 1


class Belt:
    """As much of a sender as a passage needs to run and stop."""

    running = True

    def run(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False


def test_a_warning_is_an_alarm_and_the_stop_level_holds_the_station(tmp_path: Path) -> None:
    belt = Belt()
    passage = Passage(
        clock=SimulatedClock(),
        tracker=Tracker(1),
        inspect=lambda _frame: pytest.fail("nothing is inspected here"),
        send=belt,  # type: ignore[arg-type]
        record=lambda _row, _frame, _mark: True,
        recipe_id="r",
    )
    passage._move(Cause.READY)
    passage.order(Cause.START)
    alarms, random = DriftAlarms(baseline(tmp_path)), np.random.default_rng(3)

    def run(light: float) -> None:
        for number in range(15 * EVERY):
            frame = Frame(frame_id=1, camera="c", exposed_at_ns=number, pixels=scene(random, light=light))
            alarms.look(frame, record(number, Verdict.PASS, OutcomeKind.PASSED), passage)

    run(0.87)
    assert [(one.code, one.severity) for one in passage.alarms.all()] == [("lamp_drift", "warning")]
    assert passage.state is State.EXECUTE
    run(1.0)
    assert passage.alarms.all() == ()
    run(0.6)
    assert [(one.code, one.severity) for one in passage.alarms.all()] == [("lamp_drift", "stop")]
    assert passage.state is State.HELD
    assert not belt.running


def test_what_the_card_shows(tmp_path: Path) -> None:
    baseline(tmp_path)
    parts = sorted(tmp_path.glob("part*.png"))
    dark = learn([card(tmp_path, grey=60, tint=1.3)], parts, [], 0.0, 15.0)
    words = " ".join(dark.findings)
    assert "raise ExposureTime" in words
    assert "Gain is 15 dB" in words
    assert "BalanceRatio" in words
    with pytest.raises(Refused, match="saturated") as why:
        learn([card(tmp_path, grey=255)], parts, [], 0.0, 0.0)
    assert why.value.picture is not None
    with pytest.raises(Refused, match="3 pictures of good parts, wanted at least 10"):
        learn([card(tmp_path)], parts[:3], [], 0.0, 0.0)
    with pytest.raises(Refused, match="nothing to recognise"):
        learn([card(tmp_path)], parts, [(150, 350)], 0.0, 0.0)
    with pytest.raises(Refused, match="of the border"):
        learn([card(tmp_path)], parts, [(3, 350)], 0.0, 0.0)
