"""From twenty pictures to a line that judges by the model taught from them, by clicks in a browser alone."""

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path

import httpx
import psutil
import pytest

from inspector.inference.card import load_card
from inspector.record.reader import Reader
from inspector.types import Verdict
from tests.test_command_line import ROOT, SAMPLES, station
from tests.test_web_beside_line import Station

from .fakes import until

PICTURES = 20
JOB_S = 900


@pytest.fixture
def running(tmp_path):
    """The sample line with recipe and models of its own, which may be changed."""
    file = station(tmp_path, parts_per_minute="60")
    shutil.copytree(ROOT / "models/bracket/r1", tmp_path / "models/bracket/r1")
    text = (SAMPLES / "recipe.toml").read_text().replace("../models/", "models/")
    (tmp_path / "recipe.toml").write_text(text)
    file.write_text(file.read_text().replace(f'"{SAMPLES / "recipe.toml"}"', '"recipe.toml"'))
    running = Station(tmp_path, file)
    yield running
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.process.pid, signal.SIGTERM)
    running.process.wait(30)


class Person:
    """Clicks, waits for jobs, and keeps a picture of each page in the folder PAGES, where that is set."""

    def __init__(self, page, station):
        self.page, self.station, self.seen = page, psutil.Process(station.pid), 0
        self.folder = os.environ.get("PAGES")

    def look(self, name):
        self.seen += 1
        if self.folder:
            self.page.screenshot(path=Path(self.folder) / f"teaching-{self.seen:02d}-{name}.png", full_page=True)

    def wait_for_job(self, name):
        """Until the job that was asked for is over and its page shows what came of it."""
        self.look(f"{name}-asked")
        deadline = time.monotonic() + JOB_S
        while self.page.query_selector("#job"):
            assert time.monotonic() < deadline, f"{name} was not done in {JOB_S} s"
            # A job runs only while nobody else wants the processor; here others may want it all the time.
            for child in self.station.children():
                with contextlib.suppress(psutil.Error, ProcessLookupError):  # it has just ended
                    if "job" in child.cmdline():
                        os.sched_setscheduler(child.pid, os.SCHED_OTHER, os.sched_param(0))
            self.page.wait_for_timeout(500)
        assert self.page.query_selector(".message.alarm") is None, self.page.inner_text("main")
        self.look(f"{name}-done")


@pytest.mark.soak
def test_a_model_is_taught_tried_and_put_in_force_in_the_browser_while_the_line_runs(browser, running, tmp_path):
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    person, troubles = Person(page, running.process), []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    base = running.address.rstrip("/")

    def revision():
        return (httpx.get(f"{base}/api/v1/status", timeout=30).json()["status"] or {}).get("recipe_rev")

    before = until(revision, "the line is up", 120)
    page.goto(f"{base}/teach")
    person.look("sets")
    page.fill("[name=name]", "first lot")
    page.click("form[action='/teach/upload'] button")
    files = sorted((SAMPLES / "train/good").glob("*.jpg"))[:PICTURES]
    page.set_input_files("#files", files)
    page.wait_for_function(f"() => document.getElementById('count').textContent === '{PICTURES}'", timeout=60_000)
    person.look("uploaded")
    page.click("#examine")
    person.wait_for_job("doctor")
    assert f"{PICTURES} of {PICTURES} pictures" in page.inner_text("main")
    assert page.input_value("[name=revision]") == "r2"
    page.click("form button.main")
    person.wait_for_job("teach")
    page.click("form[action='/teach/adopt'] button")
    person.look("adopted")
    assert page.locator("tbody tr").count() == 2
    page.click("form[action$='/what-if'] button")
    person.wait_for_job("what-if")
    assert page.inner_text(".facts b").isdigit()
    page.click("button.danger")
    page.wait_for_url("**/recipes/bracket**")
    person.look("in-force")

    card = load_card(tmp_path / "models/bracket/r2")
    assert card.model.sha256 != load_card(tmp_path / "models/bracket/r1").model.sha256
    reader = Reader.open(f"sqlite:///{tmp_path}/records.sqlite")

    def judged():
        """Parts that the new model has judged."""
        stored = [one.record for one in reader.records(limit=100)]
        return [
            one for one in stored if one.inspection.model_sha == card.model.sha256 and one.inspection.score is not None
        ]

    until(lambda: len(judged()) >= 12, "the line judges by the new model", 120)
    good = [one.inspection.verdict for one in judged() if "good" in (one.truth or "")]
    assert good.count(Verdict.PASS) >= good.count(Verdict.REJECT)
    reader.close()
    page.goto(base)
    page.wait_for_function("() => document.body.dataset.mode === 'verdict'", timeout=30_000)
    person.look("live")
    assert revision() != before
    assert troubles == []
