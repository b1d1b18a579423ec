"""The page of backup, restore and log bundle.

What it is: jobs asked for, and an uploaded backup that waits for the next start. What it is not: the archive
(`backup`, which only jobs and commands load). Thread pool; the upload in the event loop, its writing on threads.
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from inspector.jobs.folder import read_json, write_json
from inspector.web.audited import audited
from inspector.web.errors import ApiError
from inspector.web.job_pages import TITLES, WORDS, ask_job, go_to, jobs_of
from inspector.web.roles import Role, require
from inspector.web.shell import render

pages = APIRouter(prefix="/backup", include_in_schema=False, dependencies=[Depends(require(Role.INTEGRATOR))])
KINDS = ("backup", "verify", "bundle")
_MOST_BYTES = 100_000_000_000
_PIECE = 1 << 20


@pages.get("")
def backup_page(request: Request) -> HTMLResponse:
    """Backups that were made, and one that waits to be restored."""
    jobs = [job for job in jobs_of(request).all() if job.kind in KINDS]
    waiting = read_json(_staged(request) / "restore.json")
    return render(
        request, "backup.html", scripts=("restore.js",), jobs=jobs, waiting=waiting, words=WORDS, titles=TITLES
    )


@pages.post("/make")
def make(
    request: Request, records: Annotated[bool, Form()] = False, pictures: Annotated[bool, Form()] = False
) -> Response:
    """Ask for a backup."""
    given = {"records": records, "pictures": pictures}
    return go_to(ask_job(request, "backup", request.app.state.config.station.name, given))


@pages.post("/bundle")
def bundle(request: Request) -> Response:
    """Ask for a log bundle, with what the line says now."""
    client = request.app.state.client
    status: dict[str, Any] | None = None if client.status is None else asdict(client.status)
    given = {"status": status, "connected": client.connected}
    return go_to(ask_job(request, "bundle", request.app.state.config.station.name, given))


@pages.put("/upload", dependencies=[Depends(require(Role.ADMIN))])
async def upload(request: Request) -> JSONResponse:
    """A backup, as the raw body; a job checks it."""
    staged = _staged(request)
    await asyncio.to_thread(shutil.rmtree, staged, True)
    staged.mkdir(parents=True)
    target, held, written = staged / "upload.tar.gz", bytearray(), 0
    with target.open("wb") as file:
        async for piece in request.stream():
            held += piece
            if len(held) >= _PIECE:
                written += await asyncio.to_thread(_append, request, file, bytes(held), written)
                held.clear()
        await asyncio.to_thread(_append, request, file, bytes(held), written)
    job = await asyncio.to_thread(ask_job, request, "verify", "backup", {})
    return JSONResponse({"job": job.id})


@pages.post("/restore", dependencies=[Depends(require(Role.ADMIN))])
def restore(request: Request) -> Response:
    """Restore the checked backup at the next start of the station."""
    return _decide(request, apply=True)


@pages.post("/forget", dependencies=[Depends(require(Role.ADMIN))])
def forget(request: Request) -> Response:
    """Do not restore it."""
    return _decide(request, apply=False)


def _decide(request: Request, *, apply: bool) -> Response:
    staged = _staged(request)
    waiting = read_json(staged / "restore.json")
    if not waiting:
        raise ApiError("not_found", "no checked backup waits")
    made = f"{waiting['station']} {waiting['made_at_utc']}"
    audited(request, "backup.restore" if apply else "backup.forget", made)
    if apply:
        write_json(staged / "restore.json", waiting | {"apply": True})
    else:
        shutil.rmtree(staged, ignore_errors=True)
    return RedirectResponse("/backup", status_code=303)


def _append(request: Request, file: Any, content: bytes, written: int) -> int:
    free = shutil.disk_usage(_staged(request)).free - len(content)
    if written + len(content) > _MOST_BYTES or free < request.app.state.config.record.min_free_mb * 1_000_000:
        raise ApiError("refused", "the disk has no room for this backup")
    file.write(content)
    return len(content)


def _staged(request: Request) -> Path:
    config = request.app.state.config
    folder: Path = config.path(config.web.work) / "restore"
    return folder
