"""What a person must know now: the alarms that stand, and what each of them says.

What it is: a book of alarms by code, each with its time, and the table of their words. What it is not: the state that
they put the station into (`passage`), or a translation: the screens say a code's words in their reader's language.
The book is of the line thread, the table of any.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from inspector.clock import Clock
from inspector.types import Alarm

_LOG = logging.getLogger(__name__)


# The field that is no word of the text: what a driver or the system said, in English, for whoever looks deeper.
DETAIL = "trouble"


class Wording(NamedTuple):
    """What is so, and what to do about it; `{fields}` are filled in by whoever raises the alarm. Both are understood
    without `DETAIL`, which the screens show after them and which the log and the API have in the text."""

    text: str
    advice: str


_RESET = "Remove the cause, then reset."
_CALIBRATE_LIGHT = (
    "Clean or replace the lamp, check exposure time and gain; then run python -m calibration illumination."
)
_CALIBRATE_FOCUS = "Clean the lens, check its focus ring; then run python -m calibration illumination."
WORDS: dict[str, Wording] = {
    "controller_lost": Wording("The reject controller does not answer.", "Check its cable and its power."),
    "controller_refused": Wording(
        "The reject controller cannot be used.",
        "Flash the controller with this version's firmware.",
    ),
    "controller_reset": Wording("The reject controller was reset.", "Check the belt, then reset and start."),
    "passed_unearned": Wording("The controller passed a part that was not judged PASS.", "Replace the controller."),
    "controller_eye_stuck": Wording(
        "The belt was stopped: the photo-eye stays blocked.", "Clear the eye and clean it, then reset."
    ),
    "controller_config_crc": Wording("The belt was stopped: the controller's settings are damaged.", _RESET),
    "controller_output_stuck": Wording(
        "The belt was stopped: an output of the controller does not follow.",
        "Check the ejector's wiring and its driver, then reset.",
    ),
    "controller_consecutive_rejects": Wording(
        "The belt was stopped: too many rejects in a row.", "Look at the parts and the camera, then reset."
    ),
    "controller_consecutive_unknown": Wording(
        "The belt was stopped: too many parts in a row without a verdict.",
        "Look at the camera and at the load of the machine, then reset.",
    ),
    "controller_not_confirmed": Wording(
        "The belt was stopped: a rejected part was not seen in the reject bin.",
        "Find the part; check the ejector and the sensor behind it, then reset.",
    ),
    "controller_bin_full": Wording("The belt was stopped: the reject bin is full.", "Empty the bin, then reset."),
    "controller_low_air": Wording(
        "The belt was stopped: the air pressure is too low.", "Check the compressed air, then reset."
    ),
    "controller_watchdog": Wording("The belt was stopped: the controller's watchdog has bitten.", _RESET),
    "controller_rejects_of_last": Wording(
        "The belt was stopped: too many rejects among the last parts.",
        "Look at the parts and the camera, then reset.",
    ),
    "controller_queue_full": Wording(
        "The belt was stopped: too many parts between eye and gate.", "Space the parts out, then reset."
    ),
    "controller_encoder_lost": Wording(
        "The belt was stopped: the encoder gives no pulses.",
        "Check the encoder's cable and its wheel, then reset.",
    ),
    "thread_failed": Wording("The station's program has failed: nothing is inspected.", "Restart the station."),
    "record_failed": Wording(
        "Records cannot be written: nothing is inspected.", "Free disk space or repair the store, then reset."
    ),
    "camera_lost": Wording(
        "The camera gives no pictures.", "Check its cable and its power; it is opened again by itself."
    ),
    "port_gone": Wording(
        "The controller's port cannot be used.",
        "Check the controller's cable, and [controller] port of the station file.",
    ),
    "plc_port": Wording(
        "The PLC's serial port cannot be used.", "Check its cable, and [plc] serial of the station file."
    ),
    "plc_lost": Wording("The PLC is gone.", "Check the PLC and its network."),
    "maintenance": Wording("Maintenance: outputs are fired by hand.", "End the maintenance mode."),
    "test_fire": Wording("The test pulse was refused.", "Let the belt rest, clear the gate, try again."),
    "plc_job": Wording("The PLC's job cannot be loaded: its recipe is not in order.", "Repair the recipe."),
    "lamp_drift": Wording("The brightness has changed by {found} (limit {limit}).", _CALIBRATE_LIGHT),
    "focus_drift": Wording("Edges are less steep by {found} (limit {limit}).", _CALIBRATE_FOCUS),
    "camera_moved": Wording(
        "The camera has moved by {found} (limit {limit}).",
        "Fasten the camera; then run python -m calibration plane and illumination.",
    ),
}


class Alarms:
    """See the module. Raising an alarm that stands already changes nothing: its time is when it began."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._standing: dict[str, Alarm] = {}

    def __contains__(self, code: str) -> bool:
        return code in self._standing

    def all(self) -> tuple[Alarm, ...]:
        """All that stand, oldest first."""
        return tuple(self._standing.values())

    def raise_(self, code: str, severity: str = "stop", **fields: str) -> None:
        """An alarm of the table `WORDS`, with the fields of its words; it stands until it is settled or cleared."""
        if code in self._standing:
            return
        text, advice = (words.format(**fields) for words in WORDS[code])
        detail = fields.get(DETAIL, "")
        text = f"{text.removesuffix('.')}: {detail}" if detail else text
        since = self._clock.utc()
        _LOG.warning("alarm %s (%s): %s", code, severity, text)
        self._standing[code] = Alarm(
            code=code, severity=severity, text=text, advice=advice, since_utc=since, fields=fields
        )

    def settle(self, code: str) -> None:
        """Its cause is gone, or a person has read it."""
        if self._standing.pop(code, None) is not None:
            _LOG.info("alarm %s is gone", code)

    def tell(self, code: str, present: bool, **fields: str) -> None:
        """An alarm that comes and goes with its cause."""
        if present:
            self.raise_(code, **fields)
        else:
            self.settle(code)

    def clear(self) -> None:
        """A person has reset the station; what still stands in fact will be raised again."""
        for code in list(self._standing):
            self.settle(code)
