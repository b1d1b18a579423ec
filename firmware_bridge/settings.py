"""What the controller can be configured to: the keys that must be set, the defaults of the others, and their bounds.

What it is: the firmware's own check (`sane` in comms.c) in words that name the key. What it is not: the station's
configuration (`inspector.config`). Any thread.
"""

from __future__ import annotations

from firmware_bridge.codes import Encoder, Key

REQUIRED: frozenset[Key] = frozenset(key for key in Key if key <= Key.CONSECUTIVE_UNKNOWN_STOP)
DEFAULTS: dict[Key, int] = {
    key: int(Encoder.QUADRATURE) if key is Key.ENCODER else 0 for key in Key if key not in REQUIRED
}


def settings_error(values: dict[Key, int]) -> str:
    """Why the controller would refuse this configuration, naming key and value; empty if it would take it."""
    missing = sorted(key.name for key in REQUIRED if key not in values)
    if missing:
        return f"{missing[0]} is missing"
    full = DEFAULTS | values
    bounds = {key: (0, 65535) for key in Key} | {
        Key.GATE_COUNT: (1, 65535),
        Key.GUARD_COUNT: (1, 65535),
        Key.PART_MAX_COUNT: (1, 65535),
        Key.DEBOUNCE_US: (0, 10_000),
        Key.STROBE_US: (1, 30_000),
        Key.LEAD_MS: (0, 250),
        Key.MAX_ON_MS: (1, 30_000),
        Key.MIN_ON_MS: (0, min(1000, full[Key.MAX_ON_MS] - 1)),
        Key.MIN_OFF_MS: (0, 250),
        Key.ENERGISED_PASSES: (0, 1),
        Key.LAST_PARTS: (0, 32),
        Key.ENCODER: (0, 2),
        Key.INPUTS: (0, 7),
    }
    for lead in (Key.EJECT_1_LEAD_MS, Key.EJECT_2_LEAD_MS, Key.EJECT_3_LEAD_MS):
        bounds[lead] = (0, 250)
        bounds[Key(lead - 1)] = bounds[Key(lead + 1)] = bounds[Key(lead + 2)] = (0, 30_000)
    for key, value in sorted(full.items()):
        low, high = bounds[key]
        if not low <= value <= high:
            return f"{key.name} is {value}, wanted {low}..{high}"
    return ""
