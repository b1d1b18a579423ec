"""The register map: every field of the PLC contract, in one table.

What it is: the table, and the words of a value by it. The page, the CSV and the PLC source are generated from here.
What it is not: behaviour (`contract`) or access (`image`). Any thread.

Registers are 16 bits. A 32-bit field has its high word first. Text has two ASCII characters a register, the first in
the high byte, padded with 0. A number on the wire is the value divided by `scale`, rounded, held at the ends of its
range. Addresses are those in the frames, counted from 0.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from firmware_bridge.plc import signals

MAP_VERSION = 1
PLC_START, PLC_WORDS = 0, 16
STATION_START, STATION_WORDS = 100, 80
RESULT_START, RESULT_WORDS = 134, 29
# The ends of each kind on the wire.
RANGES = {
    "u16": (0, 0xFFFF),
    "i16": (-0x8000, 0x7FFF),
    "u32": (0, 0xFFFF_FFFF),
    "i32": (-0x8000_0000, 0x7FFF_FFFF),
    "bits": (0, 0xFFFF),
}
Value = int | float | str


@dataclass(frozen=True)
class Field:
    """One row. `kind` is a key of RANGES or `text`; `names` are its bits or its numbers; `since` is a map version."""

    name: str
    address: int
    kind: str
    meaning: str
    unit: str = ""
    scale: float = 1
    names: type[enum.IntEnum] | type[enum.IntFlag] | None = None
    words: int = 1
    since: int = 1

    @cached_property
    def plain(self) -> bool:
        """Whether its register is simply its value."""
        return self.kind in ("u16", "bits") and self.scale == 1

    @property
    def to_station(self) -> bool:
        """Whether the PLC writes it."""
        return self.address < STATION_START

    @property
    def in_result(self) -> bool:
        """Whether it changes only while RESULTS_VALID is 0."""
        return RESULT_START <= self.address < RESULT_START + RESULT_WORDS


def _u16(name: str, address: int, meaning: str, unit: str = "", scale: float = 1) -> Field:
    return Field(name, address, "u16", meaning, unit, scale)


def _u32(name: str, address: int, meaning: str) -> Field:
    return Field(name, address, "u32", meaning, words=2)


def _i32(name: str, address: int, meaning: str) -> Field:
    return Field(name, address, "i32", meaning, "length_unit", words=2)


def _bits(name: str, address: int, names: type[enum.IntFlag], meaning: str) -> Field:
    return Field(name, address, "bits", meaning, names=names)


def _enum(name: str, address: int, names: type[enum.IntEnum], meaning: str) -> Field:
    return Field(name, address, "u16", meaning, names=names)


FIELDS: tuple[Field, ...] = (
    _bits("control", 0, signals.Control, "what the PLC asks; unused bits are written 0"),
    _u16("plc_heartbeat", 1, "any value that changes more often than heartbeat_timeout"),
    _enum("command", 2, signals.Command, "what EXECUTE_COMMAND starts"),
    _u16("command_argument", 3, "job number, or number of the output to test"),
    _u32("trigger_part_id", 4, "the PLC's number of the part it triggers for; 0: the station numbers it"),
    _u32("trigger_encoder", 6, "encoder position at the trigger, given back with the result"),
    _u16("heartbeat_timeout", 8, "silence of the PLC for longer is a fault; 0: 500, else 50 to 10000", "ms"),
    _u16("expected_map", 9, "map version the PLC was written for; 0: not checked"),
    _bits("status", 100, signals.Status, "the handshake"),
    _bits("faults", 101, signals.Fault, "sticky until FAULT_RESET, and as long as the cause lasts"),
    _u16("station_heartbeat", 102, "changes while the line itself is alive"),
    _u16("map_version", 103, "version of this table"),
    _enum("packml_state", 104, signals.PackMl, "state of the station, PackTags 3.0 numbers"),
    _u16("current_job", 105, "the job that judges; 0: none"),
    _enum("error_code", 106, signals.Refusal, "the last thing refused; FAULT_RESET clears it"),
    _u16("acquisition_id", 107, "counts accepted triggers, leaves out 0"),
    _u32("accepted_part_id", 108, "part id of the last accepted trigger, there with TRIGGER_ACK"),
    _enum("not_ready", 110, signals.Refusal, "why TRIGGER_READY is 0"),
    _u16("results_waiting", 111, "results behind the one shown"),
    _bits("modes", 112, signals.Mode, "what holds beside the handshake"),
    Field("forced", 113, "bits", "bits of status that are forced in maintenance, in their places"),
    _u16("requested_job", 114, "the job being changed to; 0: none"),
    _u32("settings_checksum", 116, "over recipe, model and calibration of the current job"),
    Field("recipe", 118, "text", "recipe of the current job", words=16),
    _u32("result_part_id", 134, "whose result this is"),
    _u16("inspection_id", 136, "counts results, leaves out 0; a jump of more than 1: results were lost"),
    _enum("verdict", 137, signals.PlcVerdict, "everything but exactly 1 means reject"),
    _bits("result_flags", 138, signals.ResultFlag, "what of the block holds"),
    _u16("defect_class", 139, "class of the worst defect, numbered by the recipe; 0: none"),
    _u16("defect_count", 140, "how many defects"),
    _u16("score", 141, "part score; 1 is the threshold", "", 0.0001),
    _u16("inspection_time", 142, "from picture to verdict", "ms", 0.1),
    _enum("length_unit", 143, signals.LengthUnit, "what one step of the positions is: 0.01 mm, or 0.1 px"),
    _i32("part_x", 144, "where the part lies"),
    _i32("part_y", 146, "where the part lies"),
    Field("part_angle", 148, "i16", "its turn from the taught pose, counter-clockwise", "deg", 0.01),
    _u16("result_job", 149, "the job that judged this part"),
    _i32("defect_x", 150, "middle of the worst defect"),
    _i32("defect_y", 152, "middle of the worst defect"),
    _u32("result_checksum", 154, "settings_checksum that judged this part"),
    _u32("result_encoder", 156, "trigger_encoder of this part"),
    _u32("record_boot", 158, "high half of the part's number in the station's records"),
    _u32("record_number", 160, "low half of it"),
    _u16("inspection_id_copy", 162, "inspection_id again: a block read in pieces is whole if both are equal"),
    _u32("total", 164, "results since start-up"),
    _u32("passed", 166, "of these PASS"),
    _u32("rejected", 168, "of these REJECT"),
    _u32("unknown", 170, "of these neither, lost ones included"),
    _u32("missed_triggers", 172, "triggers refused"),
    _u32("lost_results", 174, "results no PLC could see"),
)
BY_NAME: dict[str, Field] = {field.name: field for field in FIELDS}
PLC_FIELDS = tuple(field for field in FIELDS if field.to_station)
STATION_FIELDS = tuple(field for field in FIELDS if not field.to_station)


def to_words(field: Field, value: Value) -> list[int]:
    """The registers of a value; a number beyond the range of its field is held at the end of the range."""
    if field.kind == "text":
        raw = str(value).encode("ascii", "replace")[: 2 * field.words].ljust(2 * field.words, b"\0")
        return [raw[i] << 8 | raw[i + 1] for i in range(0, len(raw), 2)]
    low, high = RANGES[field.kind]
    number = min(max(round(float(value) / field.scale) if field.scale != 1 else int(value), low), high)
    if field.words == 2:
        return [number >> 16 & 0xFFFF, number & 0xFFFF]
    return [number & 0xFFFF]


def from_words(field: Field, words: Sequence[int]) -> Value:
    """The value of a field's registers; the inverse of `to_words`."""
    if field.kind == "text":
        return b"".join(word.to_bytes(2, "big") for word in words).rstrip(b"\0").decode("ascii", "replace")
    number = words[0] << 16 | words[1] if field.words == 2 else words[0]
    if field.kind[0] == "i" and number >= 1 << (16 * field.words - 1):
        number -= 1 << (16 * field.words)
    return number if field.scale == 1 else number * field.scale


def pack(values: Mapping[str, Value], start: int, count: int) -> list[int]:
    """`count` registers from `start` on, with the fields named in `values`; all others are 0."""
    words = [0] * count
    for name, value in values.items():
        field = BY_NAME[name]
        offset = field.address - start
        if field.plain:
            words[offset] = min(max(int(value), 0), 0xFFFF)
        else:
            words[offset : offset + field.words] = to_words(field, value)
    return words


def unpack(words: Sequence[int], start: int) -> dict[str, Value]:
    """Every field that lies wholly in these registers, by name."""
    end = start + len(words)
    return {
        field.name: from_words(field, words[field.address - start : field.address - start + field.words])
        for field in FIELDS
        if start <= field.address and field.address + field.words <= end
    }
