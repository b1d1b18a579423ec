"""Modbus requests answered: one protocol data unit in, one out, against the station's registers.

What it is: the function codes 1 to 6, 15, 16, 22 and 23 with their limits and exceptions, for TCP and RTU alike. What
it is not: framing (`modbus_frames`), a socket, or what a register means (`Registers` knows). Pure; the plc thread.

Source: MODBUS Application Protocol Specification V1.1b3, section 6.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from firmware_bridge.plc.image import AccessRefused, Table

ILLEGAL_FUNCTION = 1
ILLEGAL_ADDRESS = 2
ILLEGAL_VALUE = 3

MAX_PDU = 253
_ON, _OFF = 0xFF00, 0x0000
_SPACE = 1 << 16
_TWO, _THREE = struct.Struct(">HH"), struct.Struct(">HHH")
_WRITE = struct.Struct(">HHB")
_EXCHANGE = struct.Struct(">HHHHB")


class Registers(Protocol):
    """What is behind the requests (`image.Image`); each call is one whole. Raises AccessRefused to refuse."""

    def read(self, client: str, table: Table, start: int, count: int) -> list[int]:
        """`count` bits (0, 1) or words (0..65535) from `start` on."""
        ...

    def write(self, client: str, table: Table, start: int, values: Sequence[int]) -> None:
        """Set bits or words from `start` on; all of them or none."""
        ...

    def refused(self, code: int) -> None:
        """A request was refused before it came here, with this exception."""
        ...

    def disconnected(self, client: str) -> None:
        """A master is gone."""
        ...

    def tick(self) -> None:
        """Time goes on."""
        ...

    def exchange(
        self, client: str, read_start: int, read_count: int, write_start: int, values: Sequence[int]
    ) -> list[int]:
        """Write holding registers, then read some, with nothing in between."""
        ...


@dataclass(slots=True)
class Counters:
    """What a Modbus server met since it was made; all only grow. `refused` is by exception code."""

    requests: int = 0
    refused: dict[int, int] = field(default_factory=dict)
    accepted: int = 0
    not_allowed: int = 0
    too_many: int = 0
    garbage: int = 0
    other_units: int = 0
    idle_closed: int = 0
    slowed: int = 0

    def count(self, response: bytes) -> None:
        """A request was answered with this PDU."""
        self.requests += 1
        if response[0] & 0x80:
            self.refused[response[1]] = self.refused.get(response[1], 0) + 1


def answer(registers: Registers, client: str, request: bytes) -> bytes:
    """The response to one request PDU (function code and data, 1 to 253 bytes); an exception response if refused."""
    function = request[0]
    try:
        handler = _HANDLERS.get(function)
        if handler is None:
            raise _Malformed(ILLEGAL_FUNCTION)
        return handler(registers, client, request)
    except AccessRefused as why:
        return bytes((function | 0x80, why.code))
    except (_Malformed, struct.error) as why:
        code = why.code if isinstance(why, _Malformed) else ILLEGAL_VALUE
        registers.refused(code)
        return bytes((function | 0x80, code))


def request_length(head: bytes) -> int | None:
    """How long the request PDU that starts with `head` is; 0 if more of it is needed to tell, None if never known."""
    if not head:
        return 0
    function = head[0]
    if function in _FIXED:
        return _FIXED[function]
    place = _COUNTED.get(function)
    if place is None:
        return None
    return place + 1 + head[place] if len(head) > place else 0


_FIXED = dict.fromkeys(range(1, 7), 5) | {22: 7}
_COUNTED = {15: 5, 16: 5, 23: 9}


class _Malformed(Exception):
    """A request that no registers could answer."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def _exactly(request: bytes, size: int) -> None:
    if len(request) != size:
        raise _Malformed(ILLEGAL_VALUE)


def _check(start: int, count: int, most: int) -> None:
    if not 1 <= count <= most:
        raise _Malformed(ILLEGAL_VALUE)
    if start + count > _SPACE:
        raise _Malformed(ILLEGAL_ADDRESS)


def _read_bits(registers: Registers, client: str, request: bytes) -> bytes:
    _exactly(request, 5)
    start, count = _TWO.unpack_from(request, 1)
    _check(start, count, 2000)
    packed = _pack_bits(registers.read(client, _BIT_TABLE[request[0]], start, count))
    return bytes((request[0], len(packed))) + packed


def _read_words(registers: Registers, client: str, request: bytes) -> bytes:
    _exactly(request, 5)
    start, count = _TWO.unpack_from(request, 1)
    _check(start, count, 125)
    return _words_response(request[0], registers.read(client, _WORD_TABLE[request[0]], start, count))


def _write_bit(registers: Registers, client: str, request: bytes) -> bytes:
    _exactly(request, 5)
    start, value = _TWO.unpack_from(request, 1)
    if value not in (_ON, _OFF):
        raise _Malformed(ILLEGAL_VALUE)
    registers.write(client, Table.COILS, start, [int(value == _ON)])
    return request


def _write_word(registers: Registers, client: str, request: bytes) -> bytes:
    _exactly(request, 5)
    start, value = _TWO.unpack_from(request, 1)
    registers.write(client, Table.HOLDING_REGISTERS, start, [value])
    return request


def _write_bits(registers: Registers, client: str, request: bytes) -> bytes:
    start, count, size = _WRITE.unpack_from(request, 1)
    _check(start, count, 1968)
    _sized(request, 6, size, (count + 7) // 8)
    registers.write(client, Table.COILS, start, _unpack_bits(request[6:], count))
    return request[:5]


def _write_words(registers: Registers, client: str, request: bytes) -> bytes:
    start, count, size = _WRITE.unpack_from(request, 1)
    _check(start, count, 123)
    _sized(request, 6, size, 2 * count)
    registers.write(client, Table.HOLDING_REGISTERS, start, _words(request[6:], count))
    return request[:5]


def _mask_word(registers: Registers, client: str, request: bytes) -> bytes:
    _exactly(request, 7)
    start, and_mask, or_mask = _THREE.unpack_from(request, 1)
    (old,) = registers.read(client, Table.HOLDING_REGISTERS, start, 1)
    registers.write(client, Table.HOLDING_REGISTERS, start, [(old & and_mask) | (or_mask & ~and_mask & 0xFFFF)])
    return request


def _exchange_words(registers: Registers, client: str, request: bytes) -> bytes:
    read_start, read_count, write_start, write_count, size = _EXCHANGE.unpack_from(request, 1)
    _check(read_start, read_count, 125)
    _check(write_start, write_count, 121)
    _sized(request, 10, size, 2 * write_count)
    values = _words(request[10:], write_count)
    return _words_response(23, registers.exchange(client, read_start, read_count, write_start, values))


def _sized(request: bytes, head: int, said: int, wanted: int) -> None:
    if said != wanted or len(request) != head + wanted:
        raise _Malformed(ILLEGAL_VALUE)


def _words(data: bytes, count: int) -> list[int]:
    return list(struct.unpack(f">{count}H", data))


def _words_response(function: int, values: Sequence[int]) -> bytes:
    return struct.pack(f">BB{len(values)}H", function, 2 * len(values), *values)


def _pack_bits(values: Sequence[int]) -> bytes:
    number = sum(bool(value) << place for place, value in enumerate(values))
    return number.to_bytes((len(values) + 7) // 8, "little")


def _unpack_bits(data: bytes, count: int) -> list[int]:
    number = int.from_bytes(data, "little")
    return [number >> place & 1 for place in range(count)]


_BIT_TABLE = {1: Table.COILS, 2: Table.DISCRETE_INPUTS}
_WORD_TABLE = {3: Table.HOLDING_REGISTERS, 4: Table.INPUT_REGISTERS}
_HANDLERS: dict[int, Callable[[Registers, str, bytes], bytes]] = {
    1: _read_bits,
    2: _read_bits,
    3: _read_words,
    4: _read_words,
    5: _write_bit,
    6: _write_word,
    15: _write_bits,
    16: _write_words,
    22: _mask_word,
    23: _exchange_words,
}
