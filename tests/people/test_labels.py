"""What people say of parts: kept, counted, and never overwritten."""

import pytest

from inspector.errors import UsageError
from inspector.people import labels
from inspector.people.labels import DISPUTED, Label, Word
from inspector.types import Verdict

from .test_people import advance, clock, store  # noqa: F401 - fixtures

PART = ((1 << 63) + 5, 17, Verdict.REJECT)
PASSED = (8, 18, Verdict.PASS)


def _say(store, label, who="ann", kind="", part=PART):  # noqa: F811
    with store.writing() as connection:
        return labels.say(connection, store.now_utc(), part, label, who, kind)


def _label(store, part=PART):  # noqa: F811
    found = labels.reviewed(store, [part[0]]).get(part[0])
    return None if found is None else found.label


def test_each_person_s_last_word_counts_and_all_words_are_kept(store, clock):  # noqa: F811
    assert _say(store, Label.FALSE_REJECT) is None
    advance(clock, 60)
    assert _say(store, Label.TRUE_REJECT, kind=" dent ") == Label.FALSE_REJECT
    assert labels.history(store, PART[0]) == [
        Word(part_id=PART[0], label=Label.FALSE_REJECT, kind="", who="ann", at_utc="2026-01-01T00:00:00.000Z"),
        Word(part_id=PART[0], label=Label.TRUE_REJECT, kind="dent", who="ann", at_utc="2026-01-01T00:01:00.000Z"),
    ]
    found = labels.reviewed(store, [PART[0], 1, 2])
    assert (list(found), found[PART[0]].label, found[PART[0]].kind) == ([PART[0]], Label.TRUE_REJECT, "dent")


def test_who_is_unsure_does_not_outweigh_who_is_sure_and_two_who_are_sure_may_disagree(store):  # noqa: F811
    _say(store, Label.UNSURE, "ann")
    assert _label(store) == Label.UNSURE
    _say(store, Label.TRUE_REJECT, "bo", "dent")
    assert _label(store) == Label.TRUE_REJECT
    _say(store, Label.FALSE_REJECT, "cy")
    assert _label(store) == DISPUTED
    assert labels.confirmed(store, 10) == []
    _say(store, Label.RETRACTED, "cy")
    assert [(one.label, one.kind) for one in labels.confirmed(store, 10)] == [(Label.TRUE_REJECT, "dent")]
    assert labels.said_by(store, "cy", [PART[0]]) == set()
    assert labels.said_by(store, "bo", [PART[0], 99]) == {PART[0]}
    for who in ("ann", "bo"):
        _say(store, Label.RETRACTED, who)
    assert _label(store) is None
    assert len(labels.history(store, PART[0])) == 6


def test_counts_numbers_classes_and_last_words(store):  # noqa: F811
    _say(store, Label.TRUE_REJECT, kind="dent")
    _say(store, Label.ESCAPE, kind="burr", part=PASSED)
    _say(store, Label.TRUE_PASS, who="bo", part=(9, 19, Verdict.PASS))
    assert labels.counts(store) == {Label.TRUE_REJECT: 1, Label.ESCAPE: 1, Label.TRUE_PASS: 1}
    assert labels.numbers(store, None, None, 10) == [19, 18, 17]
    assert labels.numbers(store, None, 19, 1) == [18]
    assert labels.numbers(store, Label.ESCAPE, None, 10) == [18]
    assert labels.kinds(store) == ["burr", "dent"]
    assert [one.part_id for one in labels.between(store, 18, 19)] in ([8, 9], [9, 8])
    assert labels.last_words(store) == {
        "ann": {PART[0]: Label.TRUE_REJECT, 8: Label.ESCAPE},
        "bo": {9: Label.TRUE_PASS},
    }


@pytest.mark.parametrize(
    ("part", "label", "kind", "says"),
    [
        (PART, Label.ESCAPE, "", "which a part with the verdict REJECT cannot have"),
        (PASSED, Label.FALSE_REJECT, "", "which a part with the verdict PASS cannot have"),
        (PART, Label.TRUE_REJECT, "x" * 65, "wanted at most 64 printable characters"),
        (PART, Label.TRUE_REJECT, "a\nb", "wanted at most 64 printable characters"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(store, part, label, kind, says):  # noqa: F811
    with pytest.raises(UsageError, match=says):
        _say(store, label, kind=kind, part=part)
    assert labels.history(store, part[0]) == []
