"""What the controller can be configured to: the keys that must be set, the defaults of the others, and their bounds.

What it is: the one table behind the firmware's check (`sane` in comms.c) and this one, which names the key. What it
is not: the station's configuration (`inspector.config`). Any thread.
"""

from __future__ import annotations

from firmware_bridge.codes import Encoder, Input, Key

REQUIRED: frozenset[Key] = frozenset(key for key in Key if key <= Key.CONSECUTIVE_UNKNOWN_STOP)
DEFAULTS: dict[Key, int] = {
    key: int(Encoder.QUADRATURE) if key is Key.ENCODER else 0 for key in Key if key not in REQUIRED
}


def _bounds() -> dict[Key, tuple[int, int]]:
    bounds = {key: (0, 65_535) for key in Key} | {
        Key.GATE_COUNT: (1, 65_535),
        Key.GUARD_COUNT: (1, 65_535),
        Key.PART_MAX_COUNT: (1, 65_535),
        Key.DEBOUNCE_US: (0, 10_000),
        Key.STROBE_US: (1, 30_000),
        Key.LEAD_MS: (0, 250),
        Key.MIN_ON_MS: (0, 1000),
        Key.MAX_ON_MS: (1, 30_000),
        Key.MIN_OFF_MS: (0, 250),
        Key.ENERGISED_PASSES: (0, 1),
        Key.LAST_PARTS: (0, 32),
        Key.ENCODER: (0, max(Encoder)),
        Key.INPUTS: (0, sum(Input)),
    }
    for lead in (Key.EJECT_1_LEAD_MS, Key.EJECT_2_LEAD_MS, Key.EJECT_3_LEAD_MS):
        bounds[lead] = (0, 250)
        bounds[Key(lead - 1)] = bounds[Key(lead + 1)] = bounds[Key(lead + 2)] = (0, 30_000)
    return bounds


# Lowest and highest value of every key; the firmware has the same table.
BOUNDS = _bounds()


def settings_error(values: dict[Key, int]) -> str:
    """Why the controller would refuse this configuration, naming key and value; empty if it would take it."""
    missing = sorted(key.name for key in REQUIRED if key not in values)
    if missing:
        return f"{missing[0]} is missing"
    full = DEFAULTS | values
    for key, value in sorted(full.items()):
        low, high = BOUNDS[key]
        if not low <= value <= high:
            return f"{key.name} is {value}, wanted {low}..{high}"
    if full[Key.MIN_ON_MS] >= full[Key.MAX_ON_MS]:
        return f"MIN_ON_MS is {full[Key.MIN_ON_MS]}, wanted less than MAX_ON_MS, {full[Key.MAX_ON_MS]}"
    return ""
