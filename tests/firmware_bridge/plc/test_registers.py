"""The register map: the table itself, the words of a value, and what is generated from it."""

from __future__ import annotations

import csv
import enum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.plc import signals
from firmware_bridge.plc.fields import (
    BY_NAME,
    FIELDS,
    PLC_WORDS,
    RANGES,
    RESULT_START,
    RESULT_WORDS,
    STATION_START,
    STATION_WORDS,
    Field,
    from_words,
    pack,
    to_words,
    unpack,
)
from firmware_bridge.plc.generate import files
from firmware_bridge.plc.meanings import meaning
from firmware_bridge.plc.results import Result
from firmware_bridge.plc.signals import LengthUnit, PlcVerdict
from tests.firmware_bridge.plc.made import Bench, Master, peek

ROOT = Path(__file__).parents[3]
NUMBERS = [field for field in FIELDS if field.kind != "text"]


@pytest.mark.parametrize("name", files())
def test_the_committed_files_are_the_generated_ones(name: str) -> None:
    assert (ROOT / name).read_text() == files()[name], "run: python -m firmware_bridge.plc.generate"


def test_fields_lie_in_their_block_and_nowhere_twice() -> None:
    taken: set[int] = set()
    for field in FIELDS:
        mine = set(range(field.address, field.address + field.words))
        assert not mine & taken, field.name
        assert max(mine) < PLC_WORDS or STATION_START <= min(mine) < max(mine) + 1 <= STATION_START + STATION_WORDS
        assert field.words == (2 if field.kind.endswith("32") else 1) or field.kind == "text"
        taken |= mine
    assert [field.address for field in FIELDS] == sorted(field.address for field in FIELDS)
    assert len(BY_NAME) == len(FIELDS)


def test_one_request_reads_all_and_the_result_lies_in_one_piece() -> None:
    assert STATION_WORDS <= 125
    inside = [field for field in FIELDS if field.in_result]
    assert {field.name for field in inside} == set(Result(part_id=1, verdict=PlcVerdict.PASS).values(1)), (
        "every field of the block is given by a result"
    )
    assert sum(field.words for field in inside) == RESULT_WORDS
    assert inside[0].address == RESULT_START


@given(data=st.data(), field=st.sampled_from(NUMBERS))
def test_a_value_survives_its_registers(data: st.DataObject, field: Field) -> None:
    low, high = RANGES[field.kind]
    steps = data.draw(st.integers(low, high))
    words = to_words(field, steps * field.scale)
    assert from_words(field, words) == pytest.approx(steps * field.scale)
    assert unpack(pack({field.name: steps * field.scale}, field.address, field.words), field.address) == {
        field.name: from_words(field, words)
    }


@given(field=st.sampled_from(NUMBERS), value=st.floats(-1e12, 1e12))
def test_a_value_beyond_its_range_is_held_at_the_end(field: Field, value: float) -> None:
    low, high = (end * field.scale for end in RANGES[field.kind])
    found = from_words(field, to_words(field, value))
    assert float(found) == pytest.approx(min(max(value, low), high), abs=field.scale)


def test_32_bits_have_their_high_word_first() -> None:
    assert to_words(BY_NAME["part_x"], -1) == [0xFFFF, 0xFFFF]
    assert to_words(BY_NAME["result_part_id"], 0x12345678) == [0x1234, 0x5678]
    assert to_words(BY_NAME["recipe"], "AB")[:2] == [0x4142, 0]


@pytest.mark.parametrize(
    "kind", [kind for kind in vars(signals).values() if isinstance(kind, type) and issubclass(kind, enum.Enum)]
)
def test_every_word_has_its_number_once_and_its_meaning(kind: type[enum.IntEnum]) -> None:
    assert len({int(word) for word in kind}) == len(list(kind)) == len(kind.__members__)
    for word in kind:
        assert isinstance(meaning(word), str)


def test_the_table_for_importers_reads_back() -> None:
    rows = list(csv.DictReader(files()["docs/plc_registers.csv"].splitlines()))
    assert [(row["name"], int(row["address"]), int(row["words"])) for row in rows] == [
        (field.name, field.address, field.words) for field in FIELDS
    ]


@pytest.mark.parametrize(
    "more",
    [{"score": float("nan")}, {"part_xy": (0.0, float("inf")), "unit": LengthUnit.PX_0_1}, {"part_xy": (1.0, 2.0)}],
    ids=str,
)
def test_a_result_is_checked_at_the_door(more: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="result of part 7"):
        Result(part_id=7, verdict=PlcVerdict.PASS, **more)  # type: ignore[arg-type]


def test_a_verdict_of_none_is_no_result() -> None:
    with pytest.raises(ValueError, match="wanted 1 to 5"):
        Result(part_id=7, verdict=PlcVerdict.NONE)


def test_pixels_are_said_to_be_pixels() -> None:
    bench = Bench()
    master = Master(bench)
    master.start()
    master.trigger(1)
    bench.answer(1, PlcVerdict.REJECT, unit=LengthUnit.PX_0_1, part_xy=(12.3, 4.5))
    seen = master.cycle()
    assert (seen["length_unit"], seen["part_x"], seen["part_y"]) == (LengthUnit.PX_0_1, 123, 45)
    assert peek(bench, "result_flags") == signals.ResultFlag.POSE
