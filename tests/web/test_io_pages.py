"""The pages of inputs and outputs: what the integrator sees, and what a person may fire by hand."""

import re
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from firmware_bridge.plc.fields import FIELDS
from firmware_bridge.plc.maintenance import MODE_NS
from firmware_bridge.plc.results import Result
from firmware_bridge.plc.signals import Control, PlcVerdict, Status
from inspector.config import PlcConfig
from inspector.people import audit
from inspector.web.app import create_app
from inspector.web.lanes import lanes_of
from inspector.web.plc_orders import PlcOrders
from inspector.web.roles import Role

from .fakes import fill_store, make_config, make_record, sign_in, until
from .plc_line import WHO, PlcLine


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


def test_without_a_plc_the_page_says_so_and_shows_the_controller_and_its_outputs(config, tmp_path):
    app = create_app(config.model_copy(update={"plc": None}), tmp_path / "none.sock")
    with TestClient(app, base_url="http://127.0.0.1") as client:
        page = sign_in(client, Role.INTEGRATOR).get("/io").text
    assert "there is no [plc] in its station file" in page
    assert 'id="link-clock_error_us"' in page
    assert 'id="io-registers"' not in page
    assert "/io.js" not in page
    assert 'id="force"' not in page
    assert re.findall(r'data-output="(\w+)"', page) == ["ejector"]
    assert '<td>thrown out</td><td class="long">told</td><td class="number">10</td>' in page


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
    assert web.post("/api/v1/commands/maintenance", json={"what": "fire", "output": "camera"}).status_code == 409
    assert web.post("/api/v1/commands/maintenance", json={"what": "begin"}).status_code == 200
    until(lambda: left() is not None, "maintenance")
    assert 0 < left() <= MODE_NS / 1e9
    assert web.post("/api/v1/commands/maintenance", json={"what": "fire", "output": "camera"}).status_code == 200
    assert line.fired == [0]
    with line.image.lock:
        line.contract.tick(line.clock.now_ns() + MODE_NS)
    until(lambda: left() is None, "its end")
    assert web.post("/api/v1/commands/maintenance", json={"what": "fire", "output": "camera"}).status_code == 409
    assert line.fired == [0]
    logged = [(one.what, one.target) for one in audit.page(web.app.state.web_store)]
    assert ("line.maintenance", "begin") in logged
    assert ("line.maintenance", "fire camera") in logged
    assert ("line.maintenance.refused", "fire camera") in logged


def test_a_signal_is_forced_over_the_api_and_the_page_and_the_log_say_so(web, line):
    def force(signal, value):
        wanted = {"what": "force", "signal": signal, "value": value}
        return web.post("/api/v1/commands/maintenance", json=wanted)

    page = web.get("/io").text
    assert 'data-signal="RESULTS_VALID" data-value="1"' in page
    assert "verdict = REJECT" in page
    assert "verdict = PASS" not in page
    line.rest()
    assert "not in maintenance" in force("RESULTS_VALID", 1).json()["error"]["message"]
    web.post("/api/v1/commands/maintenance", json={"what": "begin"})
    assert force("RESULTS_VALID", 1).status_code == 200
    assert force("verdict", 2).status_code == 200
    assert "not forceable" in force("verdict", 1).json()["error"]["message"]
    until(lambda: web.get("/api/v1/plc").json()["forced"] == {"RESULTS_VALID": 1, "verdict": 2}, "the forced signals")
    registers = {one["name"]: one for one in web.get("/api/v1/plc").json()["registers"]}
    assert registers["verdict"]["names"] == ["REJECT"]
    assert {"MAINTENANCE", "RESULTS_VALID"} <= set(registers["status"]["names"])
    assert "FORCED" in registers["modes"]["names"]
    assert force("verdict", None).status_code == 200
    web.post("/api/v1/commands/maintenance", json={"what": "end"})
    until(lambda: web.get("/api/v1/plc").json()["forced"] == {}, "the truth")
    logged = {(one.what, one.target) for one in audit.page(web.app.state.web_store)}
    assert {("line.maintenance", "force verdict 2"), ("line.maintenance", "force verdict -")} <= logged
    assert ("line.maintenance.refused", "force verdict 1") in logged


def test_what_the_plc_fires_is_in_the_audit_log_once_over_restarts(web, line, config):
    line.rest()
    for command, argument in ((3, 0), (5, 0), (5, 9)):
        line.inputs = replace(line.inputs, command=command, command_argument=argument)
        line.control(Control.EXECUTE_COMMAND)
        line.control(Control(0))
    assert line.fired == [0]

    def logged(store):
        return [(row.what, row.target) for row in reversed(audit.page(store, by="plc"))]

    wanted = [("plc.enter_maintenance", "0"), ("plc.test_fire", "0")]  # what was refused is among the counters
    until(lambda: logged(web.app.state.web_store) == wanted, "the log")
    row = audit.page(web.app.state.web_store, by="plc")[0]
    assert (row.actor.name, row.actor.address, row.new["refused"]) == ("PLC", WHO, "")
    again = create_app(config, line.server.path)
    with TestClient(again, base_url="http://127.0.0.1") as client:
        until(lambda: client.get("/api/v1/plc").status_code == 200, "the PLC's report")
        PlcOrders(again.state.client, again.state.web_store).log(again.state.client.plc.orders)
    assert logged(web.app.state.web_store) == wanted


def test_the_result_that_is_shown_is_among_the_registers(web, line):
    def register(name):
        return next(one for one in web.get("/api/v1/plc").json()["registers"] if one["name"] == name)

    line.run()
    with line.image.lock:
        line.contract.result(Result(part_id=77, verdict=PlcVerdict.REJECT, score=1.5), line.clock.now_ns())
    until(lambda: register("verdict")["value"] == PlcVerdict.REJECT, "the result")
    assert register("result_part_id")["value"] == 77
    assert register("score")["value"] == 1.5


def test_only_an_integrator_may(web):
    sign_in(web, Role.QUALITY)
    assert web.get("/io").status_code == 403
    assert web.post("/api/v1/commands/maintenance", json={"what": "begin"}).status_code == 403


def _timed(**part):
    record = make_record(31)
    times = {"seen_at_ns": 1_000_000_000, "trigger_at_ns": 1_150_000_000, "seen_tick": 100, "due_tick": 6100} | part
    stages = {"pose": 2.0, "model": 8.0}
    inspection = replace(record.inspection, stage_ms=stages)
    outcome = replace(record.outcome, tick=6090)
    return replace(record, part=replace(record.part, **times), inspection=inspection, outcome=outcome, slack_ms=382.0)


def test_lanes_lie_where_record_and_settings_say(config):
    alone = config.model_copy(update={"plc": None})  # 1500 ticks to the camera, guard 100, lead 8 ms
    lanes = {lane.name: lane for lane in lanes_of(_timed(), alone)}
    assert [lanes["Camera trigger"].start_ms, lanes["Deadline"].start_ms] == [150, pytest.approx(582)]
    assert lanes["Verdict sent"].start_ms == pytest.approx(200)
    assert (lanes["pose"].start_ms, lanes["model"].start_ms) == (pytest.approx(190), pytest.approx(192))
    transfer = lanes["Exposure, transfer, waiting"]
    assert (transfer.start_ms, transfer.end_ms, transfer.estimated) == (150, pytest.approx(190), True)
    assert lanes["At the gate"].start_ms == pytest.approx(599)


def test_lanes_do_not_say_what_cannot_be_known(config):
    alone = config.model_copy(update={"plc": None})
    lanes = lanes_of(_timed(trigger_at_ns=None), alone)
    assert [lane.name for lane in lanes] == ["Eye", "pose", "model"]
    assert all(lane.estimated for lane in lanes[1:])
    by_plc = {lane.name: lane for lane in lanes_of(_timed(), config)}  # result_timeout 1000 ms
    assert (by_plc["Deadline"].start_ms, by_plc["Verdict sent"].start_ms) == (1000, 618)
    assert "At the gate" not in by_plc


def test_a_part_s_timing_is_found_by_id_and_leads_on(config, tmp_path):
    app = create_app(config, tmp_path / "none.sock")
    with TestClient(app, base_url="http://127.0.0.1") as client:
        sign_in(client, Role.INTEGRATOR)
        newest = client.get("/io/timing").text
        assert f'value="{(1 << 32) | 30}"' in newest
        assert 'rel="next"' not in newest
        page = client.get(f"/io/timing?part={(1 << 32) | 7}").text
        assert f'rel="prev" href="/io/timing?part={(1 << 32) | 6}"' in page
        assert f'rel="next" href="/io/timing?part={(1 << 32) | 8}"' in page
        assert ">model</text>" in page
        assert "No record has part id 5." in client.get("/io/timing?part=5").text
        assert client.get(f"/io/timing?part={10**19 * 9}").status_code == 200
        assert client.get("/io/timing?part=x").status_code == 422
        assert sign_in(client, Role.QUALITY).get("/io/timing").status_code == 403


def test_a_register_that_never_had_a_value_is_as_old_as_the_line(web):
    def ages():
        return {one["name"]: one["unchanged_s"] for one in web.get("/api/v1/plc").json()["registers"]}

    until(lambda: ages()["verdict"] > 0.3, "some time without a result")
    assert ages()["verdict"] >= ages()["station_heartbeat"]
