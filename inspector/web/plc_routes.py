"""The I/O monitor of the PLC and the maintenance mode, over the API: what stands on the wire, and what a person may do.

What it is: HTTP in, JSON out, of what the line last said. What it is not: a page, or any authority: the contract
refuses what must not be. Event loop.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends, Request
from pydantic import BaseModel, Field

from inspector.link.messages import PlcReport
from inspector.web.errors import ApiError
from inspector.web.roles import Role, require
from inspector.web.routes import ask_line
from inspector.web.schemas import REFUSALS, DoneOut, error_answers

api = APIRouter(prefix="/api/v1")


class PlcOut(BaseModel):
    """What stands between station and PLC, as the line last told it, five times a second."""

    wiring: Literal["results", "triggers"]
    owner: str = Field(description="The master in control; empty if there is none.")
    registers: list[dict[str, Any]] = Field(
        description="Every field of the map: name, address, words, value, unit, names of its bits or number, "
        "to_station, unchanged_s (seconds since it last changed, to about 0.1), and bits: name, bit, on, and for those "
        "of control and status changes and unchanged_s (null: never changed)."
    )
    edges: list[dict[str, Any]] = Field(
        description="The last 200 edges of the handshake, oldest first: ago_ms, signal, value, inspection_id, part_id."
    )
    refused: dict[str, int] = Field(description="How often what was refused, lost or broken, by reason.")
    server: dict[str, int] = Field(description="What the Modbus server met: requests, connections, exceptions by code.")
    outputs: list[str] = Field(description="The outputs that may be fired in maintenance.")
    forced: dict[str, int] = Field(description="The signals that are forced in maintenance, and to what.")
    orders: list[dict[str, Any]] = Field(
        description="The last 32 commands of the PLC, oldest first: number (since the line started), at_utc, master, "
        "command, argument, refused (why, or empty)."
    )


class MaintenanceIn(BaseModel):
    """What to do. `output` is for `fire`; `signal` (a bit of `status`, or `verdict`) and `value` are for `force`, where
    null shows the truth again."""

    what: Literal["begin", "end", "fire", "force"]
    output: str = Field(default="", max_length=64, examples=["camera"])
    signal: str = Field(default="", max_length=64, pattern=r"^\w*$", examples=["RESULTS_VALID"])
    value: int | None = Field(default=None, ge=0, le=65535)

    @property
    def words(self) -> str:
        """As `firmware_bridge.plc.by_hand` has them."""
        if self.what == "fire":
            return f"fire {self.output}"
        return f"force {self.signal} {'-' if self.value is None else self.value}" if self.what == "force" else self.what


@api.get(
    "/plc",
    tags=["read"],
    dependencies=[Depends(require(Role.WATCH))],
    responses=error_answers("not_found", "line_down"),
)
async def plc(request: Request) -> PlcOut:
    """Live registers, the last edges, and counters of everything refused or broken."""
    if request.app.state.config.plc is None:
        raise ApiError("not_found", "this station has no PLC: there is no [plc] in its station file")
    report: PlcReport | None = request.app.state.client.plc
    if report is None:
        raise ApiError("line_down", "the line has not told of its PLC yet")
    return PlcOut.model_validate(report, from_attributes=True)


@api.post(
    "/commands/maintenance",
    tags=["commands"],
    dependencies=[Depends(require(Role.INTEGRATOR))],
    responses=error_answers(*REFUSALS),
)
async def maintenance(request: Request, wanted: Annotated[MaintenanceIn, Body()]) -> DoneOut:
    """Begin or end the maintenance mode, which a PLC sees; in it, fire an output, or force what the PLC reads."""
    return await ask_line(request, "maintenance", wanted.words)


@api.post(
    "/commands/first_piece",
    tags=["commands"],
    dependencies=[Depends(require(Role.QUALITY))],
    responses=error_answers(*REFUSALS),
)
async def first_piece(request: Request) -> DoneOut:
    """Approve the first piece after a job change: from here on PASS counts."""
    return await ask_line(request, "maintenance", "approve")
