import re
import stat
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from inspector.clock import SystemClock
from inspector.config import PlcConfig
from inspector.errors import ConfigError
from inspector.record.reader import store_url
from inspector.record.store import Store
from inspector.web import routes
from inspector.web.app import create_app
from inspector.web.auth import station_token
from inspector.web.errors import CODES
from inspector.web.server import _bind
from inspector.web.shell import STATIC_PATH

from .fakes import ALARM, FakeLine, fill_store, make_config, make_record, make_status, until

API = "/api/v1"
BOOT = 1 << 32
DOCS = Path(__file__).parents[2] / "docs" / "api.md"


@pytest.fixture
def config(tmp_path):
    return make_config(tmp_path / "station")


@pytest.fixture
def web(config, tmp_path):
    """The app with a full store and no line."""
    fill_store(config)
    app = create_app(config, tmp_path / "line.sock")
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def line(tmp_path):
    made = FakeLine(tmp_path / "line.sock")
    yield made
    made.close()


def _token(web):
    return {"Authorization": f"Bearer {web.app.state.token}"}


def _error(answer, status, code):
    body = answer.json()
    assert (answer.status_code, body["error"]["code"]) == (status, code), body
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "detail"}
    assert body["error"]["message"]
    assert "\n" not in body["error"]["message"]
    return body["error"]


def _connected(web):
    until(lambda: web.get(f"{API}/status").json()["status"] is not None)


def test_status_without_a_line_says_so(web):
    body = web.get(f"{API}/status").json()
    assert body["status"] is None
    assert body["line"]["connected"] is False
    assert body["line"]["status_age_s"] is None
    assert "line.sock" in body["line"]["trouble"] or "No such file" in body["line"]["trouble"]


def test_status_is_the_line_s_own(line, web):
    line.alarms = (ALARM,)
    _connected(web)
    until(lambda: web.get(f"{API}/status").json()["status"]["alarms"])
    body = web.get(f"{API}/status").json()
    told = make_status(0)
    assert body["line"]["connected"] is True
    assert body["line"]["status_age_s"] < 3
    assert body["status"]["state"] == "Execute"
    assert body["status"]["last_part_id"] == str(told.last_part_id)
    assert body["status"]["alarms"][0]["advice"] == "Empty it soon."
    line.close()
    until(lambda: not web.get(f"{API}/status").json()["line"]["connected"])


def test_records_filter_and_page(web):
    def numbers(**given):
        return [record["number"] for record in web.get(f"{API}/records", params=given).json()["records"]]

    assert numbers() == list(range(30, 0, -1))
    assert numbers(verdict="REJECT", label="dent") == [27, 21, 15, 9, 3]
    assert numbers(score_min=2.9) == [30, 29]
    assert numbers(since="2026-03-01T10:00:05Z", until="2026-03-01T10:00:07Z") == [6, 5]
    assert numbers(recipe="hub") == []
    pages, before = [], None
    while True:
        page = web.get(f"{API}/records", params={"limit": 7} | ({"before": before} if before else {})).json()
        pages += [record["number"] for record in page["records"]]
        before = page["next_before"]
        if before is None:
            break
    assert pages == list(range(30, 0, -1))


def test_one_record_in_full_with_its_id_as_text(web):
    body = web.get(f"{API}/records/{BOOT + 3}").json()
    assert (body["part_id"], body["verdict"], body["image"]) == (str(BOOT + 3), "REJECT", "kept")
    assert body["outcome"] == {"kind": "FIRED", "reason": "told", "tick": 9}
    assert body["defects"][0]["label"] == "dent"
    assert web.get(f"{API}/records/{BOOT + 6}").json()["image"] == "removed"
    assert web.get(f"{API}/records/{BOOT + 1}").json()["image"] == "none"
    _error(web.get(f"{API}/records/{BOOT + 99}"), 404, "no_such_part")


def test_pictures_and_why_there_is_none(web):
    picture = web.get(f"{API}/images/{BOOT + 3}")
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/jpeg")
    assert picture.content[:2] == b"\xff\xd8"
    _error(web.get(f"{API}/images/{BOOT + 1}"), 404, "no_image")
    _error(web.get(f"{API}/images/{BOOT + 99}"), 404, "no_such_part")
    _error(web.get(f"{API}/images/{BOOT + 9}"), 500, "image_lost")
    gone = _error(web.get(f"{API}/images/{BOOT + 6}"), 410, "image_removed")
    assert gone["detail"]["reason"] == "disk budget"


def test_nobody_walks_out_of_the_folders(web):
    # Also not by a record that points elsewhere.
    assert b"secret" not in _raw(web, f"{API}/images/{BOOT + 12}", 500)
    for path in (
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        f"{API}/images/..%2f..%2f..%2fetc%2fpasswd",
        f"{API}/images/%2fetc%2fpasswd",
    ):
        answer = web.get(path)
        assert answer.status_code in (404, 422), path
        assert set(answer.json()) == {"error"}


def _raw(web, path, status):
    answer = web.get(path)
    assert answer.status_code == status
    return answer.content


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("verdict=pass", "query.verdict"),
        ("limit=0", "query.limit"),
        ("limit=201", "query.limit"),
        ("before=x", "query.before"),
        ("score_min=nan", "query.score_min"),
        ("since=yesterday", "query.since"),
    ],
)
def test_bad_filters_are_refused_by_name(web, query, where):
    error = _error(web.get(f"{API}/records?{query}"), 422, "invalid")
    assert error["message"].startswith(where)
    assert error["detail"][0]["where"] == where


@pytest.mark.parametrize("part_id", ["x", "-1", str(1 << 64), "1.5"])
def test_bad_part_ids(web, part_id):
    _error(web.get(f"{API}/records/{part_id}"), 422, "invalid")
    _error(web.get(f"{API}/images/{part_id}"), 422, "invalid")


def test_the_same_shape_for_what_is_not_there(web):
    _error(web.get(f"{API}/nothing"), 404, "not_found")
    _error(web.get("/docs"), 404, "not_found")
    _error(web.get("/static/nothing.js"), 404, "not_found")
    _error(web.put(f"{API}/status"), 405, "method_not_allowed")
    _error(web.get(f"{API}/commands/start"), 405, "method_not_allowed")


def test_a_fault_of_ours_has_the_same_shape_and_tells_no_secrets(web):
    def surprise():
        raise RuntimeError("the password is 1234")

    web.app.state.store.reader = surprise
    error = _error(web.get(f"{API}/records"), 500, "internal")
    assert error["message"] == "unexpected RuntimeError"


def test_commands_need_the_station_s_token(web, line):
    _connected(web)
    for what in ("start", "stop", "reset", "recipe", "ack"):
        path = f"{API}/commands/{what}"
        missing = web.post(path)
        _error(missing, 401, "token_missing")
        assert missing.headers["www-authenticate"] == "Bearer"
        _error(web.post(path, headers={"Authorization": "Basic abc"}), 401, "token_missing")
        _error(web.post(path, headers={"Authorization": "Bearer wrong"}), 403, "token_wrong")
        _error(web.post(path, headers={"Authorization": "Bearer \u00fc".encode()}), 403, "token_wrong")
    assert line.asked == []


def test_commands_reach_the_line_and_its_refusal_comes_back(web, line):
    _connected(web)
    for what in ("start", "stop", "reset"):
        assert web.post(f"{API}/commands/{what}", headers=_token(web)).json() == {"ok": True}
    assert web.post(f"{API}/commands/ack", headers=_token(web), json={"code": "bin_full"}).status_code == 200
    assert web.post(f"{API}/commands/recipe", headers=_token(web), json={"recipe_id": "hub"}).status_code == 200
    refused = web.post(f"{API}/commands/recipe", headers=_token(web), json={"recipe_id": "nonsense"})
    assert _error(refused, 409, "refused")["message"] == "no recipe has id 'nonsense'"
    assert [(asked.what, asked.argument) for asked in line.asked] == [
        ("start", ""),
        ("stop", ""),
        ("reset", ""),
        ("ack", "bin_full"),
        ("recipe", "hub"),
        ("recipe", "nonsense"),
    ]


def test_commands_that_cannot_be_done(web):
    _error(web.post(f"{API}/commands/start", headers=_token(web)), 503, "line_down")
    for body in ({}, {"recipe_id": ""}, {"recipe_id": 5}, []):
        answer = web.post(f"{API}/commands/recipe", headers=_token(web), json=body)
        _error(answer, 422, "invalid")
    _error(web.post(f"{API}/commands/recipe", headers=_token(web), content=b"{"), 422, "invalid")


def test_recipes_with_what_is_wrong_with_them(web):
    found = {recipe["file"]: recipe for recipe in web.get(f"{API}/recipes").json()}
    assert sorted(found) == ["broken.toml", "hub.toml", "recipe.toml"]
    assert "did you mean 'threshold'" in found["broken.toml"]["trouble"]
    assert (found["hub.toml"]["id"], found["hub.toml"]["trouble"]) == ("hub", "")


def test_a_store_that_is_not_there_yet_is_found_when_it_is(config, tmp_path):
    with TestClient(create_app(config, tmp_path / "line.sock"), base_url="http://127.0.0.1") as web:
        _error(web.get(f"{API}/records"), 503, "store_unavailable")
        _error(web.get(f"{API}/images/1"), 503, "store_unavailable")
        store = Store.open(store_url(config.record.store, config.folder), SystemClock())
        store.write([make_record(1)])
        assert len(web.get(f"{API}/records").json()["records"]) == 1
        store.close()


def test_metrics_without_a_line_hold_no_old_numbers(web):
    text = web.get("/metrics").text
    assert "inspector_line_connected 0.0" in text
    assert "inspector_parts" not in text


def test_metrics(web, line):
    line.alarms = (ALARM,)
    _connected(web)
    until(lambda: "bin_full" in web.get("/metrics").text)
    text = web.get("/metrics").text
    for wanted in (
        "inspector_line_connected 1.0",
        'inspector_parts_total{verdict="passed"} 0.0',
        'inspector_state{state="Execute"} 1.0',
        'inspector_alarm_active{code="bin_full",severity="medium"} 1.0',
        'inspector_latency_seconds{what="model_p50"} 0.0085',
        'inspector_slack_seconds{what="min"} 0.1',
        'inspector_queue{queue="recorder",what="pictures_dropped_queue"} 3.0',
        'inspector_controller{what="crc_errors"} 2.0',
    ):
        assert wanted in text, text


def test_nothing_leaves_the_host(web):
    page = web.get("/")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    pages = Path(__file__).parents[2] / "inspector" / "web" / "pages"
    for file in pages.iterdir():
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text, file
        assert "https://" not in text, file
        assert web.get(f"/static/{file.name}").headers["cache-control"] == "no-cache"
        kept = web.get(f"{STATIC_PATH}/{file.name}")
        assert (kept.status_code, "immutable" in kept.headers["cache-control"]) == (200, True)


def test_a_foreign_host_name_is_turned_away_and_an_own_one_is_not(web):
    _error(web.get(f"{API}/status", headers={"Host": "evil.example:8080"}), 400, "bad_request")
    for host in ("localhost:8080", "127.0.0.1", "[::1]:8080"):
        assert web.get(f"{API}/status", headers={"Host": host}).status_code == 200


def test_the_token_file_is_made_once_and_for_the_owner_only(tmp_path):
    path = tmp_path / "data" / "token"
    token = station_token(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert station_token(path) == token
    assert len(token) >= 32
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="mode of the token file is 644, wanted 600"):
        station_token(path)
    path.chmod(0o600)
    path.write_text("short")
    with pytest.raises(ConfigError, match="wanted at least 16"):
        station_token(path)
    with pytest.raises(ConfigError, match="cannot be"):
        station_token(path / "below")


def test_an_address_that_cannot_be_used_is_said_in_one_line(config):
    with _bind(config.web) as taken:
        taken.listen()
        busy = config.web.model_copy(update={"port": taken.getsockname()[1]})
        with pytest.raises(ConfigError, match=r"cannot listen on 127\.0\.0\.1 port"):
            _bind(busy)
    with pytest.raises(ConfigError, match=r"\[web\] host is 'no.such.host.invalid'"):
        _bind(config.web.model_copy(update={"host": "no.such.host.invalid"}))


def test_every_route_error_and_metric_is_documented(web):
    text = DOCS.read_text()
    description = web.get(f"{API}/openapi.json").json()
    for path, methods in description["paths"].items():
        for method, route in methods.items():
            assert f"`{method.upper()} {path}`" in text, path
            assert route["description"], path
            for parameter in route.get("parameters", []):
                assert parameter["description"], (path, parameter["name"])
                assert f"`{parameter['name']}`" in text, (path, parameter["name"])
    for code, (status, meaning) in CODES.items():
        assert f"| `{code}` | {status} | {meaning} |" in text, code
    assert "`/api/v1/live`" in text
    source = (Path(routes.__file__).parent / "metrics.py").read_text()
    names = set(re.findall(r'"(inspector_\w+)"', source))
    assert len(names) > 10
    assert not [name for name in names if f"`{name}`" not in text and f"`{name}_total`" not in text]


def test_every_error_answer_of_the_description_is_the_one_shape(web):
    description = web.get(f"{API}/openapi.json").json()
    for path, methods in description["paths"].items():
        for route in methods.values():
            for status, answer in route["responses"].items():
                if status.startswith(("4", "5")):
                    schema = answer["content"]["application/json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/ErrorOut"}, (path, status)


def test_the_plc_is_not_there_or_has_not_been_told_of(web, config):
    _error(web.get(f"{API}/plc"), 404, "not_found")
    web.app.state.config = config.model_copy(update={"plc": PlcConfig(wiring="triggers")})
    _error(web.get(f"{API}/plc"), 503, "line_down")
    _error(web.post(f"{API}/commands/maintenance", headers=_token(web), json={"what": "hold"}), 422, "invalid")
