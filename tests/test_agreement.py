"""Cohen's kappa against published and worked examples."""

import pytest

from inspector.agreement import agreement


def _table(both_yes, first_yes, second_yes, both_no):
    pairs = [("y", "y")] * both_yes + [("y", "n")] * first_yes + [("n", "y")] * second_yes + [("n", "n")] * both_no
    return agreement([a for a, _ in pairs], [b for _, b in pairs])


def test_two_readers_of_fifty_grant_proposals():
    found = _table(20, 5, 10, 15)  # the usual example: 0.7 observed, 0.5 by chance
    assert (found.observed, found.by_chance, found.kappa) == (
        pytest.approx(0.7),
        pytest.approx(0.5),
        pytest.approx(0.4),
    )
    assert found.error == pytest.approx((0.7 * 0.3 / (50 * 0.25)) ** 0.5)


def test_the_same_observed_agreement_is_worth_less_where_chance_gives_more():
    assert _table(45, 15, 25, 15).kappa == pytest.approx(0.1304, abs=5e-5)
    assert _table(25, 35, 5, 35).kappa == pytest.approx(0.2593, abs=5e-5)


def test_the_ends_of_the_scale_and_more_than_two_answers():
    assert agreement("aabbc", "aabbc").kappa == 1.0
    assert agreement("ab", "ba").kappa == -1.0
    only = agreement("aaa", "aaa")
    assert (only.observed, only.kappa, only.error) == (1.0, None, None)


def test_bad_input_is_refused():
    for first, second in (("", ""), ("a", ""), ("ab", "a")):
        with pytest.raises(ValueError, match="wanted as many of both"):
            agreement(first, second)
