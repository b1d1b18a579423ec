"""From findings to a verdict.

What it is: the one function that says PASS, REJECT or NOT_INSPECTED. What it is not: a model or a threshold of
one. Pure; line thread.

PASS has to be earned: it needs a picture that was fit to be judged, a score that is a number, and no finding at or
above its threshold. Everything else is not a PASS.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from inspector.types import Defect, Reason, Verdict


def judge(score: float, threshold: float, defects: Sequence[Defect]) -> tuple[Verdict, tuple[Reason, ...]]:
    """The verdict on a part whose picture was fit, with its reasons.

    `score` is the model's part score and `threshold` the recipe's limit on the same calibrated scale; `defects` have
    been found at or above thresholds of their own. A score that is not a number is NOT_INSPECTED.
    """
    if not math.isfinite(score):
        return Verdict.NOT_INSPECTED, (Reason(code="score_not_a_number", text="the model gave no finite score"),)
    reasons = [
        Reason(code=f"defect:{defect.label}", value=defect.score, limit=defect.threshold)
        for defect in defects
        if defect.score >= defect.threshold
    ]
    if score >= threshold:
        reasons.insert(0, Reason(code="score", value=score, limit=threshold))
    return (Verdict.REJECT if reasons else Verdict.PASS), tuple(reasons)
