"""A line, a store and a web process for the tests of this folder."""

import contextlib
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import cv2
import httpx
import numpy as np

from inspector.clock import SystemClock
from inspector.config import RecordConfig, StationConfig, StationSection, WebConfig
from inspector.link.messages import PartEvent
from inspector.link.server import LinkServer
from inspector.record.reader import store_url
from inspector.record.store import ImageRemoval, Store
from inspector.types import (
    Alarm,
    Counts,
    Defect,
    Inspection,
    InspectionRecord,
    OutcomeKind,
    Part,
    Reason,
    RejectOutcome,
    StationStatus,
    Verdict,
)

STATION_TOML = """
[station]
name = "Cell 4"
[web]
port = 0
"""
RECIPE = 'id = "{id}"\nmodel = "m"\ndescription = "A {id}"\n'
ALARM = Alarm(
    code="bin_full",
    severity="medium",
    text="Reject bin 80 % full",
    advice="Empty it soon.",
    since_utc="2026-03-01T10:00:00.000Z",
)


def until(condition, what="it", timeout_s=15):
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come about in {timeout_s} s"
        threading.Event().wait(0.01)
    return found


def make_config(folder):
    folder.mkdir(exist_ok=True)
    (folder / "recipe.toml").write_text(RECIPE.format(id="bracket"))
    (folder / "hub.toml").write_text(RECIPE.format(id="hub"))
    (folder / "broken.toml").write_text('id = "broken"\nmodel = "m"\nthreshhold = 1\n')
    (folder / "station.toml").write_text(STATION_TOML)
    own = {"folder": folder, "file": folder / "station.toml"}
    return StationConfig(station=StationSection(name="Cell 4"), web=WebConfig(port=0), record=RecordConfig(), **own)


def counts_after(number):
    """Some numbers that change with each part and add up."""
    rejected, missed = number // 3, number // 10
    return Counts(
        seen=number, passed=number - rejected - missed, rejected=rejected, not_inspected=missed, records=number
    )


def make_status(number=1, state="Execute", **more):
    status = StationStatus(
        station="Cell 4",
        state=state,
        recipe_id="bracket",
        recipe_rev="abc",
        counts=counts_after(number),
        latency_ms={"model_p50": 8.5},
        slack_ms={"min": 100.0},
        link={"connected": True, "crc_errors": 2},
        queues={"recorder": {"waiting": 1, "pictures_dropped_queue": 3}},
        last_part_id=(1 << 32) | number,
        at_utc=SystemClock().utc(),
    )
    return replace(status, **more)


def make_event(number=1, verdict=Verdict.PASS, **more):
    defects = (Defect(label="scratch", score=2.5, threshold=1.0, box_px=(500, 300, 180, 90)),)
    reasons = (Reason(code="score", value=2.5, limit=1.0),)
    event = PartEvent(
        part_id=(1 << 32) | number,
        verdict=verdict,
        at_utc=SystemClock().utc(),
        counts=counts_after(number),
        score=0.4 if verdict is Verdict.PASS else 2.5,
        reasons=() if verdict is Verdict.PASS else reasons,
        defects=defects if verdict is Verdict.REJECT else (),
    )
    return replace(event, **more)


def make_picture(number=0, width=1280, height=960):
    rng = np.random.default_rng(number)
    grey = np.full((height, width), 70, np.uint8)
    cv2.rectangle(grey, (width // 4, height // 4), (3 * width // 4, 3 * height // 4), 160, -1)
    cv2.circle(grey, (width // 2, height // 2), height // 8, 60, -1)
    grey = cv2.add(grey, rng.integers(0, 12, grey.shape, np.uint8))
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)


def make_record(number, verdict=Verdict.PASS, image=None):
    kind = OutcomeKind.PASSED if verdict is Verdict.PASS else OutcomeKind.FIRED
    defect = Defect(label="dent" if number % 2 else "scratch", score=2.0, threshold=1.0, box_px=(1, 2, 3, 4))
    return InspectionRecord(
        part=Part(
            part_id=(1 << 32) | number, seen_tick=1, due_tick=2, seen_at_ns=3, trigger_at_ns=4, recipe_id="bracket"
        ),
        inspection=Inspection(
            part_id=(1 << 32) | number,
            frame_id=number,
            verdict=verdict,
            score=number / 10,
            defects=(defect,) if verdict is Verdict.REJECT else (),
            stage_ms={"model": 8.0},
            recipe_id="bracket",
        ),
        outcome=RejectOutcome(part_id=(1 << 32) | number, kind=kind, reason="told", tick=9),
        seen_at_utc=f"2026-03-01T10:00:{number:02d}.000Z",
        slack_ms=10.0,
        image_path=image,
    )


def fill_store(config):
    """30 records: every third a reject; 3 with a picture, 6 with a removed one, 9 lost, 12 pointing elsewhere."""
    images = config.path(config.record.images)
    (images / "day").mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(images / "day" / "three.jpg"), make_picture(3, 64, 48))
    (images.parent / "secret.jpg").write_bytes(b"secret")
    paths = {3: "day/three.jpg", 6: "day/six.jpg", 9: "day/nine.jpg", 12: "../secret.jpg"}
    with contextlib.closing(Store.open(store_url(config.record.store, config.folder), SystemClock())) as store:
        store.write([make_record(n, Verdict.PASS if n % 3 else Verdict.REJECT, paths.get(n)) for n in range(1, 31)])
        store.note_removals([ImageRemoval((1 << 32) | 6, "day/six.jpg", "disk budget")])


class FakeLine:
    """A line that says what it is told to, ten times a second, and does as commanded."""

    def __init__(self, path):
        self.server = LinkServer(path, SystemClock())
        self.be_quiet()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def be_quiet(self):
        """As after its start: running, and no part comes."""
        self.number = 0
        self.state = "Execute"
        self.alarms = ()
        self.more = {}  # further fields of the status
        self.parts = None  # a function of the part's number, called for each tick, or None
        self.asked = []

    def _run(self):
        while not self._stop.wait(0.1):
            if self.parts is not None and self.state == "Execute":
                self.number += 1
                self.server.publish_part(self.parts(self.number), make_picture(self.number % 4))
            self.say()
            self.server.publish_status(make_status(self.number, self.state, alarms=self.alarms, **self.more))
            while (asked := self.server.next_command()) is not None:
                self.asked.append(asked.command)
                self.server.answer(asked, self.answer(asked.command))

    def answer(self, command):
        """Why not, or nothing."""
        return "" if command.argument != "nonsense" else "no recipe has id 'nonsense'"

    def say(self):
        """What else is to be told in each turn."""

    def close(self):
        self._stop.set()
        self._thread.join()
        self.server.close()


SERVE = """
import sys
from pathlib import Path
from inspector.config import load_station
from inspector.web.server import serve
serve(load_station(Path(sys.argv[1])), Path(sys.argv[2]))
"""


class WebProcess:
    """The real web process, on a port of the system's choice or the one it had before."""

    def __init__(self, folder, link_path, port=0, more=""):
        self.folder = folder
        (folder / "station.toml").write_text(STATION_TOML.replace("port = 0", f"port = {port}") + more)
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(folder / "station.toml"), str(link_path)],
            stderr=subprocess.PIPE,
            text=True,
        )
        line = self.process.stderr.readline()
        self.url = line.removeprefix("web: ").strip().rstrip("/")
        self.port = int(self.url.rpartition(":")[2])
        until(self._answers, "the web process")

    def _answers(self):
        try:
            return httpx.get(self.url + "/api/v1/status", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def signal(self, number):
        self.process.send_signal(number)

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()


def sign_in(client, role):
    """A TestClient that is logged in with a role; its station is no longer open, and it says where it comes from."""
    sessions = client.app.state.sessions
    sessions.open_station = False
    client.cookies.set("session", sessions.open(f"a-{role.name.lower()}", role))
    client.headers["Origin"] = str(client.base_url)
    return client
