"""Requests byte by byte, as the specification prints them; every refusal; and anything at all as a request."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.plc.image import Table
from firmware_bridge.plc.modbus_pdu import answer, request_length
from tests.firmware_bridge.plc.registers import SIZE, Memory


def ask(memory: Memory, text: str) -> str:
    return answer(memory, "plc", bytes.fromhex(text)).hex(" ")


def test_the_examples_of_the_specification() -> None:
    # The pairs of section 6 of the application protocol, moved to addresses that exist here.
    memory = Memory()
    memory.tables[Table.COILS][0x13 : 0x13 + 19] = [int(bit) for bit in "1011001111010110101"]
    assert ask(memory, "01 0013 0013") == "01 03 cd 6b 05"
    memory.tables[Table.HOLDING_REGISTERS][0x6B:0x6E] = [0x022B, 0, 0x64]
    assert ask(memory, "03 006b 0003") == "03 06 02 2b 00 00 00 64"
    memory.tables[Table.INPUT_REGISTERS][8] = 10
    assert ask(memory, "04 0008 0001") == "04 02 00 0a"
    assert ask(memory, "05 00ac ff00") == "05 00 ac ff 00"
    assert memory.tables[Table.COILS][0xAC] == 1
    assert ask(memory, "06 0001 0003") == "06 00 01 00 03"
    assert ask(memory, "0f 0013 000a 02 cd01") == "0f 00 13 00 0a"
    assert memory.tables[Table.COILS][0x13:0x1D] == [1, 0, 1, 1, 0, 0, 1, 1, 1, 0]
    assert ask(memory, "10 0001 0002 04 000a 0102") == "10 00 01 00 02"
    memory.tables[Table.HOLDING_REGISTERS][4] = 0x12
    assert ask(memory, "16 0004 00f2 0025") == "16 00 04 00 f2 00 25"
    assert memory.tables[Table.HOLDING_REGISTERS][4] == 0x17
    assert ask(memory, "17 0003 0006 000e 0003 06 00ff 00ff 00ff") == "17 0c 00 00 00 17" + " 00" * 8
    assert memory.tables[Table.HOLDING_REGISTERS][0x0E:0x11] == [0xFF] * 3


def test_an_exchange_writes_before_it_reads() -> None:
    assert ask(Memory(), "17 0005 0001 0005 0001 02 beef") == "17 02 be ef"


@pytest.mark.parametrize(
    ("request_", "response"),
    [
        ("07", "87 01"),
        ("2b 0e 01 00", "ab 01"),
        ("80", "80 01"),
        ("03 00c7 0002", "83 02"),
        ("03 ffff 0002", "83 02"),
        ("10 00c7 0002 04 0000 0000", "90 02"),
        ("17 00c7 0002 0000 0001 02 0001", "97 02"),
        ("03 0000 0000", "83 03"),
        ("03 0000 007e", "83 03"),
        ("01 0000 07d1", "81 03"),
        ("03 0000", "83 03"),
        ("03 0000 0001 00", "83 03"),
        ("05 0000 0001", "85 03"),
        ("0f 0000 0000 00", "8f 03"),
        ("0f 0000 0009 01 ff", "8f 03"),
        ("10 0000 0001 02 00", "90 03"),
        ("10 0000 0002 02 0000", "90 03"),
        ("10 0000 007c f8" + " 0000" * 124, "90 03"),
        ("16 0000 0000", "96 03"),
        ("17 0000 0001 0000 007a f4" + " 0000" * 122, "97 03"),
        ("17 0000 007e 0000 0001 02 0000", "97 03"),
    ],
)
def test_refused_with_the_exact_exception_and_nothing_changed(request_: str, response: str) -> None:
    memory = Memory()
    assert ask(memory, request_) == response
    assert all(not any(table) for table in memory.tables.values())


@given(st.binary(min_size=1, max_size=253))
def test_any_bytes_get_a_response_of_a_legal_size(request: bytes) -> None:
    response = answer(Memory(), "plc", request)
    assert 2 <= len(response) <= 253
    assert response[0] & 0x7F == request[0] & 0x7F
    if response[0] & 0x80:
        assert response[1] in (1, 2, 3)


@given(st.integers(0, SIZE - 1), st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=60))
def test_what_is_written_is_read(start: int, values: list[int]) -> None:
    memory = Memory()
    request = struct.pack(f">BHHB{len(values)}H", 16, start, len(values), 2 * len(values), *values)
    response = answer(memory, "plc", request)
    if start + len(values) > SIZE:
        assert response == b"\x90\x02"
    else:
        back = answer(memory, "plc", struct.pack(">BHH", 3, start, len(values)))
        assert back == struct.pack(f">BB{len(values)}H", 3, 2 * len(values), *values)


@given(st.binary(min_size=1, max_size=253))
def test_the_length_of_a_request_is_told_from_its_head(request: bytes) -> None:
    told = [request_length(request[:size]) for size in range(len(request) + 1)]
    known = {length for length in told if length}
    assert len(known) <= 1
    assert (None in told) == (request[0] not in {1, 2, 3, 4, 5, 6, 15, 16, 22, 23})
