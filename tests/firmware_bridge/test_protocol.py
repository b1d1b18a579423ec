from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge import protocol
from firmware_bridge.protocol import TABLE, Judge, Message, config_crc, layout, pack, unpack, unwrap
from inspector.types import Verdict as StationVerdict

SIZES = {"B": 8, "H": 16, "I": 32}


@pytest.mark.parametrize("kind", TABLE.values(), ids=lambda kind: kind.__name__)
@given(st.data())
def test_every_message_comes_back(kind: type[Message], data: st.DataObject) -> None:
    values = [data.draw(st.integers(0, 2 ** SIZES[code] - 1)) for _, code in layout(kind)]
    message = kind(*values)
    assert unpack(pack(message)) == message


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(payload: bytes) -> None:
    message = unpack(payload)
    assert message is None or pack(message) == payload


def test_a_value_that_does_not_fit_is_refused() -> None:
    with pytest.raises(struct.error):
        pack(Judge(boot=1, part=2**32, verdict=1))


def test_the_version_follows_from_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    before = protocol.version()
    assert before == protocol.PROTOCOL
    monkeypatch.setattr(protocol, "ENUMS", protocol.ENUMS[1:])
    assert protocol.version() != before


def test_wire_and_station_mean_the_same_verdicts() -> None:
    assert {v.name: int(v) for v in protocol.Verdict} == {v.name: int(v) for v in StationVerdict}


def test_a_zeroed_message_is_no_pass() -> None:
    assert protocol.Verdict(0) is not protocol.Verdict.PASS
    assert protocol.Why(0) is not protocol.Why.EARNED


def test_the_config_crc_knows_no_order_and_is_never_zero() -> None:
    assert config_crc([(1, 5), (2, 6)]) == config_crc([(2, 6), (1, 5)])
    assert config_crc([(1, 5), (2, 6)]) != config_crc([(1, 6), (2, 5)])
    assert config_crc([]) == 1


@given(st.integers(0, 2**48), st.integers(-(2**31) + 1, 2**31 - 1))
def test_unwrap_finds_the_nearest(near: int, step: int) -> None:
    assert unwrap((near + step) % 2**32, near) == near + step
