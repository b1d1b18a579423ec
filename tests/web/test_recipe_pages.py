"""Recipes on the screen: two people at once, bad values beside their field, activation that the line may refuse."""

import json
import threading

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient

from inspector.people import audit
from inspector.recipe import load_recipe
from inspector.web.app import create_app
from inspector.web.roles import Role

from .fakes import FakeLine, make_config, sign_in, until

SQUARE = [[0.1, 0.1], [0.5, 0.1], [0.5, 0.5], [0.1, 0.5]]


def teach_nothing(folder):
    """A model's folder with the one file that the editor's picture needs."""
    (folder / "m").mkdir()
    patches = np.full((2, 30, 40, 3), 90, np.uint8)
    patches[1] = 200
    np.savez_compressed(folder / "m" / "reference.npz", patches=patches)


@pytest.fixture
def web(tmp_path):
    config = make_config(tmp_path / "station")
    teach_nothing(config.folder)
    app = create_app(config, tmp_path / "line.sock")
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        client.folder = config.folder
        yield sign_in(client, Role.QUALITY)


@pytest.fixture
def line(web, tmp_path):
    one = FakeLine(tmp_path / "line.sock")
    until(lambda: web.get("/api/v1/status").json()["line"]["connected"], "the line")
    until(lambda: web.get("/api/v1/status").json()["status"], "its status")
    yield one
    one.close()


def fields(base=1, seen=None, **more):
    return {"base": base, "seen": base if seen is None else seen, "why": "a test", **more}


def save(web, **more):
    return web.post("/recipes/bracket/edit", data=fields(**more), follow_redirects=False)


def logged(web, what):
    return [row for row in audit.page(web.app.state.web_store) if row.what == what]


def test_a_change_becomes_a_version_with_who_and_why_and_the_line_s_file_stays(web):
    before = (web.folder / "recipe.toml").read_text()
    zone = {"kind": "zone", "name": "rim", "polygon": SQUARE, "threshold": 2.5}
    dirt = {"kind": "ignore_region", "name": "dirt", "polygon": SQUARE}
    answer = save(web, threshold="1.4", shapes=json.dumps([zone, dirt]), **{"health.dark_fraction": "0.3"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/recipes/bracket?said=saved")
    assert (web.folder / "recipe.toml").read_text() == before
    tables = web.app.state.book.tables("bracket", 2)
    assert tables == {
        "id": "bracket",
        "model": "m",
        "description": "A bracket",
        "threshold": 1.4,
        "health": {"dark_fraction": 0.3},
        "zone": [{"name": "rim", "polygon": SQUARE, "threshold": 2.5}],
        "ignore_region": [{"name": "dirt", "polygon": SQUARE}],
    }
    version = web.app.state.book.versions("bracket")[0]
    assert (version.by, version.why) == ("a-quality", "a test")
    (row,) = logged(web, "recipe.save")
    assert (row.actor.name, row.target, row.old) == ("a-quality", "bracket", 1)
    assert ["threshold", None, 1.4] in row.new["changes"]
    page = web.get("/recipes/bracket").text
    assert "zone[rim].threshold" in page
    assert "a test" in page


def test_what_nobody_changed_is_not_written_and_a_region_that_is_removed_goes(web):
    save(web, shapes=json.dumps([{"kind": "zone", "name": "rim", "polygon": SQUARE, "threshold": 2}]))
    form = {"threshold": "1.0", "min_defect_area_px": "0", "health.dark_fraction": "0.4", "shapes": "[]"}
    assert save(web, base=2, **form).status_code == 303
    assert web.app.state.book.tables("bracket", 3) == {"id": "bracket", "model": "m", "description": "A bracket"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"threshold": "abc"}, "&#39;threshold&#39; is &#39;abc&#39;, wanted a number"),
        ({"threshold": "nan"}, "wanted a number"),
        ({"threshold": "-1"}, "key &#39;threshold&#39; is -1: Input should be greater than 0"),
        ({"min_defect_area_px": "1.5"}, "key &#39;min_defect_area_px&#39; is 1.5"),
        ({"health.dark_fraction": "7"}, "key &#39;health.dark_fraction&#39; is 7"),
        ({"why": " "}, "Say why, in a few words"),
        ({"shapes": "nonsense"}, "cannot be read; reload"),
        (
            {"shapes": json.dumps([{"kind": "zone", "name": "z", "polygon": SQUARE, "threshold": "x"}])},
            "zone.0.threshold",
        ),
        (
            {
                "shapes": json.dumps(
                    [{"kind": "zone", "name": "z", "polygon": [[0, 0], [2, 2], [0, 1]], "threshold": 1}]
                )
            },
            "zone.0.polygon.1",
        ),
        (
            {"shapes": json.dumps(2 * [{"kind": "ignore_region", "name": "z", "polygon": SQUARE}])},
            "the name of two regions",
        ),
    ],
)
def test_a_value_that_cannot_be_used_is_told_beside_its_field_and_nothing_is_saved(web, given, said):
    answer = save(web, **{"description": "kept by the form", **given})
    assert answer.status_code == 422
    assert said in answer.text
    assert "kept by the form" in answer.text
    assert len(web.app.state.book.versions("bracket")) == 1


def test_of_two_who_edit_at_once_the_second_is_told_sees_both_and_loses_nothing(web):
    ann, bob = {"threshold": "1.2", "description": "by ann"}, {"threshold": "1.3", "min_defect_area_px": "9"}
    assert save(web, **ann, why="ann was first").status_code == 303
    answer = save(web, **bob, why="bob's reason")
    assert answer.status_code == 409
    for said in (
        "ann was first",
        "by ann",
        "bob&#39;s reason",
        "Both changed the same",
        'value="1.3"',
        'value="9"',
        'value="by ann"',
    ):
        assert said in answer.text, said
    assert len(web.app.state.book.versions("bracket")) == 2
    # What the form now shows, sent again, is saved on top of ann's.
    assert save(web, base=2, **(bob | {"description": "by ann"})).status_code == 303
    tables = web.app.state.book.tables("bracket", 3)
    assert (tables["threshold"], tables["min_defect_area_px"], tables["description"]) == (1.3, 9, "by ann")
    assert web.app.state.book.tables("bracket", 2)["threshold"] == 1.2


def test_a_script_in_a_recipe_s_texts_is_shown_and_not_run(web):
    evil = "<script>alert(1)</script>"
    shapes = [{"kind": "zone", "name": evil, "polygon": SQUARE, "threshold": 2.0}]
    assert save(web, description=evil, why=evil, shapes=json.dumps(shapes)).status_code == 303
    web.app.state.book.put_in_force("bracket", 2, evil)
    for page in ("/recipes", "/recipes/bracket", "/recipes/bracket/edit?version=2"):
        answer = web.get(page)
        assert answer.status_code == 200
        assert evil not in answer.text
        assert "alert(1)" in answer.text


def test_activation_writes_the_file_and_the_running_line_takes_it(web, line):
    save(web, threshold="1.4")
    answer = web.post("/recipes/bracket/versions/2/activate", follow_redirects=False)
    assert answer.headers["location"] == "/recipes/bracket?said=running"
    assert load_recipe(web.folder / "recipe.toml").threshold == 1.4
    assert [(asked.what, asked.argument, asked.user) for asked in line.asked] == [("recipe", "bracket", "a-quality")]
    web.post("/recipes/bracket/versions/1/activate")
    assert load_recipe(web.folder / "recipe.toml").threshold == 1.0
    assert [(row.old, row.new) for row in logged(web, "recipe.activate")] == [(2, 1), (1, 2)]


def test_a_line_that_refuses_gets_its_old_file_back(web, line, monkeypatch):
    save(web, threshold="1.4")
    before = (web.folder / "recipe.toml").read_bytes()
    monkeypatch.setattr(
        line.server, "answer", lambda asked, _error="", answer=line.server.answer: answer(asked, "the model is damaged")
    )
    answer = web.post("/recipes/bracket/versions/2/activate")
    assert answer.status_code == 409
    assert "The line refused version 2: the model is damaged" in answer.text
    assert (web.folder / "recipe.toml").read_bytes() == before
    assert logged(web, "recipe.activation_refused")


def test_a_recipe_that_does_not_run_is_put_in_force_without_asking_the_line(web, line):
    web.post("/recipes/hub/edit", data=fields(threshold="1.4"))
    answer = web.post("/recipes/hub/versions/2/activate", follow_redirects=False)
    assert answer.headers["location"] == "/recipes/hub?said=later"
    assert line.asked == []


def test_what_if_asks_for_a_job_and_a_copy_is_a_recipe_of_its_own(web):
    save(web, threshold="1.4")
    answer = web.post("/recipes/bracket/what-if", data={"version": 2, "parts": 50}, follow_redirects=False)
    assert answer.headers["location"] == "/jobs/1"
    job = web.app.state.jobs.get(1)
    assert (job.kind, job.arguments) == ("what_if", {"recipe_id": "bracket", "version": 2, "parts": 50})
    assert "Nobody runs jobs now" in web.get("/jobs/1").text
    assert web.post("/recipes/bracket/copy", data={"new_id": "cap"}).status_code == 200
    assert load_recipe(web.folder / "cap.toml").id == "cap"
    for bad in ("cap", "../cap", "a b", ""):
        assert web.post("/recipes/bracket/copy", data={"new_id": bad}).status_code == 422, bad
    assert not (web.folder.parent / "cap.toml").exists()


def test_the_picture_is_the_patch_that_the_model_was_taught(web):
    for number, grey in ((0, 90), (1, 200), (2, 90)):
        answer = web.get(f"/recipes/bracket/picture.jpg?version=1&number={number}")
        picture = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape == (30, 40, 3)
        assert abs(int(picture.mean()) - grey) < 3
    assert web.get("/recipes/hub/picture.jpg?version=9").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/recipes/nothing",
        "/recipes/..%2f..%2fetc",
        "/recipes/bracket/edit?version=99",
        "/recipes/nothing/edit?version=1",
    ],
)
def test_what_is_not_there_is_404(web, path):
    assert web.get(path).status_code == 404


def test_a_recipe_file_that_is_broken_can_still_be_looked_at_and_mended(web):
    page = web.get("/recipes/broken")
    assert page.status_code == 200
    assert "threshhold" in web.get("/recipes").text
    answer = web.post("/recipes/broken/edit", data=fields(threshold="1.0"))
    assert answer.status_code == 422
    assert "did you mean &#39;threshold&#39;" in answer.text


def test_twenty_saves_at_once_make_one_version_and_nineteen_answers(web):
    codes = []
    threads = [
        threading.Thread(target=lambda n=n: codes.append(save(web, threshold=str(1 + n / 50)).status_code))
        for n in range(1, 21)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [303] + 19 * [409]
    assert len(web.app.state.book.versions("bracket")) == 2


def test_a_lesser_role_and_another_origin_change_nothing(web):
    save(web, threshold="1.4")
    web.headers["Origin"] = "http://evil.example"
    assert save(web, base=2, threshold="1.5").status_code == 403
    sign_in(web, Role.OPERATOR)
    for path in (
        "/recipes/bracket/edit",
        "/recipes/bracket/versions/2/activate",
        "/recipes/bracket/copy",
        "/recipes/bracket/what-if",
    ):
        assert web.post(path, data=fields(version=2, new_id="x")).status_code == 403, path
    assert len(web.app.state.book.versions("bracket")) == 2
