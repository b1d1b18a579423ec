from __future__ import annotations

import math

import pytest

from inspector.decision import judge
from inspector.types import Defect, OutcomeKind, Verdict
from tests.made import record


def defect(score: float, threshold: float = 1.0) -> Defect:
    return Defect(label="anomaly", score=score, threshold=threshold, box_px=(0, 0, 1, 1))


@pytest.mark.parametrize(
    ("score", "defects", "verdict"),
    [
        (0.99, [], Verdict.PASS),
        (1.0, [], Verdict.REJECT),
        (7.0, [], Verdict.REJECT),
        (0.2, [defect(1.0)], Verdict.REJECT),
        (0.2, [defect(0.6, 0.5)], Verdict.REJECT),
        (0.2, [defect(0.4, 0.5)], Verdict.PASS),
        (math.nan, [], Verdict.NOT_INSPECTED),
        (math.inf, [], Verdict.NOT_INSPECTED),
        (-math.inf, [], Verdict.NOT_INSPECTED),
    ],
)
def test_pass_has_to_be_earned(score: float, defects: list[Defect], verdict: Verdict) -> None:
    found, reasons = judge(score, 1.0, defects)
    assert found is verdict
    assert bool(reasons) == (verdict is not Verdict.PASS)


def test_reasons_carry_the_number_and_its_limit() -> None:
    _, (reason, second) = judge(1.5, 1.2, [defect(2.0)])
    assert (reason.code, reason.value, reason.limit) == ("score", 1.5, 1.2)
    assert (second.code, second.value, second.limit) == ("defect:anomaly", 2.0, 1.0)


@pytest.mark.parametrize(
    ("judged", "kind", "counts_as"),
    [
        (Verdict.PASS, OutcomeKind.PASSED, Verdict.PASS),
        (Verdict.PASS, OutcomeKind.TOO_LATE, Verdict.NOT_INSPECTED),
        (Verdict.PASS, OutcomeKind.FIRED, Verdict.NOT_INSPECTED),
        (Verdict.PASS, OutcomeKind.UNCONFIRMED, Verdict.NOT_INSPECTED),
        (Verdict.REJECT, OutcomeKind.FIRED, Verdict.REJECT),
        (Verdict.REJECT, OutcomeKind.TOO_LATE, Verdict.REJECT),
        (Verdict.NOT_INSPECTED, OutcomeKind.FIRED, Verdict.NOT_INSPECTED),
    ],
)
def test_what_a_part_counts_as(judged: Verdict, kind: OutcomeKind, counts_as: Verdict) -> None:
    assert record(1, judged, kind).verdict is counts_as
