"""Gauge repeatability and reproducibility: how much of what a measurement says is the measurement itself.

What it is: the crossed analysis of variance of a gauge study, from values to %GRR and ndc. What it is not: the taking
of the values (`verbs_gauge`). Pure functions, any thread.

Source: AIAG, Measurement Systems Analysis, 4th edition (2010), chapter III section B, ANOVA method; its worked example
is a test. With one appraiser there is no reproducibility to tell, and the analysis is the one-way one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inspector.errors import UsageError

Values = npt.NDArray[np.float64]
POOL_ABOVE_P = 0.05
SPREADS = 6.0
CATEGORIES = math.sqrt(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A line of the analysis of variance. `f` and `p` are None where the line is what others are compared with."""

    name: str
    freedom: int
    squares: float
    mean_square: float
    f: float | None = None
    p: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What the study found. Standard deviations are in the values' unit; `percent` is of the total variation.

    `ndc` is the number of distinct categories (1.41 PV / GRR, cut to a whole number); `tolerance_percent` is
    6 GRR of the tolerance's width, None where no tolerance was given. `pooled`: the interaction of parts and
    appraisers was not significant (p above 0.05) and went into the repeatability.
    """

    parts: int
    appraisers: int
    trials: int
    anova: tuple[Source, ...]
    pooled: bool
    repeatability: float
    reproducibility: float
    grr: float
    part_variation: float
    total: float
    ndc: int
    tolerance_percent: float | None

    @property
    def percent(self) -> dict[str, float]:
        """Each standard deviation in per cent of the total's; they add up in squares only."""
        found = {
            "repeatability": self.repeatability,
            "reproducibility": self.reproducibility,
            "grr": self.grr,
            "part_variation": self.part_variation,
        }
        return {name: 100 * value / self.total if self.total else 0.0 for name, value in found.items()}


def study(values: Values, tolerance: float | None = None) -> Study:
    """The analysis of `values`, float64 (parts, appraisers, trials); `tolerance` is the width of the tolerance zone.

    Raises UsageError with fewer than 2 parts or 2 trials, or where a value is not finite.
    """
    values = np.asarray(values, np.float64)
    parts, appraisers, trials = values.shape
    if parts < 2 or trials < 2:
        raise UsageError(f"a gauge study needs at least 2 parts and 2 trials, found {parts} parts and {trials} trials")
    if not np.isfinite(values).all():
        raise UsageError(f"{int((~np.isfinite(values)).sum())} of {values.size} values of the study are not numbers")
    anova, pooled = _anova(values) if appraisers > 1 else (_one_way(values[:, 0, :]), False)
    ms = {source.name: source.mean_square for source in anova}
    repeatability = ms["repeatability"]
    if appraisers > 1:
        inner = ms.get("interaction", repeatability)
        interaction = max(0.0, (inner - repeatability) / trials)
        appraiser = max(0.0, (ms["appraisers"] - inner) / (parts * trials))
        part = max(0.0, (ms["parts"] - inner) / (appraisers * trials))
    else:
        interaction = appraiser = 0.0
        part = max(0.0, (ms["parts"] - repeatability) / trials)
    grr = math.sqrt(repeatability + appraiser + interaction)
    return Study(
        parts=parts,
        appraisers=appraisers,
        trials=trials,
        anova=anova,
        pooled=pooled,
        repeatability=math.sqrt(repeatability),
        reproducibility=math.sqrt(appraiser + interaction),
        grr=grr,
        part_variation=math.sqrt(part),
        total=math.sqrt(grr * grr + part),
        ndc=int(CATEGORIES * math.sqrt(part) / grr) if grr else 0,
        tolerance_percent=100 * SPREADS * grr / tolerance if tolerance else None,
    )


def _one_way(values: Values) -> tuple[Source, ...]:
    parts, trials = values.shape
    between = trials * float(((values.mean(axis=1) - values.mean()) ** 2).sum())
    within = float(((values - values.mean(axis=1, keepdims=True)) ** 2).sum())
    rest = _source("repeatability", parts * (trials - 1), within)
    return (_source("parts", parts - 1, between, rest), rest, _total(values))


def _anova(values: Values) -> tuple[tuple[Source, ...], bool]:
    parts, appraisers, trials = values.shape
    mean = values.mean()
    of_part, of_appraiser, of_cell = values.mean(axis=(1, 2)), values.mean(axis=(0, 2)), values.mean(axis=2)
    part = appraisers * trials * float(((of_part - mean) ** 2).sum())
    appraiser = parts * trials * float(((of_appraiser - mean) ** 2).sum())
    cells = trials * float(((of_cell - of_part[:, None] - of_appraiser[None, :] + mean) ** 2).sum())
    within = float(((values - of_cell[:, :, None]) ** 2).sum())
    crossed = (parts - 1) * (appraisers - 1)
    rest = _source("repeatability", parts * appraisers * (trials - 1), within)
    interaction = _source("interaction", crossed, cells, rest)
    pooled = interaction.p is not None and interaction.p > POOL_ABOVE_P
    if pooled:
        rest = _source("repeatability", rest.freedom + crossed, within + cells)
    against = rest if pooled else interaction
    lines = [_source("parts", parts - 1, part, against), _source("appraisers", appraisers - 1, appraiser, against)]
    return (*lines, *(() if pooled else (interaction,)), rest, _total(values)), pooled


def _total(values: Values) -> Source:
    return _source("total", values.size - 1, float(((values - values.mean()) ** 2).sum()))


def _source(name: str, freedom: int, squares: float, against: Source | None = None) -> Source:
    mean_square = squares / freedom
    if against is None or against.mean_square <= 0:
        return Source(name=name, freedom=freedom, squares=squares, mean_square=mean_square)
    f = mean_square / against.mean_square
    p = f_survival(f, freedom, against.freedom)
    return Source(name=name, freedom=freedom, squares=squares, mean_square=mean_square, f=f, p=p)


def f_survival(f: float, upper: int, lower: int) -> float:
    """The chance of a ratio of mean squares beyond `f` with `upper` and `lower` degrees of freedom.

    The regularised incomplete beta function by its continued fraction (Abramowitz & Stegun 26.5.8 and 26.6.2).
    """
    return _beta(lower / 2, upper / 2, lower / (lower + upper * f)) if f > 0 else 1.0


def _beta(a: float, b: float, x: float) -> float:
    if x >= 1.0:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1.0 - _beta(b, a, 1 - x)
    logs = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    value = 0.0
    # From the tail inwards: 200 terms are far beyond what double precision can tell apart here.
    for m in range(200, 0, -1):
        odd = -(a + m - 1) * (a + b + m - 1) * x / ((a + 2 * m - 2) * (a + 2 * m - 1))
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        value = odd / (1 + even / (1 + value))
    return math.exp(logs) / a / (1 + value)
