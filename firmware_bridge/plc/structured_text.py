"""The PLC's side of the handshake, as an IEC 61131-3 function block.

What it is: the text of `docs/plc/FB_InspectionStation.st`; its constants, outputs and offsets come from the register
map, its logic from `structured_text_template`. What it is not: the station's side (`contract`). Run by `generate`, on
no thread.

Written for any compiler of edition 2 or later: no pragma, no enumeration, no vendor type, every conversion named,
every mixed expression in parentheses. The tests parse this text with a grammar of others and run it scan by scan
against the contract.
"""

from __future__ import annotations

import enum

from firmware_bridge.plc.fields import (
    BY_NAME,
    FIELDS,
    MAP_VERSION,
    PLC_WORDS,
    STATION_START,
    STATION_WORDS,
    Field,
)
from firmware_bridge.plc.signals import Control, Mode, PlcVerdict, Status
from firmware_bridge.plc.structured_text_template import TEMPLATE

NAME = "FB_InspectionStation"
_TYPES = {
    "u16": ("UINT", "ui"),
    "i16": ("INT", "i"),
    "bits": ("WORD", "w"),
    "u32": ("UDINT", "udi"),
    "i32": ("DINT", "di"),
}
# The fields of the result block that the block decides by itself are not handed on.
_KEPT = ("result_part_id", "inspection_id_copy")


def camel(name: str) -> str:
    """`part_x` -> `PartX`."""
    return "".join(word.capitalize() for word in name.split("_"))


def _variable(field: Field) -> str:
    return _TYPES[field.kind][1] + camel(field.name)


def _read(field: Field) -> str:
    """The expression that makes a field of the words read."""
    offset = field.address - STATION_START
    kind = _TYPES[field.kind][0]
    if field.words == 2:
        return f"DWORD_TO_{kind}(SHL(WORD_TO_DWORD(awIn[{offset}]), 16) OR WORD_TO_DWORD(awIn[{offset + 1}]))"
    return f"awIn[{offset}]" if kind == "WORD" else f"WORD_TO_{kind}(awIn[{offset}])"


def _handed_on() -> list[Field]:
    return [field for field in FIELDS if field.in_result and field.name not in _KEPT]


def _masks(prefix: str, bits: type[enum.IntFlag]) -> list[str]:
    return [f"    c{prefix}{camel(str(bit.name).lower())} : WORD := 16#{int(bit):04X};" for bit in bits]


def _constants() -> str:
    lines = [*_masks("Ctl", Control), *_masks("Sta", Status), *_masks("Mode", Mode)]
    lines.append(f"    cMapVersion : UINT := {MAP_VERSION};")
    lines.append(f"    cVerdictPass : UINT := {int(PlcVerdict.PASS)};")
    return "\n".join(lines)


def _outputs() -> str:
    return "\n".join(
        f"    {_variable(field)} : {_TYPES[field.kind][0]}; (* {field.meaning} *)" for field in _handed_on()
    )


def _assignments(indent: str) -> str:
    return "\n".join(f"{indent}{_variable(field)} := {_read(field)};" for field in _handed_on())


def render() -> str:
    """The whole file."""
    text = TEMPLATE
    for name, value in {
        "NAME": NAME,
        "MAP": str(MAP_VERSION),
        "IN_LAST": str(STATION_WORDS - 1),
        "OUT_LAST": str(PLC_WORDS - 1),
        "CONSTANTS": _constants(),
        "OUTPUTS": _outputs(),
        "RESULT": _assignments("        "),
        **{f"IN.{field.name}": _read(field) for field in FIELDS if not field.to_station and field.kind != "text"},
        **{f"OUT.{field.name}": f"awOut[{field.address}]" for field in FIELDS if field.to_station},
        "OUT.trigger_part_id+1": f"awOut[{BY_NAME['trigger_part_id'].address + 1}]",
        "OUT.trigger_encoder+1": f"awOut[{BY_NAME['trigger_encoder'].address + 1}]",
    }.items():
        text = text.replace("{" + name + "}", value)
    return text
