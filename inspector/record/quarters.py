"""What was seen in each quarter of an hour: the roll-up that charts add up and that a search is led by.

What it is: how records become rows of the table `quarter`, kept by the writer in the records' own transaction. What
it is not: the questions put to it (sums, search). Pure functions; the recorder's thread.

A quarter of an hour, since every time zone and nearly every shift begins on one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from inspector.types import Verdict

QUARTER_MIN = 15

# Numbers only grow with each record, so that the first one of a quarter stays and the last one is the newest. Texts of
# both databases: SQLite's MIN of two values is PostgreSQL's LEAST, and a CASE is understood by both.
ADD = sa.text(
    """INSERT INTO quarter (starts_at_utc, recipe_id, verdict, label, parts, first_id, last_id, score_min, score_max)
    VALUES (:starts_at_utc, :recipe_id, :verdict, :label, :parts, :first_id, :last_id, :score_min, :score_max)
    ON CONFLICT (starts_at_utc, recipe_id, verdict, label) DO UPDATE SET parts = quarter.parts + excluded.parts,
    last_id = excluded.last_id,
    score_min = CASE WHEN quarter.score_min <= excluded.score_min OR excluded.score_min IS NULL
        THEN quarter.score_min ELSE excluded.score_min END,
    score_max = CASE WHEN quarter.score_max >= excluded.score_max OR excluded.score_max IS NULL
        THEN quarter.score_max ELSE excluded.score_max END"""
)


def quarter_of(seen_at_utc: str) -> str:
    """The quarter of an hour that a time (ISO 8601 UTC) lies in: `2026-03-01T10:15`."""
    minute = int(seen_at_utc[14:16])
    return f"{seen_at_utc[:14]}{minute - minute % QUARTER_MIN:02d}"


def classes_of(row: Mapping[str, Any]) -> list[str]:
    """The classes of a record's row: the labels of its defects, or else why it was not passed; a pass has none."""
    labels = sorted({defect["label"] for defect in row["defects"]})
    if labels or row["verdict"] == Verdict.PASS:
        return labels
    return [row["reasons"][0]["code"] if row["reasons"] else str(row["outcome_reason"]).lower()]


def quarter_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What `ADD` takes for these records' rows, which are in the order of their numbers."""
    found: dict[tuple[str, str, int, str], dict[str, Any]] = {}
    for row in rows:
        for label in ("", *classes_of(row)):
            key = (quarter_of(row["seen_at_utc"]), row["recipe_id"], row["verdict"], label)
            _count(found, key, row["id"], row["score"])
    return list(found.values())


def _count(
    found: dict[tuple[str, str, int, str], dict[str, Any]],
    key: tuple[str, str, int, str],
    number: int,
    score: float | None,
) -> None:
    sums = found.get(key)
    if sums is None:
        names = ("starts_at_utc", "recipe_id", "verdict", "label")
        sums = dict(zip(names, key, strict=True))
        found[key] = sums | {
            "parts": 1,
            "first_id": number,
            "last_id": number,
            "score_min": score,
            "score_max": score,
        }
        return
    sums["parts"] += 1
    sums["last_id"] = number
    if score is not None:
        sums["score_min"] = score if sums["score_min"] is None else min(score, sums["score_min"])
        sums["score_max"] = score if sums["score_max"] is None else max(score, sums["score_max"])
