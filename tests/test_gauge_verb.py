"""`inspector gauge-study` as a person calls it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .test_gauge_study import aiag

ROOT = Path(__file__).parents[1]


def study(*options):
    command = [sys.executable, "-m", "inspector", "gauge-study", *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)


def table(path, values):
    rows = [
        f"p{part},{'ABC'[appraiser]},{trial},{values[part, appraiser, trial]}"
        for part, appraiser, trial in [(p, a, t) for p in range(10) for a in range(3) for t in range(3)]
    ]
    path.write_text("\n".join(["part,appraiser,trial,value", *rows]))
    return path


def test_the_worked_example_through_the_command_line(tmp_path) -> None:
    done = study("--values", table(tmp_path / "aiag.csv", aiag()), "--tolerance", 4, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["percent"]["grr"] == pytest.approx(27.87, abs=0.01)
    assert found["ndc"] == 4
    assert found["tolerance_percent"] == pytest.approx(100 * 6 * 0.302373 / 4, abs=0.01)
    printed = study("--values", tmp_path / "aiag.csv").stdout
    assert "27.9" in printed
    assert "ndc 4" in printed


def test_the_sample_line_measures_parts_that_are_laid_in_again() -> None:
    done = study("--parts", 4, "--trials", 2, "--measure", "boss to bush", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["parts"], found["trials"], found["unit"]) == (4, 2, "px")
    assert 0 < found["repeatability"] < 0.2
    assert found["grr"] == found["repeatability"]


def test_a_study_of_real_pictures_names_part_appraiser_and_trial(tmp_path) -> None:
    good = ROOT / "sample_images/train/good"
    for number in range(4):
        shutil.copy(good / f"good_{number:03}.jpg", tmp_path)
    rows = ["good_000.jpg,a,x,1", "good_001.jpg,a,x,2", "good_002.jpg,b,x,1", "good_003.jpg,b,x,2"]
    (tmp_path / "study.csv").write_text("\n".join(["file,part,appraiser,trial", *rows]))
    done = study("--pictures", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["parts"] == 2
    (tmp_path / "study.csv").write_text("\n".join(["file,part,appraiser,trial", *rows[:3]]))
    done = study("--pictures", tmp_path)
    assert done.returncode == 2
    assert "1 values are missing, such as part b, appraiser x, trial 2" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--recipe", "sample_images/recipe.toml"), "sample_images/recipe.toml: has no [[measure]] to study"),
        (("--measure", "nothing"), "has no measure 'nothing'; found boss hole diameter"),
        (("--pictures", "sample_images/awkward", "--parts", "99"), "has 21 pictures, wanted 99 parts"),
        (("--values", "README.md"), "README.md: has no column 'part'"),
        (("--values", "nowhere.csv"), "nowhere.csv: cannot be read"),
    ],
)
def test_bad_input_is_told_in_one_line(options, message) -> None:
    done = study(*options)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_part_that_cannot_be_measured_ends_the_study(tmp_path) -> None:
    for number in range(2):
        shutil.copy(ROOT / f"sample_images/awkward/empty_{number:02}.jpg", tmp_path)
    done = study("--pictures", tmp_path, "--parts", 2)
    assert done.returncode == 1
    assert "empty_00.jpg, trial 1: 'boss hole diameter' could not be measured: empty" in done.stderr
