"""The pages of inputs and outputs: what the integrator sees, and what a person may fire by hand."""

import pytest
from fastapi.testclient import TestClient

from firmware_bridge.plc.fields import FIELDS
from firmware_bridge.plc.maintenance import MODE_NS
from firmware_bridge.plc.signals import Control, Status
from inspector.config import PlcConfig
from inspector.people import audit
from inspector.web.app import create_app
from inspector.web.roles import Role

from .fakes import fill_store, make_config, sign_in, until
from .plc_line import PlcLine


@pytest.fixture
def config(tmp_path):
    config = make_config(tmp_path / "station")
    fill_store(config)
    return config.model_copy(update={"plc": PlcConfig(wiring="triggers")})


@pytest.fixture
def line(tmp_path):
    line = PlcLine(tmp_path / "line.sock")
    yield line
    line.close()


@pytest.fixture
def web(config, line):
    with TestClient(create_app(config, line.server.path), base_url="http://127.0.0.1") as client:
        until(lambda: client.get("/api/v1/plc").status_code == 200, "the PLC's report")
        yield sign_in(client, Role.INTEGRATOR)


def _bits(web):
    registers = {one["name"]: one for one in web.get("/api/v1/plc").json()["registers"]}
    return {bit["name"]: bit for name in ("control", "status") for bit in registers[name]["bits"]}


def test_without_a_plc_the_page_says_so_and_shows_the_controller(config, tmp_path):
    app = create_app(config.model_copy(update={"plc": None}), tmp_path / "none.sock")
    with TestClient(app, base_url="http://127.0.0.1") as client:
        page = sign_in(client, Role.INTEGRATOR).get("/io").text
    assert "there is no [plc] in its station file" in page
    assert 'id="link-clock_error_us"' in page
    assert 'id="io-registers"' not in page
    assert "/static/io.js" not in page
    assert '<td>FIRED</td><td class="long">told</td><td class="number">10</td>' in page


def test_every_bit_has_its_edges_counted_and_knows_since_when(web, line):
    line.run()
    until(lambda: _bits(web)["TRIGGER"]["changes"], "the trigger")
    bits = _bits(web)
    assert set(bits) == {str(bit.name) for bit in (*Control, *Status)}
    assert [bits["TRIGGER"][key] for key in ("bit", "on", "changes")] == [1, False, 2]
    assert [bits["TRIGGER_ENABLE"][key] for key in ("bit", "on", "changes")] == [0, True, 1]
    assert bits["SET_OFFLINE"] == {"name": "SET_OFFLINE", "bit": 7, "on": False, "changes": 0, "unchanged_s": None}
    told = web.get("/api/v1/plc").json()
    assert told["outputs"] == ["camera"]
    assert len(told["registers"]) == len(FIELDS)


def test_maintenance_is_told_with_its_end_and_ends_by_itself(web, line):
    def left():
        return web.get("/api/v1/status").json()["status"]["test_left_s"]

    line.rest()
    assert web.post("/api/v1/commands/plc", json={"what": "fire", "output": "camera"}).status_code == 409
    assert web.post("/api/v1/commands/plc", json={"what": "maintenance_on"}).status_code == 200
    until(lambda: left() is not None, "maintenance")
    assert 0 < left() <= MODE_NS / 1e9
    assert web.post("/api/v1/commands/plc", json={"what": "fire", "output": "camera"}).status_code == 200
    assert line.fired == [0]
    with line.image.lock:
        line.contract.tick(line.clock.now_ns() + MODE_NS)
    until(lambda: left() is None, "its end")
    assert web.post("/api/v1/commands/plc", json={"what": "fire", "output": "camera"}).status_code == 409
    assert line.fired == [0]
    logged = [(one.what, one.target) for one in audit.page(web.app.state.web_store)]
    assert ("line.plc", "maintenance on") in logged
    assert ("line.plc", "fire camera") in logged
    assert ("line.plc.refused", "fire camera") in logged


def test_only_an_integrator_may(web):
    sign_in(web, Role.QUALITY)
    assert web.get("/io").status_code == 403
    assert web.post("/api/v1/commands/plc", json={"what": "maintenance_on"}).status_code == 403
