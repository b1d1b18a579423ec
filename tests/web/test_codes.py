"""What comes as a number or a code name is said in words, in every language: none of the codes may be forgotten."""

import ast
import contextlib
import dataclasses
import io
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

import firmware_bridge
import inspector
from firmware_bridge.codes import Fault, Mode, Why
from firmware_bridge.plc.modbus_pdu import Counters
from firmware_bridge.plc.signals import Fault as PlcFault
from firmware_bridge.plc.signals import PlcVerdict
from inspector.calibrated import KINDS
from inspector.clock import SystemClock
from inspector.config import SHIFTS as DEFAULT_SHIFTS
from inspector.record.reader import store_url
from inspector.record.store import Store
from inspector.types import Defect, OutcomeKind, Reason, RejectOutcome, Verdict
from inspector.web.app import create_app
from inspector.web.codes import CLASSES, FAULTS, MODES, OUTCOMES, PLC_FAULTS, WHYS
from inspector.web.names import ADVICE, CALIBRATIONS, LOOKS, SERVER, SHIFTS, STAGES, name_words
from inspector.web.roles import Role
from inspector.web.said import REASONS, class_words, link_words, outcome_words
from inspector.web.words import Words

from .fakes import fill_store, make_config, make_record, sign_in

SAMPLES = Path(__file__).parents[2] / "sample_images"

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
    assert link_words(Words("zh"), "fault", {"fault": 1 << 14}) == 1 << 14  # a bit without words is not "none"
    assert link_words(Words("zh"), "fault", {"fault": "of_a_name"}) == "of_a_name"
    outcome = RejectOutcome(part_id=1, kind=OutcomeKind.FIRED, reason="OF_A_NEWER_ONE")
    assert outcome_words(Words("zh"), outcome) == ("已剔除", "OF_A_NEWER_ONE")


@pytest.mark.parametrize(
    ("code", "english", "chinese"),
    [
        ("missing_feature", "missing feature", "缺少特征"),
        ("half_part", "half part", "工件不全"),
        ("defect:scratch", "scratch", "划痕"),
        ("measure:hole_left", "hole left: out of tolerance", "hole left\uff1a超差"),
        ("lease_expired", "the station was silent", "工位无通讯"),
        ("cold_shut", "cold shut", "cold shut"),
        ("typed: by_a_person", "typed: by a person", "typed: by a person"),
    ],
)
def test_a_class_is_read_as_words(code, english, chinese):
    assert [class_words(Words(language), code) for language in ("en", "zh")] == [english, chinese]


def test_a_class_has_a_short_name_wherever_the_line_gives_it_as_a_reason():
    assert REASONS.keys() <= CLASSES.keys()
    assert {label.name for label in (SAMPLES / "test").iterdir()} - {"good"} <= CLASSES.keys()


def test_pages_show_names_of_classes_and_addresses_keep_their_codes(tmp_path):
    config = make_config(tmp_path / "station")
    fill_store(config)
    defect = Defect(label="missing_feature", score=2.0, threshold=1.0, box_px=(1, 2, 3, 4))
    record = make_record(31, Verdict.REJECT)
    reasons = (Reason(code="half_part", value=2.0, text="the outline touches"), Reason(code="defect:missing_feature"))
    inspection = replace(record.inspection, defects=(defect,), reasons=reasons)
    with contextlib.closing(Store.open(store_url(config.record.store, config.folder), SystemClock())) as store:
        store.write([replace(record, inspection=inspection)])
    with TestClient(create_app(config, tmp_path / "none.sock"), base_url="http://127.0.0.1") as web:
        sign_in(web, Role.QUALITY)
        web.cookies.set("lang", "zh")
        own = f"/parts/{record.part.part_id}"
        for path in ("/defects", "/defects?view=gallery", "/charts?span=any", own, "/review"):
            page = web.get(path).text
            shown = re.sub(r"<script.*?</script>|<[^>]*>", "", page, flags=re.DOTALL)
            assert "missing_feature" not in shown, path
            assert "缺少特征" in shown or path == "/review", path
        assert 'value="missing_feature">缺少特征</option>' in web.get("/defects").text
        assert "label=missing_feature" in web.get("/charts?span=any").text
        assert 'lang="en">the outline touches</small>' in web.get(own).text
        table = zipfile.ZipFile(io.BytesIO(web.get("/defects/export.zip").content)).read("parts.csv").decode()
        assert "missing_feature" in table
        assert "缺少特征" not in table


def test_names_that_the_station_gives_are_said_in_words_and_others_as_they_are():
    laps = re.findall(r'\.lap\("(\w+)"\)', (Path(inspector.__file__).parent / "line.py").read_text("utf-8"))
    assert set(laps) == STAGES.keys()
    assert set(CALIBRATIONS) == set(KINDS)
    assert {shift.name for shift in DEFAULT_SHIFTS} == SHIFTS.keys()
    assert {field.name for field in dataclasses.fields(Counters)} - {"refused"} == SERVER.keys()
    looked = re.findall(
        r'\("(\w+)", (?:_|partial)', (Path(inspector.__file__).parent / "checkup.py").read_text("utf-8")
    )
    assert set(looked) == LOOKS.keys()
    words = Words("zh")
    assert name_words(words, "sorter_2", "output") == "分拣装置 2"
    assert name_words(words, "open station", "author") == "开放工位"
    assert [name_words(words, name, "author") for name in ("Ann", "model")] == ["Ann", "model"]


def test_what_the_check_advises_is_said_in_words_as_far_as_it_is_always_the_same():
    own = Path(inspector.__file__).parent
    texts = [(own / name).read_text("utf-8") for name in ("checkup.py", "plc_check.py")]
    nodes = [node for text in texts for node in ast.walk(ast.parse(text))]
    known = {node.value for node in nodes if isinstance(node, ast.Constant)}
    assert set(ADVICE) <= known
    looks = [node for node in nodes if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Finding"]
    advised = {look.args[3].value for look in looks if len(look.args) > 3 and isinstance(look.args[3], ast.Constant)}
    assert len(advised) > 5
    assert advised - {"inspector firmware flash"} <= set(ADVICE)
