"""The report of a teaching: one HTML file with everything in it, for the person who has to believe the model.

What it is: numbers and pictures of what was taught, drawn as SVG and small JPEGs, no network. What it is not: a
screen. The teaching process.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from inspector.teach.doctor import Finding
from inspector.teach.graph import Floats
from inspector.teach.pictures import read_picture
from inspector.teach.prepare import Preparation
from inspector.teach.taking import Sharpened
from inspector.teach.threshold import DefectGain, Threshold, place_threshold
from inspector.teach.trials import Choice
from inspector.types import Pixels

WORST_SHOWN = 8
OTHER_TARGETS = (0.005, 0.01, 0.02, 0.05, 0.1)
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse}td,th{padding:.2em .8em;border-bottom:1px solid #ccc;text-align:left}"
    "figure{display:inline-block;margin:.4em}figcaption{font-size:12px;max-width:200px;overflow-wrap:anywhere}"
    ".taken{font-weight:bold}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """What the report shows; scores (n,), maps (n, cells) and defect scores are on the calibrated scale."""

    name: str
    choice: Choice
    chosen: str
    threshold: Threshold
    gain: DefectGain
    files: Sequence[Path]
    scores: Floats
    groups: npt.NDArray[np.intp]
    maps: Floats
    findings: Sequence[Finding]
    defect_scores: Floats
    ms: float
    seconds: float


def jpeg_tag(pixels: Pixels) -> str:
    """A picture (BGR) as an `<img>` with its bytes in it."""
    _, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 80])
    return f'<img src="data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}" alt="">'


def heat(patch: Pixels, values: Floats, side: int = 200) -> Pixels:
    """A patch with its map (h, w) over it: nothing at 0, red at the threshold and above."""
    scale = side / max(patch.shape[:2])
    size = (max(1, round(patch.shape[1] * scale)), max(1, round(patch.shape[0] * scale)))
    small = cv2.resize(patch, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    weight = np.clip(cv2.resize(values, size, interpolation=cv2.INTER_LINEAR), 0, 1)[:, :, None] * 0.6
    return np.asarray(small * (1 - weight) + np.array([0, 0, 255]) * weight, np.uint8)


def histogram(good: Floats, bad: Floats, band: float | None = None) -> str:
    """Scores as an SVG: good ones (grey) and defects (red) as bars, the threshold at 1 as a line; `band` is how far
    below it the score lies that the next lower claim would take."""
    tails = [float(np.percentile(values, 98)) for values in (good, bad) if len(values)]
    top = min(max(1.5, *tails), 6.0)
    low = float(min(0.0, good.min()))
    edges = np.linspace(low, top, 41)
    bars = []
    for values, colour in ((good, "#888"), (bad, "#c33")):
        counts, _ = np.histogram(np.clip(values, low, top), edges)
        peak = max(1, int(counts.max()))
        for index, count in enumerate(counts):
            tall = 150 * count / peak
            place = f'x="{index * 15}" y="{160 - tall:.1f}" width="14" height="{tall:.1f}"'
            bars.append(f'<rect {place} fill="{colour}" opacity=".6"/>')
    at = 600 * (1 - low) / (top - low)
    if band is not None:
        left = 600 * (band - low) / (top - low)
        bars.append(
            f'<rect x="{left:.1f}" y="0" width="{max(1.0, at - left):.1f}" height="160" fill="#fc6" opacity=".4"/>'
        )
    bars.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="160" stroke="#000" stroke-width="2"/>')
    ticks = "".join(
        f'<text x="{600 * (v - low) / (top - low):.0f}" y="178" font-size="12" text-anchor="middle">{v:.1f}</text>'
        for v in np.arange(0, top + 0.01, 0.5)
    )
    return f'<svg viewBox="-10 0 620 185" width="620">{"".join(bars)}{ticks}</svg>'


def page(title: str, body: str) -> str:
    """A whole HTML document."""
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
    return f"{head}<style>{STYLE}</style><h1>{html.escape(title)}</h1>{body}</html>"


def write_report(path: Path, data: ReportData, preparation: Preparation) -> None:
    """Write the report to `path`."""
    parts = [_claim(data), _distribution(data), _choice(data), _worst(data, preparation), _findings(data)]
    path.write_text(page(f"Taught model {data.name}", "".join(parts)), encoding="utf-8")


def _claim(data: ReportData) -> str:
    t = data.threshold
    return (
        f"<p>Taught from <b>{len(data.files)}</b> good pictures in {data.seconds:.0f} s. "
        f"At this threshold <b>at most {100 * t.at_most:.2f} %</b> of good parts like these are thrown out, at 95 % "
        f"confidence, from {t.images} parts ({t.seen} of them lie above it; pictures far more alike than the others "
        f"count as one part). To show the wanted "
        f"{100 * t.target:.2f} % takes {t.images_needed} good parts without one above; 0.5 % takes 598.</p>"
        f"<p>{html.escape(t.method)}. Good parts that look otherwise than those taught (another lot, another lamp) "
        f"are not covered by this. One part takes {data.ms:.1f} ms in the model on this machine, now.</p>"
    )


def _distribution(data: ReportData) -> str:
    ordered = np.sort(data.scores)[::-1]
    lower = float(ordered[min(len(ordered) - 1, data.threshold.seen + max(1, len(ordered) // 100))])
    return (
        "<h2>Scores of good parts that the model had not seen</h2>"
        + histogram(data.scores, data.defect_scores, lower)
        + "<p>The line is the threshold; the band is what one more percent of false rejects would buy.</p>"
        + _other_targets(data)
        + _gain(data.gain, data.choice.sharpened)
    )


def _other_targets(data: ReportData) -> str:
    """What other targets would claim and, of known defects, catch: what an escape is worth is the user's to say."""
    rows = []
    known = data.defect_scores
    for target in OTHER_TARGETS:
        other = place_threshold(data.scores, target, data.groups)
        caught = f"<td>{int((known > other.raw).sum())} of {len(known)}" if len(known) else ""
        rows.append(
            f"<tr><td>{100 * target:g} %<td>{100 * other.at_most:.2f} %<td>{other.seen} of {other.images}"
            f"<td>{other.raw:.3f}{caught}</tr>"
        )
    head = "<tr><th>wanted<th>claim at 95 %<th>good parts above<th>threshold, on this model's scale"
    head += "<th>known defects caught</tr>" if len(known) else "</tr>"
    return f"<p>Other choices of <code>--target-false-rejects</code>:</p><table>{head}{''.join(rows)}</table>"


def _gain(gain: DefectGain, sharpened: Sharpened | None) -> str:
    if not gain.defects:
        return ""
    if sharpened is None:
        choice = "There were too few good pictures to choose a way of teaching by."
    else:
        kept = "is taken" if sharpened.kept else "is not taken"
        choice = (
            f"The way of teaching chosen without them catches {sharpened.caught[0]} of {sharpened.defects}; chosen "
            f"with them, each left out in turn, {sharpened.caught[1]}: the choice with them {kept}."
        )
    return (
        f"<h2>What the {gain.defects} defect pictures changed</h2><p>{choice}</p><p>A threshold from good parts alone "
        f"catches {gain.caught[0]} of them and throws out {gain.rejected[0]} good parts of the cross-validation. With "
        f"the defects it throws out {gain.rejected[1]}; each defect left out in turn, the threshold placed with the "
        f"others catches {gain.caught[1]}. The model itself is fitted to good parts only.</p>"
    )


def _choice(data: ReportData) -> str:
    rows = []
    for trial in sorted(data.choice.trials, key=lambda t: -t.separation):
        taken = ' class="taken"' if trial is data.choice.trial else ""
        rows.append(
            f"<tr{taken}><td>{html.escape(trial.prepared_as)}<td>{trial.features}<td>{trial.method}"
            f"<td>{len(trial.mirrors) or ''}"
            f"<td>{100 * trial.top_share:g} %<td>{trial.shrink:g}<td>{trial.separation:.3f}<td>{trial.ms:.1f}</tr>"
        )
    names = "patch, features, method, mirror images, cells that score, shrinkage, separation, ms a part"
    head = "<tr><th>" + "<th>".join(names.split(", ")) + "</tr>"
    return (
        f"<h2>What was chosen, and why</h2><p>{html.escape(data.chosen)}: {html.escape(data.choice.reason)}.</p>"
        f"<table>{head}{''.join(rows)}</table>"
    )


def _worst(data: ReportData, preparation: Preparation) -> str:
    figures = []
    for index in np.argsort(-data.scores)[:WORST_SHOWN]:
        path = data.files[int(index)]
        patch = preparation.patch(read_picture(path).pixels)
        if patch is not None:
            tag = jpeg_tag(heat(patch, data.maps[index].reshape(preparation.cells(data.choice.trial.features))))
            words = f"{html.escape(path.name)}: {data.scores[index]:.2f}"
            figures.append(f"<figure>{tag}<figcaption>{words}</figcaption></figure>")
    return "<h2>The good parts most unlike the others</h2>" + "".join(figures)


def _findings(data: ReportData) -> str:
    if not data.findings:
        return "<h2>The data doctor</h2><p>Nothing was found.</p>"
    rows = [
        f"<tr><td>{jpeg_tag(finding.thumbnail) if finding.thumbnail is not None else ''}"
        f"<td>{finding.code}<td>{html.escape(finding.text)}</tr>"
        for finding in data.findings
    ]
    return f"<h2>The data doctor</h2><table>{''.join(rows)}</table>"
