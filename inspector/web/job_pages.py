"""The pages of jobs: the list, one job with its progress, cancelling, and asking for one.

What it is: routes that answer HTML, and `ask_job` for the pages that need one. What it is not: the jobs themselves,
which the supervisor runs (`jobs`). Thread pool.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response

from inspector.errors import UsageError
from inspector.jobs.folder import Job, JobFolder
from inspector.web.audited import audited
from inspector.web.errors import ApiError
from inspector.web.roles import Role, Who, require
from inspector.web.shell import render, words_of
from inspector.web.words import mark

pages = APIRouter(prefix="/jobs", include_in_schema=False, dependencies=[Depends(require(Role.QUALITY))])
Number = Annotated[int, Path(ge=1, le=999_999_999)]
# What each kind shows when it is done; others show their result as it is.
SHOWN = {
    "what_if": "job_what_if.html",
    "teach": "job_teach.html",
    "check": "job_check.html",
    "verify": "job_verify.html",
}
WORDS = {
    "queued": mark("waits"),
    "running": mark("running"),
    "done": mark("done"),
    "failed": mark("failed"),
    "cancelled": mark("cancelled"),
    "crashed": mark("crashed"),
}
TITLES = {
    "check": mark("Health check"),
    "what_if": mark("What if"),
    "examine": mark("Data doctor"),
    "teach": mark("Teaching"),
    "unpack": mark("Unpacking"),
    "backup": mark("Backup"),
    "verify": mark("Backup, checked"),
    "bundle": mark("Log bundle"),
}
# A download is a file of `out`; its name is the job's, never the request's.
DOWNLOADS = {"backup": "backup.tar.gz", "bundle": "logs.zip"}


def jobs_of(request: Request) -> JobFolder:
    """The station's jobs."""
    jobs: JobFolder = request.app.state.jobs
    return jobs


def ask_job(request: Request, kind: str, title: str, arguments: dict[str, Any]) -> Job:
    """Queue a job for whoever asks, in the audit log too; raises ApiError where too many wait."""
    who: Who = request.state.who
    store = request.app.state.clock
    try:
        job = jobs_of(request).ask(kind, title, who.name, store.utc(), arguments)
    except UsageError as why:
        raise ApiError("refused", str(why)) from why
    audited(request, "job.ask", f"{kind} {job.id}", new={"title": title} | arguments)
    return job


def go_to(job: Job) -> RedirectResponse:
    """To the page of a job that was just asked for."""
    return RedirectResponse(f"/jobs/{job.id}", status_code=303)


@pages.get("")
def list_page(request: Request) -> HTMLResponse:
    """All jobs, newest first."""
    jobs = jobs_of(request)
    return render(request, "jobs.html", jobs=jobs.all(), served=jobs.served(), words=WORDS, titles=TITLES)


@pages.get("/{number}")
def job_page(request: Request, number: Number) -> Response:
    """One job: how far it is, or what came of it."""
    job = _job(request, number)
    if job.kind == "examine" and job.state == "done":
        return RedirectResponse(f"/teach/{job.result().get('set')}/findings/{number}", status_code=303)
    template = SHOWN.get(job.kind, "job_log.html") if job.state == "done" else "job.html"
    context: dict[str, Any] = {"job": job, "result": job.result(), "served": jobs_of(request).served()}
    context |= {"words": WORDS, "titles": TITLES, "download": DOWNLOADS.get(job.kind)}
    return render(request, template, scripts=("job.js",), **context)


@pages.get("/{number}/state")
def state(request: Request, number: Number) -> JSONResponse:
    """How far a job is, for its page."""
    job = _job(request, number)
    word = words_of(request)(WORDS[job.state])
    shown = {"state": job.state, "word": word, "over": job.over, "cancelling": job.cancelling}
    return JSONResponse(shown | {"progress": job.progress}, headers={"Cache-Control": "no-store"})


@pages.post("/{number}/cancel")
def cancel(request: Request, number: Number) -> Response:
    """Ask a job to end."""
    job = _job(request, number)
    audited(request, "job.cancel", f"{job.kind} {job.id}", old=job.state)
    jobs_of(request).cancel(number)
    return go_to(job)


@pages.get("/{number}/download", dependencies=[Depends(require(Role.INTEGRATOR))])
def download(request: Request, number: Number) -> FileResponse:
    """The file that a backup or a log bundle made."""
    job = _job(request, number)
    name = DOWNLOADS.get(job.kind, "")
    if job.state != "done" or not name or not (job.folder / "out" / name).is_file():
        raise ApiError("not_found", f"job {number} has no file")
    audited(request, "job.download", f"{job.kind} {job.id}")
    stamp = job.asked_at_utc[:19].replace(":", "").replace("T", "-")
    return FileResponse(job.folder / "out" / name, filename=f"{job.kind}-{stamp}{name[name.index('.') :]}")


def _job(request: Request, number: int) -> Job:
    try:
        return jobs_of(request).get(number)
    except UsageError as why:
        raise ApiError("not_found", str(why)) from why
