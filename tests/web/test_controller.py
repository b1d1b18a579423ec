"""The reject controller's status: from the bridge's book through the line to the API."""

import pytest
from fastapi.testclient import TestClient

from firmware_bridge import protocol as wire
from firmware_bridge.bridge import Bridge
from inspector.controllers import RejectController
from inspector.web.app import create_app
from inspector.web.controller_routes import slack_bins
from tests.firmware_bridge.made import MS, SETTINGS, Rig

from .fakes import FakeLine, fill_store, make_config, until

API = "/api/v1"
LINK = {
    "linked": True,
    "clock_error_us": 80,
    "mode": int(wire.Mode.RUN),
    "fault": int(wire.Fault.NONE),
    "damaged": 1,
    "resent": 2,
    "reread": 3,
    "reopened": 0,
    "boot": 7,
    "parts": [{"part": 5, "phase": "SEEN", "to_gate": 1200, "verdict": "PASS"}],
    "troubles": {"late": 4},
}


@pytest.fixture
def line(tmp_path):
    made = FakeLine(tmp_path / "line.sock")
    yield made
    made.close()


@pytest.fixture
def web(tmp_path):
    config = make_config(tmp_path / "station")
    fill_store(config)
    app = create_app(config, tmp_path / "line.sock")
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


def told(web, line, link):
    line.more = {"link": link}
    until(lambda: web.app.state.client.status is not None and web.app.state.client.status.link == link)
    return web.get(f"{API}/controller")


def test_it_is_told_whole(web, line):
    answer = told(web, line, LINK)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["mode"], found["fault"], found["boot"]) == ("RUN", "NONE", 7)
    assert found["queue"] == LINK["parts"]
    assert found["counters"] == {"late": 4}
    assert found["link"] == {"damaged": 1, "resent": 2, "reread": 3, "reopened": 0}
    assert sum(found["reasons"].values()) > 0
    assert [one["below_ms"] for one in found["slack"]][-1] is None


def test_without_a_line_or_a_controller_it_says_so(web, line):
    assert told(web, line, {"linked": True}).json()["error"]["code"] == "not_found"
    line.close()
    until(lambda: not web.app.state.client.connected)
    web.app.state.client.status = None
    assert web.get(f"{API}/controller").json()["error"]["code"] == "line_down"


def test_slack_is_counted_once_each():
    bins = {one.below_ms: one.parts for one in slack_bins([-5.0, 0.0, 9.9, 10.0, 5000.0, None])}
    assert bins == {0: 1, 10: 2, 20: 1, 50: 0, 100: 0, 200: 0, 500: 0, 1000: 0, 2000: 0, None: 1}


class Thread:
    """As much of the bridge's thread as its numbers need."""

    port_error = ""
    reopened = 0


def until_true(rig, condition):
    for _ in range(2000):
        if condition():
            return
        rig.until(rig.now_ns + 5 * MS)
    raise AssertionError("it never came")


def test_the_queue_is_what_lies_between_eye_and_gate():
    rig = Rig([2000, 6000, 10_000])
    rig.start()
    until_true(rig, lambda: len(rig.bridge.queue()) == 1)
    controller = RejectController(rig.bridge, Thread(), {})
    (part,) = controller.numbers()["parts"]
    assert part["part"] == 1
    assert part["phase"] in ("SEEN", "TRIGGERED")
    assert 0 < part["to_gate"] <= 1.1 * SETTINGS[wire.Key.GATE_COUNT]  # the last status is up to 100 ms old
    assert part["verdict"] is None
    rig.judge(1, wire.Verdict.PASS)
    assert rig.bridge.queue()[0]["verdict"] == "PASS"
    until_true(rig, lambda: rig.bridge.queue()[0]["verdict"] is None)  # acknowledged
    until_true(rig, lambda: all(part["part"] != 1 for part in rig.bridge.queue()))
    until_true(rig, lambda: controller.numbers()["troubles"].get("most_in_flight", 0) >= 1)


def test_before_it_has_spoken_there_is_nothing():
    numbers = RejectController(Bridge(SETTINGS, 500), Thread(), {}).numbers()
    assert (numbers["parts"], numbers["troubles"], numbers["mode"]) == ([], {}, None)
