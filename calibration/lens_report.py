"""The report of a lens calibration: one HTML file with everything in it, no network.

What it is: numbers and drawings (SVG) for the person who has to believe the result. What it is not: the numbers
themselves (`lens`). Main thread of a tool.
"""

from __future__ import annotations

import html

import numpy as np

from calibration.adjust import PARAMETERS, rms
from calibration.lens import LensFound
from calibration.views import field_coverage
from inspector.lens import Lens, Points
from inspector.teach.report import page

_WIDE = 560


def lens_report(found: LensFound) -> str:
    """The whole document."""
    body = [_summary(found), _numbers(found), _choice(found), _coverage(found), _views(found)]
    body += [_scatter(found), _bending(found), _shape(found)]
    return page("Lens calibration", "".join(body))


def _summary(found: LensFound) -> str:
    return (
        f"<p>{len(found.views)} views used, {len(found.rejected)} not; {html.escape(found.board.words)}; pictures of "
        f"{found.size[0]} x {found.size[1]}.</p><p>5-fold hold-out error <b>{found.holdout_rms_px:.4f} px</b> rms, fit "
        f"{found.fit.rms_px:.4f} px. The detector's own corners, unrefined and with a flat board: "
        f"{found.detector_holdout_px:.4f} px.</p>"
    )


def _numbers(found: LensFound) -> str:
    rows = "".join(
        f"<tr><td>{name}<td>{found.fit.intrinsics[PARAMETERS.index(name)]:.6g}<td>&plusmn; {spread:.2g}</tr>"
        for name, spread in found.uncertainty.items()
    )
    head = "<tr><th>parameter<th>value<th>uncertainty (k = 2)</tr>"
    return f"<h2>Parameters</h2><table>{head}{rows}</table>"


def _choice(found: LensFound) -> str:
    rows = []
    for trial in found.trials:
        taken = ' class="taken"' if (trial.model, trial.shaped) == (found.model, found.shaped) else ""
        shape = "fitted" if trial.shaped else "flat"
        rows.append(f"<tr{taken}><td>{trial.model}<td>{shape}<td>{trial.holdout_rms_px:.4f}</tr>")
    head = "<tr><th>distortion<th>board<th>hold-out, px</tr>"
    why = "The fewest terms within 0.5 % of the best; the board's shape where it takes 5 % off the error."
    return f"<h2>What was chosen, and why</h2><p>{why}</p><table>{head}{''.join(rows)}</table>"


def _coverage(found: LensFound) -> str:
    counts = field_coverage(found.views, found.size)
    tall = _WIDE * found.size[1] / found.size[0]
    wide, high = _WIDE / counts.shape[1], tall / counts.shape[0]
    cells = []
    for (row, column), count in np.ndenumerate(counts):
        colour = "#e99" if count == 0 else f"rgba(40,120,60,{0.15 + 0.85 * count / counts.max():.2f})"
        place = f'x="{column * wide:.1f}" y="{row * high:.1f}"'
        cells.append(f'<rect {place} width="{wide - 1:.1f}" height="{high - 1:.1f}" fill="{colour}"/>')
        cells.append(f'<text x="{(column + 0.5) * wide:.1f}" y="{(row + 0.6) * high:.1f}" class="n">{count}</text>')
    empty = int((counts == 0).sum())
    words = f"{empty} of {counts.size} cells of the field have no corner (red): what is said there is extrapolated."
    return f"<h2>Coverage of the field</h2><p>{words}</p>{_svg(cells, tall)}"


def _views(found: LensFound) -> str:
    each = [rms([error]) for error in found.fit.errors]
    rows = [
        f'<tr><td>{html.escape(view.path.name)}<td><svg width="320" height="12"><rect width="'
        f'{300 * error / max(each):.0f}" height="12" fill="#59c"/></svg><td>{error:.3f} px</tr>'
        for view, error in zip(found.views, each, strict=True)
    ]
    bad = [
        f"<tr><td><b>{html.escape(one.path.name)}</b><td colspan=2>{html.escape(one.reason)}</tr>"
        for one in found.rejected
    ]
    return f"<h2>Views</h2><table>{''.join(bad + rows)}</table>"


def _scatter(found: LensFound) -> str:
    errors = np.concatenate(found.fit.errors)
    reach = max(1e-6, float(np.percentile(np.abs(errors), 99.5)))
    dots = [
        f'<circle cx="{200 + 190 * x / reach:.1f}" cy="{200 + 190 * y / reach:.1f}" r="1.3" fill="#246" opacity=".5"/>'
        for x, y in np.clip(errors, -reach, reach)
    ]
    cross = '<path d="M0 200H400M200 0V400" stroke="#ccc" fill="none"/>'
    return f"<h2>Residuals</h2><p>Half a side is {reach:.2f} px.</p>{_svg([cross, *dots], 400, 400)}"


def _bending(found: LensFound) -> str:
    """How far the lens moves a pixel, ten times enlarged."""
    fx, fy, cx, cy = (float(value) for value in found.fit.intrinsics[:4])
    bent = Lens(fx, fy, cx, cy, tuple(found.distortion))
    width, height = found.size
    grid = np.stack(np.meshgrid(np.linspace(0, width, 13), np.linspace(0, height, 10)), -1).reshape(-1, 2)
    moved = bent.px_from_rays((grid - (cx, cy)) / (fx, fy)) - grid
    k = _WIDE / width
    lines = [_arrow(k * start, k * (start + 10 * step)) for start, step in zip(grid, moved, strict=True)]
    most = float(np.linalg.norm(moved, axis=1).max())
    words = f"From where a pinhole would see it, 10 times enlarged; at most {most:.1f} px."
    return f"<h2>Distortion</h2><p>{words}</p>{_svg(lines, k * height)}"


def _arrow(start: Points, end: Points) -> str:
    line = f'<path d="M{start[0]:.1f} {start[1]:.1f}L{end[0]:.1f} {end[1]:.1f}" stroke="#a40"/>'
    return f'{line}<circle cx="{start[0]:.1f}" cy="{start[1]:.1f}" r="2" fill="#a40"/>'


def _shape(found: LensFound) -> str:
    if not found.shaped:
        return "<h2>The board's shape</h2><p>Flat and to scale: letting it move did not lower the hold-out error.</p>"
    heights = found.fit.board[:, 2]
    reach = float(np.abs(heights).max())
    places = found.board.points_mm - found.board.points_mm.min(axis=0)
    k = 400 / float(places[:, 0].max())
    dots = [
        f'<circle cx="{20 + k * x:.0f}" cy="{20 + k * y:.0f}" r="{2 + 14 * abs(z) / reach:.1f}" '
        f'fill="{"#c33" if z > 0 else "#36c"}"><title>{z:.2f} mm</title></circle>'
        for (x, y), z in zip(places, heights, strict=True)
    ]
    words = f"The board is not flat: its corners lie up to {reach:.2f} mm off the plane (red away, blue towards)."
    return f"<h2>The board's shape</h2><p>{words}</p>{_svg(dots, 40 + k * float(places[:, 1].max()), 440)}"


def _svg(parts: list[str], tall: float, wide: float = _WIDE) -> str:
    style = "<style>.n{font:11px sans-serif;text-anchor:middle}</style>"
    return f'<svg viewBox="-2 -2 {wide + 4:.0f} {tall + 4:.0f}" width="{wide:.0f}">{style}{"".join(parts)}</svg>'
