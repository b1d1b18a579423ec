"""The set-up pages: health, cameras, calibration.

What it is: routes that answer HTML from what the line tells, from result files and from the check's job. What it is
not: the check itself (`checkup`) or a way to the camera: the line has it. Thread pool.
"""

from __future__ import annotations

import contextlib
import datetime
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from inspector.calibrated import KINDS, load_result
from inspector.config import CameraConfig, StationConfig, load_station
from inspector.errors import ConfigError
from inspector.types import StationStatus
from inspector.web.camera_routes import LONGEST_US, MOST_DB
from inspector.web.job_pages import ask_job, go_to, jobs_of
from inspector.web.roles import Role, require
from inspector.web.said import alarm_words, link_words
from inspector.web.shell import render, words_of
from inspector.web.words import Words, mark

pages = APIRouter(include_in_schema=False, dependencies=[Depends(require(Role.INTEGRATOR))])
# What the line says of itself, as the health page lists it: group, key, words.
FACTS = (
    ("link", "linked", mark("Controller linked")),
    ("link", "mode", mark("Controller's mode")),
    ("link", "fault", mark("Controller's fault")),
    ("link", "clock_error_us", mark("Clock error, µs")),
    ("link", "damaged", mark("Damaged messages")),
    ("link", "resent", mark("Messages sent again")),
    ("link", "reopened", mark("Port opened again")),
    ("camera", "frames", mark("Frames")),
    ("camera", "lost", mark("Camera lost, times")),
    ("camera", "repeated", mark("Frames repeated")),
    ("camera", "gaps", mark("Gaps in frame numbers")),
    ("frames", "dropped", mark("Frames dropped")),
    ("frames", "strays", mark("Frames of no part")),
    ("recorder", "waiting", mark("Records waiting")),
    ("recorder", "pictures_dropped", mark("Pictures dropped")),
)


@pages.get("/health")
def health_page(request: Request) -> HTMLResponse:
    """What the line says now, and what the last check found."""
    client = request.app.state.client
    told = client.status if client.connected else None
    checks = jobs_of(request).all("check")
    done = next((job for job in checks if job.state == "done"), None)
    words = words_of(request)
    facts = [] if told is None else [(said, _fact(words, told, group, key)) for group, key, said in FACTS]
    alarms = [] if told is None else [(one.severity, *alarm_words(words, one)) for one in told.alarms]
    context: dict[str, Any] = {
        "facts": facts,
        "told": told,
        "alarms": alarms,
        "job": done,
        "served": jobs_of(request).served(),
    }
    context["waiting"] = next((job for job in checks if not job.over), None)
    return render(request, "health.html", result=done.result() if done else {}, **context)


def _fact(words: Words, told: StationStatus, group: str, key: str) -> Any:
    return link_words(words, key, told.link) if group == "link" else told.queues.get(group, {}).get(key, "-")


@pages.post("/health")
def look(request: Request) -> Response:
    """Ask for the check; what a running line holds is left to what the line says."""
    runs = bool(request.app.state.client.connected)
    return go_to(ask_job(request, "check", request.app.state.config.station.name, {"line_runs": runs}))


@pages.get("/cameras")
def cameras_page(request: Request) -> HTMLResponse:
    """What the camera sees, as it comes."""
    camera: CameraConfig = request.app.state.config.camera
    with contextlib.suppress(ConfigError):  # what was kept since this process began is in the file alone
        camera = load_station(request.app.state.config.file).camera
    wanted = {key: value for key, value in camera.model_dump().items() if value not in (None, "")}
    client = request.app.state.client
    told = dict(client.status.camera) if client.connected and client.status is not None else {}
    context: dict[str, Any] = {"wanted": wanted, "told": told, "recorded": camera.kind == "folder"}
    context |= {"longest_us": LONGEST_US, "most_db": MOST_DB}
    return render(request, "cameras.html", scripts=("io-maintenance.js", "cameras.js"), **context)


@pages.get("/calibration")
def calibration_page(request: Request) -> HTMLResponse:
    """Every result that the station file names: what, how sure, how old."""
    config: StationConfig = request.app.state.config
    rows = [_result(config, kind, request.app.state.clock.utc()) for kind in KINDS]
    return render(request, "calibration.html", rows=rows, most=config.calibration.max_age_days)


def _result(config: StationConfig, kind: str, now: str) -> dict[str, Any]:
    """A result as the page shows it; `trouble` says why it cannot be used."""
    name = getattr(config.calibration, kind)
    row: dict[str, Any] = {"kind": kind, "file": name, "trouble": "", "result": None, "age_days": None}
    if not name:
        return row
    try:
        result = load_result(config.path(name), kind)
        made, today = (datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (result.made_at, now))
    except (ConfigError, ValueError) as why:
        return row | {"trouble": str(why)}
    return row | {"result": result, "age_days": (today - made).days}
