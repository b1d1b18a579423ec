"""The shell of all pages: roles on every route, languages, themes, and what a browser is allowed to change."""

import io
import re
from pathlib import Path

import pytest
from babel.messages import extract, pofile
from fastapi.routing import APIRoute, APIWebSocketRoute
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from inspector.alarms import WORDS
from inspector.errors import ConfigError
from inspector.web import menu, words
from inspector.web.app import create_app
from inspector.web.roles import Role
from inspector.web.sessions import IDLE_S, Sessions
from inspector.web.words import LOCALE, Words, read_po, stretched

from .fakes import fill_store, make_config, sign_in

WEB = Path(menu.__file__).parent


@pytest.fixture
def web(tmp_path):
    config = make_config(tmp_path / "station")
    fill_store(config)
    app = create_app(config, tmp_path / "line.sock")
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


def _routes(app):
    """Every route and socket of the app with the role it asks for, or None."""
    found, waiting = [], list(app.routes)
    while waiting:
        route = waiting.pop()
        waiting += getattr(getattr(route, "original_router", None), "routes", [])
        if isinstance(route, APIRoute | APIWebSocketRoute):
            asked = [getattr(given.dependency, "role", None) for given in route.dependencies]
            asked += [getattr(inner.call, "role", None) for inner in route.dependant.dependencies]
            found.append((route, max((role for role in asked if role is not None), default=None)))
    return found


def test_every_route_and_socket_asks_for_a_role(web):
    routes = _routes(web.app)
    assert len(routes) > 12
    for route, role in routes:
        if not route.path.startswith("/api/v1/commands"):  # their router asks
            assert role is not None, route.path


@pytest.mark.parametrize("page", menu.MENU, ids=lambda page: page.path)
def test_each_page_of_the_table_opens_in_each_language_and_refuses_lesser_roles(web, page):
    for language in ("en", "zh", "pseudo"):
        web.cookies.set("lang", language)
        answer = web.get(page.path)
        assert answer.status_code == 200
        assert Words(language)(page.title) in answer.text
        assert 'id="connection"' in answer.text
    if page.role > Role.WATCH:
        assert sign_in(web, Role(page.role - 1)).get(page.path).status_code == 403


def test_a_station_without_accounts_is_open_to_its_own_machine_alone(web):
    command = "/api/v1/commands/stop"
    own = {"Origin": "http://127.0.0.1"}
    assert web.post(command, headers=own).json()["error"]["code"] == "line_down"  # was let through to the line
    assert web.post(command, headers=own | {"X-Forwarded-For": "10.0.0.9"}).status_code == 401
    web.app.state.sessions.open_station = False
    assert web.post(command, headers=own).status_code == 401


def test_a_change_from_another_origin_is_refused_also_with_the_right_cookie(web):
    sign_in(web, Role.OPERATOR)
    for origin in ("http://evil.example", "null", "http://127.0.0.1.evil.example"):
        answer = web.post("/api/v1/commands/stop", headers={"Origin": origin})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "origin_wrong")
    del web.headers["Origin"]  # by cookie, yet not from a page
    assert web.post("/api/v1/commands/stop").json()["error"]["code"] == "origin_wrong"


def test_a_watcher_s_session_gets_403_for_every_command(web):
    sign_in(web, Role.WATCH)
    paths = [route.path for route, _ in _routes(web.app) if route.path.startswith("/api/v1/commands")]
    assert len(paths) >= 5
    for path in paths:
        answer = web.post(path, json={"recipe_id": "hub", "code": "x"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden"), path


def test_a_socket_with_a_wrong_token_or_of_another_origin_is_not_opened(web):
    for headers in ({"Authorization": "Bearer wrong"}, {"Origin": "http://evil.example"}):
        with pytest.raises(WebSocketDisconnect), web.websocket_connect("/api/v1/live", headers=headers):
            pass


def test_sessions_end_when_idle():
    class Hand:
        ns = 0

        def now_ns(self):
            return self.ns

    hand = Hand()
    sessions = Sessions(hand)
    token = sessions.open("ann", Role.OPERATOR)
    hand.ns += int((IDLE_S[Role.OPERATOR] - 1) * 1e9)
    assert sessions.find(token).name == "ann"
    hand.ns += int((IDLE_S[Role.OPERATOR] + 1) * 1e9)
    assert sessions.find(token) is None
    assert sessions.find("") is None


def test_view_settings_are_kept_and_lead_back_to_this_station_only(web):
    own = {"Origin": "http://127.0.0.1", "Referer": "http://evil.example//evil.example/x"}
    answer = web.post(
        "/view", data={"lang": "zh", "theme": "night", "panel": "32.0"}, headers=own, follow_redirects=False
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    page = web.get("/more").text
    assert 'lang="zh-CN" data-theme="night" data-panel="32.0"' in page
    web.post("/view", data={"lang": "<script>", "theme": "x", "panel": "nan"}, headers=own)
    assert 'lang="zh-CN" data-theme="night" data-panel="32.0"' in web.get("/more").text


def _said():
    """Every message of the templates, scripts and modules, as Babel finds it."""
    methods = [("**.py", "python"), ("templates/**.html", "jinja2"), ("pages/**.js", "javascript")]
    keywords = {"_": None, "mark": None}
    said = {
        found[2] for found in extract.extract_from_dir(WEB, methods, keywords=keywords) if isinstance(found[2], str)
    }
    return said | {text for wording in WORDS.values() for text in wording}


def test_every_message_has_its_chinese_and_babel_reads_the_file_as_we_do():
    path = LOCALE / "zh.po"
    ours = read_po(path)
    theirs = {m.id: m.string for m in pofile.read_po(io.BytesIO(path.read_bytes())) if m.id}
    assert ours == theirs
    said = _said()
    assert len(said) > 60
    assert sorted(said - ours.keys()) == []
    assert [message for message, chinese in ours.items() if not chinese] == []
    for message, chinese in ours.items():
        assert set(re.findall(r"\{\w+\}", message)) == set(re.findall(r"\{\w+\}", chinese)), message


def test_a_broken_catalogue_is_named_with_its_line(tmp_path):
    broken = tmp_path / "zh.po"
    broken.write_text('msgid "a"\nmsgstr nothing\n')
    with pytest.raises(ConfigError, match=r"zh.po: line 2"):
        read_po(broken)


def test_the_language_of_tests_is_40_percent_longer_and_keeps_its_fields():
    assert stretched("Part {part}, now") == "[Pàrt {part}, ñôw~~]"
    for message in sorted(_said()):
        plain = re.sub(r"\{\w*\}|\n", "", message)
        assert len(re.sub(r"\{\w*\}|\n", "", stretched(message))) >= 1.35 * len(plain) - 1, message


def test_words_in_a_page_s_json_cannot_end_their_script(tmp_path):
    script = tmp_path / "x.js"
    script.write_text('_("</script><b>")')
    assert "<" not in Words("pseudo").for_script(script)
    assert words.chosen_language("", "fr, zh-TW;q=0.9") == "zh"
