"""What someone must not get by: a lesser role, markup in names, paths in ids, and requests that nobody meant."""

import contextlib
import os
import re

import pytest
from fastapi.routing import APIRoute, APIWebSocketRoute
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from starlette.websockets import WebSocketDisconnect

from inspector.clock import SystemClock
from inspector.people import hashing
from inspector.record.reader import store_url
from inspector.record.store import Store
from inspector.web import menu
from inspector.web.app import create_app
from inspector.web.roles import Role

from .fakes import FakeLine, fill_store, make_config, make_record, sign_in, until
from .test_shell import _routes

try:
    import schemathesis
except ModuleNotFoundError:
    if os.environ.get("CI") == "true":
        raise
    schemathesis = None

EVIL = "<img src=x onerror=\"window.hacked='yes'\">"
PAGE = {"Accept": "text/html"}


@pytest.fixture
def web(tmp_path):
    config = make_config(tmp_path / "station")
    fill_store(config)
    with TestClient(create_app(config, tmp_path / "line.sock"), base_url="http://127.0.0.1") as client:
        yield client


def role_of(route, found):
    """What a route asks for; the router of commands asks for all of its own."""
    return max(Role.OPERATOR, found or Role.WATCH) if route.path.startswith("/api/v1/commands") else found


def test_no_route_and_no_socket_lets_a_lesser_role_in(web):
    asked = 0
    for route, found in _routes(web.app):
        role = role_of(route, found)
        path = re.sub(r"\{[^}]*\}", "1", route.path)
        for lesser in [one for one in Role if one < role]:
            sign_in(web, lesser)
            asked += 1
            if isinstance(route, APIWebSocketRoute):
                with pytest.raises(WebSocketDisconnect), web.websocket_connect(path):
                    pass
                continue
            assert isinstance(route, APIRoute)
            for method in route.methods:
                assert web.request(method, path).status_code == 403, (method, path, lesser)
                assert web.request(method, path, headers=PAGE).status_code == 403, (method, path, lesser)
    assert asked > 20


def test_nobody_gets_in_either_and_a_dead_or_made_up_session_is_nobody(web):
    sign_in(web, Role.ADMIN)
    good = web.cookies["session"]
    for cookie in ("", "x" * 43, good[:-1] + "x", good + "x"):
        web.cookies.set("session", cookie)
        for route, found in _routes(web.app):
            if role_of(route, found) > Role.WATCH and isinstance(route, APIRoute):
                path = re.sub(r"\{[^}]*\}", "1", route.path)
                for method in route.methods:
                    assert web.request(method, path).status_code in (401, 403), (method, path)


def test_a_picture_s_id_leads_to_that_picture_and_nowhere_else(web, tmp_path):
    secret = b"what no picture's address may lead to"
    (tmp_path / "station/data/secret.jpg").write_bytes(secret)
    tries = ["../secret.jpg", "..%2fsecret.jpg", "%2e%2e%2fsecret.jpg", "day/three.jpg", "1%00", "-1", "9" * 30, "1e3"]
    tries += [str((1 << 32) | 12)]  # its record points outside of the pictures' folder
    for tried in tries:
        for query in ("", "?width=100"):
            answer = web.get(f"/api/v1/images/{tried}{query}")
            assert answer.status_code >= 400, tried
            assert secret not in answer.content
    for tried in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd"):
        assert web.get(tried).status_code == 404, tried


def test_what_an_address_says_is_never_markup_on_a_page(web):
    sign_in(web, Role.ADMIN)
    names = ("label", "recipe", "serial", "verdict", "q", "who", "what", "then", "since", "before", "id", "name")
    for page in [*(one.path for one in menu.MENU), "/login", f"/{EVIL}"]:
        for name in names:
            answer = web.get(page, params={name: EVIL}, headers=PAGE)
            assert answer.status_code < 500, (page, name)
            assert EVIL not in answer.text, (page, name)


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    """The API with a line and records behind it, and none of the faults that are told with 5xx on purpose."""
    folder = tmp_path_factory.mktemp("described")
    config = make_config(folder / "station")
    with contextlib.closing(Store.open(store_url(config.record.store, config.folder), SystemClock())) as store:
        store.write([make_record(number) for number in range(1, 31)])
    line = FakeLine(folder / "line.sock")
    with TestClient(create_app(config, folder / "line.sock"), base_url="http://127.0.0.1") as client:
        until(lambda: client.get("/api/v1/status").json()["status"])
        client.headers["Authorization"] = f"Bearer {client.app.state.token}"
        client.app.state.sessions.open_station = False
        yield client
    line.close()


@pytest.mark.skipif(schemathesis is None, reason="the package schemathesis is not installed")
def test_no_request_that_the_description_allows_or_forbids_is_a_fault(described, monkeypatch):
    """Requests made from the OpenAPI document, valid and not: every one is answered, none with a 5xx."""
    monkeypatch.setattr(hashing, "LOG2_N", 4)
    schema = schemathesis.openapi.from_dict(described.get("/api/v1/openapi.json").json())
    operations, answers = [], []
    for result in schema.get_all_operations():
        operation = result.ok()
        operations.append(operation.label)
        for mode in schemathesis.GenerationMode:

            @settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case):
                answer = described.request(**request_of(case))
                answers.append((case.method, case.path, answer.status_code))
                assert answer.status_code < 500, (case.method, case.formatted_path, answer.text)

            with contextlib.suppress(Unsatisfiable):  # nothing about this operation can be wrong
                ask()
    print(f"{len(answers)} requests to {len(operations)} operations")
    assert len(operations) >= 13
    assert len(answers) > 8 * len(operations)
    assert {status for *_, status in answers} >= {200, 404, 422}


def request_of(case):
    """A case as the test client takes it, with the client's own token."""
    made = case.as_transport_kwargs(base_url="http://127.0.0.1")
    headers = {name: value for name, value in made["headers"].items() if name.lower() != "authorization"}
    wanted = {"method", "url", "params", "json", "data", "content"}
    return {name: value for name, value in made.items() if name in wanted and value is not None} | {"headers": headers}
