"""Charts as SVG: bars with a line, control charts, stacked shares, histograms, a map of places.

What it is: numbers in, a picture of text out, made by the server, so that it needs no script, prints, and can be read
by a test. What it is not: the numbers (spc, record.sums). Pure functions, any thread. Decision 0192.

Colours are classes of charts.css. What breaks a rule has another shape as well as another colour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

from inspector.spc import Point

WIDTH, HEIGHT = 960, 360
LEFT, RIGHT, TOP = 64, 56, 16
# Below the axis: room for a number, or for slanted names.
FOOT, SLANTED_FOOT = 28, 64
MOST_TICKS = 12
CHARACTER = 7.5
# Among more points than these, a number stands only where the rules change from one point to the next.
CROWDED = 60


@dataclass(slots=True)
class Canvas:
    """The picture so far, and where its axes lie."""

    title: str
    width: int = WIDTH
    height: int = HEIGHT
    foot: int = FOOT
    parts: list[Markup] = field(default_factory=list)

    @property
    def inner(self) -> tuple[float, float]:
        """Width and height between the axes."""
        return self.width - LEFT - RIGHT, self.height - TOP - self.foot

    def add(self, pattern: str, *values: object) -> None:
        """Add an element; each `{}` of the pattern is escaped."""
        self.parts.append(Markup(pattern).format(*[_plain(value) for value in values]))

    def svg(self) -> Markup:
        """The whole picture."""
        body = Markup("\n").join(self.parts)
        head = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">')
        return head.format(self.width, self.height, self.title) + body + Markup("</svg>")

    def axis_y(self, low: float, high: float, percent: bool = False) -> None:
        """Lines and numbers at round values; `low` to `high` fill the height."""
        for value in round_ticks(low, high):
            y = self.y(value, low, high)
            self.add('<line class="grid" x1="{}" y1="{}" x2="{}" y2="{}"/>', LEFT, y, self.width - RIGHT, y)
            said = f"{100 * value:g} %" if percent else f"{value:g}"
            self.add('<text class="tick end" x="{}" y="{}">{}</text>', LEFT - 6, y + 4, said)

    def axis_x(self, names: Sequence[str], slanted: bool = False) -> None:
        """A name below each slot, or below some of many."""
        widest = max(map(len, names), default=1)
        ticks = len(names) if slanted else min(MOST_TICKS, int(self.inner[0] / (CHARACTER * (widest + 2))))
        step = max(1, math.ceil(len(names) / max(1, ticks)))
        for place in range(0, len(names), step):
            x, y = self.slot(place, len(names)), self.height - self.foot + 18
            kind = "tick end" if slanted else "tick middle"
            turn = f"rotate(-25 {_plain(x)} {y})" if slanted else ""
            self.add(
                '<text class="{}" x="{}" y="{}" transform="{}">{}</text>', kind, x, y, turn, shortened(names[place])
            )

    def y(self, value: float, low: float, high: float) -> float:
        """Where a value lies."""
        span = (high - low) or 1.0
        return TOP + self.inner[1] * (1 - (min(max(value, low), high) - low) / span)

    def slot(self, place: int, of: int) -> float:
        """The middle of a slot."""
        return LEFT + self.inner[0] * (place + 0.5) / max(of, 1)


def round_ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """About `wanted` round values from `low` to `high`."""
    span = high - low
    if not span > 0 or not math.isfinite(span):
        return [low]
    rough = span / wanted
    size = 10 ** math.floor(math.log10(rough))
    step = next(factor * size for factor in (1, 2, 5, 10) if factor * size >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 12) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def pareto(title: str, bars: Sequence[tuple[str, int, str]], parts: int) -> Markup:
    """Bars (name, count, address to go to) by falling count, and the cumulative share of `parts` all in all."""
    canvas = Canvas(title, foot=SLANTED_FOOT)
    top = 1.1 * max((count for _, count, _ in bars), default=1)
    canvas.axis_y(0, top)
    wide = canvas.inner[0] / max(len(bars), 1)
    line, so_far = [], 0
    for place, (name, count, href) in enumerate(bars):
        x, y = canvas.slot(place, len(bars)), canvas.y(count, 0, top)
        so_far += count
        line.append((x, canvas.y(so_far / max(parts, 1), 0, 1)))
        canvas.add(
            '<a href="{}" aria-label="{}"><rect class="bar" x="{}" y="{}" width="{}" height="{}"/>'
            '<rect class="reach" x="{}" y="{}" width="{}" height="{}"/>'
            '<text class="count middle" x="{}" y="{}">{}</text></a>',
            href, f"{name}: {count}", x - 0.38 * wide, y, 0.76 * wide, canvas.y(0, 0, top) - y,
            x - wide / 2, TOP, wide, canvas.inner[1] + canvas.foot, x, y - 4, count,
        )  # fmt: skip
    canvas.axis_x([name for name, _, _ in bars], slanted=True)
    _line(canvas, "cumulative", line)
    for x, y in line:
        canvas.add('<circle class="dot" cx="{}" cy="{}" r="4"/>', x, y)
    for share in (0, 0.2, 0.4, 0.6, 0.8, 1.0):
        down = canvas.y(share, 0, 1) + 4
        canvas.add('<text class="tick" x="{}" y="{}">{} %</text>', WIDTH - RIGHT + 6, down, round(100 * share))
    return canvas.svg()


def control(title: str, points: Sequence[Point], names: Sequence[str], hrefs: Sequence[str], percent: bool) -> Markup:
    """A control chart; a point that breaks a rule is a diamond with the rules' numbers, others are dots."""
    canvas = Canvas(title)
    low = min(min(point.value, point.low) for point in points)
    high = max(max(point.value, point.high) for point in points)
    margin = 0.06 * ((high - low) or abs(high) or 1.0)
    low, high = (0.0 if percent else low - margin), high + margin
    canvas.axis_y(low, high, percent)
    canvas.axis_x(names)
    half = canvas.inner[0] / len(points) / 2
    for kind in ("low", "high"):
        steps = []
        for place, point in enumerate(points):
            x, y = canvas.slot(place, len(points)), canvas.y(getattr(point, kind), low, high)
            steps += [(x - half, y), (x + half, y)]
        _line(canvas, "limit", steps)
    middle = canvas.y(points[0].centre, low, high)
    _line(canvas, "centre", [(LEFT, middle), (WIDTH - RIGHT, middle)])
    places = [(canvas.slot(i, len(points)), canvas.y(point.value, low, high)) for i, point in enumerate(points)]
    _line(canvas, "values", places)
    before: tuple[int, ...] = ()
    for at, point, name, href in zip(places, points, names, hrefs, strict=True):
        numbered = len(points) <= CROWDED or point.broken != before
        _point(canvas, at, point, f"{name}: {point.value:.4g}", href, numbered)
        before = point.broken
    return canvas.svg()


def _point(canvas: Canvas, at: tuple[float, float], point: Point, said: str, href: str, numbered: bool) -> None:
    x, y = at
    if point.broken:
        numbers = ",".join(map(str, point.broken)) if numbered else ""
        corners = [(x, y - 8), (x + 8, y), (x, y + 8), (x - 8, y)]
        shape = " ".join(f"{_plain(across)},{_plain(down)}" for across, down in corners)
        mark = Markup('<polygon class="broken" points="{}"/><text class="rule middle" x="{}" y="{}">{}</text>')
        made = mark.format(shape, _plain(x), _plain(y - 12 if y > TOP + 24 else y + 22), numbers)
    else:
        made = Markup('<circle class="dot" cx="{}" cy="{}" r="4"/>').format(_plain(x), _plain(y))
    if href:
        made = Markup('<a href="{}" aria-label="{}">{}</a>').format(href, said, made)
    canvas.parts.append(made)


def shares(
    title: str, slots: Sequence[tuple[str, Sequence[int]]], kinds: Sequence[str], hrefs: Sequence[str]
) -> Markup:
    """Stacked columns (name, count of each kind), the kinds as classes of the style sheet."""
    canvas = Canvas(title)
    top = max((sum(counts) for _, counts in slots), default=1) or 1
    canvas.axis_y(0, top)
    canvas.axis_x([name for name, _ in slots])
    wide = canvas.inner[0] / max(len(slots), 1)
    for place, ((name, counts), href) in enumerate(zip(slots, hrefs, strict=True)):
        x, so_far, made = canvas.slot(place, len(slots)) - 0.42 * wide, 0, Markup()
        for kind, count in zip(kinds, counts, strict=True):
            y = canvas.y(so_far + count, 0, top)
            bar = Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>')
            made += bar.format(kind, _plain(x), _plain(y), _plain(0.84 * wide), _plain(canvas.y(so_far, 0, top) - y))
            so_far += count
        canvas.add('<a href="{}" aria-label="{}">{}</a>', href, f"{name}: {so_far}", made)
    return canvas.svg()


def histogram(title: str, values: Sequence[float], bins: int = 40, at: float | None = None) -> Markup:
    """How often which value is there; `at` is marked by a line (a limit)."""
    canvas = Canvas(title, height=260)
    ordered = sorted(values)
    low = min(ordered[0], at if at is not None else ordered[0])
    high = max(ordered[min(len(ordered) - 1, int(0.995 * len(ordered)))], low + 1e-9)
    if at is not None:
        high = max(high, at)
    counts = [0] * bins
    for value in ordered:
        counts[min(bins - 1, int(bins * (min(value, high) - low) / (high - low)))] += 1
    top = max(counts)
    canvas.axis_y(0, top)
    wide = canvas.inner[0] / bins
    for place, count in enumerate(counts):
        y = canvas.y(count, 0, top)
        tall = canvas.y(0, 0, top) - y
        canvas.add('<rect class="bar" x="{}" y="{}" width="{}" height="{}"/>', LEFT + place * wide, y, 0.9 * wide, tall)
    for value in round_ticks(low, high, 8):
        x = LEFT + canvas.inner[0] * (value - low) / (high - low)
        y = canvas.height - canvas.foot + 18
        canvas.add('<text class="tick middle" x="{}" y="{}">{}</text>', x, y, f"{value:g}")
    if at is not None:
        x = LEFT + canvas.inner[0] * (at - low) / (high - low)
        canvas.add('<line class="limit" x1="{}" y1="{}" x2="{}" y2="{}"/>', x, TOP, x, canvas.height - canvas.foot)
    return canvas.svg()


def places(title: str, counts: Sequence[Sequence[int]], size: tuple[float, float], picture: str = "") -> Markup:
    """Where findings lie: cells of a grid over a picture (width, height in its pixels), the more opaque the more."""
    width, height = size
    head = Markup('<svg class="chart places" viewBox="0 0 {} {}" role="img" aria-label="{}">')
    made = head.format(_plain(width), _plain(height), title)
    if picture:
        image = Markup('<image href="{}" x="0" y="0" width="{}" height="{}"/>')
        made += image.format(picture, _plain(width), _plain(height))
    else:
        made += Markup('<rect class="ground" width="{}" height="{}"/>').format(_plain(width), _plain(height))
    top = max(max(row) for row in counts) or 1
    tall, wide = height / len(counts), width / len(counts[0])
    cell = Markup('<rect class="heat" x="{}" y="{}" width="{}" height="{}" fill-opacity="{}"/>')
    for row, line in enumerate(counts):
        for column, count in enumerate(line):
            if count:
                share = _plain(0.15 + 0.8 * count / top)
                made += cell.format(_plain(column * wide), _plain(row * tall), _plain(wide), _plain(tall), share)
    return made + Markup("</svg>")


def shortened(text: str, most: int = 13) -> str:
    """A name that fits below a bar; the table beside the chart has all of it."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _line(canvas: Canvas, kind: str, points: Sequence[tuple[float, float]]) -> None:
    way = " ".join(f"{_plain(x)},{_plain(y)}" for x, y in points)
    canvas.add('<polyline class="{}" points="{}"/>', kind, way)


def _plain(value: object) -> object:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else escape(value)
