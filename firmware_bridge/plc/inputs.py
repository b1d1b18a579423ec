"""What the PLC wrote, and how a station is wired.

What it is: frozen values, checked at the door. What it is not: behaviour. Any thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from firmware_bridge.plc.signals import Control

HEARTBEAT_MS = 500
HEARTBEAT_RANGE_MS = (50, 10_000)
_MS = 1_000_000
_NOTHING = Control(0)
_UNUSED = 0xFFFF & ~sum(Control)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a station is wired. `plc_triggers` False: parts come by the station's own eye (`seen`).

    `in_flight` parts may be between trigger and result. A part without a result after `result_timeout_ms` is UNKNOWN.
    The line must `pulse` more often than `station_timeout_ms`. Maintenance may fire `outputs`, by number.
    """

    plc_triggers: bool = True
    in_flight: int = 4
    result_timeout_ms: int = 1000
    station_timeout_ms: int = 1000
    job_timeout_ms: int = 30_000
    first_piece: bool = False
    plc_may_approve: bool = True
    outputs: Mapping[int, str] = field(default_factory=lambda: {0: "camera"})


@dataclass(frozen=True, slots=True)
class Inputs:
    """The block of the PLC, decoded; the fields of the register map from `control` to `expected_map`.

    Raises ValueError for an unknown control bit or a heartbeat timeout out of range.
    """

    control: Control = _NOTHING
    plc_heartbeat: int = 0
    command: int = 0
    command_argument: int = 0
    trigger_part_id: int = 0
    trigger_encoder: int = 0
    heartbeat_timeout: int = 0
    expected_map: int = 0

    def __post_init__(self) -> None:
        unknown = int(self.control) & _UNUSED
        if unknown:
            raise ValueError(f"control has unknown bits {unknown:#06x}, wanted 0 in them")
        low, high = HEARTBEAT_RANGE_MS
        if self.heartbeat_timeout and not low <= self.heartbeat_timeout <= high:
            raise ValueError(f"heartbeat_timeout is {self.heartbeat_timeout} ms, wanted 0 or {low} to {high}")

    def at_beat(self, heartbeat: int) -> Inputs:
        """The same with another heartbeat: what a PLC writes most of the time."""
        return Inputs(
            self.control,
            heartbeat,
            self.command,
            self.command_argument,
            self.trigger_part_id,
            self.trigger_encoder,
            self.heartbeat_timeout,
            self.expected_map,
        )

    @property
    def timeout_ns(self) -> int:
        """How long the PLC may be silent."""
        return (self.heartbeat_timeout or HEARTBEAT_MS) * _MS
