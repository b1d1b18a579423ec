"""The book of a PLC's parts: what a process that was killed had been told of."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from firmware_bridge.events import PartLost
from firmware_bridge.plc.events import Triggered, TriggerRefused
from firmware_bridge.plc.parts import SLOTS, PartJournal, PlcParts
from firmware_bridge.plc.signals import Refusal


def told(parts: PlcParts, *numbers: int) -> None:
    for number in numbers:
        parts.hear(Triggered(part_id=number, acquisition_id=number, encoder=0, job=1, at_ns=0))


def test_the_journal_knows_the_plcs_numbers_of_the_last_parts(tmp_path: Path) -> None:
    journal = PartJournal(tmp_path / "parts")
    parts = PlcParts(3, journal, {})
    told(parts, 900, 901)
    refused = parts.hear(TriggerRefused(0, list(Refusal)[1], 0))
    assert refused == [PartLost(3 << 32 | 3, "trigger_refused", None)]
    other = PartJournal(tmp_path / "parts")
    assert other.read() == (3, 3)
    assert other.plc_parts() == {1: 900, 2: 901}
    told(parts, *range(1000, 1000 + SLOTS))
    kept = other.plc_parts()
    assert len(kept) == SLOTS
    assert all(kept[number] == 996 + number for number in range(4, 4 + SLOTS))
    PlcParts(4, other, {})
    assert (other.read(), other.plc_parts()) == ((4, 0), {})


def test_parts_that_were_left_are_handed_on_until_they_have_a_record(tmp_path: Path) -> None:
    told(PlcParts(1, PartJournal(tmp_path / "parts"), {}), 7)
    left = {1 << 32 | 1: 7, 1 << 32 | 2: None}
    PlcParts(2, PartJournal(tmp_path / "parts"), left)
    # That process was killed before it had recorded anything, or been told of a part.
    third = PartJournal(tmp_path / "parts")
    assert (third.read(), third.plc_parts(), third.left()) == ((2, 0), {}, left)
    told(PlcParts(3, third, {}), *range(SLOTS + 3))
    assert PartJournal(tmp_path / "parts").left() == {}


def test_a_journal_of_an_earlier_release_or_a_torn_one_has_no_numbers(tmp_path: Path) -> None:
    told(PlcParts(1, PartJournal(tmp_path / "parts"), {}), 7)
    whole = (tmp_path / "parts").read_bytes()
    # An earlier release wrote no slots before it had a part for them, and nothing behind them.
    for content, numbers in ((whole[:16], {}), (whole[:37], {}), (whole[:40], {1: 7})):
        (tmp_path / "parts").write_bytes(content)
        journal = PartJournal(tmp_path / "parts")
        assert (journal.read(), journal.plc_parts(), journal.left()) == ((1, 1), numbers, {})


def test_a_disk_that_refuses_leaves_the_journal_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = PartJournal(tmp_path / "parts")
    told(PlcParts(1, journal, {}), 7)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        PlcParts(2, journal, {})
    assert (journal.read(), journal.plc_parts()) == ((1, 1), {1: 7})
    assert [path.name for path in tmp_path.iterdir()] == ["parts"]
