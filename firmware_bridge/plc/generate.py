"""Writes what is generated from the register map: its page, its CSV and the PLC's function block.

What it is: `python -m firmware_bridge.plc.generate` in the root of the repository. What it is not: part of a running
station. A test compares the committed files with what this writes.
"""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

from firmware_bridge.plc import structured_text
from firmware_bridge.plc.fields import (
    FIELDS,
    MAP_VERSION,
    PLC_START,
    PLC_WORDS,
    RANGES,
    RESULT_START,
    RESULT_WORDS,
    STATION_START,
    STATION_WORDS,
    Field,
)
from firmware_bridge.plc.meanings import meaning

_COLUMNS = (
    *("address", "words", "direction", "name", "type", "width", "low", "high"),
    *("scale", "unit", "names", "result_block", "since", "meaning"),
)
_DISCRETE = ("status", "faults", "modes")


def direction(field: Field) -> str:
    """Who writes it."""
    return "PLC -> station" if field.to_station else "station -> PLC"


def width(field: Field) -> str:
    """How many bits, or characters."""
    return f"{2 * field.words} characters" if field.kind == "text" else f"{16 * field.words} bits"


def register_page() -> str:
    """docs/plc_registers.md."""
    parts = [
        _HEAD.format(
            map=MAP_VERSION,
            plc_last=PLC_START + PLC_WORDS - 1,
            station_first=STATION_START,
            station_last=STATION_START + STATION_WORDS - 1,
            station_words=STATION_WORDS,
            result_first=RESULT_START,
            result_last=RESULT_START + RESULT_WORDS - 1,
        ),
        "## PLC -> station: holding registers\n",
        _table([field for field in FIELDS if field.to_station]),
        "\n## Station -> PLC: holding and input registers\n",
        _table([field for field in FIELDS if not field.to_station and not field.in_result]),
        "\n## Station -> PLC: the result block\n\nIt changes only while `RESULTS_VALID` is 0.\n",
        _table([field for field in FIELDS if field.in_result]),
        "\n## Bits\n",
        *(_bits(field) for field in FIELDS if field.kind == "bits" and field.names),
        "## Numbers\n",
        *(_numbers(field) for field in FIELDS if field.kind != "bits" and field.names),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _table(fields: list[Field]) -> str:
    lines = ["| address | field | type | step | what |", "|---|---|---|---|---|"]
    for field in fields:
        last = f"-{field.address + field.words - 1}" if field.words > 1 else ""
        step = f"{field.scale:g} {field.unit}".strip() if field.scale != 1 or field.unit else ""
        lines.append(f"| {field.address}{last} | `{field.name}` | {field.kind} | {step} | {field.meaning} |")
    return "\n".join(lines)


def _bits(field: Field) -> str:
    """The bits of a field, with the coils or discrete inputs that they are too."""
    assert field.names is not None
    other = {"control": ("coil", 0), **{name: ("discrete input", 16 * i) for i, name in enumerate(_DISCRETE)}}
    kind, first = other.get(field.name, ("", 0))
    lines = [f"### `{field.name}`\n", f"| bit | mask | {kind or '-'} | name | what |", "|---|---|---|---|---|"]
    for bit in field.names:
        place = int(bit).bit_length() - 1
        also = first + place if kind else ""
        lines.append(f"| {place} | {int(bit):#06x} | {also} | `{bit.name}` | {meaning(bit)} |")
    return "\n".join([*lines, ""])


def _numbers(field: Field) -> str:
    assert field.names is not None
    if field.name == "not_ready":
        return "### `not_ready`\n\nThe numbers of `error_code`.\n"
    lines = [f"### `{field.name}`\n", "| number | name | what |", "|---|---|---|"]
    lines += [f"| {int(number)} | `{number.name}` | {meaning(number)} |" for number in field.names]
    return "\n".join([*lines, ""])


def register_csv() -> str:
    """docs/plc_registers.csv: one row a field, for a spreadsheet or an importer."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for field in FIELDS:
        low, high = RANGES.get(field.kind, ("", ""))
        names = " ".join(f"{int(item)}={item.name}" for item in field.names) if field.names else ""
        rows.writerow(
            [
                field.address,
                field.words,
                direction(field),
                field.name,
                field.kind,
                width(field),
                low,
                high,
                f"{field.scale:g}",
                field.unit,
                names,
                int(field.in_result),
                field.since,
                field.meaning,
            ]
        )
    return out.getvalue()


def files() -> dict[str, str]:
    """Every generated file by its path in the repository."""
    return {
        "docs/plc_registers.md": register_page(),
        "docs/plc_registers.csv": register_csv(),
        f"docs/plc/{structured_text.NAME}.st": structured_text.render(),
    }


def main(root: Path) -> None:
    """Write them."""
    for name, text in files().items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(path, file=sys.stderr)


_HEAD = """# PLC registers, map version {map}

Generated from `firmware_bridge/plc/fields.py` by `python -m firmware_bridge.plc.generate`; the same as a
[table for importers](plc_registers.csv). How the signals play together: [the handshake](plc.md).

Addresses are those in the frames, counted from 0; a master that counts from 1, or writes 40001 for the first holding
register, adds to them. A register has 16 bits, a 32-bit field its high word first, text two characters a register with
the first in the high byte. The value is the register times its step; a value beyond the range is held at its end.

- The PLC writes holding registers 0 to {plc_last}, with function 6, 16, 22 or 23; control bits also as coils,
  with 5 or 15.
- It reads holding or input registers {station_first} to {station_last}: {station_words} words, one request. The result
  block is {result_first} to {result_last}. Best is one exchange of function 23 a cycle: write 0, read {station_first}.
- What it writes takes effect whole or not at all. Anything outside is exception 2, a value outside the map
  exception 3, a write without control exception 4.
"""


if __name__ == "__main__":
    main(Path.cwd())
