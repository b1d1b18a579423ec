"""Modbus frames out of a stream of bytes, and back: TCP's header, RTU's address and CRC.

What it is: bytes in, requests out, however the stream was cut; garbage is told apart from half a frame. What it is
not: a socket, a port, or what a request means (`modbus_pdu`). Pure; the plc thread.

Sources: MODBUS Messaging on TCP/IP Implementation Guide V1.0b, section 3.1.3; MODBUS over Serial Line V1.02,
sections 2.5.1 and 6.2.2.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from firmware_bridge.plc.modbus_pdu import MAX_PDU, request_length

_HEADER = struct.Struct(">HHHB")
_BROADCAST = 0
_STALE_NS = 50_000_000


class NotModbus(Exception):
    """The stream is something else: there is no telling where its next frame would begin."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request PDU, and what its response must repeat: TCP's transaction number, and the unit asked."""

    transaction: int
    unit: int
    pdu: bytes


@dataclass(slots=True)
class TcpFrames:
    """Requests out of one TCP connection. It holds at most one frame that is not complete."""

    _buffer: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> None:
        """Bytes that have come."""
        self._buffer += data

    def next(self) -> Request | None:
        """The next complete request, None if there is none yet; raises NotModbus."""
        if len(self._buffer) < _HEADER.size:
            return None
        transaction, protocol, length, unit = _HEADER.unpack_from(self._buffer)
        if protocol or not 2 <= length <= MAX_PDU + 1:
            raise NotModbus(f"protocol {protocol}, length {length}; wanted 0, and 2 to {MAX_PDU + 1}")
        end = _HEADER.size - 1 + length
        if len(self._buffer) < end:
            return None
        pdu = bytes(self._buffer[_HEADER.size : end])
        del self._buffer[:end]
        return Request(transaction, unit, pdu)

    @property
    def waiting(self) -> int:
        """Bytes that are held."""
        return len(self._buffer)


def tcp_response(request: Request, pdu: bytes) -> bytes:
    """The response `pdu` to `request` as it goes out."""
    return _HEADER.pack(request.transaction, 0, len(pdu) + 1, request.unit) + pdu


@dataclass(slots=True)
class RtuFrames:
    """Requests to `unit` out of a serial line.

    A request ends where its function code says; one of a code that is not known ends at a silence (`silence_ns`, 3.5
    characters). After a damaged frame nothing is believed until such a silence. Half a frame waits longer, because
    an adapter may hand over one frame in pieces. `others` counts whole frames that were not for this unit.
    """

    unit: int
    silence_ns: int
    damaged: int = 0
    others: int = 0
    _buffer: bytearray = field(default_factory=bytearray)
    _heard_ns: int = 0
    _deaf: bool = False

    def feed(self, data: bytes, now_ns: int) -> list[Request]:
        """What `data` completes; an empty `data` tells that the line was silent until now."""
        silent_ns = now_ns - self._heard_ns
        found = self._after_silence(silent_ns) if silent_ns >= self.silence_ns else []
        if data:
            self._heard_ns = now_ns
            self._buffer += data
        while not self._deaf and (end := self._end()):
            found += self._take(end)
        if self._deaf:
            self._buffer.clear()
        return found

    def _end(self) -> int:
        """Where the frame at the buffer's start ends; 0 if that cannot be told yet."""
        length = request_length(bytes(self._buffer[1:]))
        if length is not None:
            return length + 3 if length and len(self._buffer) >= length + 3 else 0
        if len(self._buffer) > MAX_PDU + 3:
            self._mistrust()
        return 0

    def _after_silence(self, silent_ns: int) -> list[Request]:
        self._deaf = False
        if self._buffer and request_length(bytes(self._buffer[1:])) is None:
            return self._take(len(self._buffer))
        if self._buffer and silent_ns >= _STALE_NS:
            self._mistrust()
            self._buffer.clear()
            self._deaf = False
        return []

    def _mistrust(self) -> None:
        self.damaged += 1
        self._deaf = True

    def _take(self, end: int) -> list[Request]:
        frame = bytes(self._buffer[:end])
        del self._buffer[:end]
        if len(frame) < 4 or crc16(frame[:-2]) != int.from_bytes(frame[-2:], "little"):
            self._mistrust()
        elif frame[0] in (self.unit, _BROADCAST):
            return [Request(0, frame[0], frame[1:-2])]
        else:
            self.others += 1
        return []


def rtu_response(request: Request, pdu: bytes) -> bytes:
    """The response as it goes out; a broadcast gets none."""
    if request.unit == _BROADCAST:
        return b""
    frame = bytes((request.unit,)) + pdu
    return frame + crc16(frame).to_bytes(2, "little")


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS: polynomial 0xA001 reflected, start 0xFFFF."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc


def _crc_of_byte(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0xA001 if byte & 1 else 0)
    return byte


_CRC_TABLE = tuple(_crc_of_byte(byte) for byte in range(256))
