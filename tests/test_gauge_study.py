"""The gauge study against AIAG's published worked example, and against scipy."""

import numpy as np
import pytest

from inspector.errors import UsageError
from inspector.gauge_study import f_survival, study

# Measurement Systems Analysis, 4th edition: 3 appraisers, 10 parts, 3 trials. Rows are trials, appraiser by appraiser.
AIAG = np.array(
    [
        [0.29, -0.56, 1.34, 0.47, -0.80, 0.02, 0.59, -0.31, 2.26, -1.36],
        [0.41, -0.68, 1.17, 0.50, -0.92, -0.11, 0.75, -0.20, 1.99, -1.25],
        [0.64, -0.58, 1.27, 0.64, -0.84, -0.21, 0.66, -0.17, 2.01, -1.31],
        [0.08, -0.47, 1.19, 0.01, -0.56, -0.20, 0.47, -0.63, 1.80, -1.68],
        [0.25, -1.22, 0.94, 1.03, -1.20, 0.22, 0.55, 0.08, 2.12, -1.62],
        [0.07, -0.68, 1.34, 0.20, -1.28, 0.06, 0.83, -0.34, 2.19, -1.50],
        [0.04, -1.38, 0.88, 0.14, -1.46, -0.29, 0.02, -0.46, 1.77, -1.49],
        [-0.11, -1.13, 1.09, 0.20, -1.07, -0.67, 0.01, -0.56, 1.45, -1.77],
        [-0.15, -0.96, 0.67, 0.11, -1.45, -0.49, 0.21, -0.49, 1.87, -2.16],
    ]
)


def aiag():
    return AIAG.reshape(3, 3, 10).transpose(2, 0, 1).copy()


def test_the_worked_example_of_aiag_comes_out() -> None:
    found = study(aiag())
    assert found.pooled, "the interaction of the example is not significant"
    assert found.repeatability == pytest.approx(0.199933, abs=2e-6)
    assert found.reproducibility == pytest.approx(0.226838, abs=2e-6)
    assert found.grr == pytest.approx(0.302373, abs=2e-6)
    assert found.part_variation == pytest.approx(1.042327, abs=2e-6)
    assert found.total == pytest.approx(1.085, abs=5e-4)
    assert found.percent["grr"] == pytest.approx(27.9, abs=0.05)
    assert found.percent["repeatability"] == pytest.approx(18.4, abs=0.05)
    assert found.percent["reproducibility"] == pytest.approx(20.9, abs=0.05)
    assert found.percent["part_variation"] == pytest.approx(96.0, abs=0.1)
    assert found.ndc == 4
    squares = {line.name: (line.freedom, line.squares) for line in found.anova}
    assert squares["parts"] == (9, pytest.approx(88.3619, abs=5e-4))
    assert squares["appraisers"] == (2, pytest.approx(3.1673, abs=5e-4))
    assert squares["repeatability"] == (78, pytest.approx(2.7589 + 0.3590, abs=5e-4))
    assert squares["total"] == (89, pytest.approx(94.6471, abs=5e-4))


def test_a_significant_interaction_is_kept_apart() -> None:
    values = aiag()
    values[::2, 0, :] += 0.8
    values[1::2, 1, :] += 0.8
    found = study(values)
    assert not found.pooled
    assert {line.name for line in found.anova} >= {"interaction", "repeatability"}
    assert found.reproducibility > 0.3


def test_one_appraiser_has_no_reproducibility() -> None:
    values = aiag()[:, :1, :]
    found = study(values, tolerance=4.0)
    within = values[:, 0, :].var(axis=1, ddof=1).mean() ** 0.5
    assert found.repeatability == pytest.approx(within)
    assert found.reproducibility == 0.0
    assert found.tolerance_percent == pytest.approx(100 * 6 * within / 4.0)


def test_a_study_that_cannot_be_made_says_why() -> None:
    with pytest.raises(UsageError, match="at least 2 parts and 2 trials, found 1 parts"):
        study(np.zeros((1, 3, 3)))
    with pytest.raises(UsageError, match="1 of 8 values"):
        study(np.array([1.0, 2, 3, 4, 5, 6, 7, np.nan]).reshape(2, 2, 2))


def test_identical_values_do_not_divide_by_zero() -> None:
    found = study(np.ones((3, 2, 2)))
    assert (found.grr, found.ndc, found.percent["grr"]) == (0.0, 0, 0.0)


@pytest.mark.parametrize(("upper", "lower"), [(1, 1), (2, 78), (9, 18), (18, 60), (3, 500)])
def test_the_f_distribution_agrees_with_scipy(upper, lower) -> None:
    stats = pytest.importorskip("scipy.stats")
    for f in (1e-3, 0.2, 0.9, 1.0, 1.7, 4.0, 30.0, 300.0):
        assert f_survival(f, upper, lower) == pytest.approx(stats.f.sf(f, upper, lower), rel=1e-9, abs=1e-14)
