"""Users, logins and the audit log over HTTP: what each may do, and that each change is in the log."""

import re

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from inspector.__main__ import application
from inspector.people import audit, hashing
from inspector.people.accounts import LOCKED_AT, Role
from inspector.web import login
from inspector.web.app import create_app
from inspector.web.shell import own_path

from .fakes import FakeLine, make_config, sign_in, until

OWN = {"Origin": "http://127.0.0.1"}
ADMIN = {"name": "Ann", "secret": "a long password", "again": "a long password", "role": "admin"}
PAGE = {"Accept": "text/html"}


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch):
    monkeypatch.setattr(hashing, "LOG2_N", 4)


@pytest.fixture
def web(tmp_path):
    app = create_app(make_config(tmp_path / "station"), tmp_path / "line.sock")
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        client.headers.update(OWN)
        yield client


def another(web):
    """A second browser on the same station."""
    client = TestClient(web.app, base_url="http://127.0.0.1", raise_server_exceptions=False)
    client.headers.update(OWN)
    return client


def logged(web):
    return [(row.actor.name, row.what, row.target) for row in audit.page(web.app.state.web_store)]


def test_the_first_user_closes_the_station_and_is_logged_in(web):
    assert "no users yet" in web.get("/users").text
    other = another(web)
    answer = web.post("/users/add", data=ADMIN, follow_redirects=False)
    assert answer.status_code == 303
    assert web.get("/api/v1/session").json() == {"name": "Ann", "role": "admin", "by": "session"}
    assert "Ann" in web.get("/users").text
    assert other.get("/users").status_code == 403
    assert other.post("/users/add", data=ADMIN | {"name": "Eve"}).status_code == 403
    assert logged(web) == [("open station", "user.add", "Ann")]
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


def test_a_refused_change_says_why_on_the_page_and_nothing_is_changed(web):
    web.post("/users/add", data=ADMIN)
    for more, said in [
        ({"again": "another"}, "two different ways"),
        ({"secret": "123", "again": "123"}, "wanted 8 to"),
        ({"role": "king"}, "role is &#39;king&#39;"),
        ({}, "already"),
    ]:
        answer = web.post("/users/add", data=ADMIN | more)
        assert answer.status_code == 422
        assert said in answer.text
    answer = web.post("/users/remove", data={"name": "Ann"})
    assert "last administrator" in answer.text
    assert len(logged(web)) == 1


def test_a_change_of_an_account_ends_its_sessions(web):
    web.post("/users/add", data=ADMIN)
    changes = [
        ("/users/role", {"name": "Bo", "role": "quality", "secret": "815815", "again": "815815"}),
        ("/users/secret", {"name": "Bo", "secret": "471147", "again": "471147"}),
        ("/users/remove", {"name": "Bo"}),
    ]
    web.post("/users/add", data={"name": "Bo", "role": "operator", "secret": "4711", "again": "4711"})
    for secret, (path, change) in zip(["4711", "815815", "471147"], changes, strict=True):
        other = another(web)
        assert other.post("/api/v1/login", json={"name": "Bo", "secret": secret}).json()["name"] == "Bo"
        assert web.post(path, data=change).status_code == 200
        assert other.get("/api/v1/session").json()["by"] == "nobody"
    assert another(web).post("/api/v1/login", json={"name": "Bo", "secret": "471147"}).status_code == 403


def test_twenty_wrong_pins_lock_and_only_an_administrator_opens(web, monkeypatch):
    monkeypatch.setattr("inspector.people.accounts.FIRST_WAIT_S", 0.0)
    web.post("/users/add", data=ADMIN)
    web.post("/users/add", data={"name": "Bo", "role": "operator", "secret": "4711", "again": "4711"})
    other = another(web)
    for number in range(LOCKED_AT):
        assert other.post("/api/v1/login", json={"name": "Bo", "secret": f"9{number}"}).status_code == 403
    answer = other.post("/api/v1/login", json={"name": "Bo", "secret": "4711"})
    assert answer.status_code == 403
    assert "locked" in answer.json()["error"]["message"]
    assert "locked" in web.get("/users").text
    web.post("/users/secret", data={"name": "Bo", "secret": "8150", "again": "8150"})
    assert other.post("/api/v1/login", json={"name": "Bo", "secret": "8150"}).status_code == 200
    assert [what for _, what, _ in logged(web)].count("login.wrong") == LOCKED_AT


def test_waiting_is_told_with_its_seconds(web):
    web.post("/users/add", data=ADMIN)
    other = another(web)
    for _ in range(5):
        other.post("/login", data={"name": "Ann", "secret": "x"})
    answer = other.post("/login", data={"name": "Ann", "secret": "a long password"})
    assert answer.status_code == 403
    assert "wait 5 s" in answer.text
    error = other.post("/api/v1/login", json={"name": "Ann", "secret": "x"}).json()["error"]
    assert error["code"] == "login_refused"
    assert 0 < error["detail"]["wait_s"] <= 5


def test_too_many_logins_at_once_are_turned_away(web):
    for _ in range(login.MAX_AT_ONCE):
        login._places.acquire()
    try:
        answer = web.post("/api/v1/login", json={"name": "Ann", "secret": "x"})
    finally:
        for _ in range(login.MAX_AT_ONCE):
            login._places.release()
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "busy")


def test_a_person_who_lacks_a_role_gets_the_login_in_place_and_then_the_page(web):
    web.post("/users/add", data=ADMIN)
    other = another(web)
    refused = other.get("/users", headers=PAGE)
    assert refused.status_code == 403
    assert 'class="pin"' in refused.text
    then = re.search(r'name="then" value="([^"]*)"', refused.text)[1]
    answer = other.post(
        "/login", data={"name": "Ann", "secret": "a long password", "then": then}, follow_redirects=False
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/users")
    assert other.get("/users", headers=PAGE).status_code == 200
    other.post("/logout")
    assert other.get("/users", headers=PAGE).status_code == 403
    assert other.get("/nowhere", headers=PAGE).headers["content-type"].startswith("text/html")
    assert other.get("/nowhere").json()["error"]["code"] == "not_found"


def test_nobody_is_sent_to_another_station():
    assert own_path("/records?label=a b") == "/records?label=a b"
    for evil in (
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "",
        "/\t/evil",
        "x",
    ):
        assert own_path(evil) == "/"


def test_every_command_is_in_the_log_with_who_and_what_was_before(web, tmp_path):
    line = FakeLine(tmp_path / "line.sock")
    until(lambda: web.get("/api/v1/status").json()["status"])
    sign_in(web, Role.OPERATOR)
    web.post("/api/v1/commands/stop")
    web.post("/api/v1/commands/recipe", json={"recipe_id": "hub"})
    web.post("/api/v1/commands/recipe", json={"recipe_id": "nonsense"})
    rows = audit.page(web.app.state.web_store)[::-1]
    assert [(row.actor.name, row.what, row.target, row.old, row.new) for row in rows] == [
        ("a-operator", "line.stop", "line", "Execute", "stop"),
        ("a-operator", "line.recipe", "hub", "bracket", "hub"),
        ("a-operator", "line.recipe", "nonsense", "bracket", "nonsense"),
        ("a-operator", "line.recipe.refused", "nonsense", "bracket", "no recipe has id 'nonsense'"),
    ]
    assert {(row.actor.role, row.actor.by) for row in rows} == {("operator", "session")}
    line.close()


def test_without_its_database_a_station_watches_stops_and_does_nothing_else(web, tmp_path):
    line = FakeLine(tmp_path / "line.sock")
    until(lambda: web.get("/api/v1/status").json()["status"])
    store = web.app.state.web_store
    store.close()
    store._url, store.name = f"sqlite:///{tmp_path}/station.toml/x", f"{tmp_path}/station/station.toml/x"
    sign_in(web, Role.OPERATOR)
    assert web.get("/").status_code == 200
    assert web.post("/api/v1/commands/stop").json() == {"ok": True}
    answer = web.post("/api/v1/commands/start")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store_unavailable")
    assert [command.what for command in line.asked] == ["stop"]
    assert web.post("/api/v1/login", json={"name": "Ann", "secret": "x"}).status_code == 503
    line.close()


def test_a_station_whose_database_cannot_be_read_is_not_open(tmp_path):
    config = make_config(tmp_path / "station")
    (config.folder / "data").mkdir()
    (config.folder / "data/web.sqlite").write_bytes(b"not a database" * 100)
    app = create_app(config, tmp_path / "line.sock")
    with TestClient(app, base_url="http://127.0.0.1") as client:
        client.headers.update(OWN)
        assert client.get("/users").status_code == 403
        assert client.get("/").status_code == 200


def test_names_and_values_of_the_log_are_text_and_never_markup(web):
    sign_in(web, Role.ADMIN)
    evil = "<script>alert(1)</script>"
    web.post("/api/v1/commands/recipe", json={"recipe_id": evil})
    for path in ("/audit", f"/audit?who={evil}", f"/audit?what={evil}", f"/login?then=/{evil}", f"/{evil}"):
        page = web.get(path, headers=PAGE).text
        assert evil not in page, path
    assert "&lt;script&gt;" in web.get("/audit").text


def test_a_lost_password_is_given_anew_on_the_console(web, tmp_path):
    web.post("/users/add", data=ADMIN)
    station = tmp_path / "station/station.toml"
    run = lambda name, typed: CliRunner().invoke(  # noqa: E731
        application("reset-user"), ["reset-user", name, "--station", str(station)], input=typed
    )
    assert run("Eve", "").exit_code == 2
    assert run("Ann", "short\nshort\n").exit_code == 2
    assert run("Ann", "new password\nnew password\n").exit_code == 0
    assert another(web).post("/api/v1/login", json={"name": "Ann", "secret": "new password"}).status_code == 200
    newest = [row for row in audit.page(web.app.state.web_store) if row.what == "user.secret"]
    assert newest[0].actor.by == "console"
