"""What-if: the real model on stored pictures, against what people said of the parts."""

import contextlib
import json
import os
import shutil
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from inspector.clock import SystemClock
from inspector.config import load_station
from inspector.errors import DatasetError
from inspector.jobs.context import JobCancelled, JobContext
from inspector.jobs.folder import write_json
from inspector.people import labels
from inspector.people.labels import Label
from inspector.people.store import WebStore
from inspector.recipe_book import RecipeBook
from inspector.record.reader import store_url
from inspector.record.store import ImageRemoval, Store
from inspector.types import Verdict
from inspector.web.app import create_app
from inspector.web.roles import Role
from inspector.web.words import Words
from inspector.work import what_if
from tests.web.fakes import make_record, sign_in

SAMPLES = Path(__file__).parents[2] / "sample_images"
FIRST = 1 << 32
AT = "2026-03-01T10:00:00.000Z"
# number of the part: its picture, what the station did, and what a person said of it
PARTS = {
    1: ("burr", Verdict.REJECT, Label.TRUE_REJECT),
    2: ("good", Verdict.REJECT, Label.FALSE_REJECT),
    3: ("crack", Verdict.PASS, Label.ESCAPE),
    4: ("good", Verdict.PASS, Label.TRUE_PASS),
    5: ("burr", Verdict.REJECT, Label.UNSURE),
    6: ("good", Verdict.PASS, None),
}


@pytest.fixture(scope="module")
def station(tmp_path_factory):
    folder = tmp_path_factory.mktemp("what_if")
    model = os.path.relpath(SAMPLES.parent / "models/bracket/r1", folder)
    (folder / "recipe.toml").write_text(f'id = "bracket"\nmodel = "{model}"\n[health]\nhidden_fraction_max = 0.1\n')
    (folder / "station.toml").write_text('[station]\nname = "Cell 4"\n[camera]\nkind = "folder"\n')
    config = load_station(folder / "station.toml")
    images = config.path(config.record.images)
    (images / "day").mkdir(parents=True)
    for kind in ("burr", "crack", "good"):
        shutil.copy(sorted((SAMPLES / "test" / kind).glob("*.jpg"))[0], images / f"day/{kind}.jpg")
    with contextlib.closing(Store.open(store_url(config.record.store, folder), SystemClock())) as store:
        store.write([make_record(number, verdict, f"day/{kind}.jpg") for number, (kind, verdict, _) in PARTS.items()])
        store.write([make_record(7, Verdict.REJECT, "day/gone.jpg"), make_record(8, Verdict.REJECT, "day/removed.jpg")])
        store.note_removals([ImageRemoval(FIRST | 8, "day/removed.jpg", "disk budget")])
    with (
        contextlib.closing(WebStore(store_url(config.web.store, folder), SystemClock())) as people,
        people.writing() as c,
    ):
        for number, (_, verdict, label) in PARTS.items():
            if label is not None:
                labels.say(c, AT, (FIRST | number, number, verdict), label, "ann")
    book = RecipeBook(folder, SystemClock())
    for threshold, version in ((1000.0, 1), (0.001, 2)):
        book.save("bracket", book.tables("bracket", 1) | {"threshold": threshold}, version, "ann", "a try")
    return folder


def ask(station, folder, **arguments):
    (folder / "out").mkdir()
    (folder / "job.json").write_text(
        json.dumps({"kind": "what_if", "by": "ann", "arguments": {"recipe_id": "bracket", **arguments}})
    )
    return JobContext(folder, station / "station.toml")


@pytest.fixture(scope="module")
def defects_pass(station, tmp_path_factory):
    """Version 2: a limit nothing reaches."""
    return what_if.run(ask(station, tmp_path_factory.mktemp("job"), version=2, parts=50))


@pytest.fixture(scope="module")
def good_go(station, tmp_path_factory):
    """Version 3: a limit that everything breaks."""
    return what_if.run(ask(station, tmp_path_factory.mktemp("job"), version=3, parts=50))


def test_what_people_said_is_counted_against_a_version_that_lets_defects_through(defects_pass):
    told = defects_pass
    assert (told["parts"], told["lost"], told["older"]) == (6, 1, 0)
    assert told["effects"] == {"would_pass": 1, "would_reject": 0, "caught": 0, "mended": 0}
    # The crack is an escape by both. The false reject is judged good by the version in force already: nothing to mend.
    wrong = {"escapes": {"now": 1, "then": 2}, "false_rejects": {"now": 0, "then": 0}}
    assert told["people"] == {"good": 2, "bad": 2} | wrong
    assert told["pictures"]["good"] + told["pictures"]["bad"] == 0  # no simulated line, no truth but people's
    # What matters comes first; who is not sure has confirmed nothing.
    assert [(int(row["part_id"]) - FIRST, row["effect"], row["label"]) for row in told["changed"]] == [
        (1, "would_pass", "true_reject"),
        (5, "", "unsure"),
    ]
    assert told["changed"][0]["now"]["boxes"]


def test_and_against_a_version_that_throws_good_parts_out(good_go):
    assert good_go["effects"] == {"would_pass": 0, "would_reject": 2, "caught": 1, "mended": 0}
    wrong = {"escapes": {"now": 1, "then": 0}, "false_rejects": {"now": 0, "then": 2}}
    assert good_go["people"] == {"good": 2, "bad": 2} | wrong
    assert [(int(row["part_id"]) - FIRST, row["effect"]) for row in good_go["changed"]] == [
        (4, "would_reject"),
        (2, "would_reject"),
        (3, "caught"),
        (6, ""),
    ]


def test_confirmed_parts_that_are_older_are_judged_too(station, tmp_path):
    told = what_if.run(ask(station, tmp_path, version=2, parts=2))
    # The last two that name a picture are 7, whose file is lost, and 6; 1 to 4 were confirmed.
    assert (told["parts"], told["lost"], told["older"]) == (3, 1, 2)
    assert told["people"]["good"] + told["people"]["bad"] == 2


def test_each_way_of_turning_a_confirmed_verdict_has_its_name():
    def row(should, now, then):
        return {"should": should, "now": {"verdict": now}, "then": {"verdict": then}}

    assert what_if._effect(row("PASS", "REJECT", "PASS")) == "mended"
    assert what_if._effect(row("REJECT", "PASS", "NOT_INSPECTED")) == "caught"
    assert what_if._effect(row("REJECT", "NOT_INSPECTED", "PASS")) == "would_pass"
    assert what_if._effect(row("PASS", "PASS", "REJECT")) == "would_reject"
    assert what_if._effect(row(None, "PASS", "REJECT")) == ""
    assert what_if._effect(row("REJECT", "NOT_INSPECTED", "REJECT")) == ""


def test_nothing_to_judge_is_said_and_a_cancelled_job_ends(station, tmp_path):
    job = ask(station, tmp_path, version=2, parts=50)
    (tmp_path / "cancel").touch()
    with pytest.raises(JobCancelled):
        what_if.run(job)
    config = load_station(station / "station.toml")
    empty = tmp_path / "records.sqlite"
    Store.open(f"sqlite:///{empty}", SystemClock()).close()
    (tmp_path / "cancel").unlink()
    text = (station / "station.toml").read_text() + f'[record]\nstore = "{empty}"\n'
    (station / "empty.toml").write_text(text)
    job.station = station / "empty.toml"
    with pytest.raises(DatasetError, match="no stored part of recipe 'bracket' has a picture"):
        what_if.run(job)
    assert config.record.store != str(empty)


def test_the_page_says_how_many_confirmed_defects_would_pass(station, defects_pass, tmp_path):
    config, told = load_station(station / "station.toml"), defects_pass
    with TestClient(create_app(config, tmp_path / "line.sock"), base_url="http://127.0.0.1") as web:
        sign_in(web, Role.QUALITY)
        job = web.app.state.jobs.ask("what_if", "t", "ann", AT, {"recipe_id": "bracket"})
        write_json(job.folder / "result.json", told)
        write_json(job.folder / "state.json", {"state": "done"})
        for language in ("en", "zh"):
            web.cookies.set("lang", language)
            page, words = web.get(f"/jobs/{job.id}").text, Words(language)
            assert words("{count} confirmed defects would pass.", count=1) in page
            assert page.count(f'<b class="badge alarm">{words("A confirmed defect would pass")}</b>') == 1
            assert page.count("<figure>") == 2
        nobody = told | {"people": told["people"] | {"good": 0, "bad": 0}}
        write_json(job.folder / "result.json", nobody)
        assert words("{count} confirmed defects would pass.", count=1) not in web.get(f"/jobs/{job.id}").text
