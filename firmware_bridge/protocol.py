"""Every message between the station and the reject controller, in one table.

What it is: the words, their bytes and the version that both sides compare. The C header of the firmware is
generated from here. What it is not: behaviour (that is `bridge` on this side, `simulator` and the firmware on
the other). Any thread.

All numbers are little-endian and unsigned. `count` is the encoder count and `clock` the controller's clock, both
32 bits and wrapping; `part` is the controller's running number of a part since its boot, starting at 1. `boot` is
counted in the controller's EEPROM, so (boot, part) never comes twice: a PASS that outlived a reset names a boot
that is gone and disarms nothing.

A part is one row in the controller's memory, and `PART` is that row. It is sent when it changes, and read by
number with `READ` when a change was lost: the controller keeps the last `ring` rows.
"""

from __future__ import annotations

import enum
import hashlib
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Annotated, Any, ClassVar, get_args, get_type_hints

from firmware_bridge.codes import OBEYED as OBEYED
from firmware_bridge.codes import Answer as Answer
from firmware_bridge.codes import Confirmed as Confirmed
from firmware_bridge.codes import Encoder as Encoder
from firmware_bridge.codes import Fault as Fault
from firmware_bridge.codes import Input as Input
from firmware_bridge.codes import Key as Key
from firmware_bridge.codes import Mode as Mode
from firmware_bridge.codes import Order as Order
from firmware_bridge.codes import Phase as Phase
from firmware_bridge.codes import Verdict as Verdict
from firmware_bridge.codes import Why as Why

U8 = Annotated[int, "B"]
U16 = Annotated[int, "H"]
U32 = Annotated[int, "I"]
RING = 32


@dataclass(frozen=True, slots=True)
class Hello:
    """Station: who are you? Answered by IDENT."""

    code: ClassVar[int] = 0x01
    protocol: U32


@dataclass(frozen=True, slots=True)
class Set:
    """Station: one configuration value; takes effect at COMMIT. Refused in RUN."""

    code: ClassVar[int] = 0x02
    key: U8
    value: U32


@dataclass(frozen=True, slots=True)
class Commit:
    """Station: the values are complete and have this CRC. Answered by IDENT; a wrong CRC changes nothing."""

    code: ClassVar[int] = 0x03
    crc: U32


@dataclass(frozen=True, slots=True)
class Lease:
    """Station: I am alive, trust my verdicts for `lease_ms` from now. Answered by STATUS with the same `serial`."""

    code: ClassVar[int] = 0x04
    serial: U16
    lease_ms: U16


@dataclass(frozen=True, slots=True)
class Judge:
    """Station: the verdict of one part of one boot. Answered by PART. Repeating it is harmless.

    `eject` names the sorter (1 to 3) that takes the part out on its way to the gate; 0: none.
    """

    code: ClassVar[int] = 0x05
    boot: U32
    part: U32
    verdict: U8
    eject: U8 = 0


@dataclass(frozen=True, slots=True)
class Command:
    """Station: RUN, STOP or RESET. Answered by STATUS."""

    code: ClassVar[int] = 0x06
    order: U8


@dataclass(frozen=True, slots=True)
class Read:
    """Station: send the rows from `first` on, `rows` of them. Answered by that many PARTs, those that exist."""

    code: ClassVar[int] = 0x07
    first: U32
    rows: U8


@dataclass(frozen=True, slots=True)
class Count:
    """Station: what went wrong so far? Answered by COUNTERS."""

    code: ClassVar[int] = 0x08


@dataclass(frozen=True, slots=True)
class Fire:
    """Station: one pulse of an ejector (0 the gate, 1 to 3 the sorters), for a test. Answered by FIRED.

    The output's longest on-time and shortest off-time hold. The same `serial` again (1 to 65535) is only answered
    again. Parts on the belt are rejected from now on. The pulse is cut when the belt moves, and by RUN.
    """

    code: ClassVar[int] = 0x09
    serial: U16
    output: U8
    pulse_ms: U16


@dataclass(frozen=True, slots=True)
class Ident:
    """Controller: what it is, which boot this is, and which configuration it runs (crc 0: none).

    `previous_parts` is how many parts the boot before this one saw, if its memory survived the reset, else 0.
    """

    code: ClassVar[int] = 0x81
    protocol: U32
    boot: U32
    previous_parts: U32
    clock_hz: U32
    config_crc: U32
    ring: U8
    reset_cause: U8


@dataclass(frozen=True, slots=True)
class Status:
    """Controller: the answer to LEASE and COMMAND.

    `next_part` is the number the next part will get; all parts before `open_part` are decided. `flags`: bit 0 the
    eye is blocked, bit 1 the lease is running, bit 2 the line-run output is energised, bit 3 the gate is energised.
    """

    code: ClassVar[int] = 0x82
    serial: U16
    boot: U32
    clock: U32
    count: U32
    next_part: U32
    open_part: U32
    mode: U8
    fault: U8
    flags: U8
    damaged: U16


@dataclass(frozen=True, slots=True)
class PartRow:
    """Controller: the row of one part. Clocks and counts that have not come yet are 0; `phase` says which have.

    `confirmed` is a `Confirmed`.
    """

    code: ClassVar[int] = 0x83
    boot: U32
    part: U32
    phase: U8
    verdict: U8
    why: U8
    confirmed: U8
    seen_count: U32
    seen_clock: U32
    trigger_clock: U32
    decided_count: U32


@dataclass(frozen=True, slots=True)
class Counters:
    """Controller: the answer to COUNT, since its boot; every number wraps at 2**16.

    `late`: verdicts after the deadline. `stale`: for another boot. `unknown_part`: for a part not in the ring.
    `repeated`: verdicts that came twice. `contradictions`: second verdicts that differed. `unknown_message`: intact
    frames with a code or length that is not in the table. `glitches`: eye edges shorter than the debounce time.
    `unexpected`: confirmations that no part waited for. `limited`: outputs cut or not fired because of their limits.
    `most_in_flight`: the most undecided parts at one time. `overruns`: bytes lost before they were read.
    """

    code: ClassVar[int] = 0x84
    late: U16
    stale: U16
    unknown_part: U16
    repeated: U16
    contradictions: U16
    unknown_message: U16
    glitches: U16
    unexpected: U16
    limited: U16
    most_in_flight: U16
    overruns: U16


@dataclass(frozen=True, slots=True)
class Fired:
    """Controller: what came of the FIRE with this `serial`."""

    code: ClassVar[int] = 0x85
    serial: U16
    answer: U8


FromStation = Hello | Set | Commit | Lease | Judge | Command | Read | Count | Fire
FromController = Ident | Status | PartRow | Counters | Fired
Message = FromStation | FromController
ENUMS: tuple[type[enum.IntEnum], ...] = (
    *(Verdict, Phase, Why, Confirmed, Mode, Fault, Order, Answer, Encoder, Input, Key),
)
TABLE: dict[int, type[Message]] = {kind.code: kind for kind in (*get_args(FromStation), *get_args(FromController))}


def layout(kind: type[Message]) -> list[tuple[str, str]]:
    """The fields of a message in wire order, each with its struct code (B, H or I)."""
    hints: dict[str, Any] = get_type_hints(kind, include_extras=True)
    return [(field.name, hints[field.name].__metadata__[0]) for field in fields(kind)]


# Not `astuple`, which copies deeply and takes 20 times as long. The code twice: of one name attrgetter makes no tuple.
_VALUES = {kind: attrgetter("code", "code", *(name for name, _ in layout(kind))) for kind in TABLE.values()}
_FIELDS = {kind: struct.Struct("<" + "".join(code for _, code in layout(kind))) for kind in TABLE.values()}
_STRUCTS = {kind: struct.Struct("<B" + "".join(code for _, code in layout(kind))) for kind in TABLE.values()}


def pack(message: Message) -> bytes:
    """The payload of a message; raises struct.error if a value does not fit its field."""
    return _STRUCTS[type(message)].pack(*_VALUES[type(message)](message)[1:])


def unpack(payload: bytes) -> Message | None:
    """The message of a payload, or None if its code or its length is not in the table."""
    kind = TABLE.get(payload[0]) if payload else None
    if kind is None or len(payload) != _STRUCTS[kind].size:
        return None
    return kind(*_FIELDS[kind].unpack_from(payload, 1))


def foreign_version(payload: bytes) -> int | None:
    """The protocol version of an IDENT that is laid out in another way than ours; None if it is no IDENT.

    Its code and its first field stay what they are in every version.
    """
    if len(payload) < 5 or payload[0] != Ident.code:
        return None
    return int.from_bytes(payload[1:5], "little")


def config_crc(values: Iterable[tuple[int, int]]) -> int:
    """The CRC that COMMIT carries: CRC-32 over `key, value` (`<BI`) of all keys in rising order; never 0."""
    return zlib.crc32(b"".join(struct.pack("<BI", key, value) for key, value in sorted(values))) or 1


def version() -> int:
    """The protocol version: a hash over every message, field and enumeration; the same in the C header."""
    words = [f"{kind.code}:{kind.__name__}:{layout(kind)}" for kind in TABLE.values()]
    words += [f"{enumeration.__name__}:{[(item.name, item.value) for item in enumeration]}" for enumeration in ENUMS]
    return int.from_bytes(hashlib.sha256("\n".join(words).encode()).digest()[:4], "little")


PROTOCOL = version()


def unwrap(value: int, near: int) -> int:
    """The 32-bit `value` extended to the integer nearest to `near`: wrap-safe while they lie within 2**31."""
    return near + ((value - near + 2**31) % 2**32) - 2**31
