"""The verbs `inspector teach` and `inspector evaluate`.

What it is: arguments in, progress on stderr, one result on stdout, an exit code. What it is not: the work (teach,
evaluate). Main thread of a command. Exit codes: 0 done, 1 it went wrong, 2 bad input.
"""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress as Bar

from inspector.errors import StationError, UsageError
from inspector.evaluate import Evaluation, evaluate
from inspector.evaluate_report import write_evaluation
from inspector.teach import Cancelled, Progress, TeachOptions, TeachResult, teach
from inspector.teach.pictures import list_pictures

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output and nothing else.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads of the model.")]


def register(app: typer.Typer) -> None:
    """Mount both verbs on `app`."""
    app.command("teach")(teach_verb)
    app.command("evaluate")(evaluate_verb)


def teach_verb(
    good: Annotated[Path, typer.Argument(help="Folder of pictures of good parts.")],
    out: Annotated[Path, typer.Option(help="The model folder to make, models/<name>/<revision>.")],
    target_false_rejects: Annotated[
        float, typer.Option(min=0.0001, max=0.5, help="Share of good parts that may be thrown out.")
    ] = 0.05,
    seed: Annotated[int, typer.Option(help="Same pictures and same seed give the same model.")] = 1,
    threads: Threads = 2,
    budget_ms: Annotated[
        float | None, typer.Option(min=0.1, help="Longest time of one part, picture to score.")
    ] = None,
    exclude_suspects: Annotated[
        bool, typer.Option(help="Leave out good pictures that look unlike the others.")
    ] = False,
    ignore: Annotated[Path | None, typer.Option(help="PNG mask of the patch; white is ignored.")] = None,
    defects: Annotated[Path | None, typer.Option(help="Folder of pictures of defective parts.")] = None,
    escape_cost: Annotated[
        float | None,
        typer.Option(min=0, help="With --defects: what a share of escapes costs in such shares of good parts."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Learn a model from pictures of good parts."""
    options = TeachOptions(
        target_false_rejects=target_false_rejects,
        seed=seed,
        threads=threads,
        budget_ms=budget_ms,
        exclude_suspects=exclude_suspects,
        ignore=ignore,
        defects=defects,
        escape_cost=escape_cost,
    )
    try:
        with Bar(console=Console(stderr=True), transient=True) as bar:
            result = teach(list_pictures(good), out, options, _shown_on(bar), lambda: False)
    except StationError as why:
        raise _failed(why) from None
    except (KeyboardInterrupt, Cancelled):
        typer.echo("stopped; nothing was written", err=True)
        raise typer.Exit(1) from None
    typer.echo(json.dumps(_teach_document(result)) if as_json else _teach_words(result))


def evaluate_verb(
    model: Annotated[Path, typer.Argument(help="Model folder.", exists=True, file_okay=False)],
    dataset: Annotated[Path, typer.Argument(help="Folder with test/good, test/<defect>, ground_truth.")],
    threads: Threads = 2,
    report: Annotated[Path | None, typer.Option(help="HTML file to write: curve, scores, worst misses.")] = None,
    as_json: AsJson = False,
) -> None:
    """Judge a labelled data set with a model and count."""
    try:
        with Bar(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("judging")
            result = evaluate(
                model,
                dataset,
                threads=threads,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
    except StationError as why:
        raise _failed(why) from None
    document = evaluation_document(result)
    if report is not None:
        write_evaluation(report, result, document)
    typer.echo(json.dumps(document) if as_json else _evaluation_words(document))


def _failed(why: StationError) -> typer.Exit:
    typer.echo(str(why), err=True)
    return typer.Exit(2 if isinstance(why, UsageError) else 1)


def _shown_on(bar: Bar) -> Any:
    tasks: dict[str, Any] = {}

    def show(step: Progress) -> None:
        if step.stage not in tasks:
            tasks[step.stage] = bar.add_task(step.stage, total=step.total)
        bar.update(tasks[step.stage], completed=step.done, total=step.total)

    return show


def _teach_document(result: TeachResult) -> dict[str, Any]:
    return {key: str(value) if isinstance(value, Path) else value for key, value in dataclasses.asdict(result).items()}


def _teach_words(result: TeachResult) -> str:
    return (
        f"{result.folder}: taught from {result.images} good pictures in {result.seconds:.0f} s\n"
        f"chosen: {result.chosen}\n"
        f"why: {result.reason}\n"
        f"at this threshold at most {100 * result.false_rejects_at_most:.2f} % false rejects, at 95 % confidence "
        f"({result.images_needed} good parts, each another one, would show the target)\n"
        f"one part takes {result.ms_per_part:.1f} ms in the model here\n"
        f"most unlike the others: {', '.join(Path(name).name for name in result.suspects)}"
        + "".join(f"\ndoctor: {text}" for text in result.findings)
    )


def evaluation_document(result: Evaluation) -> dict[str, Any]:
    """The numbers of an evaluation as plain values; what could not be measured is None."""
    found = {field.name: getattr(result, field.name) for field in dataclasses.fields(result) if field.name != "judged"}
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in found.items()}


def _evaluation_words(document: dict[str, Any]) -> str:
    return "\n".join(
        f"{key:18s} {value:.4f}" if isinstance(value, float) else f"{key:18s} {value}"
        for key, value in document.items()
    )
