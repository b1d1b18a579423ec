"""The measures against a well-kept library, and a data set that lacks what it needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from inspector.errors import DatasetError
from inspector.evaluate import list_tests
from inspector.metrics import aupro, auroc, label_regions, roc_curve


@pytest.mark.parametrize("seed", range(5))
def test_auroc_agrees_with_scikit_learn_ties_included(seed: int) -> None:
    rng = np.random.default_rng(seed)
    bad = rng.random(300) < 0.3
    scores = np.round(rng.normal(bad * 0.8, 1), 1)
    assert auroc(scores, bad) == pytest.approx(roc_auc_score(bad, scores), abs=1e-12)
    rejected, detected = roc_curve(scores, bad)
    assert np.trapezoid(detected, rejected) == pytest.approx(roc_auc_score(bad, scores), abs=1e-12)


def test_auroc_takes_a_part_that_was_not_found_as_the_worst() -> None:
    assert auroc(np.array([0.1, 0.2, np.inf]), np.array([False, False, True])) == 1.0


def test_auroc_of_one_kind_is_not_a_number() -> None:
    assert np.isnan(auroc(np.ones(3), np.zeros(3, np.bool_)))


def test_regions_touch_at_corners_and_merge() -> None:
    mask = np.array([[1, 0, 1, 0, 0], [0, 1, 0, 0, 1], [0, 0, 0, 0, 1]], np.bool_)
    labels = label_regions(mask)
    assert labels.max() == 2
    assert labels[0, 0] == labels[1, 1] == labels[0, 2]
    assert labels[1, 4] == labels[2, 4] != labels[0, 0]


def test_aupro_weighs_a_small_defect_like_a_large_one() -> None:
    mask = np.zeros((40, 40), np.bool_)
    mask[0:20, 0:20] = True
    mask[30:32, 30:32] = True
    rng = np.random.default_rng(1)
    noise = rng.random((40, 40)) * 0.1
    assert aupro([mask + noise], [mask]) == pytest.approx(1.0)
    only_large = mask.copy()
    only_large[30:32, 30:32] = False
    half = aupro([only_large + noise], [mask])
    assert 0.49 < half < 0.7
    assert np.isnan(aupro([noise], [np.zeros((40, 40), np.bool_)]))


def test_a_data_set_without_good_test_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="wanted test/good"):
        list_tests(tmp_path)
    (tmp_path / "test" / "good").mkdir(parents=True)
    with pytest.raises(DatasetError, match="holds no pictures"):
        list_tests(tmp_path)
