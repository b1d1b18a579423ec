"""The claim behind a threshold: known numbers, and coverage counted on drawn samples."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.teach.threshold import (
    area_under_curve,
    at_most,
    defect_gain,
    images_needed,
    place_by_cost,
    place_threshold,
    sharpen_threshold,
)


def test_598_good_images_show_half_a_percent() -> None:
    assert images_needed(0.005) == 598
    assert at_most(0, 598) <= 0.005 < at_most(0, 597)


@pytest.mark.parametrize(("seen", "images", "wanted"), [(0, 100, 0.02951), (1, 100, 0.04656), (5, 300, 0.03476)])
def test_upper_limits_agree_with_the_tables(seen: int, images: int, wanted: float) -> None:
    assert at_most(seen, images) == pytest.approx(wanted, abs=2e-4)


def test_the_claim_holds_in_at_least_95_of_100_samples() -> None:
    rng = np.random.default_rng(5)
    broken = 0
    for _ in range(1000):
        threshold = place_threshold(rng.exponential(1, 200), target=0.03)
        broken += np.exp(-threshold.raw) > threshold.at_most
    assert 0 < broken <= 1000 * 0.05 + 3 * np.sqrt(1000 * 0.05 * 0.95)


def test_more_images_allow_a_lower_threshold_for_the_same_claim() -> None:
    scores = np.linspace(0, 1, 1000)
    strict, loose = place_threshold(scores, 0.005), place_threshold(scores, 0.05)
    assert loose.raw < strict.raw
    assert loose.at_most <= 0.05
    assert loose.seen > strict.seen


def test_too_few_images_say_so() -> None:
    threshold = place_threshold(np.arange(20.0), 0.01)
    assert threshold.at_most == pytest.approx(0.1391, abs=1e-3)
    assert threshold.raw > 19
    assert threshold.images_needed == 299


def test_pictures_of_one_part_count_once() -> None:
    groups = np.repeat(np.arange(10), 6)
    threshold = place_threshold(np.arange(60.0), 0.01, groups)
    assert threshold.images == 10
    assert threshold.at_most == pytest.approx(at_most(0, 10))


def test_defects_raise_the_threshold_only_where_all_lie_above() -> None:
    base = place_threshold(np.arange(1.0, 21.0), 0.01)
    assert sharpen_threshold(base, np.array([30.0, 40.0])).raw == pytest.approx((base.raw + 30) / 2)
    assert sharpen_threshold(base, np.array([5.0, 40.0])).raw == base.raw
    assert sharpen_threshold(base, np.zeros(0)).raw == base.raw


def test_the_gain_of_defects_counts_each_by_a_threshold_that_did_not_know_it() -> None:
    scores = np.arange(1.0, 21.0)
    base = place_threshold(scores[:18], 0.01)
    # Without the lowest, the others raise the threshold above it: what it shows of the next defect is a miss.
    gain = defect_gain(base, scores, np.array([22.0, 40.0, 50.0]))
    assert gain.caught == (3, 2)
    assert gain.rejected == (2, 0)
    none = defect_gain(base, scores, np.zeros(0))
    assert (none.defects, none.caught, none.rejected) == (0, (0, 0), (2, 2))


def test_dear_escapes_lower_the_threshold_and_weaken_the_claim() -> None:
    scores, groups = np.arange(100.0), np.arange(100)
    defects = np.array([90.0, 97.5, 120.0])
    cheap, dear = (place_by_cost(scores, groups, defects, cost, 0.05) for cost in (0.01, 5.0))
    assert (cheap.seen, dear.seen) == (0, 16)
    assert dear.raw < 90 < cheap.raw
    # Any of six counts could have been chosen: each claim is made at 99.2 %.
    assert dear.at_most > at_most(16, 100)
    assert cheap.at_most > at_most(0, 100)


def test_scores_that_are_alike_have_an_area_of_a_half() -> None:
    assert area_under_curve(np.arange(5.0), np.arange(5.0)) == 0.5
    assert area_under_curve(np.arange(5.0), np.array([9.0, -1.0, 7.0, 8.0])) == 0.75
