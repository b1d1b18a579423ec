"""The whole line on the real binary: belt, simavr, bridge, judge, verdict, and the valve at the right count."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.simavr_controller import SimavrController
from inspector.config import FaultConfig
from inspector.simulation import World
from inspector.types import OutcomeKind
from tests.firmware.board import need_simavr
from tests.test_command_line import ROOT, SAMPLES
from tests.test_whole_line import law
from tests.whole_line import EVERY_FAULT, WholeLine


class Watched:
    """The chip, and every opening of its gate with the belt's count at that moment."""

    def __init__(self) -> None:
        self.opened: list[int] = []

    def __call__(self, world: World, **how: Any) -> SimavrController:
        move = world.set_gate

        def set_gate(energised: bool, at_ns: int) -> None:
            if energised:
                self.opened.append(world.count_at(at_ns))
            move(energised, at_ns)

        world.set_gate = set_gate  # type: ignore[method-assign]
        return SimavrController(world, elf=need_simavr(), **how)


def test_the_valve_opens_at_the_count_of_each_part_that_earned_it(tmp_path: Path) -> None:
    watched = Watched()
    line = WholeLine(tmp_path, twin=watched).run(60)
    law(line)
    document = line.tally.document(line.seen)
    assert (document["passed"], document["rejected"], document["not_inspected"]) == (45, 15, 0)
    assert line.tally.verdicts == {"PASS": 45, "REJECT": 15}
    passed = sorted(r.part.seen_tick for r in line.records if r.outcome.kind is OutcomeKind.PASSED)
    # A part is decided 100 counts before its gate moves, so that the run may end between the two for the last one.
    assert len(passed) - 1 <= len(watched.opened) <= len(passed)
    # 8 ms of lead are 32 counts at 400 mm/s; the chip measures the speed to within a count of them.
    early = [seen + line.config.controller.gate_tick - at for seen, at in zip(passed, watched.opened, strict=False)]
    print(f"opened {min(early)}..{max(early)} counts before the gate")
    assert all(31 <= counts <= 33 for counts in early)


@pytest.mark.parametrize(
    "fault",
    [FaultConfig(controller_reset=0.1), FaultConfig(host_killed=0.1), FaultConfig(encoder_slip=0.5), EVERY_FAULT],
    ids=["controller_reset", "host_killed", "encoder_slip", "every_fault"],
)
def test_no_fault_lets_a_part_escape(tmp_path: Path, fault: FaultConfig) -> None:
    line = WholeLine(tmp_path, 3, fault, twin=Watched()).run(60)
    law(line)
    assert line.fast.resets >= (2 if fault.controller_reset == 0.1 else 0)
    assert line.fast.kills >= (2 if fault.host_killed == 0.1 else 0)
    assert line.tally.verdicts["PASS"] > 20
    boots = {record.part.part_id >> 32 for record in line.records}
    assert len(boots) >= 1 + (line.fast.resets > 1)


@pytest.mark.parametrize("how", [["--fast"], ["--realtime", "--no-web"]])
def test_the_sample_line_runs_on_the_real_binary(tmp_path: Path, how: list[str]) -> None:
    need_simavr()
    station = tmp_path / "station.toml"
    text = (SAMPLES / "station.toml").read_text()
    text = text.replace("../data/sample", str(tmp_path)).replace('"recipe.toml"', f'"{SAMPLES / "recipe.toml"}"')
    text = text.replace('["test", "awkward"]', f'["{SAMPLES / "test"}", "{SAMPLES / "awkward"}"]')
    station.write_text(text.replace('"labels.csv"', f'"{SAMPLES / "labels.csv"}"'))
    command = [sys.executable, "-m", "inspector", "run", "--station", str(station), *how]
    command += ["--parts", "6", "--controller", "simavr", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["seen"] == document["records"] >= 6
    assert document["escapes_by_fault"] == 0
    assert document["passed"] >= 1


def test_an_unknown_controller_and_a_real_port_are_refused(tmp_path: Path) -> None:
    for station, controller in ((SAMPLES / "station.toml", "simulavr"), (real_port(tmp_path), "simavr")):
        command = [sys.executable, "-m", "inspector", "run", "--station", str(station), "--no-web"]
        command += ["--parts", "1", "--controller", controller]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        assert done.returncode == 2
        assert f"--controller {'is ' if controller == 'simulavr' else 'simavr needs'}" in done.stderr


def real_port(folder: Path) -> Path:
    path = folder / "real.toml"
    recipe = f'[station]\nrecipe = "{SAMPLES / "recipe.toml"}"\n'
    camera = f'[camera]\nkind = "folder"\nsource = "{SAMPLES / "test/good"}"\n'
    path.write_text(recipe + camera + '[controller]\nport = "/dev/ttyUSB7"\n')
    return path
