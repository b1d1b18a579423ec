"""What `[controller]` says is what is pushed to the controller, and what it would refuse is refused at start-up."""

from __future__ import annotations

from typing import Any

import pytest

from firmware_bridge.codes import Encoder, Input, Key
from firmware_bridge.settings import settings_error
from inspector.config import ControllerConfig
from inspector.errors import ConfigError
from inspector.station import controller_settings


def pushed(**keys: Any) -> dict[Key, int]:
    return controller_settings(ControllerConfig(**keys))


def test_defaults_are_taken() -> None:
    assert settings_error(pushed()) == ""
    assert pushed()[Key.INPUTS] == 0
    assert pushed()[Key.ENCODER] == Encoder.QUADRATURE


def test_inputs_encoder_and_stops_go_through() -> None:
    found = pushed(inputs=["confirm", "low_air", "confirm"], encoder="none", rejects_of_last_stop=3, last_parts=20)
    assert found[Key.INPUTS] == Input.CONFIRM | Input.LOW_AIR
    assert found[Key.ENCODER] == Encoder.CLOCK
    assert (found[Key.REJECTS_OF_LAST_STOP], found[Key.LAST_PARTS]) == (3, 20)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"gate_tick": 70_000}, "GATE_COUNT is 70000, wanted 1..65535"),
        ({"lead_ms": 300}, "LEAD_MS is 300, wanted 0..250"),
        ({"pulse_ms": 900, "max_on_ms": 500}, "MIN_ON_MS is 900, wanted less than MAX_ON_MS, 500"),
    ],
)
def test_what_the_controller_would_refuse_is_refused_here(keys: dict[str, int], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        pushed(**keys)
