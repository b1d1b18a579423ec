"""What the line says of alarms and reasons, in the language of whoever reads it.

What it is: words for the line's codes. What it is not: the codes (`inspector.alarms`, docs/errors.md): one without
words here is shown as the line said it, in English. Any thread.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from firmware_bridge.codes import Fault
from inspector.alarms import DETAIL, WORDS
from inspector.types import Alarm, Reason, RejectOutcome
from inspector.web.codes import CLASSES, FAULTS, MODES, OUTCOMES, PLC_FAULTS, WHYS
from inspector.web.words import Words, mark

REASONS = {
    "score": mark("score"),
    "no_frame": mark("no picture arrived in time"),
    "late": mark("judged too late"),
    "frame_ambiguous": mark("picture and part cannot be told together"),
    "frame_incomplete": mark("the picture is incomplete"),
    "black": mark("the picture is black"),
    "blown": mark("the picture is overexposed"),
    "blurred": mark("the picture is blurred"),
    "frozen": mark("the same picture again"),
    "empty": mark("nothing in the picture"),
    "no_part": mark("no part in the picture"),
    "two_parts": mark("two parts in the picture"),
    "half_part": mark("the part is not whole in the picture"),
    "hidden": mark("something hides the part"),
    "wrong_size": mark("the picture has the wrong size"),
    "unfit": mark("the picture is too small for a part"),
    "score_not_a_number": mark("the model gave no score"),
    "not_measured": mark("could not be measured"),
    "code_unreadable": mark("the code could not be read"),
    "code_wrong": mark("the code is not an allowed one"),
    "restarted": mark("on the belt when the station started"),
    "recipe_changed": mark("on the belt when the recipe was changed"),
    "maintenance": mark("on the belt in maintenance"),
    "station_aborted": mark("the station cannot record"),
}
# Of a measurement, that has the name its recipe gives it.
OUT_OF_TOLERANCE = mark("{name}: out of tolerance")


def alarm_words(words: Words, alarm: Alarm) -> tuple[str, str, str]:
    """What is so and what to do in the reader's language, and what the line adds in English."""
    if alarm.code not in WORDS:
        return alarm.text, alarm.advice, ""
    text, advice = (words(said, **alarm.fields) for said in WORDS[alarm.code])
    return text, advice, alarm.fields.get(DETAIL, "")


def reason_words(words: Words, reason: Reason) -> tuple[str, str]:
    """Why a part was not passed, in our words for the code, and what the line adds in English."""
    if reason.code in REASONS:
        return words(REASONS[reason.code]), reason.text
    if reason.code.startswith(("measure:", "defect:")):
        return class_words(words, reason.code), ""  # the number and its limit say the rest
    return reason.text or class_words(words, reason.code), ""


def class_words(words: Words, code: str) -> str:
    """A class of defects, or the reason that stands in its place: our words for it, else its name to be read."""
    if code.startswith("measure:"):
        return words(OUT_OF_TOLERANCE, name=code.removeprefix("measure:").replace("_", " "))
    name = code.removeprefix("defect:")
    return words(CLASSES[name]) if name in CLASSES else name.replace("_", " ")


def outcome_words(words: Words, outcome: RejectOutcome) -> tuple[str, str]:
    """What became of a part at the gate, and why; a reason without words as it is."""
    return words(OUTCOMES[outcome.kind]), words(WHYS.get(outcome.reason, outcome.reason))


def link_words(words: Words, key: str, link: Mapping[str, Any]) -> Any:
    """What the line says under `key` of its link to the controller; a number without words stays one."""
    value = link.get(key)
    table = link_table(words, plc_triggers="parts" not in link)
    if not isinstance(value, int) or not isinstance(table.get(key), dict):
        return "-" if value is None else value
    if key == "fault" and table["bits"] and value:
        return ", ".join(said for bit, said in table["fault"].items() if value & bit) or value
    return table[key].get(value, value)


def link_table(words: Words, *, plc_triggers: bool) -> dict[str, Any]:
    """Words by number of the link's mode and fault; `bits` where a fault's number is a sum of several."""
    faults: list[tuple[int, str]] = [(Fault.NONE, FAULTS[Fault.NONE])]
    faults += PLC_FAULTS.items() if plc_triggers else FAULTS.items()
    return {
        "mode": {int(mode): words(said) for mode, said in MODES.items()},
        "fault": {int(fault): words(said) for fault, said in faults},
        "bits": plc_triggers,
    }


def for_script(words: Words) -> str:
    """The words of all codes as the JSON of a page; safe inside a script element."""
    table = {
        "alarms": {code: [words(text), words(advice)] for code, (text, advice) in WORDS.items()},
        "reasons": {code: words(said) for code, said in REASONS.items()},
        "classes": {code: words(said) for code, said in CLASSES.items()},
        "measure": words(OUT_OF_TOLERANCE),
    }
    return script_json(table)


def script_json(table: Any) -> str:
    """A table as the JSON of a page; safe inside a script element."""
    return json.dumps(table, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
