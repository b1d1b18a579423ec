"""The log file: what comes in, what never does, and a disk that refuses."""

import json
import logging
import re
import signal
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import httpx
import pytest

from inspector import logfile
from inspector.clock import SystemClock
from inspector.jobs.context import JobContext
from inspector.logfile import KEPT, log_to, without_secrets
from inspector.people.accounts import Accounts, Role
from inspector.people.audit import Actor
from inspector.people.store import WebStore
from inspector.work import keeping
from tests.web.fakes import until

LOG = logging.getLogger("inspector.test")
PIN, WRONG = "83164179", "55512388"


def test_a_line_has_its_time_in_utc_its_level_and_its_thread_and_a_text_cannot_forge_another(tmp_path):
    with log_to(tmp_path, "line"):
        thread = threading.Thread(
            target=LOG.warning, args=("recipe is %r\n2026 INFO MainThread forged: %s", "x", "y"), name="camera"
        )
        thread.start()
        thread.join()
    lines = (tmp_path / "line.log").read_text().splitlines()
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO MainThread inspector\.line: started", lines[0])
    assert lines[1].endswith("WARNING camera inspector.test: recipe is 'x'")
    assert lines[2] == "    2026 INFO MainThread forged: y"
    assert lines[3].endswith("ended; 0 lines were lost")
    LOG.warning("after the end")
    assert len((tmp_path / "line.log").read_text().splitlines()) == 4


def test_it_never_grows_beyond_its_files(tmp_path, monkeypatch):
    monkeypatch.setattr(logfile, "MOST_BYTES", 2000)
    monkeypatch.setattr(logfile, "WAITING", 100_000)
    with log_to(tmp_path, "line"):
        for number in range(500):
            LOG.info("part %d", number)
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["line.log", *(f"line.log.{number}" for number in range(1, KEPT + 1))]
    assert all(path.stat().st_size <= 2000 for path in tmp_path.iterdir())
    assert "part 499" in (tmp_path / "line.log").read_text()


def test_nobody_waits_for_a_disk_that_stands_still_and_what_was_lost_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(logfile, "WAITING", 10)
    stands, goes_on = threading.Event(), threading.Event()

    class Still(logfile._File):
        def emit(self, record):
            stands.set()
            assert goes_on.wait(10)
            super().emit(record)

    monkeypatch.setattr(logfile, "_File", Still)
    with log_to(tmp_path, "line"):
        assert stands.wait(10)
        for number in range(50):
            LOG.info("part %d", number)  # comes back, though nothing is written
        goes_on.set()
        until(lambda: "part 9" in (tmp_path / "line.log").read_text())
    assert "ended; 40 lines were lost" in (tmp_path / "line.log").read_text()


def test_a_folder_that_cannot_be_written_is_told_and_the_station_goes_on(tmp_path, capfd):
    (tmp_path / "log").write_text("a file where the folder should be")
    with log_to(tmp_path / "log", "line") as log:
        log.info("works")
    assert "there is no log" in capfd.readouterr().err


def test_a_full_disk_ends_nothing(tmp_path, capfd):
    with log_to(tmp_path, "line"):
        (tmp_path / "line.log").unlink()
        (tmp_path / "line.log").symlink_to("/dev/full")
    with log_to(tmp_path, "line") as log:
        log.info("no room")
    assert "Traceback" not in capfd.readouterr().err


def test_what_a_process_dies_of_is_in_it(tmp_path):
    with pytest.raises(ZeroDivisionError), log_to(tmp_path, "line"):
        1 / 0  # noqa: B018
    text = (tmp_path / "line.log").read_text()
    assert "CRITICAL" in text
    assert "ZeroDivisionError" in text


@pytest.mark.parametrize(
    ("told", "written"),
    [
        ("mqtt://ann:hunter2@broker/x is gone", "mqtt://ann:***@broker/x is gone"),
        ('password = "hunter2"', 'password = "***"'),
        ("{'name': 'ann', 'secret': 'hunter2'}", "{'name': 'ann', 'secret': \"***\"}"),
        ("pin=4711 was wrong", 'pin="***" was wrong'),
        ("the spin of it: fine", "the spin of it: fine"),
    ],
)
def test_secrets_are_blanked_out(told, written):
    assert without_secrets(told) == written


@pytest.fixture(scope="module")
def station(tmp_path_factory):
    """A real station of three processes, watched and left; then its data folder."""
    folder = tmp_path_factory.mktemp("logged")
    sample = Path(__file__).parents[1] / "sample_images"
    text = (sample / "station.toml").read_text().replace('"../data/sample/', '"data/')
    text = text.replace('recipe = "', f'recipe = "{sample}/').replace('["test", "awkward"]', f'["{sample}/test"]')
    text = text.replace('"labels.csv"', f'"{sample}/labels.csv"').replace("[web]\n", "[web]\nport = 0\n")
    (folder / "station.toml").write_text(text)
    (folder / "data").mkdir()
    people = WebStore(f"sqlite:///{folder}/data/web.sqlite", SystemClock())
    Accounts(people).add("ann", Role.ADMIN, PIN, Actor(name="x", role="", by="console", address=""))
    people.close()
    command = [sys.executable, "-m", "inspector", "run", "--station", str(folder / "station.toml")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        use(process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    return folder


def use(process):
    """Log in with a wrong and the right PIN, see it run, and stop it."""
    url, said = "", []
    while not url:
        said.append(process.stderr.readline())
        assert said[-1], said
        url = said[-1].partition("web: ")[2].strip()
    with httpx.Client(base_url=url, headers={"Origin": url.rstrip("/")}, timeout=20) as client:
        assert client.post("/api/v1/login", json={"name": "ann", "secret": WRONG}).status_code == 403
        assert client.post("/api/v1/login", json={"name": "ann", "secret": PIN}).status_code == 200
        until(lambda: (client.get("/api/v1/status").json()["status"] or {}).get("state") == "Execute", "it runs", 40)
        assert client.post("/api/v1/commands/stop").status_code == 200


def test_each_process_of_a_station_has_its_log_with_what_happened_and_without_any_pin(station):
    logs = {path.stem: path.read_text() for path in (station / "data/work/log").glob("*.log")}
    assert logs.keys() == {"station", "line", "web"}
    assert all("started" in text and "ended;" in text for text in logs.values())
    assert "Execute, was Idle" in logs["line"]
    assert "ann asks for stop" in logs["line"]
    assert '"seen"' in logs["line"]  # the law in numbers
    for path in (station / "data/work").rglob("*"):
        if path.is_file():
            assert PIN.encode() not in path.read_bytes(), path
            assert WRONG.encode() not in path.read_bytes(), path


def test_the_log_bundle_of_the_set_up_pages_has_them(station, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "job.json").write_text(json.dumps({"kind": "bundle", "by": "ann", "arguments": {}}))
    with (station / "data/work/log/web.log").open("a") as file:
        file.write("as an older version wrote it: password=hunter2\n")
    keeping.bundle(JobContext(tmp_path, station / "station.toml"))
    with zipfile.ZipFile(tmp_path / "out/logs.zip") as packed:
        assert {"log/station.log", "log/line.log", "log/web.log"} <= set(packed.namelist())
        assert b"Execute, was Idle" in packed.read("log/line.log")
        assert b"hunter2" not in packed.read("log/web.log")
