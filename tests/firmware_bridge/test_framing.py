from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge import framing

payloads = st.binary(min_size=1, max_size=framing.MAX_PAYLOAD)


@given(payloads)
def test_a_payload_comes_back(payload: bytes) -> None:
    frame = framing.encode(payload)
    assert frame.endswith(b"\0")
    assert b"\0" not in frame[:-1]
    assert framing.Deframer().feed(frame) == [payload]


@given(st.lists(payloads, min_size=1, max_size=5), st.data())
def test_however_the_stream_is_cut(sent: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(map(framing.encode, sent))
    deframer, got, at = framing.Deframer(), [], 0
    while at < len(stream):
        step = data.draw(st.integers(1, 40))
        got += deframer.feed(stream[at : at + step])
        at += step
    assert got == sent
    assert deframer.damaged == 0


@given(payloads, st.data())
def test_one_damaged_bit_is_never_taken_for_a_message(payload: bytes, data: st.DataObject) -> None:
    frame = bytearray(framing.encode(payload))
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    # A flip gives nothing, and the frame after it is whole again.
    assert framing.Deframer().feed(bytes(frame) + b"\0" + framing.encode(b"next")) == [b"next"]


@given(st.binary(max_size=600))
def test_garbage_costs_at_most_the_frame_it_is_in(garbage: bytes) -> None:
    deframer = framing.Deframer()
    deframer.feed(garbage + b"\0")
    assert deframer.feed(framing.encode(b"after")) == [b"after"]


def test_an_endless_frame_is_dropped_and_counted() -> None:
    deframer = framing.Deframer()
    for _ in range(100):
        assert deframer.feed(b"\x01" * 1000) == []
    assert deframer.feed(b"\0") == []
    assert deframer.damaged == 1
    assert deframer.feed(framing.encode(b"x")) == [b"x"]


@pytest.mark.parametrize("size", [0, framing.MAX_PAYLOAD + 1])
def test_sizes_that_do_not_fit_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"{size} bytes"):
        framing.encode(bytes(size))


def test_idle_delimiters_are_not_damage() -> None:
    deframer = framing.Deframer()
    assert deframer.feed(b"\0\0\0") == []
    assert deframer.damaged == 0
