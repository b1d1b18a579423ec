"""Pictures brought along through the browser: one by one, or as a zip archive.

What it is: request bodies streamed to the disk within limits. What it is not: the rules of what is taken (`uploads`).
Event loop, its writing on threads.

Each picture is a request of its own, so that 5,000 of them need no more memory than one, can be watched, and go on
after a broken connection where they stopped.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse

from inspector.errors import UsageError
from inspector.uploads import MB, Limits, check_room, free_name, refusal, safe_name
from inspector.web.errors import ApiError
from inspector.web.job_pages import ask_job
from inspector.web.roles import Role, require
from inspector.web.shell import words_of
from inspector.web.teach_pages import Number, set_of, sets_of

pages = APIRouter(prefix="/teach", include_in_schema=False, dependencies=[Depends(require(Role.QUALITY))])
_HEAD = 64
_PIECE = 1 << 20
_ARCHIVE_BYTES = 8000 * MB


@pages.put("/{number}/picture")
async def bring_picture(request: Request, number: Number, name: Annotated[str, Query(max_length=400)]) -> JSONResponse:
    """One picture, as the raw body; answers what became of it, and 409 where the set or the disk is full."""
    folder, limits = await asyncio.to_thread(_for_upload, request, number)
    kept = safe_name(name)
    if not kept:
        return JSONResponse({"taken": False, "why": words_of(request)("not a picture by its name")})
    draft = folder.parent / f".{kept}.{id(request)}.part"
    try:
        why = await _stream(request, draft, limits.one_bytes, check_head=True)
        if why:
            return JSONResponse({"taken": False, "why": why})
        target = await asyncio.to_thread(free_name, folder, kept)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return JSONResponse({"taken": True, "name": target.name})


@pages.put("/{number}/archive")
async def bring_archive(request: Request, number: Number) -> JSONResponse:
    """A zip archive, as the raw body; it is unpacked by a job, whose number is the answer."""
    folder, _ = await asyncio.to_thread(_for_upload, request, number)
    draft = folder.parent / f".archive.{id(request)}.part"
    try:
        why = await _stream(request, draft, _ARCHIVE_BYTES, check_head=False)
        if why:
            raise ApiError("refused", why)
        draft.replace(folder.parent / "archive.zip")
    finally:
        draft.unlink(missing_ok=True)
    one = set_of(request, number)
    job = await asyncio.to_thread(ask_job, request, "unpack", one.name, {"set": number})
    return JSONResponse({"job": job.id})


async def _stream(request: Request, path: Path, most: int, *, check_head: bool) -> str:
    """The body into a file, in pieces; why it was not taken, or empty."""
    held, written = bytearray(), 0
    with path.open("wb") as file:
        async for piece in request.stream():
            held += piece
            if check_head and len(held) >= _HEAD:
                if why := refusal(bytes(held[:_HEAD])):
                    return why
                check_head = False
            if written + len(held) > most:
                return words_of(request)("larger than {size} MB", size=most // MB)
            if len(held) >= _PIECE:
                await asyncio.to_thread(file.write, bytes(held))
                written += len(held)
                held.clear()
        if check_head and (why := refusal(bytes(held[:_HEAD]))):
            return why
        await asyncio.to_thread(file.write, bytes(held))
    return ""


def _for_upload(request: Request, number: int) -> tuple[Path, Limits]:
    folder, limits = sets_of(request).folder(set_of(request, number).id), _limits(request)
    try:
        check_room(folder, limits)
    except UsageError as why:
        raise ApiError("refused", str(why)) from why
    return folder, limits


def _limits(request: Request) -> Limits:
    return Limits(free_bytes=request.app.state.config.record.min_free_mb * MB)
