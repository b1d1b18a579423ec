"""The report of an evaluation: one HTML file with the numbers, the curve, the scores and the worst misses.

What it is: a page from an `Evaluation`. What it is not: the measuring. A command's main thread.
"""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import numpy as np

from inspector.errors import StationError
from inspector.evaluate import GOOD, Evaluation, Judged
from inspector.metrics import roc_curve
from inspector.teach.doctor import thumbnail
from inspector.teach.pictures import read_picture
from inspector.teach.report import histogram, jpeg_tag, page

SHOWN = 12


def write_evaluation(path: Path, result: Evaluation, document: dict[str, Any]) -> None:
    """Write the page to `path`; raises StationError if it cannot be written."""
    scores = np.array([item.score for item in result.judged], np.float32)
    bad = np.array([item.kind != GOOD for item in result.judged])
    rows = "".join(
        f"<tr><td>{html.escape(key)}<td>{html.escape(_plain(value))}</tr>" for key, value in document.items()
    )
    escapes = sorted((item for item in result.judged if item.kind != GOOD and item.score <= 1), key=lambda i: i.score)
    rejects = sorted((item for item in result.judged if item.kind == GOOD and item.score > 1), key=lambda i: -i.score)
    finite = np.minimum(scores, 10.0)
    body = (
        f"<table>{rows}</table><h2>Scores</h2>{histogram(finite[~bad], finite[bad])}"
        f"<h2>Detection against false rejects</h2>{_curve(scores, bad)}"
        f"<h2>Bad parts let through, the surest first</h2>{_gallery(escapes)}"
        f"<h2>Good parts thrown out</h2>{_gallery(rejects)}"
    )
    try:
        path.write_text(page(f"Evaluation of {result.model_sha[:12]}", body), encoding="utf-8")
    except OSError as why:
        raise StationError(f"{path}: cannot be written: {why.strerror}") from why


def _plain(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _curve(scores: np.ndarray, bad: np.ndarray) -> str:
    rejected, detected = roc_curve(scores, bad)
    points = " ".join(f"{300 * x:.1f},{300 - 300 * y:.1f}" for x, y in zip(rejected, detected, strict=True))
    frame = '<rect width="300" height="300" fill="none" stroke="#ccc"/>'
    return (
        f'<svg viewBox="-5 -5 310 310" width="310">{frame}<polyline points="{points}" fill="none" stroke="#036"/></svg>'
    )


def _gallery(items: list[Judged]) -> str:
    if not items:
        return "<p>None.</p>"
    figures = []
    for item in items[:SHOWN]:
        words = f"{item.kind}/{item.path.name}: {item.score:.2f}"
        tag = jpeg_tag(thumbnail(read_picture(item.path).pixels))
        figures.append(f"<figure>{tag}<figcaption>{html.escape(words)}</figcaption></figure>")
    return "".join(figures)
