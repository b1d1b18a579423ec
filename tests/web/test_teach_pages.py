"""Teaching on the screen: sets from the line and brought along, findings, and what is asked of the job."""

import zipfile
from dataclasses import replace

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient

from inspector.jobs.folder import write_json
from inspector.people import audit
from inspector.uploads import Limits
from inspector.web import upload_pages
from inspector.web.app import create_app
from inspector.web.roles import Role

from .fakes import fill_store, make_config, make_status, sign_in

PNG = cv2.imencode(".png", np.zeros((4, 4), np.uint8))[1].tobytes()


@pytest.fixture
def web(tmp_path):
    config = make_config(tmp_path / "station")
    fill_store(config)
    app = create_app(config, tmp_path / "line.sock")
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        client.folder = config.folder
        yield sign_in(client, Role.QUALITY)


def new_set(web, name="lot 7"):
    answer = web.post("/teach/upload", data={"name": name}, follow_redirects=False)
    assert answer.status_code == 303
    return int(answer.headers["location"].rpartition("/")[2])


def bring(web, number, name, content=PNG):
    return web.put(f"/teach/{number}/picture", params={"name": name}, content=content)


def test_pictures_are_taken_under_names_of_our_own_and_what_is_none_is_told(web):
    number = new_set(web)
    folder = web.app.state.teaching_sets.folder(number)
    assert bring(web, number, "../../evil.png").json() == {"taken": True, "name": "evil.png"}
    assert bring(web, number, "evil.png").json() == {"taken": True, "name": "evil-2.png"}
    assert bring(web, number, "x.exe").json() == {"taken": False, "why": "not a picture by its name"}
    assert bring(web, number, "x.png", b"GIF89a" + bytes(100)).json()["why"] == "does not begin like a picture"
    assert bring(web, number, "x.png", b"").json()["taken"] is False
    assert sorted(path.name for path in folder.iterdir()) == ["evil-2.png", "evil.png"]
    assert [path.name for path in folder.parent.iterdir() if path.name.endswith(".part")] == []
    assert bring(web, 99, "x.png").status_code == 404


def test_a_picture_that_never_ends_and_a_full_set_are_refused_and_leave_nothing(web, monkeypatch):
    number = new_set(web)
    folder = web.app.state.teaching_sets.folder(number)

    def endless():
        yield PNG[:64]
        for _ in range(70):
            yield bytes(1_000_000)

    assert web.put(f"/teach/{number}/picture?name=x.png", content=endless()).json()["why"] == "larger than 64 MB"
    assert list(folder.iterdir()) == []
    assert len(list(folder.parent.iterdir())) == 2
    for place in range(3):
        bring(web, number, f"{place}.png")
    monkeypatch.setattr(upload_pages, "Limits", lambda **more: Limits(pictures=3, **more))
    answer = bring(web, number, "4.png")
    assert (answer.status_code, answer.json()["error"]["message"]) == (409, "the set has 3 pictures, wanted at most 3")


def test_an_archive_is_unpacked_by_a_job(web, tmp_path):
    number = new_set(web)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("../x.png", PNG)
    answer = web.put(f"/teach/{number}/archive", content=(tmp_path / "a.zip").read_bytes())
    job = web.app.state.jobs.get(answer.json()["job"])
    assert (job.kind, job.arguments, job.by) == ("unpack", {"set": number}, "a-quality")
    assert (web.app.state.teaching_sets.folder(number).parent / "archive.zip").is_file()


def test_a_set_from_the_line_has_the_last_passes_that_still_have_a_picture(web):
    answer = web.post(
        "/teach/from-line", data={"recipe_id": "bracket", "wanted": 50, "when": "last"}, follow_redirects=False
    )
    number = int(answer.headers["location"].rpartition("/")[2])
    # Of the store's records 3, 6, 9 and 12 name pictures, and all four are rejects.
    assert web.app.state.teaching_sets.pictures(number) == []
    page = web.get(f"/teach/{number}")
    assert "Of 20 passed parts one keeps its picture." in page.text
    assert web.post("/teach/from-line", data={"recipe_id": "bracket", "wanted": 1, "when": "last"}).status_code == 422


def test_findings_are_shown_and_what_is_ticked_is_left_out_of_the_teaching(web):
    number = new_set(web)
    bring(web, number, "a.png")
    web.post(f"/teach/{number}/examine")
    job = web.app.state.jobs.get(1)
    assert (job.kind, job.arguments) == ("examine", {"set": number})
    assert web.get(f"/teach/{number}/findings/1").status_code == 404  # not done yet
    finding = {"file": "<b>a.png", "code": "blurred", "text": "<i>a.png: sharpness 3", "thumbnail": True}
    write_json(job.folder / "result.json", {"set": number, "files": 9, "usable": 8, "findings": [finding], "more": 0})
    write_json(job.folder / "state.json", {"state": "done"})
    (job.folder / "out" / "0.jpg").write_bytes(b"\xff\xd8")
    page = web.get("/jobs/1")
    assert page.url.path == f"/teach/{number}/findings/1"
    assert "8 of 9 pictures" in page.text
    assert "<b>a.png" not in page.text
    assert 'value="r1"' in page.text
    assert web.get(f"/teach/{number}/findings/1/0.jpg").content == b"\xff\xd8"
    assert web.get(f"/teach/{number}/findings/1/1.jpg").status_code == 404
    form = {"recipe_id": "bracket", "name": "bracket", "revision": "r2", "exclude": ["a.png"], "target_percent": "0.5"}
    answer = web.post(f"/teach/{number}/teach", data=form, follow_redirects=False)
    given = web.app.state.jobs.get(int(answer.headers["location"].rpartition("/")[2])).arguments
    assert (given["exclude"], given["target_false_rejects"], given["exclude_suspects"]) == (["a.png"], 0.005, False)


@pytest.mark.parametrize("bad", ["..", "../x", "a/b", "", ".hidden", "x" * 65])
def test_a_model_s_name_cannot_lead_out_of_the_models_folder(web, bad):
    number = new_set(web)
    form = {"recipe_id": "bracket", "name": bad, "revision": "r2"}
    assert web.post(f"/teach/{number}/teach", data=form).status_code == 422


def test_a_model_is_never_overwritten_and_its_report_is_caged(web):
    number = new_set(web)
    # The recipe's model is "m" beside it, so models are folders beside the station.
    model = web.folder.parent / "bracket" / "r1"
    model.mkdir(parents=True)
    (model / "report.html").write_text("<script>alert(1)</script>")
    (web.folder.parent.parent / f"secret-{number}" / "report.html").parent.mkdir()
    form = {"recipe_id": "bracket", "name": "bracket", "revision": "r1"}
    answer = web.post(f"/teach/{number}/teach", data=form)
    assert (answer.status_code, "exists; name another revision" in answer.text) == (409, True)
    report = web.get("/teach/report", params={"model": "../bracket/r1"})
    assert report.status_code == 200
    assert report.headers.get_list("content-security-policy") == [
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
    ]
    for path in ("../../../../etc", "/etc", f"../../secret-{number}", "nothing"):
        assert web.get("/teach/report", params={"model": path}).status_code == 404, path


def test_a_taught_model_becomes_a_version_that_is_not_in_force(web):
    answer = web.post("/teach/adopt", data={"recipe_id": "bracket", "model": "../m/r2"}, follow_redirects=False)
    assert answer.headers["location"] == "/recipes/bracket?said=saved"
    assert web.app.state.book.tables("bracket", 2)["model"] == "../m/r2"
    assert web.app.state.book.in_force("bracket") == 1
    assert "recipe.save" in [row.what for row in audit.page(web.app.state.web_store)]


def test_a_set_is_removed_and_lesser_roles_change_nothing(web):
    number = new_set(web)
    sign_in(web, Role.OPERATOR)
    assert web.post(f"/teach/{number}/remove").status_code == 403
    assert bring(web, number, "x.png").status_code == 403
    sign_in(web, Role.QUALITY)
    web.headers["Origin"] = "http://evil.example"
    assert bring(web, number, "x.png").status_code == 403
    web.headers["Origin"] = "http://127.0.0.1"
    assert web.post(f"/teach/{number}/remove").status_code == 200
    assert web.get(f"/teach/{number}").status_code == 404


def test_the_recipe_that_runs_is_offered_first(web):
    web.app.state.client.status = replace(make_status(), recipe_id="hub")
    assert "<option selected>hub</option>" in web.get("/teach").text
