"""Every alarm that the station can raise has its words, and whoever raises it gives the fields that these have."""

import ast
import re
from pathlib import Path

import pytest

import inspector
from firmware_bridge.codes import Fault
from inspector.alarms import DETAIL, WORDS, Alarms
from inspector.clock import SimulatedClock

RAISING = {"raise_": 1, "tell": 1, "abort": 1, "_hold": 1}


def raised():
    """(code, names of the fields) of every call in the source that raises an alarm by a code written there."""
    for path in sorted(Path(inspector.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in RAISING):
                continue
            if node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value in WORDS:
                yield node.args[0].value, {word.arg for word in node.keywords}


def fields_of(code):
    return set(re.findall(r"\{(\w+)\}", "".join(WORDS[code])))


def test_who_raises_an_alarm_gives_its_fields():
    found = list(raised())
    assert len(found) >= 11
    for code, given in found:
        assert given - {DETAIL} == fields_of(code), code
    assert not any(DETAIL in fields_of(code) for code in WORDS)  # the words are understood without it
    drifts = {"lamp_drift", "focus_drift", "camera_moved"}  # their code is that of the drift
    assert WORDS.keys() - {code for code, _ in found} - drifts == {
        f"controller_{fault.name.lower()}" for fault in Fault if fault
    }


def test_an_alarm_says_its_words_and_keeps_its_fields_for_other_languages():
    alarms = Alarms(SimulatedClock())
    alarms.raise_("camera_lost", trouble="no frame for {3} s")
    (one,) = alarms.all()
    assert one.text == "The camera gives no pictures: no frame for {3} s"
    assert (one.severity, one.fields) == ("stop", {"trouble": "no frame for {3} s"})
    with pytest.raises(KeyError):
        alarms.raise_("nobody_knows_this")
