"""What comes as a number or a code name is said in words, in every language: none of the codes may be forgotten."""

import re
from pathlib import Path

import pytest

import firmware_bridge
import inspector
from firmware_bridge.codes import Fault, Mode, Why
from firmware_bridge.plc.signals import Fault as PlcFault
from firmware_bridge.plc.signals import PlcVerdict
from inspector.types import OutcomeKind, RejectOutcome
from inspector.web.codes import FAULTS, MODES, OUTCOMES, PLC_FAULTS, WHYS
from inspector.web.said import link_words, outcome_words
from inspector.web.words import Words

from .seen import Seen

# A part that is lost has its reason from here, and no enumeration.
LOST = re.compile(r'(?:PartLost\([^"]*|abandon\()"(\w+)"')


def lost_reasons():
    folders = (Path(package.__file__).parent for package in (firmware_bridge, inspector))
    texts = [path.read_text("utf-8") for folder in folders for path in folder.rglob("*.py")]
    return {found.upper() for text in texts for found in LOST.findall(text)}


def test_every_mode_fault_and_outcome_has_its_words():
    assert MODES.keys() == set(Mode)
    assert FAULTS.keys() == set(Fault)
    assert PLC_FAULTS.keys() == set(PlcFault)
    assert OUTCOMES.keys() == set(OutcomeKind)
    taken = {f"PLC_TOOK_{verdict.name}" for verdict in PlcVerdict if verdict}
    assert len(lost_reasons()) >= 5
    assert WHYS.keys() == {why.name for why in Why} | taken | lost_reasons()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_link_of_either_wiring_is_told_in_words(language):
    words = Words(language)
    for mode in Mode:
        for fault in Fault:
            link = {"linked": True, "mode": int(mode), "fault": int(fault), "parts": []}
            assert link_words(words, "mode", link) == words(MODES[mode])
            assert link_words(words, "fault", link) == words(FAULTS[fault])
    plc = {"linked": False, "mode": None, "fault": int(PlcFault.CAMERA | PlcFault.OTHER)}
    both = [words(PLC_FAULTS[one]) for one in (PlcFault.CAMERA, PlcFault.OTHER)]
    assert link_words(words, "fault", plc) == ", ".join(both)
    assert link_words(words, "fault", plc | {"fault": 0}) == words(FAULTS[Fault.NONE])
    assert [link_words(words, key, plc) for key in ("linked", "mode", "resent")] == [False, "-", "-"]


def test_a_code_of_a_newer_controller_is_shown_as_it_is():
    assert link_words(Words("zh"), "fault", {"fault": 99, "parts": []}) == 99
    outcome = RejectOutcome(part_id=1, kind=OutcomeKind.FIRED, reason="OF_A_NEWER_ONE")
    assert outcome_words(Words("zh"), outcome) == ("已剔除", "OF_A_NEWER_ONE")


def test_the_live_values_say_the_same(browser, shared):
    line, web = shared
    words = Words("zh")
    context = browser.new_context()
    context.add_cookies([{"name": "lang", "value": "zh", "url": web.url}])
    seen = Seen(context.new_page(), f"{web.url}/io")
    for mode, fault in ((Mode.RUN, Fault.NONE), (Mode.SHUT_DOWN, Fault.BIN_FULL)):
        line.more = {"link": {"linked": True, "mode": int(mode), "fault": int(fault), "parts": []}}
        seen.wait_until(f"() => document.getElementById('link-mode').textContent === {words(MODES[mode])!r}")
        assert (seen.text("link-fault"), seen.text("link-linked")) == (words(FAULTS[fault]), "是")
    assert seen.troubles == []
    context.close()
