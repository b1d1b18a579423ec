"""Health, cameras, calibration, backup and jobs on the screen."""

import io
import tomllib
import zipfile
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from inspector.backup.archive import make_backup
from inspector.calibrated import digest
from inspector.config import CalibrationConfig, load_station
from inspector.jobs.context import JobContext
from inspector.jobs.folder import write_json
from inspector.people import audit
from inspector.web.app import create_app
from inspector.web.roles import Role
from inspector.work import keeping

from .fakes import FakeLine, make_config, make_status, sign_in, until

LENS = """kind = "lens"
version = 1
id = "{id}"
made_at = "2020-01-01T00:00:00.000Z"
made_by = "a test"
images = []
[camera]
serial = "C1"
width = 64
height = 48
lens_setting = "f8"
[value]
fx = 100.0
fy = 100.0
cx = 32.0
cy = 24.0
distortion = []
[uncertainty]
fx = 0.5
[residual]
rms_px = 0.1
"""


@pytest.fixture
def web(tmp_path):
    (tmp_path / "plant").mkdir()
    config = make_config(tmp_path / "plant" / "station")
    (config.folder / "m").mkdir()
    (config.folder / "m" / "model.onnx").write_bytes(b"model")
    (config.folder / "lens.toml").write_text(LENS.format(id="x"))
    (config.folder / "plane.toml").write_text("kind = 'lens'")
    config = config.model_copy(update={"calibration": CalibrationConfig(lens="lens.toml", plane="plane.toml")})
    app = create_app(config, tmp_path / "line.sock")
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        client.folder, client.config = config.folder, config
        yield sign_in(client, Role.ADMIN)


def work_on(web, number):
    """The job's own work, in this process."""
    job = web.app.state.jobs.get(number)
    context = JobContext(job.folder, web.folder / "station.toml")
    write_json(job.folder / "result.json", getattr(keeping, job.kind)(context))
    write_json(job.folder / "state.json", {"state": "done"})
    return job


def test_calibration_shows_numbers_and_age_and_says_what_cannot_be_used(web):
    page = web.get("/calibration").text
    assert "it was changed after the tool wrote it" in page
    assert "is a result of kind" in page
    tables = tomllib.loads(LENS.format(id="x"))
    (web.folder / "lens.toml").write_text(LENS.format(id=digest(tables)))
    page = web.get("/calibration").text
    for said in (
        "C1, 64 x 48, f8",
        "<code>fx</code>&nbsp;0.5",
        "make it again: python -m calibration lens",
        "badge warning",
    ):
        assert said in page, said


def test_health_tells_what_the_line_says_and_asks_for_what_it_leaves(web, tmp_path):
    assert "The line is not connected." in web.get("/health").text
    web.post("/health")
    assert web.app.state.jobs.get(1).arguments == {"line_runs": False}
    line = FakeLine(tmp_path / "line.sock")
    try:
        until(lambda: web.get("/api/v1/status").json()["status"], "the line")
        assert "Records waiting" in web.get("/health").text
        assert "A check is under way." in web.get("/health").text
        web.post("/health")
        assert web.app.state.jobs.get(2).arguments == {"line_runs": True}
    finally:
        line.close()
    finding = {"what": "disk", "level": "fail", "found": "<b>3 MB</b>", "advice": "free disk space"}
    job = web.app.state.jobs.get(2)
    write_json(job.folder / "result.json", {"fit": False, "findings": [finding]})
    write_json(job.folder / "state.json", {"state": "done", "ended_at_utc": "2026-03-01T10:00:00.000Z"})
    for page in (web.get("/health").text, web.get("/jobs/2").text):
        assert "NOT fit to run." in page
        assert "<b>3 MB</b>" not in page


def test_cameras_show_what_was_wanted_beside_what_the_camera_says(web, monkeypatch):
    status = replace(make_status(), camera={"exposure_time_us": "950", "gain_db": "0.0", "refused": "gain_db"})
    client = web.app.state.client
    monkeypatch.setattr(type(client), "connected", property(lambda _self: True))
    client.status = status
    page = web.get("/cameras").text
    assert '<td><code>exposure_time_us</code></td><td>-</td><td data-told="exposure_time_us">950</td>' in page
    assert 'The camera refused: <span data-told="refused">gain_db</span>' in page
    assert 'type="number" min="1" max="1000000" step="1" required value="950"' in page


def test_exposure_is_asked_of_the_line_and_kept_in_the_station_file(web, tmp_path):
    wanted = {"exposure_time_us": 1200, "gain_db": 3.0}
    assert web.post("/api/v1/commands/camera", json=wanted).status_code == 503
    line = FakeLine(tmp_path / "line.sock")
    try:
        until(lambda: web.get("/api/v1/status").json()["line"]["connected"], "the line")
        path = web.folder / "station.toml"
        before = path.read_text()
        assert web.post("/api/v1/commands/camera", json=wanted).status_code == 200
        assert (line.asked[-1].what, line.asked[-1].argument) == ("camera", "1200 3")
        assert path.read_text() == before
        line.answer = lambda _command: "the camera is set up in maintenance: begin it first"
        refused = web.post("/api/v1/commands/camera", json=wanted | {"keep": True})
        assert (refused.status_code, path.read_text()) == (409, before)
        del line.answer
        assert web.post("/api/v1/commands/camera", json=wanted | {"keep": True}).status_code == 200
        assert load_station(path).camera.exposure_time_us == 1200
        assert "<td>1200</td>" in web.get("/cameras").text, "what the file says now, not what it said at the start"
        kept = next(row for row in audit.page(web.app.state.web_store, limit=9) if row.what == "camera.keep")
        assert (kept.old, kept.new) == ([None, None], [1200, 3.0])
        for wrong in ({"exposure_time_us": 0}, {"gain_db": 99}, {"gain_db": "NaN"}):
            assert web.post("/api/v1/commands/camera", json=wanted | wrong).status_code == 422
        path.write_text("[camera\n")
        assert web.post("/api/v1/commands/camera", json=wanted | {"keep": True}).status_code == 409
        assert path.read_text() == "[camera\n"
    finally:
        line.close()


def test_recorded_pictures_have_no_exposure(web):
    (web.folder / "station.toml").write_text('[camera]\nkind = "folder"\nsource = "."\n')
    page = web.get("/cameras").text
    assert "there is no exposure to set" in page
    assert 'id="exposure"' not in page


def test_a_backup_made_and_brought_back_waits_for_the_next_start(web):
    web.post("/backup/make", data={"records": "false"})
    job = work_on(web, 1)
    download = web.get("/jobs/1/download")
    assert 'filename="backup-' in download.headers["content-disposition"]
    assert download.content == (job.folder / "out" / "backup.tar.gz").read_bytes()
    number = web.put("/backup/upload", content=download.content).json()["job"]
    work_on(web, number)
    page = web.get("/backup").text
    assert "A checked backup is there: station Cell 4" in page
    assert "Restore it at the next start" in page
    waiting = web.config.path(web.config.web.work) / "restore" / "restore.json"
    assert '"apply": false' in waiting.read_text()
    web.post("/backup/restore")
    assert '"apply": true' in waiting.read_text()
    assert "backup.restore" in [row.what for row in audit.page(web.app.state.web_store)]
    web.post("/backup/forget")
    assert not waiting.exists()
    assert web.post("/backup/restore").status_code == 404


def test_an_upload_that_is_no_backup_leaves_nothing(web):
    number = web.put("/backup/upload", content=b"hello").json()["job"]
    job = web.app.state.jobs.get(number)
    with pytest.raises(Exception, match="is not a whole backup"):
        keeping.verify(JobContext(job.folder, web.folder / "station.toml"))
    assert not (web.config.path(web.config.web.work) / "restore").exists()


def test_only_an_administrator_restores_and_only_an_integrator_downloads(web, tmp_path):
    make_backup(web.folder / "station.toml", tmp_path / "b.tar.gz", "2026-03-01T10:00:00.000Z", lambda *_: None)
    web.post("/backup/make")
    work_on(web, 1)
    sign_in(web, Role.INTEGRATOR)
    assert web.put("/backup/upload", content=(tmp_path / "b.tar.gz").read_bytes()).status_code == 403
    assert web.post("/backup/restore").status_code == 403
    assert web.get("/jobs/1/download").status_code == 200
    sign_in(web, Role.QUALITY)
    assert web.get("/jobs/1/download").status_code == 403
    assert web.get("/backup").status_code == 403


def test_the_log_bundle_has_settings_without_secrets_and_what_jobs_printed(web):
    (web.folder / "station.toml").write_text('[record]\nstore = "postgresql://ann:geheim@host/db"\n')
    job = web.app.state.jobs.ask("check", "x", "ann", "2026-03-01T10:00:00.000Z", {})
    (job.folder / "log.txt").write_text("what it printed")
    web.post("/backup/bundle")
    work_on(web, 2)
    with zipfile.ZipFile(io.BytesIO(web.get("/jobs/2/download").content)) as packed:
        names = set(packed.namelist())
        assert {"status.json", "versions.json", "settings/station.toml", "jobs/1.log"} <= names
        assert "geheim" not in packed.read("settings/station.toml").decode()
        assert packed.read("jobs/1.log") == b"what it printed"
        assert "numpy" in packed.read("versions.json").decode()


def test_a_job_is_shown_in_each_state_cancelled_by_its_button_and_unknown_ones_are_404(web):
    job = web.app.state.jobs.ask("backup", "<b>x", "ann", "2026-03-01T10:00:00.000Z", {})
    told = web.get(f"/jobs/{job.id}/state").json()
    assert (told["state"], told["over"], told["cancelling"]) == ("queued", False, False)
    web.post(f"/jobs/{job.id}/cancel")
    assert web.get(f"/jobs/{job.id}/state").json()["cancelling"] is True
    for state in ("running", "failed", "crashed", "cancelled"):
        write_json(job.folder / "state.json", {"state": state, "trouble": "<i>why"})
        page = web.get(f"/jobs/{job.id}")
        assert page.status_code == 200
        assert "<b>x" not in page.text
        assert "<i>why" not in page.text
        assert web.get(f"/jobs/{job.id}/download").status_code == 404
    assert web.get("/jobs").status_code == 200
    for path in ("/jobs/99", "/jobs/99/state", "/jobs/99/download"):
        assert web.get(path).status_code == 404
    assert web.get("/jobs/0").status_code == 422
