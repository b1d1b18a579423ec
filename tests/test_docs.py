"""The documents are true: every key, error and reason is in them, and every link leads somewhere."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from firmware_bridge.protocol import Why
from inspector import config, errors, recipe
from inspector.__main__ import application

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "sample_images/README.md"])
CONFIGURATION = (ROOT / "docs/configuration.md").read_text()


def tables() -> dict[str, dict[str, str]]:
    """Key and default of every table row, by the heading it stands under."""
    found: dict[str, dict[str, str]] = {}
    heading = ""
    for line in CONFIGURATION.splitlines():
        if line.startswith("#"):
            heading = line.strip("# ")
        elif row := re.match(r"\| `(\w+)` \| (.*?) \|", line):
            found.setdefault(heading, {})[row[1]] = row[2].strip("`")
    return found


SCHEMAS: dict[str, type[config.Section]] = {
    "[station]": config.StationSection,
    "[camera]": config.CameraConfig,
    "[controller]": config.ControllerConfig,
    "[[controller.sorter]]": config.SorterConfig,
    "[line]": config.LineConfig,
    "[record]": config.RecordConfig,
    "[web]": config.WebConfig,
    "[[shift]]": config.ShiftConfig,
    "[mqtt]": config.MqttConfig,
    "[calibration]": config.CalibrationConfig,
    "[plc]": config.PlcConfig,
    "[[plc.job]]": config.PlcJob,
    "[simulation]": config.SimulationConfig,
    "[simulation.faults]": config.FaultConfig,
    "recipe.toml": recipe.Recipe,
    "[[zone]]": recipe.Zone,
    "[[ignore_region]]": recipe.IgnoreRegion,
    "[[line]]": recipe.LineFeature,
    "[[circle]]": recipe.CircleFeature,
    "[[area]]": recipe.AreaFeature,
    "[[measure]]": recipe.Measure,
    "[[code]]": recipe.Code,
    "[[sort]]": recipe.Sort,
    "[health]": recipe.HealthLimits,
    "[locate]": recipe.LocateLimits,
}


@pytest.mark.parametrize("heading", SCHEMAS)
def test_every_key_is_documented_with_its_default(heading: str) -> None:
    fields = {name: field for name, field in SCHEMAS[heading].model_fields.items() if not field.exclude}
    documented = tables()[heading]
    assert set(documented) == set(fields)
    for name, field in fields.items():
        default: Any = field.get_default(call_default_factory=True)
        if isinstance(default, str | int | float) and not field.is_required():
            written = f'"{default}"' if isinstance(default, str) else str(default).lower()
            assert documented[name] == written, f"{heading} {name}"


def test_every_section_of_the_station_file_has_its_table() -> None:
    documented = {heading.strip("[]") for heading in SCHEMAS}
    assert {name for name in config.StationConfig.model_fields if name not in ("folder", "file")} <= documented


def test_every_error_is_documented_with_its_exit_code() -> None:
    text = (ROOT / "docs/errors.md").read_text()
    for name, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, errors.StationError):
            code = 2 if issubclass(kind, errors.UsageError) else 1
            assert f"| `{name}` | {code} |" in text


def test_every_reason_is_documented() -> None:
    text = (ROOT / "docs/errors.md").read_text()
    source = "\n".join(path.read_text() for path in (ROOT / "inspector").rglob("*.py"))
    codes = set(re.findall(r'Reason\(\s*code="(\w+)"', source))
    assert len(codes) > 10
    for code in codes:
        assert f"`{code}`" in text, code
    for why in Why:
        assert why is Why.OPEN or f"`{why.name}`" in text, why


def test_every_verb_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text()
    for verb, command in get_command(application(None)).commands.items():  # type: ignore[attr-defined]
        assert command.hidden or f"`inspector {verb}" in text, verb


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_named_files_exist(path: Path) -> None:
    text = path.read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (path.parent / target).exists(), target
    for named in re.findall(r"`((?:inspector|firmware_bridge|tests|calibration|sample_images)/[\w/.]+\.\w+)`", text):
        assert (ROOT / named).exists(), named
