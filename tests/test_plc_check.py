"""The commonest mistakes in `[plc]`, each in words that say what is wrong and what to do, before the line runs."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from firmware_bridge.port import PortGone
from inspector.checkup import check
from inspector.clock import SystemClock
from inspector.config import StationConfig, load_station
from inspector.errors import ConfigError
from inspector.outputs import outputs_of, pulses_of
from inspector.plc_check import look_at_plc
from inspector.runs import build_realtime
from tests.test_command_line import SAMPLES


def station_file(folder: Path, sample: str, *changes: tuple[str, str]) -> StationConfig:
    """A sample's station file with some of its text changed, its data in `folder`."""
    text = re.sub(r'"\.\./data/\w+/', '"', (SAMPLES / sample).read_text())
    for name in ("recipe.toml", "test", "awkward", "labels.csv"):
        text = text.replace(f'"{name}"', f'"{SAMPLES / name}"')
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "station.toml").write_text(text)
    return load_station(folder / "station.toml")


def job(number: int, recipe: str) -> str:
    return f'[[plc.job]]\nnumber = {number}\nrecipe = "{recipe}"\n'


MISTAKES = [
    ("port = 1502", 'host = "192.0.2.7"', "this machine has no such address; wanted one of its own"),
    ("port = 1502", 'host = "plc.invalid"', "no such name; wanted an address of this machine"),
    ("port = 1502", 'allow = ["192.168.10.5/24"]', "host bits set; wanted addresses or networks like"),
    ("port = 1502", 'allow = ["plc1"]', "wanted addresses or networks like"),
    (
        "[record]",
        job(1, "bracket") + job(2, "brakcet") + "[record]",
        r"\[\[plc.job\]\] number 2: .*no recipe 'brakcet'",
    ),
    ("[record]", job(1, "bracket-measured") + "[record]", r"wanted 'bracket' of \[station\] recipe, too"),
    ("[record]", job(1, "bracket") + job(1, "bracket-measured") + "[record]", "has a number or a recipe twice"),
    ("port = 1502", "simulated = true", "wanted wiring 'triggers' and no serial"),
]


@pytest.mark.parametrize(("old", "new", "said"), MISTAKES)
def test_check_says_what_is_wrong_and_what_is_wanted(tmp_path: Path, old: str, new: str, said: str) -> None:
    config = station_file(tmp_path, "plc_results.toml", (old, new))
    assert config.plc is not None
    with pytest.raises(ConfigError, match=said):
        look_at_plc(config, config.plc, line_runs=False)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('wiring = "results"', 'wiring = "result"', "plc.wiring' is 'result': Input should be 'results' or 'triggers'"),
        ("port = 1502", "prot = 1502", r"unknown key 'plc.prot' \(did you mean 'port'\?\)"),
        ("port = 1502", "port = 70000", "plc.port' is 70000"),
        ("port = 1502", "unit = 300", "plc.unit' is 300"),
        ("[record]", '[[plc.job]]\nrecipe = "bracket"\n[record]', "plc.job.0.number' is missing"),
    ],
)
def test_what_the_schema_refuses_is_named_with_its_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        station_file(tmp_path, "plc_results.toml", (old, new))


def test_a_port_that_is_taken_is_said_by_check_and_by_run(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        change = ("port = 1502", f"port = {other.getsockname()[1]}")
        config = station_file(tmp_path, "plc_results.toml", change)
        assert config.plc is not None
        with pytest.raises(ConfigError, match="another program listens there, perhaps a second station"):
            look_at_plc(config, config.plc, line_runs=False)
        assert look_at_plc(config, config.plc, line_runs=True)[0]  # the line that runs is who listens
        with pytest.raises(ConfigError, match="another program listens there, perhaps a second station"):
            build_realtime(config, None, with_link=False)


def test_a_serial_port_that_is_not_there_is_said(tmp_path: Path) -> None:
    config = station_file(tmp_path, "plc_results.toml", ("port = 1502", 'serial = "/dev/ttyUSB99"'))
    assert config.plc is not None
    with pytest.raises(PortGone, match="/dev/ttyUSB99"):
        look_at_plc(config, config.plc, line_runs=False)


def test_a_camera_that_nobody_can_trigger_is_refused(tmp_path: Path) -> None:
    config = station_file(
        tmp_path, "plc.toml", ('kind = "simulated"', 'kind = "opencv"\nsource = "0"'), ("simulated = true\n", "")
    )
    assert config.plc is not None
    with pytest.raises(ConfigError, match="trigger_source 'line', wanted 'software'"):
        look_at_plc(config, config.plc, line_runs=False)


def test_what_is_no_mistake_is_said_with_what_to_think_of(tmp_path: Path) -> None:
    def look(*changes: tuple[str, str]) -> tuple[str, str]:
        config = station_file(tmp_path, "plc_results.toml", *changes)
        assert config.plc is not None
        return look_at_plc(config, config.plc, line_runs=False)

    found, advice = look(("port = 1502", "port = 0"))
    assert found == "wiring results, Modbus TCP 127.0.0.1:0, jobs: 1 bracket"
    assert "only this machine can connect" in advice
    open_to_all = ("port = 1502", 'port = 0\nhost = "0.0.0.0"')
    assert "name the PLC in [plc] allow" in look(open_to_all)[1]
    assert look(("port = 1502", 'port = 0\nhost = "0.0.0.0"\nallow = ["192.168.10.5"]'))[1] == ""


def test_check_has_a_row_for_the_plc_where_there_is_one(tmp_path: Path) -> None:
    def rows(sample: str) -> dict[str, str]:
        config = station_file(tmp_path, sample, *([("port = 1502", "port = 0")] if "plc" in sample else []))
        return {one.what: one.found for one in check(config, SystemClock()) if one.what in ("controller", "plc")}

    assert rows("plc.toml") == {
        "controller": "none: the PLC triggers and rejects",
        "plc": "wiring triggers, Modbus TCP 127.0.0.1:0, jobs: 1 bracket",
    }
    assert "plc" not in rows("station.toml")


def test_a_serial_port_of_the_plc_that_is_gone_is_an_alarm_and_no_fault_of_the_controller(tmp_path: Path) -> None:
    config = station_file(tmp_path, "plc_results.toml", ("port = 1502", 'serial = "/dev/ttyUSB99"'))
    run = build_realtime(config, 1, with_link=False)
    crew = run.running._crew
    assert crew.plc_server is not None
    seen: set[str] = set()
    watch = run.running._watch_crew

    def watched() -> None:
        watch()
        seen.update(alarm.code for alarm in run.running.status().alarms)

    run.running._watch_crew = watched  # type: ignore[method-assign]
    assert run.run().document["records"] == 1
    assert "/dev/ttyUSB99" in crew.plc_server.port_error
    assert "plc_port" in seen
    assert "port_gone" not in seen


def test_the_outputs_that_may_be_fired_are_those_there_are(tmp_path: Path) -> None:
    assert outputs_of(station_file(tmp_path, "station.toml")) == {1: "ejector"}
    assert outputs_of(station_file(tmp_path, "plc.toml")) == {0: "camera"}
    sorted_ = station_file(tmp_path, "station.toml", ("[record]", SORTER + "[record]"))
    assert outputs_of(sorted_) == {1: "ejector", 3: "sorter_2"}
    assert pulses_of(sorted_.controller) == {"ejector": (0, 40), "sorter_2": (2, 25)}


SORTER = "[[controller.sorter]]\nnumber = 2\ntick = 3000\npulse_ms = 25\n"
