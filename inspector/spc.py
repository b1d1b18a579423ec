"""Control charts: what a process does by itself, and where it does something else.

What it is: limits of a p chart and of individuals with their moving range, and the run rules, as numbers. What it is
not: a drawing (web.charts). Pure functions, any thread.

Sources: W. A. Shewhart (1931) for the charts; D. C. Montgomery, Introduction to Statistical Quality Control, chapters 6
and 7, for their formulas; Western Electric, Statistical Quality Control Handbook (1956), for rules 1, 2, 5 and 6; L. S.
Nelson, The Shewhart Control Chart - Tests for Special Causes, Journal of Quality Technology 16 (1984) 237-239, for all
eight and their numbers; D. B. Laney, Improved Control Charts for Attributes, Quality Engineering 14 (2002) 531-537,
for `spread`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

# Mean moving range of two over the standard deviation of a normal process, and the factor of its upper limit.
D2, D4 = 1.128, 3.267


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One point: its value, the limits that hold for it, and the numbers of the rules that it breaks."""

    value: float
    low: float
    centre: float
    high: float
    broken: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PChart:
    """Shares, one for each subgroup. `spread` is how far the points scatter against what the binomial law says: far
    above 1 the limits are too narrow for this process, and `adjusted` says that they were widened by it."""

    points: tuple[Point, ...]
    centre: float
    spread: float
    adjusted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Individuals:
    """Single values, and their moving ranges (one fewer)."""

    points: tuple[Point, ...]
    ranges: tuple[Point, ...]
    sigma: float


def p_chart(bad: Sequence[int], parts: Sequence[int], adjust: bool = False) -> PChart:
    """The p chart of `bad` among `parts` in each subgroup, limits at three standard deviations, each by its own size.

    `adjust` widens the limits by `spread` where that is above 1 (Laney's p' chart). Raises ValueError where a subgroup
    is empty, has more bad parts than parts, or there is none.
    """
    if not parts or len(bad) != len(parts) or any(not 0 <= b <= n or n < 1 for b, n in zip(bad, parts, strict=True)):
        raise ValueError("wanted subgroups of at least one part, with no more bad parts than parts")
    centre = sum(bad) / sum(parts)
    sigmas = [math.sqrt(centre * (1 - centre) / n) for n in parts]
    z = [(b / n - centre) / sigma if sigma else 0.0 for b, n, sigma in zip(bad, parts, sigmas, strict=True)]
    spread = _mean_range(z) / D2 if len(z) > 1 else 1.0
    factor = max(1.0, spread) if adjust else 1.0
    broken = rules([value / factor for value in z])
    points = tuple(
        Point(
            value=b / n,
            low=max(0.0, centre - 3 * factor * sigma),
            centre=centre,
            high=min(1.0, centre + 3 * factor * sigma),
            broken=found,
        )
        for b, n, sigma, found in zip(bad, parts, sigmas, broken, strict=True)
    )
    return PChart(points=points, centre=centre, spread=spread, adjusted=factor > 1)


def individuals(values: Sequence[float]) -> Individuals:
    """The chart of single values and their moving range; raises ValueError for fewer than two or one not finite."""
    if len(values) < 2 or not all(map(math.isfinite, values)):
        raise ValueError(f"wanted at least two finite values, got {len(values)}")
    centre, mean_range = fmean(values), _mean_range(values)
    sigma = mean_range / D2
    z = [(value - centre) / sigma if sigma else 0.0 for value in values]
    points = tuple(
        Point(value=value, low=centre - 3 * sigma, centre=centre, high=centre + 3 * sigma, broken=found)
        for value, found in zip(values, rules(z), strict=True)
    )
    moved = [abs(b - a) for a, b in itertools.pairwise(values)]
    limit = D4 * mean_range
    ranges = tuple(
        Point(value=one, low=0.0, centre=mean_range, high=limit, broken=(1,) if one > limit else ()) for one in moved
    )
    return Individuals(points=points, ranges=ranges, sigma=sigma)


def rules(z: Sequence[float]) -> list[tuple[int, ...]]:
    """For each point, in standard deviations from the centre, the numbers of Nelson's rules that end at it.

    1: one beyond 3; 2: nine on one side; 3: six rising or falling; 4: fourteen up and down in turn; 5: two of three
    beyond 2 on one side; 6: four of five beyond 1 on one side; 7: fifteen within 1; 8: eight beyond 1 on either side.
    """
    return [
        tuple(
            number
            for number, (length, holds) in _RULES.items()
            if end + 1 >= length and holds(z[end + 1 - length : end + 1])
        )
        for end in range(len(z))
    ]


def _mean_range(values: Sequence[float]) -> float:
    return fmean(abs(b - a) for a, b in itertools.pairwise(values))


def _one_side(z: Sequence[float]) -> bool:
    return all(value > 0 for value in z) or all(value < 0 for value in z)


def _steady(z: Sequence[float]) -> bool:
    steps = [b - a for a, b in itertools.pairwise(z)]
    return all(step > 0 for step in steps) or all(step < 0 for step in steps)


def _in_turn(z: Sequence[float]) -> bool:
    steps = [b - a for a, b in itertools.pairwise(z)]
    return all(a * b < 0 for a, b in itertools.pairwise(steps))


def _beyond(limit: float, wanted: int) -> Callable[[Sequence[float]], bool]:
    """Of the points, `wanted` lie beyond `limit` on one side, the last of them among these."""

    def holds(z: Sequence[float]) -> bool:
        above, below = sum(value > limit for value in z), sum(value < -limit for value in z)
        return (above >= wanted and z[-1] > limit) or (below >= wanted and z[-1] < -limit)

    return holds


_RULES: dict[int, tuple[int, Callable[[Sequence[float]], bool]]] = {
    1: (1, lambda z: abs(z[0]) > 3),
    2: (9, _one_side),
    3: (6, _steady),
    4: (14, _in_turn),
    5: (3, _beyond(2, 2)),
    6: (5, _beyond(1, 4)),
    7: (15, lambda z: all(abs(value) < 1 for value in z)),
    8: (8, lambda z: all(abs(value) > 1 for value in z)),
}
