"""What people say of parts: a right reject, a false reject, an escape, and so on; who, when, and what they said before.

What it is: the history of every word and the label that follows from all of a part's words. What it is not: the
record (record), which no label changes. Any thread.

Each person's last word counts. Where those who are sure agree, that is the part's label; where they do not, it is
`disputed`; where nobody is sure, `unsure`. A word may be taken back: the history keeps that too.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from inspector.errors import UsageError
from inspector.people.schema import REVIEWED, SAID
from inspector.people.store import Connection, WebStore
from inspector.record.rows import signed, unsigned
from inspector.types import Verdict

KIND_LENGTH = 64
_AT_ONCE = 500


class Label(enum.StrEnum):
    """What a part turned out to be, against what the station did with it. `RETRACTED` takes one's word back."""

    TRUE_REJECT = "true_reject"
    FALSE_REJECT = "false_reject"
    ESCAPE = "escape"
    TRUE_PASS = "true_pass"
    UNSURE = "unsure"
    RETRACTED = "retracted"


BAD = frozenset({Label.TRUE_REJECT, Label.ESCAPE})
GOOD = frozenset({Label.FALSE_REJECT, Label.TRUE_PASS})
DISPUTED = "disputed"
_OF_PASSED = frozenset({Label.ESCAPE, Label.TRUE_PASS, Label.UNSURE, Label.RETRACTED})
_OF_OTHERS = frozenset({Label.TRUE_REJECT, Label.FALSE_REJECT, Label.UNSURE, Label.RETRACTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word of one person on one part; `kind` is the class of defect they named, or empty."""

    part_id: int
    label: Label
    kind: str
    who: str
    at_utc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """What all words on a part come to: a `Label`, or `disputed`; `who` and `at_utc` are those of the last word."""

    part_id: int
    record_number: int
    label: str
    kind: str
    who: str
    at_utc: str


def fitting(verdict: Verdict) -> frozenset[Label]:
    """The labels that a part of this verdict can have: what was passed cannot be a false reject."""
    return _OF_PASSED if verdict is Verdict.PASS else _OF_OTHERS


def say(
    connection: Connection,
    at_utc: str,
    part: tuple[int, int, Verdict],
    label: Label,
    who: str,
    kind: str = "",
) -> str | None:
    """Add a word on a part (id, record number, verdict), in `web_store.writing()`; the part's label before it.

    Raises UsageError where the label does not fit the verdict, or the class is too long or has control characters.
    """
    part_id, number, verdict = part
    kind = kind.strip()
    if label not in fitting(verdict):
        raise UsageError(f"part {part_id}: label is {label}, which a part with the verdict {verdict.name} cannot have")
    if len(kind) > KIND_LENGTH or not kind.isprintable():
        raise UsageError(f"part {part_id}: class is {kind[:80]!r}, wanted at most {KIND_LENGTH} printable characters")
    key = signed(part_id)
    word = {"part_id": key, "label": str(label), "kind": kind if label in BAD else "", "who": who, "at_utc": at_utc}
    connection.execute(sa.insert(SAID), word)
    now = _outcome(
        [_word(row) for row in connection.execute(sa.select(SAID).where(SAID.c.part_id == key).order_by(SAID.c.id))]
    )
    before = connection.execute(sa.select(REVIEWED.c.label).where(REVIEWED.c.part_id == key)).scalar()
    connection.execute(sa.delete(REVIEWED).where(REVIEWED.c.part_id == key))
    if now is not None:
        label_now, kind_now = now
        row = word | {"record_number": number, "label": label_now, "kind": kind_now}
        connection.execute(sa.insert(REVIEWED), row)
    return before


def history(store: WebStore, part_id: int) -> list[Word]:
    """Every word on a part, the oldest first."""
    with store.reading() as connection:
        rows = connection.execute(sa.select(SAID).where(SAID.c.part_id == signed(part_id)).order_by(SAID.c.id))
        return [_word(row) for row in rows]


def reviewed(store: WebStore, part_ids: Collection[int]) -> dict[int, Reviewed]:
    """What is known of those of `part_ids` that somebody said something of."""
    with store.reading() as connection:
        found = {}
        for some in _parts(sorted(signed(part_id) for part_id in part_ids)):
            for row in connection.execute(sa.select(REVIEWED).where(REVIEWED.c.part_id.in_(some))):
                found[unsigned(row.part_id)] = _reviewed(row)
        return found


def between(store: WebStore, low: int, high: int) -> list[Reviewed]:
    """What is known of the parts whose records have the numbers `low` to `high`."""
    query = sa.select(REVIEWED).where(REVIEWED.c.record_number.between(low, high))
    with store.reading() as connection:
        return [_reviewed(row) for row in connection.execute(query)]


def numbers(store: WebStore, label: str | None, before: int | None, limit: int) -> list[int]:
    """Numbers of the records whose part has this label (None: any), below `before`, newest first."""
    query = sa.select(REVIEWED.c.record_number).order_by(REVIEWED.c.record_number.desc()).limit(limit)
    if label is not None:
        query = query.where(REVIEWED.c.label == label)
    if before is not None:
        query = query.where(REVIEWED.c.record_number < before)
    with store.reading() as connection:
        return list(connection.execute(query).scalars())


def counts(store: WebStore) -> dict[str, int]:
    """How many parts have which label."""
    with store.reading() as connection:
        query = sa.select(REVIEWED.c.label, sa.func.count()).group_by(REVIEWED.c.label)
        return {row[0]: row[1] for row in connection.execute(query)}


def confirmed(store: WebStore, limit: int) -> list[Reviewed]:
    """The newest `limit` parts that all who are sure agree on."""
    sure = [str(label) for label in (*BAD, *GOOD)]
    query = sa.select(REVIEWED).where(REVIEWED.c.label.in_(sure)).order_by(REVIEWED.c.record_number.desc()).limit(limit)
    with store.reading() as connection:
        return [_reviewed(row) for row in connection.execute(query)]


def kinds(store: WebStore, limit: int = 100) -> list[str]:
    """The classes that people named, sorted."""
    query = sa.select(REVIEWED.c.kind).where(REVIEWED.c.kind != "").distinct().order_by(REVIEWED.c.kind).limit(limit)
    with store.reading() as connection:
        return list(connection.execute(query).scalars())


def last_words(store: WebStore, limit: int = 50_000) -> dict[str, dict[int, Label]]:
    """Each person's last word on each part, of the newest `limit` words; what was taken back is left out."""
    query = sa.select(SAID.c.who, SAID.c.part_id, SAID.c.label).order_by(SAID.c.id.desc()).limit(limit)
    said: dict[str, dict[int, Label]] = {}
    with store.reading() as connection:
        for who, part_id, label in connection.execute(query):
            said.setdefault(who, {}).setdefault(unsigned(part_id), Label(label))
    return {
        who: {part: word for part, word in words.items() if word is not Label.RETRACTED} for who, words in said.items()
    }


def said_by(store: WebStore, who: str, part_ids: Sequence[int]) -> set[int]:
    """Those of `part_ids` that this person's last word stands on."""
    found = {}
    with store.reading() as connection:
        for some in _parts([signed(part_id) for part_id in part_ids]):
            query = sa.select(SAID.c.part_id, SAID.c.label).where(SAID.c.part_id.in_(some), SAID.c.who == who)
            found.update({row[0]: row[1] for row in connection.execute(query.order_by(SAID.c.id))})
    return {unsigned(part_id) for part_id, label in found.items() if label != Label.RETRACTED}


def _outcome(words: Sequence[Word]) -> tuple[str, str] | None:
    """Label and class that follow from all words on a part; None where nothing of them stands."""
    last = {word.who: word for word in words}
    standing = [word for word in last.values() if word.label is not Label.RETRACTED]
    if not standing:
        return None
    sure = {word.label for word in standing} - {Label.UNSURE}
    if not sure:
        return Label.UNSURE, ""
    if len(sure) > 1:
        return DISPUTED, ""
    named = [word.kind for word in words if word in standing and word.kind]
    return next(iter(sure)), named[-1] if named else ""


def _parts(keys: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(keys), _AT_ONCE):  # databases limit the variables of a statement
        yield keys[start : start + _AT_ONCE]


def _word(row: sa.Row[Any]) -> Word:
    return Word(part_id=unsigned(row.part_id), label=Label(row.label), kind=row.kind, who=row.who, at_utc=row.at_utc)


def _reviewed(row: sa.Row[Any]) -> Reviewed:
    return Reviewed(
        part_id=unsigned(row.part_id),
        record_number=row.record_number,
        label=row.label,
        kind=row.kind,
        who=row.who,
        at_utc=row.at_utc,
    )
