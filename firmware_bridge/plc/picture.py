"""What the station shows: the values of its block as they follow from the state of the contract.

What it is: reading only. What it is not: the state (`contract`) or registers (`image`). Used under the contract's lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_bridge.plc.fields import MAP_VERSION, Value
from firmware_bridge.plc.maintenance import VERDICT
from firmware_bridge.plc.signals import Control, Mode, PackMl, Refusal, Status

if TYPE_CHECKING:
    from firmware_bridge.plc.contract import Contract


# Plain integers: an operation on an IntFlag takes ten times as long, and these run in every exchange.
_ENABLE, _TRIGGER, _OFFLINE = int(Control.TRIGGER_ENABLE), int(Control.TRIGGER), int(Control.SET_OFFLINE)
_STATUS = {bit: int(bit) for bit in Status}


def online(contract: Contract) -> bool:
    """Whether the station works and the PLC has not set it offline."""
    return contract.packml is PackMl.EXECUTE and not int(contract.inputs.control) & _OFFLINE


def not_ready(contract: Contract) -> Refusal:
    """Why a trigger would be refused now; NONE if it would be accepted."""
    reasons = (
        (contract.owner is None, Refusal.NO_CONTROL),
        (contract.inputs.expected_map not in (0, MAP_VERSION), Refusal.MAP_VERSION),
        (not contract.options.plc_triggers, Refusal.WIRING),
        (contract.faults.any, Refusal.FAULT),
        (contract.maintenance.on, Refusal.MAINTENANCE),
        (not online(contract), Refusal.OFFLINE),
        (contract.jobs.current == 0, Refusal.NO_JOB),
        (contract.jobs.wanted != 0, Refusal.JOB_BUSY),
        (not int(contract.inputs.control) & _ENABLE, Refusal.NOT_ENABLED),
        (contract.triggers.exposing is not None, Refusal.EXPOSING),
        (len(contract.triggers.in_flight) >= contract.options.in_flight, Refusal.BUSY),
    )
    for holds, why in reasons:
        if holds:
            return why
    return Refusal.NONE


def shown_not_ready(contract: Contract) -> Refusal:
    """The same for the wire, where a trigger that is still high must be dropped before the next."""
    why = not_ready(contract)
    if why is Refusal.NONE and int(contract.inputs.control) & _TRIGGER:
        return Refusal.TRIGGER_NOT_DROPPED
    return why


def status(contract: Contract) -> Status:
    """The register `status`, with what is forced."""
    bits = int(contract.sticky) | int(contract.commands.status)
    for holds, bit in (
        (shown_not_ready(contract) is Refusal.NONE, Status.TRIGGER_READY),
        (contract.triggers.in_flight, Status.BUSY),
        (contract.results.valid, Status.RESULTS_VALID),
        (contract.results.completed, Status.INSPECTION_COMPLETED),
        (online(contract), Status.ONLINE),
        (contract.faults.any, Status.FAULT),
        (contract.triggers.exposing is not None, Status.EXPOSING),
        (contract.jobs.wanted, Status.JOB_BUSY),
        (contract.jobs.first_piece_wanted, Status.FIRST_PIECE_WANTED),
        (contract.maintenance.on, Status.MAINTENANCE),
    ):
        if holds:
            bits |= _STATUS[bit]
    return contract.maintenance.shown(Status(bits))


def modes(contract: Contract, client: str) -> Mode:
    """The register `modes`, as this client reads it."""
    bits = Mode.YOU_HAVE_CONTROL if contract.owner == client else Mode(0)
    bits |= Mode.CONTROL_TAKEN if contract.owner is not None else Mode(0)
    bits |= Mode.PLC_TRIGGERS if contract.options.plc_triggers else Mode(0)
    bits |= Mode.FIRST_PIECE_OPTION if contract.options.first_piece else Mode(0)
    bits |= Mode.FORCED if contract.maintenance.forced else Mode(0)
    return bits


def values(contract: Contract, client: str) -> dict[str, Value]:
    """Every field of the station's block but the result, as this client reads it."""
    jobs, triggers = contract.jobs, contract.triggers
    counts = contract.tally.counts
    return {
        "status": contract.status,
        "faults": contract.faults.shown,
        "station_heartbeat": contract.heartbeat,
        "map_version": MAP_VERSION,
        "packml_state": contract.packml,
        "current_job": jobs.current,
        "error_code": contract.trace.last_refusal,
        "acquisition_id": triggers.acquisition_id,
        "accepted_part_id": triggers.accepted_id,
        "not_ready": shown_not_ready(contract),
        "results_waiting": len(contract.results.waiting),
        "modes": modes(contract, client),
        "forced": contract.maintenance.forced_bits,
        "requested_job": jobs.wanted,
        "settings_checksum": jobs.checksum,
        "recipe": jobs.recipe,
        **{name: counts[name] & 0xFFFF_FFFF for name in COUNTERS},
    }


def result(contract: Contract) -> dict[str, Value]:
    """The fields of the result block, with what is forced."""
    forced = contract.maintenance.forced.get(VERDICT)
    values = contract.results.values()
    return values if forced is None else values | {VERDICT: forced}


COUNTERS = (
    "total",
    "passed",
    "rejected",
    "unknown",
    "missed_triggers",
    "lost_results",
)
