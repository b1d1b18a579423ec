"""Bytes on the wire: COBS frames with a CRC-32, ended by a zero byte.

What it is: pure functions and one small accumulator, bytes in and bytes out. What it is not: messages
(`protocol`) or a port (`port`). Any thread; an accumulator belongs to one.

A frame is `COBS(payload + crc32(payload))` and a closing 0x00. COBS (Cheshire & Baker, IEEE/ACM ToN 7(2), 1999)
leaves no zero inside, so a receiver that lost its place is in step again at the next zero. The CRC is the
IEEE 802.3 one, little-endian: 32 bits because a damaged frame that reads as PASS is the one thing that must not be.
"""

from __future__ import annotations

import zlib

MAX_PAYLOAD = 120
_DELIMITER = 0
_LEAST = 6
_BYTE = [bytes([value]) for value in range(MAX_PAYLOAD + 6)]


def encode(payload: bytes) -> bytes:
    """`payload` as one frame with its delimiter.

    Raises ValueError if the payload is empty or longer than `MAX_PAYLOAD` bytes.
    """
    if not 0 < len(payload) <= MAX_PAYLOAD:
        raise ValueError(f"payload of {len(payload)} bytes, wanted 1..{MAX_PAYLOAD}")
    body = payload + zlib.crc32(payload).to_bytes(4, "little")
    return b"".join([_BYTE[len(run) + 1] + run for run in body.split(b"\0")]) + b"\0"


def decode(frame: bytes) -> bytes | None:
    """The payload of one frame (without its delimiter), or None if it is damaged in any way."""
    body = bytearray(frame)
    at, end = 0, len(body)
    while at < end:
        run = body[at]
        if run == _DELIMITER:
            return None
        # Each length byte but the first stands where a zero was.
        body[at] = _DELIMITER
        at += run
    if at != end or end < _LEAST:
        return None
    payload = bytes(body[1:-4])
    return payload if zlib.crc32(payload) == int.from_bytes(body[-4:], "little") else None


class Deframer:
    """Collects bytes and gives payloads; counts what was damaged. Never holds more than one frame's bytes."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._overlong = False
        self.damaged = 0

    def feed(self, data: bytes) -> list[bytes]:
        """All payloads that `data` completes, in order."""
        payloads = []
        *whole, rest = data.split(b"\0")
        for piece in whole:
            payload = self._close(piece)
            if payload is not None:
                payloads.append(payload)
        if rest:
            self._collect(rest)
        return payloads

    def _collect(self, piece: bytes) -> None:
        if len(self._bytes) + len(piece) > MAX_PAYLOAD + 6:
            self._overlong = True
            self._bytes.clear()
        else:
            self._bytes += piece

    def _close(self, piece: bytes) -> bytes | None:
        frame, overlong = piece, len(piece) > MAX_PAYLOAD + 6
        if self._bytes or self._overlong:
            self._collect(piece)
            frame, overlong = bytes(self._bytes), self._overlong
            self._bytes.clear()
            self._overlong = False
        payload = None if overlong else decode(frame)
        # An empty frame is two delimiters in a row: idle line, not damage.
        if payload is None and (frame or overlong):
            self.damaged += 1
        return payload
