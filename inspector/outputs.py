"""The outputs of a station that may be fired in maintenance: their names, and their numbers on either side.

What it is: two small tables made from the station file. What it is not: the firing (`upkeep`, `controllers`). Pure; any
thread.
"""

from __future__ import annotations

from inspector.config import ControllerConfig, StationConfig


def outputs_of(config: StationConfig) -> dict[int, str]:
    """Names by the number that a PLC fires them by: what the wiring and the controller have."""
    if config.plc is not None and config.plc.wiring == "triggers":
        return {0: "camera"}
    return {1: "ejector"} | {1 + one.number: f"sorter_{one.number}" for one in config.controller.sorter}


def pulses_of(config: ControllerConfig) -> dict[str, tuple[int, int]]:
    """By name the controller's own number, and for how many milliseconds: as long as it is on for a part."""
    return {"ejector": (0, config.pulse_ms)} | {
        f"sorter_{one.number}": (one.number, one.pulse_ms) for one in config.sorter
    }
