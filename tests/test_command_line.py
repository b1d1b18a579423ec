"""The command line is a contract: verbs, exit codes, one JSON document on stdout and nothing else there."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from inspector.record.reader import Reader

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "sample_images"


def inspector(*words: str | Path, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "inspector", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, cwd=ROOT, check=False)


def station(tmp_path: Path, source: str = "station.toml", **changes: str) -> Path:
    """A sample station that keeps its records in `tmp_path`, at any free port."""
    text = (SAMPLES / source).read_text()
    text = text.replace('recipe = "recipe.toml"', f'recipe = "{SAMPLES / "recipe.toml"}"')
    text = text.replace('["test", "awkward"]', f'["{SAMPLES / "test"}", "{SAMPLES / "awkward"}"]')
    text = text.replace('labels = "labels.csv"', f'labels = "{SAMPLES / "labels.csv"}"')
    text = re.sub(r'"\.\./data/\w+/', '"', text).replace("[web]\n", "[web]\nport = 0\n")
    for old, new in changes.items():
        text = re.sub(rf"(?m)^{old} = .*$", f"{old} = {new}", text)
    path = tmp_path / "station.toml"
    path.write_text(text)
    return path


def document(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    assert done.stdout.count("\n") == 1
    return found


def test_fast_run_with_every_fault_keeps_the_law(tmp_path: Path) -> None:
    done = inspector(
        "run", "--station", station(tmp_path, "faults.toml"), "--parts", "60", "--fast", "--no-web", "--json"
    )
    assert done.returncode == 0, done.stderr
    sums = document(done)
    assert sums["seen"] == 60 == sums["records"]
    assert sums["seen"] == sums["passed"] + sums["rejected"] + sums["not_inspected"]
    assert sums["escapes_by_fault"] == 0
    assert set(sums) >= {"escapes_by_model", "escapes_by_model_by_kind", "false_rejects"}


def test_a_second_run_on_the_same_store_counts_only_its_own(tmp_path: Path) -> None:
    file = station(tmp_path)
    for _ in range(2):
        sums = document(inspector("run", "--station", file, "--parts", "12", "--fast", "--no-web", "--json"))
        assert sums["records"] == 12
    reader = Reader.open(f"sqlite:///{tmp_path / 'records.sqlite'}")
    assert len(reader.records(limit=100)) == 24
    assert reader.conflicts() == 0
    reader.close()


def test_real_time_run_judges_parts(tmp_path: Path) -> None:
    file = station(tmp_path, parts_per_minute="240")
    done = inspector("run", "--station", file, "--parts", "6", "--no-web", "--json")
    assert done.returncode == 0, done.stderr
    sums = document(done)
    assert sums["records"] == sums["seen"] == 6
    assert sums["escapes_by_fault"] == 0
    assert sums["passed"] + sums["rejected"] > 0, sums["reasons"]


def test_run_with_web_serves_and_ends_on_request(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "inspector", "run", "--station", str(station(tmp_path)), "--json"]
    station_process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    )
    try:
        assert station_process.stderr is not None
        line = next(line for line in station_process.stderr if line.startswith("web: "))
        with urllib.request.urlopen(line.split()[1] + "api/v1/status", timeout=20) as answer:
            assert json.load(answer)["line"]["connected"] in (True, False)
        station_process.send_signal(signal.SIGTERM)
        assert station_process.wait(30) == 0
    finally:
        if station_process.poll() is None:
            os.killpg(station_process.pid, signal.SIGKILL)


def test_replay_compares_with_the_labels(tmp_path: Path) -> None:
    for name in ("test/good/good_000.jpg", "test/good/good_001.jpg", "awkward/empty_00.jpg"):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SAMPLES / name, tmp_path / "set" / name)
    (tmp_path / "set/test/good/broken.jpg").write_bytes(b"no picture")
    shutil.copy(SAMPLES / "labels.csv", tmp_path / "set/labels.csv")
    done = inspector("replay", tmp_path / "set", "--recipe", SAMPLES / "recipe.toml", "--json")
    assert done.returncode == 0, done.stderr
    found = {picture["file"]: picture for picture in document(done)["pictures"]}
    assert found["awkward/empty_00.jpg"]["verdict"] == "NOT_INSPECTED"
    assert found["awkward/empty_00.jpg"]["expected"] == "NOT_INSPECTED"
    assert found["test/good/good_000.jpg"]["score"] is not None
    assert found["test/good/broken.jpg"]["reasons"][0]["code"] == "unreadable"


def test_check_says_what_is_wrong_and_what_to_do(tmp_path: Path) -> None:
    done = inspector("check", "--station", station(tmp_path), "--json")
    assert done.returncode == 0, done.stdout
    levels = {finding["what"]: finding["level"] for finding in document(done)["findings"]}
    assert set(levels) == {"controller", "camera", "model", "calibration", "store", "disk", "clock"}
    assert "fail" not in levels.values()

    text = station(tmp_path).read_text() + '\n[controller]\nport = "/dev/does-not-exist"\n'
    (tmp_path / "station.toml").write_text(text)
    done = inspector("check", "--station", tmp_path / "station.toml", "--json")
    assert done.returncode == 1
    (bad,) = [finding for finding in document(done)["findings"] if finding["level"] == "fail"]
    assert bad["what"] == "controller"
    assert "/dev/does-not-exist" in bad["found"]
    assert bad["advice"]


def test_bench_prints_its_keys(tmp_path: Path) -> None:
    done = inspector("bench", "--station", station(tmp_path), "--rounds", "3", "--json")
    assert done.returncode == 0, done.stderr
    found = document(done)
    assert found["throughput_ratio"] > 0
    assert [row["stage"] for row in found["stages"]][-4:] == ["model", "find", "other", "part"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("run", "--station", "nowhere.toml"), "nowhere.toml: cannot be read"),
        (("run", "--fast"), "--fast needs --parts"),
        (("check", "--station", "nowhere.toml"), "nowhere.toml"),
        (("bench", "--station", "nowhere.toml"), "nowhere.toml"),
        (("web", "--station", "nowhere.toml"), "nowhere.toml"),
        (("replay", "nowhere", "--recipe", SAMPLES / "recipe.toml"), "nowhere: no such folder"),
        (("replay", SAMPLES, "--recipe", "nowhere.toml"), "nowhere.toml"),
        (("teach", "nowhere", "--out", "out"), "nowhere"),
        (("evaluate", "nowhere", "nowhere"), "nowhere"),
        (("run", "--parts", "0"), "parts"),
        (("fly",), "fly"),
    ],
    ids=lambda words: "-".join(map(str, words[:2])) if isinstance(words, tuple) else "",
)
def test_bad_input_is_one_clear_line_and_exit_2(words: tuple[str, ...], says: str) -> None:
    done = inspector(*words)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_a_second_station_on_the_same_store_is_refused(tmp_path: Path) -> None:
    file = station(tmp_path)
    first = subprocess.Popen(
        [sys.executable, "-m", "inspector", "run", "--station", str(file), "--no-web"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    )
    try:
        while not (tmp_path / "images").exists():
            assert first.poll() is None
        second = inspector("run", "--station", file, "--no-web", "--parts", "1")
        assert second.returncode == 1
        assert "records.sqlite" in second.stderr
    finally:
        first.terminate()
        assert first.wait(30) == 0
