"""Calipers and shapes on rendered edges whose place is known."""

import cv2
import numpy as np
import pytest

from inspector.vision.edges import find, round_about, sample, straight, unbent
from inspector.vision.shapes import fit_circles, fit_lines


def fit_circle(points):
    return fit_circles(points[None], np.ones((1, len(points)), bool))[0]


def fit_line(points):
    return fit_lines(points[None], np.ones((1, len(points)), bool))[0]


DARK, LIGHT = 60.0, 190.0
NOISE = 0.02 * 255


def drawn(shape, blur, seed, noise=NOISE):
    """`shape(x, y)` is the signed distance in pixels, positive where it is light; rendered 8 times finer."""
    fine = 8
    y, x = (np.mgrid[0 : 120 * fine, 0 : 160 * fine] + 0.5) / fine - 0.5
    picture = cv2.resize((shape(x, y) > 0).astype(np.float32), (160, 120), interpolation=cv2.INTER_AREA)
    # The pixel's own width is a blur of sqrt(1/12) already.
    picture = cv2.GaussianBlur(picture, (0, 0), np.sqrt(max(blur * blur - 1 / 12, 0.04)))
    noisy = DARK + (LIGHT - DARK) * picture + np.random.default_rng(seed).normal(0, noise, picture.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def naive_edges(picture, middles, half):
    """Where the profile's row crosses half-way, at whole pixels: what one writes first."""
    found = []
    for x, y in middles.astype(int):
        row = picture[y, x - half : x + half + 1] > (DARK + LIGHT) / 2
        found.append(float(np.argmax(row)) - half)
    return np.array(found)


@pytest.mark.parametrize("blur", [0.8, 1.4, 2.0])
def test_a_straight_edge_is_found_to_fifty_thousandths(blur) -> None:
    errors, naive, told = [], [], []
    rng = np.random.default_rng(1)
    for seed in range(12):
        edge, slant = 80 + rng.uniform(-0.5, 0.5), rng.uniform(-0.05, 0.05)
        picture = drawn(lambda x, y, e=edge, s=slant: x - e - s * (y - 60), blur, seed)
        middles = np.array([[80.0, y] for y in range(10, 111, 6)])
        calipers = straight(middles, np.tile([1.0, 0.0], (len(middles), 1)))
        found = find(sample(picture, *calipers, 15), np.ones(len(middles)), 20)
        truth = edge + slant * (middles[:, 1] - 60) - 80
        errors += list(found.at_px - truth)
        told += list(found.sigma_px)
        naive += list(naive_edges(picture, middles, 15) - truth)
    bias, deviation = abs(float(np.mean(errors))), float(np.std(errors))
    assert bias <= 0.02, (blur, bias)
    assert deviation <= 0.05, (blur, deviation)
    assert deviation < 0.2 * np.std(naive)
    assert 0.6 < float(np.sqrt(np.mean(np.square(told)))) / deviation < 1.7, "the uncertainty it tells is true"


@pytest.mark.parametrize("blur", [0.8, 2.0])
def test_a_circle_is_measured_to_fifty_thousandths(blur) -> None:
    rng = np.random.default_rng(2)
    errors, naive, told = [], [], []
    for seed in range(12):
        centre, radius = np.array([80.0, 60.0]) + rng.uniform(-0.5, 0.5, 2), 30 + rng.uniform(-0.5, 0.5)
        picture = drawn(lambda x, y, c=centre, r=radius: np.hypot(x - c[0], y - c[1]) - r, blur, 100 + seed)
        about = np.array([80.0, 60.0])
        found = find(sample(picture, *round_about(about, 30, 40), 12), np.ones(40), 20)
        angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        circle = fit_circle(about + (30 + unbent(found, 30))[:, None] * directions)
        errors.append(2 * (circle.radius - radius))
        told.append(2 * circle.sigma_radius)
        assert np.hypot(*(circle.centre - centre)) < 0.08
        contours = cv2.findContours((picture < 125).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
        naive.append(2 * cv2.minEnclosingCircle(max(contours, key=len))[1] - 2 * radius)
    assert np.abs(errors).max() <= 0.05
    assert np.abs(errors).max() < 0.2 * np.abs(naive).max()
    assert abs(np.mean(errors)) < 0.02
    assert 0.4 < np.mean(told) / np.std(errors) < 2.5


def test_what_is_no_edge_is_not_found() -> None:
    flat = np.full((60, 80), 120, np.uint8)
    middles, right = np.array([[40.0, 30.0]]), np.array([[1.0, 0.0]])
    assert np.isnan(find(sample(flat, *straight(middles, right), 10), np.ones(1), 20).at_px).all()
    step = flat.copy()
    step[:, 40:] = 200
    falling, rising, either = (
        find(sample(step, *straight(middles, right), 10), np.array([s]), 20).at_px[0] for s in (-1, 1, 0)
    )
    assert np.isnan(falling)
    assert rising == pytest.approx(-0.5, abs=0.05)
    assert either == rising
    outside = find(sample(step, *straight(np.array([[4.0, 30.0]]), right), 10), np.ones(1), 20)
    assert np.isnan(outside.at_px).all(), "beyond the picture there is no edge"
    weak = np.where(step == 200, 130, 120).astype(np.uint8)
    assert np.isnan(find(sample(weak, *straight(middles, right), 10), np.ones(1), 20).at_px).all()


def test_a_colour_picture_gives_what_its_grey_one_gives() -> None:
    picture = drawn(lambda x, _: x - 80.3, 1.2, 5)
    middles, right = np.array([[80.0, 60.0]]), np.array([[1.0, 0.0]])
    grey = find(sample(picture, *straight(middles, right), 12), np.ones(1), 20).at_px[0]
    colour = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
    assert find(sample(colour, *straight(middles, right), 12), np.ones(1), 20).at_px[0] == pytest.approx(grey, abs=0.02)


def test_wrong_points_do_not_move_a_shape() -> None:
    rng = np.random.default_rng(3)
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    ring = 25 * np.stack([np.cos(angles), np.sin(angles)], axis=1) + rng.normal(0, 0.02, (40, 2)) + 50
    clean = fit_circle(ring)
    ring[:4] += 6
    spoilt = fit_circle(ring)
    assert not spoilt.used[:4].any()
    assert spoilt.used.sum() > 30
    assert spoilt.radius == pytest.approx(clean.radius, abs=0.02)
    along = np.stack([np.arange(30.0), 0.1 * np.arange(30.0) + rng.normal(0, 0.02, 30)], axis=1)
    along[3, 1] += 5
    line = fit_line(along)
    assert not line.used[3]
    assert abs(line.along[1] / line.along[0]) == pytest.approx(0.1, abs=0.003)


def test_too_few_points_make_no_shape() -> None:
    assert fit_circle(np.zeros((2, 2))) is None
    assert fit_line(np.zeros((1, 2))) is None


def test_shapes_fitted_together_are_what_they_are_alone() -> None:
    rng = np.random.default_rng(7)
    angles = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    sets = np.stack([radius * ring + rng.normal(0, 0.05, ring.shape) + 40 for radius in (10.0, 25.0, 70.0)])
    sets[1, 3] += 9
    there = np.ones(sets.shape[:2], bool)
    there[2, 12:] = False
    for many, alone in ((fit_circles, fit_circle), (fit_lines, fit_line)):
        for i, found in enumerate(many(sets, there)):
            single = alone(sets[i][there[i]])
            sigmas = ("sigma_centre", "sigma_radius", "radius") if many is fit_circles else ("sigma", "sigma_turn_rad")
            for name in sigmas:
                assert getattr(found, name) == pytest.approx(getattr(single, name)), (i, name)
            assert (found.used[there[i]] == single.used).all()
            assert not found.used[~there[i]].any()


def test_the_roundness_is_the_width_of_the_ring() -> None:
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    radius = 20 + 0.3 * np.cos(2 * angles)
    found = fit_circle(radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1))
    assert found.roundness == pytest.approx(0.6, abs=0.01)
    assert found.radius == pytest.approx(20, abs=0.01)
