"""Rejected parts that leave before the gate: from the recipe's rule to the sorter's outlet, and what if it cannot."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.codes import Key
from firmware_bridge.simavr_controller import SimavrController
from firmware_bridge.simulator import SimulatedController
from inspector.config import ControllerConfig, FaultConfig, LineConfig, SorterConfig, load_station
from inspector.decision import sorter_of
from inspector.errors import ConfigError
from inspector.line import Line
from inspector.recipe import Sort, load_recipe
from inspector.station import controller_settings, load_line
from inspector.types import Frame, Inspection, Reason, Verdict
from tests.firmware.board import need_simavr
from tests.test_command_line import ROOT, SAMPLES
from tests.test_whole_line import law
from tests.whole_line import EVERY_FAULT, WholeLine, knowing_judge

# The part's middle passes the sorter 100 ms after its front, and the pulse begins 8 ms before that.
SORTER = SorterConfig(number=2, tick=4500, pulse_ms=160)


def to_sorter_2(frame: Frame) -> Inspection:
    inspection = knowing_judge(frame)
    rules = [Sort(reason="lab*", sorter=2)]
    return replace(inspection, sorter=sorter_of(inspection.verdict, inspection.reasons, rules))


def line_with(folder: Path, sorter: SorterConfig, **how: Any) -> WholeLine:
    return WholeLine(folder, controller_config=ControllerConfig(sorter=[sorter]), judge=to_sorter_2, **how)


def simavr(world: Any, **how: Any) -> SimavrController:
    return SimavrController(world, elf=need_simavr(), **how)


@pytest.mark.parametrize(("twin", "parts"), [(SimulatedController, 200), (simavr, 12)], ids=["twin", "chip"])
def test_what_is_rejected_for_its_reason_leaves_at_its_sorter(
    tmp_path: Path, twin: Callable[..., Any], parts: int
) -> None:
    line = line_with(tmp_path, SORTER, twin=twin).run(parts)
    law(line)
    document = line.tally.document(line.seen)
    assert document["rejected"] >= parts // 6
    assert document["sorted"]["2"] >= document["rejected"] - 1, "the last one may still be on its way"
    assert document["binned"] == 0
    assert document["boxed"] <= document["passed"]


def test_what_its_sorter_cannot_take_is_rejected_at_the_gate(tmp_path: Path) -> None:
    line = line_with(tmp_path, SORTER.model_copy(update={"min_off_ms": 2500})).run(200)
    law(line)
    document = line.tally.document(line.seen)
    assert document["rejected"] == 50
    assert document["sorted"]["2"] > 10
    assert document["binned"] > 10
    assert document["sorted"]["2"] + document["binned"] >= 49


def test_a_verdict_that_is_too_late_for_the_sorter_is_in_time_for_the_gate(tmp_path: Path) -> None:
    """The camera is at 1500, the verdict 40 ms later at 1660: the sorter's deadline lies before that."""
    line = line_with(tmp_path, SORTER.model_copy(update={"tick": 1600})).run(40)
    law(line)
    document = line.tally.document(line.seen)
    assert document["rejected"] == 10
    assert document["sorted"] == {}
    assert document["binned"] >= 9


def test_no_fault_makes_a_sorter_let_a_part_escape(tmp_path: Path) -> None:
    line = line_with(tmp_path, SORTER, seed=4, faults=EVERY_FAULT).run(300)
    law(line)
    assert line.tally.sorted["2"] > 20


def test_lost_bytes_do_not_lose_the_sorter(tmp_path: Path) -> None:
    """A verdict that is sent again names its sorter again."""
    line = line_with(tmp_path, SORTER, faults=FaultConfig(byte_flip=5e-3, byte_drop=5e-3)).run(100)
    law(line)
    assert line.tally.sorted["2"] >= 23


def test_the_sample_line_sorts_what_is_seen_and_bins_the_rest() -> None:
    command = [sys.executable, "-m", "inspector", "run", "--fast", "--no-web", "--parts", "10", "--json"]
    command += ["--station", str(SAMPLES / "sorting.toml")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["escapes_by_fault"] == 0
    assert document["sorted"]["2"] >= 1
    assert document["sorted"]["2"] <= document["rejected"]
    assert document["seen"] == document["records"] >= 10


# -- rules and configuration -------------------------------------------------------------------------------------------

RULES = [Sort(reason="measure:*", sorter=1), Sort(reason="score", sorter=2), Sort(reason="*", sorter=3)]


@pytest.mark.parametrize(
    ("verdict", "codes", "sorter"),
    [
        (Verdict.REJECT, ["score", "measure:hole"], 1),
        (Verdict.REJECT, ["score"], 2),
        (Verdict.REJECT, ["code_wrong"], 3),
        (Verdict.NOT_INSPECTED, ["score", "measure:hole"], 0),
        (Verdict.PASS, [], 0),
        (Verdict.PASS, ["score"], 0),
    ],
)
def test_the_first_rule_that_fits_names_the_sorter(verdict: Verdict, codes: list[str], sorter: int) -> None:
    assert sorter_of(verdict, [Reason(code=code) for code in codes], RULES) == sorter


def test_without_a_rule_the_gate_takes_it() -> None:
    assert sorter_of(Verdict.REJECT, [Reason(code="score")], RULES[:1]) == 0


def test_what_is_configured_is_what_is_pushed() -> None:
    sorter = SorterConfig(number=3, tick=5000, pulse_ms=30, lead_ms=4, max_on_ms=60, min_off_ms=9)
    pushed = controller_settings(ControllerConfig(sorter=[sorter]))
    keys = (Key.EJECT_3_COUNT, Key.EJECT_3_ON_MS, Key.EJECT_3_LEAD_MS, Key.EJECT_3_MAX_ON_MS, Key.EJECT_3_MIN_OFF_MS)
    assert [pushed[key] for key in keys] == [5000, 30, 4, 60, 9]
    assert Key.EJECT_1_COUNT not in pushed


@pytest.mark.parametrize(
    ("sorters", "words"),
    [
        (
            [{"tick": 1500}],
            r"sorter\]\] 0: tick is 1500, wanted between camera_tick, 1500, and gate_tick, 6000",
        ),
        ([{"tick": 6000}], "tick is 6000, wanted between"),
        ([{}, {"tick": 5000}], r"\[\[controller.sorter\]\] 1: number is 2, wanted one that no other sorter has"),
        ([{"pulse_ms": 201}], "pulse_ms is 201, wanted at most max_on_ms, 200"),
        ([{"lead_ms": 251}], "EJECT_2_LEAD_MS is 251, wanted 0..250"),
    ],
)
def test_a_sorter_that_cannot_be_is_named(sorters: list[dict[str, int]], words: str) -> None:
    made = [SorterConfig(**({"number": 2, "tick": 4500} | keys)) for keys in sorters]
    with pytest.raises(ConfigError, match=words):
        controller_settings(ControllerConfig(sorter=made))


def test_a_rule_for_a_sorter_that_the_station_lacks_is_refused(tmp_path: Path) -> None:
    recipe = load_recipe(SAMPLES / "sorted.toml")
    for sorters, wanted in ((frozenset({1, 3}), r"one of \[1, 3\]"), (frozenset[int](), "there are no sorters")):
        with pytest.raises(ConfigError, match=rf"'bracket-sorted': key 'sort.0.sorter' is 2, wanted .*{wanted}"):
            Line(recipe, LineConfig(), sorters=sorters)
    Line(recipe, LineConfig())
    station = tmp_path / "station.toml"
    station.write_text(f'[station]\nrecipe = "{SAMPLES / "sorted.toml"}"\n[plc]\nwiring = "triggers"\n')
    with pytest.raises(ConfigError, match="there are no sorters"):
        load_line(load_station(station), recipe)
