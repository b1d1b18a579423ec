"""Exposure and gain of the camera over the API: tried on the running camera, and kept in the station file.

What it is: HTTP in, a command for the line out, and on request two lines of the station file. What it is not: the
page (setup_pages), or the picture (`live`). Event loop; the file is written on a worker thread.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request
from pydantic import BaseModel, Field

from inspector.config import load_station
from inspector.errors import ConfigError
from inspector.exposure import Exposure
from inspector.web.audited import audited
from inspector.web.errors import ApiError
from inspector.web.roles import Role, require
from inspector.web.routes import ask_line
from inspector.web.schemas import REFUSALS, DoneOut, error_answers

LONGEST_US = 1_000_000
MOST_DB = 48
api = APIRouter(prefix="/api/v1/commands", tags=["commands"])


class CameraIn(BaseModel):
    """What to set. `keep`: in the station file too, so that it is there after the next start."""

    exposure_time_us: int = Field(ge=1, le=LONGEST_US, examples=[5000])
    gain_db: float = Field(ge=0, le=MOST_DB, allow_inf_nan=False, examples=[0.0])
    keep: bool = False


@api.post("/camera", dependencies=[Depends(require(Role.INTEGRATOR))], responses=error_answers(*REFUSALS))
async def set_camera(request: Request, wanted: Annotated[CameraIn, Body()]) -> DoneOut:
    """Set exposure and gain, in maintenance; what the camera made of them is in the status."""
    exposure = Exposure(wanted.exposure_time_us, wanted.gain_db)
    done = await ask_line(request, "camera", exposure.words)
    if wanted.keep:
        await asyncio.to_thread(_keep, request, exposure)
    return done


def _keep(request: Request, exposure: Exposure) -> None:
    path = request.app.state.config.file
    try:
        before = load_station(path).camera
        old = [before.exposure_time_us, before.gain_db]
        audited(request, "camera.keep", path.name, old, [exposure.exposure_time_us, exposure.gain_db])
        exposure.keep(path)
    except ConfigError as why:
        raise ApiError("refused", str(why)) from why
