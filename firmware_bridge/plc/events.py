"""What the PLC contract tells the station.

What it is: frozen values, handed to the `tell` of the contract in the order they happen, under its lock. What it is
not: the signals on the wire (`signals`). Any thread.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware_bridge.plc.signals import PlcVerdict, Refusal


@dataclass(frozen=True, slots=True)
class Triggered:
    """A trigger was accepted: take a picture of this part now. It must get a result, or it becomes UNKNOWN."""

    part_id: int
    acquisition_id: int
    encoder: int
    job: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class TriggerRefused:
    """A trigger was refused. The part passes by without a picture: a NOT_INSPECTED of the station."""

    part_id: int
    why: Refusal
    at_ns: int


@dataclass(frozen=True, slots=True)
class ResultTaken:
    """The PLC acknowledged the result that was shown: this is what it knows of the part."""

    part_id: int
    verdict: PlcVerdict


@dataclass(frozen=True, slots=True)
class ResultLost:
    """A result that the PLC never acknowledged: no room, nobody there, or withdrawn by a fault."""

    part_id: int


@dataclass(frozen=True, slots=True)
class JobWanted:
    """Change to this job between two parts, then say `job_done` or `job_failed`."""

    job: int


@dataclass(frozen=True, slots=True)
class FirstPieceApproved:
    """The PLC approved the first piece; from here on PASS counts."""

    job: int


@dataclass(frozen=True, slots=True)
class MaintenanceChanged:
    """Maintenance mode began or ended."""

    on: bool


@dataclass(frozen=True, slots=True)
class OutputFired:
    """One test pulse on this output, by its number in `Options.outputs`; then say `commands.fired`."""

    output: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class FaultsReset:
    """The PLC or a person reset the faults; what still has a cause stays."""


@dataclass(frozen=True, slots=True)
class FaultRaised:
    """The contract itself found a fault: the PLC fell silent, or the station did."""

    why: Refusal


PlcEvent = (
    Triggered
    | TriggerRefused
    | ResultTaken
    | ResultLost
    | JobWanted
    | FirstPieceApproved
    | MaintenanceChanged
    | OutputFired
    | FaultsReset
    | FaultRaised
)
