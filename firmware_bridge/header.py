"""The C header of the firmware, written from the message table.

What it is: `protocol.py` in another language; the same table, the same hash. What it is not: code. Any thread.
"""

from __future__ import annotations

from pathlib import Path

from firmware_bridge.protocol import ENUMS, PROTOCOL, RING, TABLE, Counters, Key, Message, layout
from firmware_bridge.settings import BOUNDS, DEFAULTS, REQUIRED

PATH = Path(__file__).parent / "firmware" / "protocol.h"
_BYTES = {"B": 1, "H": 2, "I": 4}


def header() -> str:
    """The text of `firmware/protocol.h`."""
    lines = [
        "/* Written by firmware_bridge/header.py from protocol.py; do not edit.",
        " *",
        " * Every message as its code, its length and where its fields start (the code is byte 0; little-endian). */",
        "#ifndef PROTOCOL_H",
        "#define PROTOCOL_H",
        "",
        "#include <stdint.h>",
        "",
        f"#define PROTOCOL_VERSION 0x{PROTOCOL:08x}UL",
        f"#define RING {RING}",
    ]
    for enumeration in ENUMS:
        prefix = enumeration.__name__.upper()
        lines += ["", f"enum {enumeration.__name__.lower()} {{"]
        lines += [f"    {prefix}_{item.name} = {item.value}," for item in enumeration]
        lines += ["};"]
    lines += ["", f"#define KEYS {max(Key) + 1}", f"#define KEYS_REQUIRED {max(REQUIRED)}"]
    lines += [f"#define KEY_{key.name}_DEFAULT {value}" for key, value in sorted(DEFAULTS.items()) if value]
    lines += ["#define KEY_BOUNDS \\", "    {0, 0}, \\"]
    lines += [f"    {{{low}, {high}}}, \\" for _, (low, high) in sorted(BOUNDS.items())]
    for kind in TABLE.values():
        lines += ["", *_message(kind)]
    lines += ["", "struct counters {", *(f"    uint16_t {name};" for name, _ in layout(Counters)), "};"]
    return "\n".join([*lines, "", "#endif", ""])


def _message(kind: type[Message]) -> list[str]:
    prefix, at = f"M_{kind.__name__.upper()}", 1
    lines = [f"#define {prefix} 0x{kind.code:02x}"]
    for name, code in layout(kind):
        lines.append(f"#define {prefix}_{name.upper()} {at}")
        at += _BYTES[code]
    return [*lines, f"#define {prefix}_LENGTH {at}"]


if __name__ == "__main__":
    PATH.write_text(header(), encoding="utf-8")
