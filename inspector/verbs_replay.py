"""The verb `inspector replay`: what would this recipe say of these pictures?

What it is: each picture of a folder through the same walk as on the line, one after the other, and against their
labels where there are any. What it is not: a run: no belt, no controller, no record. Main thread.
Exit codes: 0 done, 1 the model is refused, 2 bad input.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from inspector.camera.folder import FolderCamera
from inspector.clock import SimulatedClock
from inspector.config import CameraConfig, LineConfig
from inspector.errors import CameraError, StationError, UsageError
from inspector.labels import Truth, labels_of, load_labels, picture_files
from inspector.line import Line
from inspector.recipe import load_recipe
from inspector.types import Frame, Inspection, Verdict


def register(app: typer.Typer) -> None:
    """Mount the verb on `app`."""
    app.command("replay")(replay_verb)


def replay_verb(
    folder: Annotated[Path, typer.Argument(help="Folder of pictures, with a labels.csv or folders named by kind.")],
    recipe: Annotated[Path, typer.Option(help="The recipe file.")],
    threads: Annotated[int, typer.Option(min=1, help="Threads of the model.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Judge recorded pictures with a recipe; compare with their labels where there are any."""
    try:
        document = replay(folder, recipe, threads)
    except StationError as why:
        typer.echo(str(why), err=True)
        raise typer.Exit(2 if isinstance(why, UsageError) else 1) from None
    if as_json:
        typer.echo(json.dumps(document))
    else:
        _print(document)


def replay(folder: Path, recipe: Path, threads: int) -> dict[str, Any]:
    """The document that `--json` prints: `pictures` one by one, and the `summary` against the labels."""
    line = Line(load_recipe(recipe), LineConfig(model_threads=threads))
    files = picture_files(folder)
    truth = _truth(folder, files)
    camera = FolderCamera(CameraConfig(kind="folder"), folder, SimulatedClock())
    pictures = []
    for number, file in enumerate(track(files, "replay", console=Console(stderr=True), transient=True), start=1):
        line.forget_frame()
        pictures.append(_judge(line, camera, file, number, truth.get(file)))
    return {"recipe": line.recipe.id, "revision": line.recipe.revision, "model_sha": line.runner.model_sha} | {
        "summary": _summary(pictures),
        "pictures": pictures,
    }


def _truth(folder: Path, files: list[str]) -> dict[str, Truth]:
    if (folder / "labels.csv").is_file():
        return load_labels(folder / "labels.csv")
    # A flat folder of pictures says nothing about them.
    return labels_of(file for file in files if "/" in file)


def _judge(line: Line, camera: FolderCamera, file: str, number: int, truth: Truth | None) -> dict[str, Any]:
    try:
        pixels = camera.read(file)
    except CameraError as why:
        found: dict[str, Any] = {
            "verdict": Verdict.NOT_INSPECTED.name,
            "reasons": [{"code": "unreadable", "text": str(why)}],
        }
    else:
        frame = Frame(frame_id=number, camera="replay", exposed_at_ns=0, pixels=pixels, part_id=number, source=file)
        found = _plain(line.inspect(frame))
    labels = {"kind": truth.kind, "expected": truth.expected.name} if truth else {}
    return {"file": file} | labels | found


def _plain(inspection: Inspection) -> dict[str, Any]:
    return {
        "verdict": inspection.verdict.name,
        "score": inspection.score,
        "reasons": [
            {"code": reason.code, "value": reason.value, "limit": reason.limit} for reason in inspection.reasons
        ],
        "defects": [
            {"label": defect.label, "score": defect.score, "threshold": defect.threshold, "box_px": defect.box_px}
            for defect in inspection.defects
        ],
        "ms": round(sum(inspection.stage_ms.values()), 3),
    }


def _summary(pictures: list[dict[str, Any]]) -> dict[str, Any]:
    labelled = [picture for picture in pictures if "expected" in picture]
    wrong = Counter(
        f"{picture['kind']}: {picture['expected']} judged {picture['verdict']}"
        for picture in labelled
        if picture["verdict"] != picture["expected"]
    )
    return {
        "pictures": len(pictures),
        "labelled": len(labelled),
        "verdicts": dict(Counter(picture["verdict"] for picture in pictures)),
        "false_rejects": sum(p["expected"] == "PASS" and p["verdict"] != "PASS" for p in labelled),
        "escapes": sum(p["expected"] != "PASS" and p["verdict"] == "PASS" for p in labelled),
        "wrong": dict(sorted(wrong.items())),
    }


def _print(document: dict[str, Any]) -> None:
    table = Table("picture", "verdict", "score", "expected", "why")
    for picture in document["pictures"]:
        score = picture.get("score")
        why = ", ".join(reason["code"] for reason in picture["reasons"])
        shown = "-" if score is None else f"{score:.3f}"
        table.add_row(picture["file"], picture["verdict"], shown, picture.get("expected", ""), why)
    console = Console()
    console.print(table)
    for key, value in document["summary"].items():
        console.print(f"{key}: {value}")
