"""Frames however the stream is cut, and what is made of noise."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.plc.modbus_frames import (
    NotModbus,
    Request,
    RtuFrames,
    TcpFrames,
    crc16,
    rtu_response,
    tcp_response,
)

MS = 1_000_000
READ = bytes.fromhex("03 0000 0001")
EXCHANGE = bytes.fromhex("17 0064 0004 0000 0002 04 0001 0002")
PDUS = st.lists(st.binary(min_size=1, max_size=253), min_size=1, max_size=8)
CUTS = st.lists(st.integers(1, 40), min_size=1, max_size=60)


def tcp(pdus: list[bytes]) -> bytes:
    return b"".join(struct.pack(">HHHB", n, 0, len(pdu) + 1, 9) + pdu for n, pdu in enumerate(pdus))


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    found = []
    while data:
        cut = cuts[len(found) % len(cuts)]
        found.append(data[:cut])
        data = data[cut:]
    return found


@given(PDUS, CUTS)
def test_tcp_requests_come_out_whole_and_in_order(pdus: list[bytes], cuts: list[int]) -> None:
    frames, found = TcpFrames(), []
    for piece in pieces(tcp(pdus), cuts):
        frames.feed(piece)
        while (request := frames.next()) is not None:
            found.append(request)
    assert found == [Request(n, 9, pdu) for n, pdu in enumerate(pdus)]


@pytest.mark.parametrize("header", ["0001 0001 0006 01", "0001 0000 0001 01", "0001 0000 00ff 01", "4745 5420 2f20 48"])
def test_what_is_not_modbus_is_told(header: str) -> None:
    frames = TcpFrames()
    frames.feed(bytes.fromhex(header))
    with pytest.raises(NotModbus):
        frames.next()


def test_a_tcp_response_repeats_transaction_and_unit() -> None:
    assert tcp_response(Request(0x1234, 9, READ), b"\x83\x02").hex(" ") == "12 34 00 00 00 03 09 83 02"


def rtu(unit: int, pdu: bytes) -> bytes:
    frame = bytes((unit,)) + pdu
    return frame + crc16(frame).to_bytes(2, "little")


def test_the_crc_of_the_specification() -> None:
    # Section 6.2.2 of the serial line document prints this frame: 02 07, CRC 0x1241.
    assert crc16(bytes.fromhex("02 07")) == 0x1241


@given(st.lists(st.sampled_from([READ, EXCHANGE]), min_size=1, max_size=5), CUTS)
def test_rtu_requests_come_out_whole_however_an_adapter_cuts_them(pdus: list[bytes], cuts: list[int]) -> None:
    frames, found, now_ns = RtuFrames(1, 2 * MS), [], 0
    for piece in pieces(b"".join(rtu(1, pdu) for pdu in pdus), cuts):
        now_ns += 16 * MS
        found += frames.feed(piece, now_ns)
    assert [request.pdu for request in found] == pdus
    assert frames.damaged == 0


def test_rtu_hears_nothing_more_of_a_damaged_burst_and_all_after_a_silence() -> None:
    frames = RtuFrames(1, 2 * MS)
    bad = bytearray(rtu(1, READ))
    bad[3] ^= 1
    assert frames.feed(bytes(bad) + rtu(1, READ), 10 * MS) == []
    assert frames.feed(rtu(1, READ), 11 * MS) == []
    assert frames.damaged == 1
    assert [request.pdu for request in frames.feed(rtu(1, READ), 20 * MS)] == [READ]


def test_rtu_gives_up_half_a_frame() -> None:
    frames = RtuFrames(1, 2 * MS)
    assert frames.feed(rtu(1, EXCHANGE)[:9], 10 * MS) == []
    assert frames.feed(b"", 70 * MS) == []
    assert frames.damaged == 1
    assert [request.pdu for request in frames.feed(rtu(1, READ), 71 * MS)] == [READ]


def test_rtu_leaves_other_units_alone_and_obeys_a_broadcast_silently() -> None:
    frames = RtuFrames(1, 2 * MS)
    assert frames.feed(rtu(2, READ), 10 * MS) == []
    assert [request.pdu for request in frames.feed(rtu(1, READ), 11 * MS)] == [READ]
    (request,) = frames.feed(rtu(0, READ), 20 * MS)
    assert rtu_response(request, READ) == b""
    assert frames.damaged == 0


def test_an_unknown_function_ends_at_the_silence() -> None:
    frames = RtuFrames(1, 2 * MS)
    assert frames.feed(rtu(1, b"\x2b\x0e\x01\x00"), 10 * MS) == []
    (request,) = frames.feed(b"", 12 * MS)
    assert request.pdu[0] == 0x2B
    assert rtu_response(request, b"\xab\x01") == rtu(1, b"\xab\x01")


@given(st.lists(st.tuples(st.binary(max_size=300), st.integers(0, 60)), max_size=20))
def test_noise_on_the_line_is_bounded_and_forgotten(noise: list[tuple[bytes, int]]) -> None:
    frames, now_ns = RtuFrames(1, 2 * MS), 1000 * MS
    for data, gap_ms in noise:
        now_ns += gap_ms * MS
        frames.feed(data, now_ns)
        assert len(frames._buffer) <= 600
    frames.feed(b"", now_ns + 60 * MS)
    assert [request.pdu for request in frames.feed(rtu(1, READ), now_ns + 120 * MS)] == [READ]
