"""The pages of parts, by TestClient: filters, labels, pictures that are not there, export, review, charts."""

import contextlib
import csv
import io
import re
import time
import zipfile
from dataclasses import replace

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient

from inspector.clock import SystemClock
from inspector.people import labels
from inspector.people.labels import Label
from inspector.people.store import WebStore
from inspector.record.images import HEAT_SUFFIX
from inspector.record.reader import store_url
from inspector.record.store import Store
from inspector.teach import TeachOptions, teach
from inspector.teach.pictures import list_pictures
from inspector.types import CodeRead, Defect, Measurement, Pose, Verdict
from inspector.web import export, finding, moments
from inspector.web.app import create_app
from inspector.web.asking import Asked
from inspector.web.roles import Role
from tests.teach.made import bad_part, good_part, never, quiet

from .fakes import fill_store, make_config, make_picture, make_record, sign_in

EVIL = "\"><script>alert(1)</script>'=1+1"
OWN = {"Origin": "http://127.0.0.1"}
FIRST = 1 << 32


@pytest.fixture
def config(tmp_path):
    made = make_config(tmp_path / "station")
    fill_store(made)
    return made


@pytest.fixture
def web(config, tmp_path):
    app = create_app(config, tmp_path / "line.sock")
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        client.headers.update(OWN)
        yield client


def _parts(page):
    return [int(found) - FIRST for found in re.findall(r'class="part" data-part="(\d+)"', page)]


def _count(page):
    return re.search(r'id="count"><b>(.*?)</b>', page)[1]


def _add(config, *records):
    with contextlib.closing(Store.open(store_url(config.record.store, config.folder), SystemClock())) as store:
        store.write(records)


def _evil(number=40):
    record = make_record(number, Verdict.REJECT)
    inspection = replace(
        record.inspection,
        serial=EVIL + "9" * 700,
        recipe_id=EVIL,
        defects=(Defect(label=EVIL, score=2.0, threshold=1.0, box_px=(1, 2, 3, 4)),),
        codes=(CodeRead(name=EVIL, content=EVIL),),
        measurements=(Measurement(name=EVIL, value=None, unit=EVIL, low=0, high=1, text=EVIL),),
        stage_ms={EVIL: 1.0},
        pose=Pose(x_px=1, y_px=1, angle_deg=0, score=1),
    )
    return replace(record, inspection=inspection)


def _with(number, verdict=Verdict.PASS, image=None, seen=None, **inspected):
    """A record some of whose inspection is given."""
    record = make_record(number, verdict, image)
    seen = seen or record.seen_at_utc
    return replace(record, seen_at_utc=seen, inspection=replace(record.inspection, **inspected))


def _say(web, numbers, label, kind=""):
    return web.post(
        "/api/v1/labels", json={"part_ids": [str(FIRST | n) for n in numbers], "label": label, "kind": kind}
    )


def test_the_filter_is_in_the_address_and_every_field_of_it_works(web):
    every = [27, 24, 21, 18, 15, 12, 9, 6, 3]
    assert _parts(web.get("/defects").text) == [30, *every]
    assert _parts(web.get("/defects?label=scratch").text) == [30, 24, 18, 12, 6]
    assert _parts(web.get("/defects?verdict=pass&score_min=2,5&score_max=2.65").text) == [26, 25]
    assert _parts(web.get("/defects?recipe=nothing").text) == []
    chosen = "span=chosen&since=2026-03-01T10:00:09Z&until=2026-03-01T10:00:16Z"
    assert _parts(web.get(f"/defects?{chosen}").text) == [15, 12, 9]
    assert _parts(web.get("/defects?verdict=all&view=gallery").text) == list(range(30, 0, -1))
    page = web.get("/defects?verdict=all").text
    assert _count(page) == "30"


def test_a_part_is_found_by_the_number_that_the_plc_gave_it(web, config):
    record = make_record(31)
    _add(config, replace(record, part=replace(record.part, plc_part=4711)))
    assert _parts(web.get("/defects?verdict=all&plc_part=4711").text) == [31]
    assert web.get("/api/v1/records?plc_part=4711").json()["records"][0]["plc_part"] == 4711
    page = web.get(f"/parts/{FIRST | 31}").text
    assert re.search(r"Part number of the PLC</dt><dd>4711<", page)
    assert "Part number of the PLC</dt>" not in web.get(f"/parts/{FIRST | 30}").text
    archive = zipfile.ZipFile(io.BytesIO(web.get("/defects/export.zip?verdict=all").content))
    rows = list(csv.DictReader(io.StringIO(archive.read("parts.csv").decode("utf-8-sig"))))
    assert [row["plc_part"] for row in rows[:2]] == ["4711", ""]


def test_pages_go_on_where_the_last_one_ended(web, monkeypatch):
    monkeypatch.setattr("inspector.web.defects.PAGE", {"": 4, "gallery": 4})
    page, found = web.get("/defects").text, []
    while True:
        found += _parts(page)
        more = re.search(r'data-rows="(/defects/rows\?[^"]*)"', page)
        if more is None:
            break
        page = web.get(more[1].replace("&amp;", "&")).text
    assert found == list(range(30, 0, -3))


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("span=chosen&since=2099-01-01T00:00", "begins in the future"),
        ("span=chosen&since=2026-03-02T00:00&until=2026-03-01T00:00", "ends before it begins"),
        ("score_min=3&score_max=2", "Swap them"),
        ("serial=XYZ", "Capitals count"),
        ("plc_part=4711", "The PLC gave no part this number"),
        ("review=escape", "reviewed like this"),
        ("recipe=nothing", "Widen the time"),
    ],
)
def test_a_filter_that_matches_nothing_says_why_and_what_next(web, query, why):
    page = web.get(f"/defects?{query}").text
    assert _parts(page) == []
    assert why in re.search(r'<p class="empty">(.*?)</p>', page)[1]


@pytest.mark.parametrize(
    "field", ["span", "since", "until", "zone", "shift", "verdict", "review", "view", "score_min", "plc_part"]
)
def test_nonsense_in_a_field_is_named_and_left_out(web, field):
    page = web.get("/defects", params={field: "\x07nonsense"})
    assert page.status_code == 200
    assert f"left out: {field}" in page.text
    assert len(_parts(page.text)) == 10


def test_odd_addresses_are_no_server_errors(web):
    queries = ["serial=%00", "serial=" + "9" * 600, "label=%ED%A0%80", "since=9999-99-99", "until=0001-01-01T00:00"]
    queries += ["span=chosen&since=0001-01-01T00:00&shift=night", "score_min=nan", "before=9223372036854775807"]
    for query in queries:
        assert web.get(f"/defects?{query}").status_code == 200, query
        assert web.get(f"/charts?{query}").status_code == 200, query
    for query in ("before=0", "before=x", "before=9223372036854775808"):
        assert web.get(f"/defects?{query}").status_code == 422, query
    for path in ("18446744073709551616", "-1", "..%2f..%2fsecret", "7/heat"):
        assert web.get(f"/parts/{path}").status_code in (404, 422), path


def test_times_are_the_station_s_or_utc_and_never_the_browser_s(web, monkeypatch):
    try:
        monkeypatch.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        moments._stretches.cache_clear()
        page = web.get(f"/parts/{FIRST | 3}").text
        assert "2026-03-01 15:30:03" in page
        assert "UTC+05:30" in page
        assert "2026-03-01 early" not in page
        assert "2026-03-01 late" in page  # 15:30 there
        assert "2026-03-01 10:00:03" in web.get(f"/parts/{FIRST | 3}?zone=utc").text
        local = "span=chosen&since=2026-03-01T15:30&until=2026-03-01T15:31"
        assert len(_parts(web.get(f"/defects?{local}").text)) == 10
        assert _parts(web.get(f"/defects?{local}&zone=utc").text) == []
        assert len(_parts(web.get("/defects?shift=late").text)) == 10
        assert _parts(web.get("/defects?shift=early").text) == []
    finally:
        monkeypatch.undo()
        time.tzset()
        moments._stretches.cache_clear()


@pytest.mark.parametrize(
    ("number", "said"),
    [(3, "<part-picture>"), (6, "disk budget"), (9, "its file is not where"), (12, "its file is not where"),
     (15, "No picture was kept")],
)  # fmt: skip
def test_a_picture_that_is_not_there_is_said_and_never_a_broken_page(web, number, said):
    for path in ("", "/pane"):
        page = web.get(f"/parts/{FIRST | number}{path}")
        assert page.status_code == 200
        assert said in page.text
    small = web.get(f"/api/v1/images/{FIRST | number}?width=320")
    assert (small.status_code == 200) is (number == 3)
    assert "secret" not in small.text


def test_a_picture_that_does_not_decode_is_no_server_error(web, config):
    path = config.path(config.record.images) / "day/three.jpg"
    path.write_bytes(b"this is no picture")
    assert web.get(f"/parts/{FIRST | 3}").status_code == 200
    assert web.get("/charts?chart=places&span=any").status_code == 200


def test_a_heat_map_lies_over_its_picture_where_one_was_kept(web, config):
    assert 'class="heat"' not in web.get(f"/parts/{FIRST | 3}").text
    path = config.path(config.record.images) / "day/three.jpg"
    cells = np.zeros((6, 8), np.uint8)
    cells[2, 3], cells[0, 0] = 128, 64
    cv2.imwrite(str(path.with_suffix(HEAT_SUFFIX)), cells)
    assert 'class="heat"' in web.get(f"/parts/{FIRST | 3}").text
    shown = web.get(f"/parts/{FIRST | 3}/heat")
    overlay = cv2.imdecode(np.frombuffer(shown.content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert overlay[2, 3].tolist() == [0, 0, 255, 255]
    assert (overlay[0, 0, 3], overlay[5, 5, 3]) == (127, 0)


def test_what_parts_and_people_say_is_text_everywhere(web, config):
    _add(config, _evil())
    assert _say(web, [40], "true_reject", EVIL[:60]).status_code == 200
    web.post("/api/v1/labels", json={"part_ids": [str(FIRST | 40)], "label": "true_reject", "kind": EVIL[:60]})
    addresses = ["/defects", "/defects?view=gallery", f"/parts/{FIRST | 40}", "/review", "/review?again=1"]
    addresses += [f"/charts?chart={name}&span=any" for name in ("pareto", "p", "yield", "imr", "times", "places")]
    for address in addresses:
        page = web.get(address)
        assert page.status_code == 200, address
        assert "<script>alert" not in page.text, address
    for field in ("serial", "label", "recipe", "since", "shift", "review", "score_min"):
        for address in ("/defects", "/charts"):
            assert "<script>alert" not in web.get(address, params={field: EVIL, "span": "chosen"}).text, field


def test_labels_are_kept_with_who_and_when_and_never_overwritten(web):
    first = _say(sign_in(web, Role.QUALITY), [3, 6], "false_reject").json()
    assert [one["label"] for one in first] == ["false_reject", "false_reject"]
    assert first[0]["who"] == "a-quality"
    assert _say(web, [3], "true_reject", "chip").json()[0]["label"] == "true_reject"
    assert _say(sign_in(web, Role.INTEGRATOR), [3], "false_reject").json()[0]["label"] == "disputed"
    page = web.get(f"/parts/{FIRST | 3}").text
    words = re.search(r'<ul class="words">(.*?)</ul>', page, re.S)[1]
    assert [word in words for word in ("a-integrator", "a-quality", "chip", "false reject", "true reject")] == [
        True
    ] * 5
    assert words.count("<li>") == 3
    assert _parts(web.get("/defects?review=disputed").text) == [3]
    assert _parts(web.get("/defects?review=false_reject").text) == [6]
    assert _parts(web.get("/defects?review=unreviewed").text) == [30, 27, 24, 21, 18, 15, 12, 9]
    assert _say(web, [3], "retracted").json()[0]["label"] == "true_reject"
    audit = web.get("/audit?what=part.label").text
    assert audit.count("part.label</td>") >= 5


def test_a_label_that_does_not_fit_is_refused_for_all_parts_at_once(web):
    refused = [([3, 1], "false_reject", 422), ([3], "escape", 422), ([3], "nonsense", 422), ([99], "unsure", 404)]
    for numbers, label, code in refused:
        assert _say(web, numbers, label).status_code == code
    assert _say(web, [3], "true_reject", "x" * 65).status_code == 422
    assert _say(web, [3], "true_reject", "a\x00b").status_code == 422
    assert _say(web, [], "unsure").status_code == 422
    assert _parts(web.get("/defects?review=unreviewed&verdict=all").text) == list(range(30, 0, -1))
    assert _say(sign_in(web, Role.OPERATOR), [3], "unsure").status_code == 403


def test_the_form_of_a_part_labels_without_scripts_and_leads_back(web):
    form = {"label": "true_reject", "kind": "dent"}
    answer = web.post(f"/parts/{FIRST | 3}/label", data=form, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/parts/{FIRST | 3}")
    answer = web.post(f"/parts/{FIRST | 3}/label", data=form | {"back": "//evil.example"}, follow_redirects=False)
    assert answer.headers["location"] == "/"
    assert web.post(f"/parts/{FIRST | 3}/label", data={"label": "x"}).status_code == 422
    assert (
        web.post(f"/parts/{FIRST | 3}/label", data=form, headers={"Origin": "http://evil.example"}).status_code == 403
    )


def test_export_has_a_row_for_every_part_and_the_pictures_that_are_there(web, config, monkeypatch):
    monkeypatch.setattr(export, "_AT_ONCE", 7)
    _add(config, _evil())
    _say(web, [3], "true_reject", "=cmd")
    answer = web.get("/defects/export.zip?verdict=all")
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    rows = list(csv.DictReader(io.TextIOWrapper(archive.open("parts.csv"), "utf-8-sig")))
    assert [int(row["part_id"]) - FIRST for row in rows] == [40, *range(30, 0, -1)]
    assert archive.namelist() == ["parts.csv", f"pictures/{FIRST | 3}-reject.jpg"]
    assert archive.read(archive.namelist()[1]) == (config.path(config.record.images) / "day/three.jpg").read_bytes()
    by_number = {int(row["part_id"]) - FIRST: row for row in rows}
    assert [by_number[n]["picture"] for n in (1, 6, 9, 12)] == ["none", "removed", "lost", "lost"]
    assert by_number[3]["review_class"] == "'=cmd"
    assert all(not (text or " ").startswith(("=", "+", "@")) for row in rows for text in row.values())
    assert "parts.export" in web.get("/audit").text


def test_a_cell_is_a_number_or_a_text_and_never_a_formula():
    assert [export.safe(value) for value in (-1.5, 3, None, "plain")] == [-1.5, 3, "", "plain"]
    for text in ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "\r=1", "|x", "%x"):
        assert export.safe(text) == f"'{text}"


def test_export_holds_one_picture_at_a_time(config, tmp_path):
    images = config.path(config.record.images)
    rng = np.random.default_rng(1)
    cv2.imwrite(str(images / "day/big.jpg"), rng.integers(0, 255, (900, 1200, 3), np.uint8))
    size = (images / "day/big.jpg").stat().st_size
    _add(config, *(make_record(n, Verdict.REJECT, "day/big.jpg") for n in range(31, 51)))
    app = create_app(config, tmp_path / "line.sock")
    with TestClient(app, base_url="http://127.0.0.1"):
        stores = finding.Stores.of(app)
        pieces = [len(piece) for piece in export.zipped(stores, Asked(now_utc="2026-03-01T12:00:00.000Z"))]
    assert sum(pieces) > 20 * size
    assert max(pieces) < 1.2 * size


def test_the_queue_gives_the_nearest_to_the_threshold_and_takes_back(web, config):
    cv2.imwrite(str(config.path(config.record.images) / "day/a.jpg"), make_picture(1, 64, 48))
    now = SystemClock().utc()
    for number, verdict, score in ((31, Verdict.REJECT, 1.4), (32, Verdict.PASS, 0.9), (33, Verdict.REJECT, 1.05)):
        _add(config, _with(number, verdict, "day/a.jpg", now, score=score))

    def shown():
        found = re.search(r'name="part" value="(\d+)">(?!.*id="undo")', web.get("/review").text)
        return int(found[1]) - FIRST if found else None

    assert shown() == 33
    assert web.post("/review/say", data={"part": FIRST | 33, "is_bad": "good"}, follow_redirects=False).headers[
        "location"
    ] == (f"/review?undo={FIRST | 33}")
    assert shown() == 32
    web.post("/review/say", data={"part": FIRST | 32, "is_bad": "bad", "kind": "burr"})
    assert shown() == 31
    assert f"skip={FIRST | 31}" in web.get("/review").text
    assert "Nothing waits for review" in web.get(f"/review?skip={FIRST | 31}").text
    known = labels.reviewed(web.app.state.web_store, [FIRST | 33, FIRST | 32])
    assert [known[FIRST | n].label for n in (33, 32)] == [Label.FALSE_REJECT, Label.ESCAPE]
    web.post("/review/undo", data={"part": FIRST | 33})
    assert shown() == 33
    assert web.post("/review/say", data={"part": FIRST | 33, "is_bad": "maybe"}).status_code == 422


def test_a_second_opinion_gives_what_others_reviewed_and_kappa_is_told(web, config):
    cv2.imwrite(str(config.path(config.record.images) / "day/a.jpg"), make_picture(1, 64, 48))
    now = SystemClock().utc()
    _add(config, *(replace(make_record(n, Verdict.REJECT, "day/a.jpg"), seen_at_utc=now) for n in range(31, 35)))
    for number, word in ((31, "true_reject"), (32, "true_reject"), (33, "false_reject"), (34, "false_reject")):
        _say(sign_in(web, Role.QUALITY), [number], word)
    again = sign_in(web, Role.INTEGRATOR).get("/review?again=1").text
    assert "<part-picture>" in again
    assert "a-quality" not in re.sub(r"(?s)<div class=.below.*", "", again)
    for number, word in ((31, "true_reject"), (32, "false_reject"), (33, "false_reject"), (34, "false_reject")):
        _say(web, [number], word)
    page = web.get("/review?again=1").text
    assert "others have reviewed and you have not" in page
    assert "a-integrator, a-quality" in page
    assert re.search(r'75 %</td><td class="number">0.50', page)  # observed 3/4, by chance 1/2


def test_confirmed_parts_become_a_folder_with_a_table(web, config):
    cv2.imwrite(str(config.path(config.record.images) / "day/a.jpg"), make_picture(1, 64, 48))
    records = []
    for number, verdict in ((31, Verdict.REJECT), (32, Verdict.PASS), (33, Verdict.REJECT), (34, Verdict.REJECT)):
        record = make_record(number, verdict, "day/a.jpg")
        lot = (CodeRead(name="lot", content="L-7"),)
        records.append(replace(record, inspection=replace(record.inspection, codes=lot, serial=f"=S{number}")))
    _add(config, *records)
    assert "review some parts first" in web.post("/review/folder").text
    _say(web, [31], "true_reject", "../../Ölfleck / x")
    _say(web, [32], "true_pass")
    _say(web, [33], "false_reject")
    _say(web, [34], "unsure")
    _say(web, [6], "true_reject")  # its picture was removed
    answer = web.post("/review/folder")
    assert answer.status_code == 200
    (folder,) = (config.folder / "data/teaching").iterdir()
    assert str(folder) in answer.text
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))
    assert files == [f"defect/Ölfleck_x/{FIRST | 31:016x}.jpg", *(f"good/{FIRST | n:016x}.jpg" for n in (32, 33))]
    rows = list(csv.DictReader((folder / "manifest.csv").open(encoding="utf-8")))
    assert {row["file"] for row in rows} == set(files)
    assert {row["lot"] for row in rows} == {"L-7"}
    assert {row["shift_day"] for row in rows} == {"2026-03-01"}
    assert all(row["shift"] and row["part_id"] and row["serial"].startswith("'=S") for row in rows)
    assert "gone" in web.get("/audit?what=teaching_folder.make").text


def test_charts_are_pictures_of_text_with_links_to_the_parts(web, config):
    lies = Pose(x_px=10, y_px=10, angle_deg=0, score=1)
    _add(config, make_record(31, Verdict.REJECT), *(_with(n, Verdict.REJECT, pose=lies) for n in (32, 33)))
    bore = {"name": "bore", "unit": "mm", "low": 19.0, "high": 21.0}
    for number, value in enumerate((20.0, 20.2, 19.9), start=40):
        _add(config, _with(number, measurements=(Measurement(value=value, **bore),)))
    names = ("pareto", "p", "yield", "imr", "times", "places")
    charts = {name: web.get(f"/charts?chart={name}&span=any").text for name in names}
    assert all("<svg class=" in page for page in charts.values())
    assert 'aria-label="scratch: 6"' in charts["pareto"]
    assert _parts(web.get("/defects?label=scratch").text) == [32, 30, 24, 18, 12, 6]
    drill = re.search(r'<a href="(/defects\?[^"]*)"', charts["p"])[1].replace("&amp;", "&")
    assert len(_parts(web.get(drill).text)) == 13
    assert "20.0333" in charts["imr"]
    assert "slack" in charts["times"]
    assert 'class="heat"' in charts["places"]
    assert "last 7 days" in web.get("/charts").text
    assert "No part passes this filter" in web.get("/charts?span=1h").text


@pytest.mark.parametrize(
    "path", ["/defects", f"/parts/{FIRST | 3}", "/review", "/charts", "/defects/export.zip", "/defects/rows"]
)
def test_only_quality_and_above_see_these_pages(web, path):
    assert web.get(path).status_code == 200
    assert sign_in(web, Role.OPERATOR).get(path).status_code == 403
    assert sign_in(web, Role.QUALITY).get(path).status_code == 200


def test_without_a_store_the_pages_say_so(tmp_path):
    app = create_app(make_config(tmp_path / "station"), tmp_path / "line.sock")
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        for path in ("/defects", "/review", "/charts", "/parts/1"):
            assert client.get(path).status_code == 503, path


def test_a_web_store_that_cannot_be_had_is_said(config, web):
    web.app.state.web_store = WebStore(f"sqlite:///{config.folder}/station.toml", SystemClock())
    assert web.get("/defects").status_code == 503
    assert _say(web, [3], "unsure").status_code == 503


def test_teach_takes_a_folder_that_reviewers_made(web, config, tmp_path):
    images = config.path(config.record.images) / "day"
    for number in range(31, 46):
        is_bad = number > 42
        cv2.imwrite(str(images / f"{number}.jpg"), bad_part(number) if is_bad else good_part(number))
        _add(config, _with(number, Verdict.REJECT if is_bad else Verdict.PASS, f"day/{number}.jpg"))
    _say(web, range(31, 43), "true_pass")
    _say(web, range(43, 46), "true_reject", "blob")
    web.post("/review/folder")
    (folder,) = (config.folder / "data/teaching").iterdir()
    good = list_pictures(folder / "good")
    assert len(good) == 12
    options = TeachOptions(defects=folder / "defect/blob")
    assert teach(good, tmp_path / "model/r1", options, quiet, never).folder.is_dir()
