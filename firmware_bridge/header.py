"""The C header of the firmware, written from the message table.

What it is: `protocol.py` in another language; the same table, the same hash. What it is not: code. Any thread.
"""

from __future__ import annotations

from pathlib import Path

from firmware_bridge.protocol import ENUMS, PROTOCOL, RING, TABLE, Key, Message, layout
from firmware_bridge.settings import DEFAULTS, REQUIRED

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
    for kind in TABLE.values():
        lines += ["", *_message(kind)]
    return "\n".join([*lines, "", "#endif", ""])


def _message(kind: type[Message]) -> list[str]:
    prefix, at = f"M_{kind.__name__.upper()}", 1
    lines = [f"#define {prefix} 0x{kind.code:02x}"]
    for name, code in layout(kind):
        lines.append(f"#define {prefix}_{name.upper()} {at}")
        at += _BYTES[code]
    return [*lines, f"#define {prefix}_LENGTH {at}"]
