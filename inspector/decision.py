"""From findings to a verdict.

What it is: the one function that says PASS, REJECT or NOT_INSPECTED. What it is not: a model or a threshold of
one. Pure; line thread.

PASS has to be earned: it needs a picture that was fit to be judged, a score that is a number, no finding at or above
its threshold, every measurement made and within its tolerance, and every code read. Everything else is not a PASS.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from inspector.recipe import Code, Sort
from inspector.types import CodeRead, Defect, Measurement, Reason, Verdict


def judge(
    score: float,
    threshold: float,
    defects: Sequence[Defect],
    measurements: Sequence[Measurement] = (),
    codes: Sequence[tuple[Code, CodeRead]] = (),
) -> tuple[Verdict, tuple[Reason, ...]]:
    """The verdict on a part whose picture was fit, with its reasons.

    `score` is the model's part score and `threshold` the recipe's limit on the same calibrated scale; `defects` have
    been found at or above thresholds of their own. What is bad is REJECT; a score that is not a number, a measurement
    that could not be made and a code that could not be read (unless the recipe says otherwise) are NOT_INSPECTED.
    """
    if not math.isfinite(score):
        return Verdict.NOT_INSPECTED, (Reason(code="score_not_a_number", text="the model gave no finite score"),)
    bad = [Reason(code="score", value=score, limit=threshold)] if score >= threshold else []
    bad += [
        Reason(code=f"defect:{defect.label}", value=defect.score, limit=defect.threshold)
        for defect in defects
        if defect.score >= defect.threshold
    ]
    doubts: list[Reason] = []
    for measurement in measurements:
        if measurement.value is None:
            doubts.append(Reason(code="not_measured", text=f"{measurement.name}: {measurement.text}"))
        elif not measurement.ok:
            bad.append(_out(measurement, measurement.value))
    for rule, read in codes:
        _judge_code(rule, read, bad, doubts)
    if bad:
        return Verdict.REJECT, tuple(bad + doubts)
    return (Verdict.NOT_INSPECTED if doubts else Verdict.PASS), tuple(doubts)


def sorter_of(verdict: Verdict, reasons: Sequence[Reason], rules: Sequence[Sort]) -> int:
    """The sorter of the first rule that fits any reason of a REJECT; 0 for none, and then the gate takes it."""
    if verdict is not Verdict.REJECT:
        return 0
    return next((rule.sorter for rule in rules if any(fnmatchcase(one.code, rule.reason) for one in reasons)), 0)


def _out(one: Measurement, value: float) -> Reason:
    limit = one.low if value < one.low else one.high
    text = f"{one.name} is {value:.4g} {one.unit}, wanted {one.low:.4g} .. {one.high:.4g}"
    return Reason(code=f"measure:{one.name}", value=value, limit=limit, text=text)


def _judge_code(rule: Code, read: CodeRead, bad: list[Reason], doubts: list[Reason]) -> None:
    if not read.content:
        reason = Reason(code="code_unreadable", text=f"{rule.name}: {read.text}")
        if rule.unreadable != "allow":
            (bad if rule.unreadable == "reject" else doubts).append(reason)
    elif rule.content and not re.fullmatch(rule.content, read.content):
        text = f"{rule.name} says {read.content!r}, wanted {rule.content}"
        bad.append(Reason(code="code_wrong", text=text))
