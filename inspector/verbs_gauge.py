"""The verb `inspector gauge-study`: how good is a measurement of this station?

What it is: values for the study - from a table, from pictures of parts that were laid in several times, or from
pictures that are presented anew in simulation - and its printed result. What it is not: the analysis (`gauge_study`).
Main thread. Exit codes: 0 done, 1 a part could not be measured, 2 bad input.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from inspector.camera.folder import FolderCamera
from inspector.clock import SimulatedClock
from inspector.config import CameraConfig, LineConfig, load_station
from inspector.errors import StationError, UsageError
from inspector.gauge_study import Study, study
from inspector.labels import picture_files
from inspector.line import Line
from inspector.recipe import load_recipe
from inspector.station import load_line
from inspector.types import Frame, Measurement, Pixels
from inspector.vision.present import present

Cell = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to measure, and how often."""

    recipe: Path
    station: Path | None
    pictures: Path
    measure: str
    parts: int
    trials: int
    seed: int


def register(app: typer.Typer) -> None:
    """Mount the verb on `app`."""
    app.command("gauge-study")(gauge_study_verb)


def gauge_study_verb(
    recipe: Annotated[Path, typer.Option(help="Recipe with [[measure]] tables.")] = Path("sample_images/measured.toml"),
    pictures: Annotated[
        Path, typer.Option(help="Pictures; with study.csv (file,part,appraiser,trial) the study's own.")
    ] = Path("sample_images/train/good"),
    measure: Annotated[str, typer.Option(help="Name of the measurement; the recipe's first if not given.")] = "",
    station: Annotated[Path | None, typer.Option(help="Station file, for its plane calibration.")] = None,
    parts: Annotated[int, typer.Option(min=2, help="Parts, where there is no study.csv.")] = 10,
    trials: Annotated[int, typer.Option(min=2, help="Presentations of each, where there is no study.csv.")] = 3,
    values: Annotated[Path | None, typer.Option(help="Table part,appraiser,trial,value instead of pictures.")] = None,
    tolerance: Annotated[float | None, typer.Option(min=0, help="Width of the tolerance; the recipe's if any.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulated presentations.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Repeatability and reproducibility of one measurement (AIAG MSA, ANOVA method): %GRR and ndc."""
    try:
        if values is not None:
            cells, source, unit = dict(_table(values, "value")), str(values), ""
            measured = {cell: _number(values, text) for cell, text in cells.items()}
        else:
            plan = Plan(
                recipe=recipe,
                station=station,
                pictures=pictures,
                measure=measure,
                parts=parts,
                trials=trials,
                seed=seed,
            )
            measured, unit, source, zone = _measure_all(plan)
            tolerance = tolerance or zone
        found = study(_crossed(measured, source), tolerance)
    except StationError as why:
        typer.echo(str(why), err=True)
        raise typer.Exit(2 if isinstance(why, UsageError) else 1) from None
    if as_json:
        typer.echo(json.dumps(asdict(found) | {"percent": found.percent, "unit": unit, "source": source}))
    else:
        _print(found, unit, source)


def _measure_all(plan: Plan) -> tuple[dict[Cell, float], str, str, float | None]:
    recipe = load_recipe(plan.recipe)
    line = load_line(load_station(plan.station), recipe) if plan.station else Line(recipe, LineConfig())
    names = [one.name for one in recipe.measure]
    if not names:
        raise UsageError(f"{plan.recipe}: has no [[measure]] to study")
    name = plan.measure or names[0]
    if name not in names:
        raise UsageError(f"{plan.recipe}: has no measure {name!r}; found {', '.join(names)}")
    rule = recipe.measure[names.index(name)]
    measured: dict[Cell, float] = {}
    for number, (cell, pixels, text) in enumerate(_presented(plan), start=1):
        line.forget_frame()
        frame = Frame(frame_id=number, camera="study", exposed_at_ns=number, pixels=pixels, part_id=number)
        inspection = line.inspect(frame)
        found: Measurement | None = next((one for one in inspection.measurements if one.name == name), None)
        if found is None or found.value is None:
            why = found.text if found else ", ".join(reason.code for reason in inspection.reasons)
            raise StationError(f"{text}: {name!r} could not be measured: {why}")
        measured[cell] = found.value
    source = f"{name} ({rule.kind}), {plan.pictures}"
    return measured, rule.unit, source, (rule.plus + rule.minus) or None


def _presented(plan: Plan) -> Iterator[tuple[Cell, Pixels, str]]:
    camera = FolderCamera(CameraConfig(kind="folder"), plan.pictures, SimulatedClock())
    if (plan.pictures / "study.csv").is_file():
        for cell, file in _table(plan.pictures / "study.csv", "file"):
            yield cell, camera.read(file), str(plan.pictures / file)
        return
    files = picture_files(plan.pictures)[: plan.parts]
    if len(files) < plan.parts:
        raise UsageError(f"{plan.pictures}: has {len(files)} pictures, wanted {plan.parts} parts")
    random = np.random.default_rng(plan.seed)
    for file in files:
        pixels = camera.read(file)
        for trial in range(plan.trials):
            yield (file, "1", str(trial + 1)), present(pixels, random), f"{plan.pictures / file}, trial {trial + 1}"


def _table(path: Path, wanted: str) -> list[tuple[Cell, str]]:
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as why:
        raise UsageError(f"{path}: cannot be read: {why.strerror}") from None
    columns = ("part", "trial", wanted)
    for column in columns:
        if not rows or rows[0].get(column) is None:
            raise UsageError(f"{path}: has no column {column!r}; wanted part, appraiser (or none), trial, {wanted}")
    return [((row["part"], row.get("appraiser") or "1", row["trial"]), row[wanted]) for row in rows]


def _number(path: Path, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{path}: value is {text!r}, wanted a number") from None


def _crossed(measured: dict[Cell, float], source: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    parts, appraisers, trials = (list(dict.fromkeys(cell[axis] for cell in measured)) for axis in range(3))
    missing = [
        (part, appraiser, trial)
        for part in parts
        for appraiser in appraisers
        for trial in trials
        if (part, appraiser, trial) not in measured
    ]
    if missing:
        part, appraiser, trial = missing[0]
        text = f"{len(missing)} values are missing, such as part {part}, appraiser {appraiser}, trial {trial}"
        raise UsageError(f"{source}: {text}; every appraiser measures every part equally often")
    return np.array([[[measured[p, a, t] for t in trials] for a in appraisers] for p in parts])


def _print(found: Study, unit: str, source: str) -> None:
    console = Console()
    console.print(f"{source}: {found.parts} parts, {found.appraisers} appraiser(s), {found.trials} trials")
    table = Table("source", f"standard deviation{f' ({unit})' if unit else ''}", "% of total")
    numbers = asdict(found)
    for name, percent in found.percent.items():
        table.add_row(name.replace("_", " "), f"{numbers[name]:.4g}", f"{percent:.1f}")
    table.add_row("total", f"{found.total:.4g}", "100.0")
    console.print(table)
    console.print(f"ndc {found.ndc} (5 or more are wanted)")
    if found.tolerance_percent is not None:
        console.print(
            f"GRR is {found.tolerance_percent:.1f} % of the tolerance (below 10 is good, above 30 is not usable)"
        )
