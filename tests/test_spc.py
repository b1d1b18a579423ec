"""Control charts against published examples, and each rule where it must and must not speak."""

import pytest

from inspector.spc import individuals, p_chart, rules

# D. C. Montgomery, Introduction to Statistical Quality Control: leaking cans of orange juice, 30 samples of 50; the
# NIST/SEMATECH e-Handbook has the same numbers (6.3.3.2, wafers).
CANS = [12, 15, 8, 10, 4, 7, 16, 9, 14, 10, 5, 6, 17, 12, 22, 8, 10, 5, 13, 11, 20, 18, 24, 15, 9, 12, 7, 13, 9, 6]
# NIST/SEMATECH e-Handbook, 6.3.2.2: flow rates of ten batches.
FLOW = [49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4, 53.6, 52.1]


def test_the_p_chart_of_the_published_cans():
    chart = p_chart(CANS, [50] * 30)
    assert chart.centre == pytest.approx(0.2313, abs=5e-5)
    assert chart.points[0].high == pytest.approx(0.4102, abs=5e-5)
    assert chart.points[0].low == pytest.approx(0.0524, abs=5e-5)
    assert [place + 1 for place, point in enumerate(chart.points) if 1 in point.broken] == [15, 23]


def test_the_individuals_chart_of_the_published_flow_rates():
    chart = individuals(FLOW)
    assert chart.points[0].centre == pytest.approx(50.81)
    assert chart.ranges[0].centre == pytest.approx(1.8778, abs=5e-5)
    assert chart.points[0].high == pytest.approx(55.8041, abs=5e-4)
    assert chart.points[0].low == pytest.approx(45.8159, abs=5e-4)
    assert all(not point.broken for point in chart.points)


def test_limits_follow_the_size_of_each_subgroup_and_stay_shares():
    chart = p_chart([1, 10, 0], [10, 1000, 4])
    assert chart.centre == pytest.approx(11 / 1014)
    assert chart.points[0].high > chart.points[1].high
    assert all(point.low == 0.0 or point.low > 0 for point in chart.points)
    none = p_chart([0, 0], [5, 5])
    assert [(point.low, point.high, point.broken) for point in none.points] == [(0.0, 0.0, ())] * 2
    every = p_chart([5, 5], [5, 5])
    assert [point.high for point in every.points] == [1.0, 1.0]


def test_large_subgroups_that_scatter_more_than_by_chance_are_told_and_laney_s_limits_take_that_in():
    parts = [10_000] * 20
    bad = [200 + (60 if place % 2 else -60) for place in range(20)]
    plain, wide = p_chart(bad, parts), p_chart(bad, parts, adjust=True)
    assert plain.spread == wide.spread > 5
    assert sum(1 in point.broken for point in plain.points) == 20
    assert sum(1 in point.broken for point in wide.points) == 0
    assert wide.adjusted
    steady = p_chart(CANS, [50] * 30, adjust=True)
    assert steady.points[0].high == pytest.approx(steady.centre + max(1.0, steady.spread) * (0.4102 - 0.2313), abs=2e-4)


FLAT = [0.5, -0.5] * 3
CASES = {
    1: ([3.1], [2.9]),
    2: ([0.5] * 9, [0.5] * 8),
    3: ([-1, -0.5, 0, 0.5, 1, 1.5], [-0.5, 0, 0.5, 0.4, 1, 1.5]),
    4: ([0.2, -0.2] * 7, [0.2, -0.2] * 6 + [0.2, 0.3]),
    5: ([2.1, 0, 2.1], [2.1, 0, -2.1]),
    6: ([1.1, 1.1, 0, 1.1, 1.1], [1.1, 1.1, 0, -1.1, 1.1]),
    7: ([0.9, -0.2, 0.4] * 5, [0.9, -0.2, 0.4] * 4 + [0.9, -0.2, 1.1]),
    8: ([1.2, -1.3, -1.2, 1.3, 1.1, -1.4, 1.2, -1.1], [1.2, -1.3, -1.2, 0.9, 1.1, -1.4, 1.2, -1.1]),
}


@pytest.mark.parametrize("rule", CASES)
def test_each_rule_speaks_at_the_last_point_of_its_pattern_and_not_short_of_it(rule):
    breaks, keeps = CASES[rule]
    for sign in (1, -1):
        assert rule in rules([sign * value for value in breaks])[-1]
        assert rule not in rules([sign * value for value in keeps])[-1]
    assert all(rule not in found for found in rules(breaks)[:-1])


def test_two_of_three_speak_only_at_a_point_that_is_out_itself():
    assert rules([2.5, 2.5, 0.1])[-1] == ()
    assert 5 in rules([0.1, 2.5, 2.5])[-1]


def test_bad_input_is_refused():
    for bad, parts in (([], []), ([1], [0]), ([2], [1]), ([-1], [1]), ([1, 1], [1])):
        with pytest.raises(ValueError, match="wanted subgroups"):
            p_chart(bad, parts)
    for values in ([], [1.0], [1.0, float("nan")], [1.0, float("inf")]):
        with pytest.raises(ValueError, match="at least two finite values"):
            individuals(values)
    assert individuals([5.0, 5.0, 5.0]).points[0].broken == ()
