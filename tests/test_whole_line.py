"""The law, under every fault at once; and that its oracle can see it broken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from inspector.config import FaultConfig
from inspector.tracker import Tracker
from inspector.types import Frame
from tests.whole_line import EVERY_FAULT, WholeLine


def law(line: WholeLine) -> None:
    document = line.tally.document(line.seen)
    assert document["escapes_by_fault"] == 0
    assert document["seen"] == document["passed"] + document["rejected"] + document["not_inspected"]
    assert document["records"] == document["seen"]
    assert document["duplicate_records"] == 0
    assert document["escapes_by_model"] == 0
    assert line.tally.law_holds(line.seen)


def test_a_quiet_line_passes_all_good_parts_and_no_bad_one(tmp_path: Path) -> None:
    line = WholeLine(tmp_path).run(300)
    law(line)
    document = line.tally.document(line.seen)
    assert document["passed"] == 225
    assert document["rejected"] == 75
    assert document["not_inspected"] == 0
    assert min(line.tally.slack_ms) > 900


@pytest.mark.parametrize("seed", range(3))
def test_the_law_holds_under_every_fault_at_once(tmp_path: Path, seed: int) -> None:
    line = WholeLine(tmp_path, seed, EVERY_FAULT).run(600)
    law(line)
    assert line.fast.kills + line.fast.resets > 0
    assert line.world.slips > 0
    assert line.world.doubles > 0
    assert line.tally.verdicts["PASS"] > 300


@pytest.mark.parametrize(
    "fault",
    [
        {"byte_flip": 0.02, "byte_drop": 0.02, "byte_double": 0.01},
        {"controller_reset": 0.05},
        {"host_killed": 0.05},
        {"stuck_eye": 0.03},
        {"double_part": 0.3},
        {"frame_lost": 0.3},
        {"frame_repeated": 0.3},
        {"frame_late": 0.3},
        {"line_slow": 0.2},
        {"encoder_slip": 0.5},
    ],
    ids=lambda fault: next(iter(fault)),
)
def test_the_law_holds_under_much_of_each_fault(tmp_path: Path, fault: dict[str, float]) -> None:
    line = WholeLine(tmp_path, 5, FaultConfig(**fault)).run(150)
    law(line)


class ByOrder(Tracker):
    """What many stations do: the next frame is the next part's."""

    def bind(self, frame: Frame) -> tuple[Frame | None, tuple[int, ...]]:
        for known in self._open.values():
            if known.part.trigger_at_ns is not None and known.frame_id is None:
                known.frame_id, known.source = frame.frame_id, frame.source
                return replace(frame, part_id=known.part.part_id), ()
        return None, ()


def test_the_oracle_sees_frames_bound_by_order(tmp_path: Path) -> None:
    line = WholeLine(tmp_path, 2, FaultConfig(frame_lost=0.05, frame_late=0.05), tracker=ByOrder).run(200)
    assert line.tally.escapes_by_fault > 0
    assert not line.tally.law_holds(line.seen)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 110))
def test_soak_every_fault(tmp_path: Path, seed: int) -> None:
    law(WholeLine(tmp_path, seed, EVERY_FAULT).run(4000))
