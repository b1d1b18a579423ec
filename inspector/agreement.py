"""How far two people who judge the same parts agree, beyond what chance would give.

What it is: Cohen's kappa with its standard error. What it is not: who is right. Pure functions, any thread.

Sources: J. Cohen, A coefficient of agreement for nominal scales, Educational and Psychological Measurement 20 (1960)
37-46, kappa and its standard error; J. L. Fleiss, J. Cohen, B. S. Everitt, Psychological Bulletin 72 (1969) 323-327, on
what that error is good for: an interval around kappa.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """`observed` and `by_chance` are shares of the parts; `kappa` is None where chance alone gives full agreement (both
    said one and the same of every part), and `error` its standard error."""

    parts: int
    observed: float
    by_chance: float
    kappa: float | None
    error: float | None


def agreement(first: Sequence[Hashable], second: Sequence[Hashable]) -> Agreement:
    """The agreement of two people on the same parts, in the same order; raises ValueError for none or unequal many."""
    parts = len(first)
    if not parts or parts != len(second):
        raise ValueError(f"judgements are {parts} and {len(second)}, wanted as many of both, and at least one")
    observed = sum(a == b for a, b in zip(first, second, strict=True)) / parts
    ours, theirs = Counter(first), Counter(second)
    by_chance = sum(ours[said] * theirs[said] for said in ours) / parts**2
    if by_chance >= 1:
        return Agreement(parts=parts, observed=observed, by_chance=by_chance, kappa=None, error=None)
    kappa = (observed - by_chance) / (1 - by_chance)
    error = math.sqrt(observed * (1 - observed) / (parts * (1 - by_chance) ** 2))
    return Agreement(parts=parts, observed=observed, by_chance=by_chance, kappa=kappa, error=error)
