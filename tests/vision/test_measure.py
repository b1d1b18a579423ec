"""Measurements of a recipe on a drawn part, in pixels and in millimetres, and what cannot be measured."""

import math
from time import perf_counter

import cv2
import numpy as np
import pytest

from inspector.calibrated import Plane
from inspector.errors import ConfigError
from inspector.lens import Lens
from inspector.recipe import Recipe
from inspector.vision.edges import sample
from inspector.vision.measure import Measurer
from inspector.vision.values import out_of_tolerance

HEIGHT, WIDTH = 240, 320
IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])
# A bright plate of 200 x 120 px with two holes, on dark ground.
LEFT, RIGHT, TOP, BOTTOM = 60.0, 260.0, 60.0, 180.0
HOLES = ((110.0, 120.0, 18.0), (210.0, 120.0, 12.0))


def plate(matrix=IDENTITY, noise=3.0, seed=0):
    fine = 4
    y, x = (np.mgrid[0 : HEIGHT * fine, 0 : WIDTH * fine] + 0.5) / fine - 0.5
    back = cv2.invertAffineTransform(matrix)
    u, v = back[0, 0] * x + back[0, 1] * y + back[0, 2], back[1, 0] * x + back[1, 1] * y + back[1, 2]
    light = (u > LEFT) & (u < RIGHT) & (v > TOP) & (v < BOTTOM)
    for cx, cy, radius in HOLES:
        light &= np.hypot(u - cx, v - cy) > radius
    picture = cv2.resize(light.astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    picture = 50 + 140 * cv2.GaussianBlur(picture, (0, 0), 1.0)
    picture += np.random.default_rng(seed).normal(0, noise, picture.shape)
    return cv2.cvtColor(np.clip(np.rint(picture), 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)


def at(x, y):
    return (x / WIDTH, y / HEIGHT)


FEATURES = {
    "circle": [
        {"name": "big", "at": at(112, 121), "radius_px": 18.0, "edge": "dark_to_light", "search_px": 6},
        {"name": "small", "at": at(209, 119), "radius_px": 12.0, "edge": "dark_to_light", "search_px": 6},
    ],
    "line": [
        {"name": "left", "start": at(60, 80), "end": at(60, 160)},
        {"name": "right", "start": at(260, 80), "end": at(260, 160)},
        {"name": "top", "start": at(130, 60), "end": at(190, 60)},
    ],
    "area": [{"name": "holes", "polygon": [at(80, 90), at(240, 90), at(240, 150), at(80, 150)], "grey": [0, 110]}],
}
MEASURES = [
    ("big diameter", "diameter", ["big"], "px", 36.0),
    ("small diameter", "diameter", ["small"], "px", 24.0),
    ("roundness", "roundness", ["big"], "px", 0.0),
    ("pitch", "distance", ["big", "small"], "px", 100.0),
    ("width", "distance", ["left", "right"], "px", 200.0),
    ("hole to edge", "distance", ["big", "left"], "px", 50.0),
    ("corner", "angle", ["left", "top"], "deg", 90.0),
    ("place", "position", ["big"], "px", math.hypot(2, 1)),
    ("edge place", "position", ["left"], "px", 0.0),
    ("hole count", "count", ["holes"], "1", 2.0),
    ("dark share", "share", ["holes"], "%", 100 * math.pi * (18**2 + 12**2) / (160 * 60)),
]


def recipe(measures=MEASURES, unit=None, plus=0.2, **more):
    tables = [
        {"name": name, "kind": kind, "of": of, "unit": unit or u, "nominal": nominal, "plus": plus, "minus": plus}
        for name, kind, of, u, nominal in measures
    ]
    return Recipe.model_validate({"id": "plate", "model": "m", "measure": tables, **FEATURES, **more})


def test_every_kind_of_measurement_finds_the_drawn_truth() -> None:
    measurer = Measurer(recipe(), None, (HEIGHT, WIDTH))
    tolerance = {"roundness": 0.35, "dark share": 0.5, "corner": 0.15, "hole count": 0.0}
    for seed in range(5):
        picture = plate(seed=seed)
        for found, (name, _, _, _, nominal) in zip(measurer.measure(picture, picture, IDENTITY), MEASURES, strict=True):
            assert found.name == name
            assert found.value is not None, found.text
            assert found.value == pytest.approx(nominal, abs=tolerance.get(name, 0.06)), name
            assert found.uncertainty is not None
            assert len(found.shapes) in (1, 2)


def test_a_turned_part_measures_the_same() -> None:
    turn = cv2.getRotationMatrix2D((160, 120), 7.0, 1.0)
    picture = plate(turn)
    measurer = Measurer(recipe(MEASURES[:7]), None, (HEIGHT, WIDTH))
    for found, (name, _, _, _, nominal) in zip(
        measurer.measure(picture, picture, cv2.invertAffineTransform(turn)), MEASURES, strict=False
    ):
        assert found.value == pytest.approx(nominal, abs=0.35 if name == "roundness" else 0.15), name


def test_the_stated_uncertainty_covers_the_truth() -> None:
    measurer = Measurer(recipe([MEASURES[i] for i in (0, 1, 3, 4)]), None, (HEIGHT, WIDTH))
    covered = []
    for seed in range(40):
        picture = plate(seed=seed, noise=6.0)
        for found, nominal in zip(
            measurer.measure(picture, picture, IDENTITY), (36.0, 24.0, 100.0, 200.0), strict=True
        ):
            covered.append(abs(found.value - nominal) <= found.uncertainty)
    assert np.mean(covered) >= 0.9


def test_millimetres_come_from_the_plane_even_through_a_tilted_camera() -> None:
    tilt = np.array([[0.5, 0.02, -80.0], [0.01, 0.52, -60.0], [2e-4, -1e-4, 1.0]])
    plane = Plane("p", Lens(1.0, 1.0, 0.0, 0.0, ()), tilt, 0.02)
    rows = [(name, kind, of, "mm", 0.0) for name, kind, of, _, _ in (MEASURES[0], MEASURES[3], MEASURES[4])]
    found = Measurer(recipe(rows), plane, (HEIGHT, WIDTH)).measure(plate(), plate(), IDENTITY)
    ends = plane.mm_from_px(np.array([[110.0, 120.0], [210.0, 120.0]]))
    assert found[1].value == pytest.approx(float(np.hypot(*(ends[1] - ends[0]))), abs=0.05)
    ring = np.linspace(0, 2 * np.pi, 90)
    rim = plane.mm_from_px(np.stack([110 + 18 * np.cos(ring), 120 + 18 * np.sin(ring)], axis=1))
    across = 2 * float(np.hypot(*(rim - rim.mean(axis=0)).T).mean())
    assert found[0].value == pytest.approx(across, abs=0.05)
    assert all(one.unit == "mm" and one.uncertainty >= 0.02 for one in found)


def test_a_feature_that_is_not_there_is_not_measured_and_says_so() -> None:
    picture = plate()
    cv2.rectangle(picture, (80, 90), (140, 150), (190, 190, 190), -1)
    found = {one.name: one for one in Measurer(recipe(), None, (HEIGHT, WIDTH)).measure(picture, picture, IDENTITY)}
    assert found["big diameter"].value is None
    assert "circle 'big': 0 of 12 edges found, wanted 6" in found["big diameter"].text
    assert found["pitch"].value is None
    assert not found["pitch"].ok
    assert found["small diameter"].ok
    assert found["hole count"].value == 1


def test_a_value_out_of_tolerance_is_a_finding_with_its_place() -> None:
    rows = [("big diameter", "diameter", ["big"], "px", 35.5), ("pitch", "distance", ["big", "small"], "px", 100.0)]
    found = Measurer(recipe(rows), None, (HEIGHT, WIDTH)).measure(plate(), plate(), IDENTITY)
    (defect,) = out_of_tolerance(found)
    assert defect.label == "measure:big diameter"
    assert defect.score == pytest.approx(0.5 / 0.2, abs=0.3)
    x, y, width, height = defect.box_px
    assert (x + width / 2, y + height / 2) == (pytest.approx(110, abs=2), pytest.approx(120, abs=2))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("m", "diameter", ["nowhere"], "px", 1.0), "has no feature 'nowhere'; found big, holes, left"),
        (("m", "diameter", ["left"], "px", 1.0), "diameter is of a circle, 'left' is a line"),
        (("m", "distance", ["left"], "px", 1.0), r"distance is of 2 feature\(s\), found 1"),
        (("m", "angle", ["left", "top"], "px", 1.0), "angle is in deg, found 'px'"),
        (("m", "diameter", ["big"], "mm", 1.0), "this station has no plane calibration"),
    ],
)
def test_a_measure_that_makes_no_sense_is_refused(row, message) -> None:
    with pytest.raises(ConfigError, match=f"recipe 'plate', measure 'm': .*{message}"):
        Measurer(recipe([row]), None, (HEIGHT, WIDTH))


def test_pixels_are_refused_where_there_are_millimetres() -> None:
    plane = Plane("p", Lens(1.0, 1.0, 0.0, 0.0, ()), np.eye(3), 0.02)
    with pytest.raises(ConfigError, match="is in px, and this station is calibrated; give it in mm"):
        Measurer(recipe(MEASURES[:1]), plane, (HEIGHT, WIDTH))


def test_ten_measurements_cost_a_few_times_the_reading_of_their_pixels() -> None:
    """A ratio within one run: a call a feature, instead of one for all of them, would double it."""
    picture = plate()
    measurer = Measurer(recipe(), None, (HEIGHT, WIDTH))
    seen = []

    def reading(*args):
        seen.append(args)
        return sample(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("inspector.vision.measure.sample", reading)
        assert len(measurer.measure(picture, picture, IDENTITY)) == len(MEASURES) >= 10
    times = []
    for _ in range(60):
        started = perf_counter()
        sample(*seen[0])
        middle = perf_counter()
        measurer.measure(picture, picture, IDENTITY)
        times.append((middle - started, perf_counter() - middle))
    # Not the median: at a busy moment either may be stopped for longer than it takes.
    read, whole = np.quantile(times, 0.1, axis=0)
    assert whole < 11 * read, f"{1e3 * whole:.2f} ms beside {1e3 * read:.2f} ms"
