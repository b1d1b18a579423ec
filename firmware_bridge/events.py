"""What the bridge tells the station.

What it is: the events of one part and of the link, as frozen values, and the link's counters. What it is not: the
messages on the wire (`protocol`). Any thread.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware_bridge.protocol import Verdict, Why


@dataclass(frozen=True, slots=True)
class PartSeen:
    """The eye saw a part, or a PLC triggered for it and calls it `plc_part`. `part_id` is boot << 32 | number; counts
    are unwrapped, the time is the station's."""

    part_id: int
    seen_count: int
    due_count: int
    seen_at_ns: int
    plc_part: int | None = None


@dataclass(frozen=True, slots=True)
class PartTriggered:
    """The camera was triggered for this part at this time of the station's clock."""

    part_id: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class PartDecided:
    """The controller's last word on a part. Only `Why.EARNED` went to the good lane."""

    part_id: int
    why: Why
    verdict: Verdict
    count: int


@dataclass(frozen=True, slots=True)
class PartTaken:
    """The PLC has acknowledged the verdict on a part that it rejects itself; `verdict` is a name of `PlcVerdict`."""

    part_id: int
    verdict: str


@dataclass(frozen=True, slots=True)
class PartLost:
    """The eye saw this part, but the controller no longer holds its row (it was overwritten, or it was reset)."""

    part_id: int
    why: str
    plc_part: int | None = None


@dataclass(frozen=True, slots=True)
class Linked:
    """The controller is configured and talking; `boot` is new when it was reset since we last spoke."""

    boot: int
    was_reset: bool


@dataclass(frozen=True, slots=True)
class LinkLost:
    """No answer for a whole lease: the controller rejects everything by now."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The controller must not be used as it is, and what to do about it."""

    text: str


Event = PartSeen | PartTriggered | PartDecided | PartTaken | PartLost | Linked | LinkLost | Refused


@dataclass(slots=True)
class LinkCounters:
    """What happened on the wire since start; for the screen."""

    sent: int = 0
    received: int = 0
    damaged: int = 0
    unknown: int = 0
    resent: int = 0
    reread: int = 0
    greetings: int = 0
