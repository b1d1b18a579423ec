"""The routes of `/api/v1`. Each is a few lines: ask the link or the store, and answer in the API's own types.

What it is: HTTP in, JSON out. What it is not: state; that is on `app.state` (see app). Routes that touch the disk
are plain functions and run in the thread pool, the others in the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response, WebSocket
from fastapi.responses import FileResponse

from inspector.errors import ImageError, StoreError
from inspector.link.messages import CommandKind
from inspector.record.reader import RecordFilter
from inspector.types import Verdict
from inspector.web.audited import audited
from inspector.web.errors import ApiError
from inspector.web.metrics import exposition
from inspector.web.recipes import recipes_of
from inspector.web.roles import Role, require
from inspector.web.schemas import (
    REFUSALS,
    AckIn,
    DoneOut,
    LineOut,
    PageOut,
    RecipeIn,
    RecipeOut,
    RecordOut,
    StatusOut,
    VerdictName,
    error_answers,
    record_out,
    status_out,
)
from inspector.web.thumbs import thumbnail

MAX_PAGE = 200
MAX_ID = (1 << 64) - 1
_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z$"
PartId = Annotated[int, Path(ge=0, le=MAX_ID, description="The part's id, decimal digits.")]


read = APIRouter(
    prefix="/api/v1", tags=["read"], dependencies=[Depends(require(Role.WATCH))], responses=error_answers("invalid")
)
commands = APIRouter(
    prefix="/api/v1/commands",
    tags=["commands"],
    dependencies=[Depends(require(Role.OPERATOR))],
    responses=error_answers(*REFUSALS),
)
other = APIRouter()


@read.get("/status")
async def status(request: Request) -> StatusOut:
    """State, counts, alarms and latencies as the line last told them, and how old that is."""
    client = request.app.state.client
    line = LineOut(connected=client.connected, status_age_s=client.status_age_s(), trouble=client.trouble)
    return StatusOut(line=line, status=status_out(client.status))


@read.get("/records", responses=error_answers("store_unavailable"))
def records(
    request: Request,
    verdict: Annotated[VerdictName | None, Query(description="Only this verdict.")] = None,
    recipe: Annotated[str | None, Query(description="Only this recipe's id.", max_length=64)] = None,
    label: Annotated[str | None, Query(description="Only parts with a defect of this label.", max_length=64)] = None,
    serial: Annotated[str | None, Query(description="Only parts whose code says this.", max_length=512)] = None,
    plc_part: Annotated[
        int | None, Query(description="Only parts that the PLC gave this number.", ge=0, le=0xFFFF_FFFF)
    ] = None,
    score_min: Annotated[float | None, Query(description="Score at least this.", allow_inf_nan=False)] = None,
    score_max: Annotated[float | None, Query(description="Score at most this.", allow_inf_nan=False)] = None,
    since: Annotated[str | None, Query(description="Seen at this UTC time or later.", pattern=_TIME)] = None,
    until: Annotated[str | None, Query(description="Seen before this UTC time.", pattern=_TIME)] = None,
    before: Annotated[int | None, Query(description="Records with a smaller number.", ge=1, le=MAX_ID >> 1)] = None,
    limit: Annotated[int, Query(description="How many.", ge=1, le=MAX_PAGE)] = 50,
) -> PageOut:
    """Records that pass all given filters, newest first; `next_before` leads to the next page."""
    which = RecordFilter(
        verdict=None if verdict is None else Verdict[verdict],
        recipe_id=recipe,
        label=label,
        serial=serial,
        plc_part=plc_part,
        score_min=score_min,
        score_max=score_max,
        since_utc=_moment(since),
        until_utc=_moment(until),
    )
    found = request.app.state.store.reader().records(which, before, limit)
    return PageOut(
        records=[record_out(stored) for stored in found],
        next_before=found[-1].number if len(found) == limit else None,
    )


@read.get("/records/{part_id}", responses=error_answers("no_such_part", "store_unavailable"))
def record(request: Request, part_id: PartId) -> RecordOut:
    """The record of one part."""
    stored = request.app.state.store.reader().record(part_id)
    if stored is None:
        raise ApiError("no_such_part", f"no record has part id {part_id}")
    return record_out(stored)


@read.get(
    "/images/{part_id}",
    response_class=FileResponse,
    responses={
        200: {"content": {"image/jpeg": {}}},
        **error_answers("no_such_part", "no_image", "image_removed", "image_lost", "store_unavailable"),
    },
)
def image(
    request: Request,
    part_id: PartId,
    width: Annotated[int | None, Query(description="A small copy, so many pixels wide.", ge=64, le=640)] = None,
) -> Response:
    """The picture of one part, JPEG, as it was judged; or a small copy of it."""
    stored = request.app.state.store.reader().record(part_id)
    if stored is None:
        raise ApiError("no_such_part", f"no record has part id {part_id}")
    if stored.image_removed_at_utc is not None:
        detail = {"removed_at_utc": stored.image_removed_at_utc, "reason": stored.image_removed_reason}
        raise ApiError("image_removed", f"the picture of part {part_id} was removed", detail)
    if stored.record.image_path is None:
        raise ApiError("no_image", f"no picture of part {part_id} was kept")
    folder = request.app.state.images
    path = (folder / stored.record.image_path).resolve()
    if not path.is_relative_to(folder) or not path.is_file():
        raise ApiError("image_lost", f"the picture of part {part_id} is not where its record says")
    kept = {"Cache-Control": "private, max-age=86400"}
    if width is None:
        return FileResponse(path, media_type="image/jpeg", headers=kept)
    try:
        return Response(thumbnail(path, width), media_type="image/jpeg", headers=kept)
    except ImageError as why:
        raise ApiError("image_lost", str(why)) from why


@read.get("/recipes")
def recipes(request: Request) -> list[RecipeOut]:
    """The recipes this station can change to."""
    told = request.app.state.client.status
    return recipes_of(request.app.state.config, "" if told is None else told.recipe_rev)


@commands.post("/start")
async def start(request: Request) -> DoneOut:
    """Begin to inspect."""
    return await ask_line(request, "start")


@commands.post("/stop")
async def stop(request: Request) -> DoneOut:
    """Stop inspecting; parts that pass then are rejected by the controller."""
    return await ask_line(request, "stop")


@commands.post("/reset")
async def reset(request: Request) -> DoneOut:
    """Leave Held or Aborted, once its cause is gone."""
    return await ask_line(request, "reset")


@commands.post("/recipe")
async def recipe(request: Request, wanted: Annotated[RecipeIn, Body()]) -> DoneOut:
    """Change to another recipe."""
    return await ask_line(request, "recipe", wanted.recipe_id)


@commands.post("/ack")
async def ack(request: Request, seen: Annotated[AckIn, Body()]) -> DoneOut:
    """Say that a person has seen an alarm."""
    return await ask_line(request, "ack", seen.code)


@other.get(
    "/metrics",
    tags=["read"],
    dependencies=[Depends(require(Role.WATCH))],
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}},
)
async def metrics(request: Request) -> Response:
    """The station's numbers in Prometheus' text format."""
    page = exposition(request.app.state.client, request.app.state.mqtt)
    return Response(page, media_type="text/plain; version=0.0.4; charset=utf-8")


@other.websocket("/api/v1/live", dependencies=[Depends(require(Role.WATCH))])
async def live(socket: WebSocket, pictures: bool = True) -> None:
    """Picture, verdict and counts of each part as they come, or the status alone; see `live`."""
    await _serve(socket, pictures=pictures, camera=False)


@other.websocket("/api/v1/camera", dependencies=[Depends(require(Role.INTEGRATOR))])
async def camera_set_up(socket: WebSocket) -> None:
    """As `/api/v1/live`, and what the camera sees while it is set up: in maintenance it then runs freely."""
    await _serve(socket, pictures=True, camera=True)


async def _serve(socket: WebSocket, *, pictures: bool, camera: bool) -> None:
    hub = socket.app.state.hub
    if hub.full:
        await socket.close(1008)
        return
    await socket.accept()
    await hub.serve(socket, pictures, camera)


def _moment(given: str | None) -> str | None:
    """A time as records have it, with three digits of milliseconds: they are compared as text."""
    if given is None:
        return None
    seconds, _, fraction = given.removesuffix("Z").partition(".")
    return f"{seconds}.{fraction.ljust(3, '0')}Z"


async def ask_line(request: Request, what: CommandKind, argument: str = "") -> DoneOut:
    """Put it into the audit log, and ask the line. What cannot be logged is not done, but for stopping."""
    client = request.app.state.client
    told = client.status
    old = None if told is None else told.recipe_id if what == "recipe" else told.state
    try:
        await asyncio.to_thread(audited, request, f"line.{what}", argument or "line", old, argument or what)
    except StoreError:
        if what != "stop":
            raise
    reply = await client.command(what, argument, user=request.state.who.name)
    if not reply.ok:
        with contextlib.suppress(StoreError):
            await asyncio.to_thread(audited, request, f"line.{what}.refused", argument or "line", old, reply.error)
        raise ApiError("refused", reply.error)
    return DoneOut()
