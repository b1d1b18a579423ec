"""`timing`: where camera and ejector are, in encoder counts from the eye, and how long the ejector takes.

What it is: the estimates from what marker parts showed on a guided run, and the run itself on a simulated line. What it
is not: a driver of the real line: there a person triggers, writes down what was seen, and hands in the table.
Main thread of a tool.

Camera: a marker part is triggered some counts after the eye; how far from the middle of the field its marker is then
seen, in mm along the belt (forward positive), says how many counts it was off. Ejector: it is ordered so many counts
after the eye; ordered early enough it throws the part out, too late it misses. The edge between the two moves by
latency times speed, so that two belt speeds tell distance and latency apart.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inspector.config import ControllerConfig, SimulationConfig
from inspector.errors import UsageError
from inspector.simulation import PART_UM, World

MIN_CAMERA = 5
_COVERAGE = 2.0
_COLUMNS = ["what", "speed_mm_per_s", "count", "value"]
_MEASURING_MM = 0.05
_SEARCH_TICK = 1500
_ROUNDS = 6


@dataclass(frozen=True, slots=True)
class Observation:
    """One marker part: for `camera` the `value` is the marker's offset in mm, for `gate` 1 (thrown out) or 0."""

    what: str
    speed_mm_per_s: float
    count: int
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingFound:
    """The outcome: counts from the eye's edge, latency, their expanded uncertainty (k = 2) and their spread from part
    to part."""

    camera_tick: float
    gate_tick: float
    lead_ms: float
    uncertainty: dict[str, float]
    residual: dict[str, float]


def estimate(seen: Sequence[Observation], tick_um: int, part_mm: float) -> TimingFound:
    """Distances and latency; `part_mm` is the marker part's length (the eye sees its front, the ejector hits its
    middle). Raises UsageError if too little was seen."""
    camera = np.array([one.count - 1000 * one.value / tick_um for one in seen if one.what == "camera"])
    if len(camera) < MIN_CAMERA:
        raise UsageError(f"{len(camera)} camera observations, wanted at least {MIN_CAMERA}")
    speeds = sorted({one.speed_mm_per_s for one in seen if one.what == "gate"})
    if len(speeds) < 2 or speeds[-1] < 1.2 * speeds[0]:
        found = ", ".join(f"{speed:g}" for speed in speeds) or "none"
        raise UsageError(f"ejector seen at belt speeds {found} mm/s, wanted two that differ by 20 % or more")
    edges = [_edge([one for one in seen if one.what == "gate" and one.speed_mm_per_s == speed]) for speed in speeds]
    ticks_per_ms = np.array(speeds) / tick_um
    design = np.stack([np.ones(len(speeds)), -ticks_per_ms], axis=1)
    weights = 1 / np.array([max(width, 0.5) for _, width in edges])
    solved, *_ = np.linalg.lstsq(design * weights[:, None], np.array([at for at, _ in edges]) * weights, rcond=None)
    spread = np.linalg.inv((design * weights[:, None]).T @ (design * weights[:, None]))
    if solved[1] < -_COVERAGE * math.sqrt(spread[1, 1]):
        raise UsageError(f"the ejector's latency comes out as {solved[1]:.1f} ms: the belt speeds were mixed up")
    deviation = float(camera.std(ddof=1))
    return TimingFound(
        camera_tick=float(camera.mean()),
        gate_tick=float(solved[0] - 500 * part_mm / tick_um),
        lead_ms=max(0.0, float(solved[1])),
        uncertainty={
            "camera_tick": _COVERAGE * math.hypot(deviation / math.sqrt(len(camera)), 1 / math.sqrt(12)),
            "gate_tick": _COVERAGE * math.sqrt(float(spread[0, 0])),
            "lead_ms": _COVERAGE * math.sqrt(float(spread[1, 1])),
        },
        residual={"camera_spread_tick": deviation, "gate_spread_tick": max(width for _, width in edges)},
    )


def _edge(trials: Sequence[Observation]) -> tuple[float, float]:
    """The count from which on the ejector misses, and its standard uncertainty: the gap (or overlap) between the last
    hit and the first miss, taken as a uniform distribution."""
    hits = [one.count for one in trials if one.value > 0.5]
    misses = [one.count for one in trials if one.value <= 0.5]
    if not hits or not misses:
        what = "every" if hits else "no"
        raise UsageError(
            f"at {trials[0].speed_mm_per_s:g} mm/s {what} marker part was thrown out: order it earlier and later"
        )
    return (max(hits) + min(misses)) / 2, max(1.0, abs(min(misses) - max(hits))) / math.sqrt(12)


def read_observations(path: Path) -> list[Observation]:
    """What a person wrote down: a CSV table; raises UsageError naming file, line and what is wrong."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError) as why:
        raise UsageError(f"{path}: cannot be read: {getattr(why, 'strerror', None) or 'not text'}") from why
    if not rows or rows[0] != _COLUMNS:
        raise UsageError(f"{path}: first line is {','.join(rows[0]) if rows else ''!r}, wanted {','.join(_COLUMNS)}")
    return [_observation(path, number, row) for number, row in enumerate(rows[1:], 2) if row]


def _observation(path: Path, number: int, row: list[str]) -> Observation:
    try:
        what, speed, count, value = row
        one = Observation(what, float(speed), int(count), float(value))
    except ValueError:
        one = Observation("", 0.0, 0, 0.0)
    if one.what not in ("camera", "gate") or not (math.isfinite(one.value) and one.speed_mm_per_s > 0):
        raise UsageError(f"{path}: line {number} is {','.join(row)!r}, wanted camera|gate, speed, count, value")
    return one


def guided_run(simulation: SimulationConfig, controller: ControllerConfig, parts: int = 12) -> Iterator[Observation]:
    """The guided run on a simulated line: `parts` marker parts past the camera, then the ejector's edge at two belt
    speeds. `controller` is how the simulated machine is built; nothing of it is told but through what is seen."""
    random = np.random.default_rng(simulation.seed + 3)
    line = _Guided(simulation, controller, simulation.belt_mm_per_s)
    for _ in range(parts):
        count = controller.camera_tick + int(random.integers(-40, 41))
        offset = line.marker_mm(count) + float(random.normal(0, _MEASURING_MM))
        yield Observation("camera", simulation.belt_mm_per_s, count, offset)
    for speed in (simulation.belt_mm_per_s, max(1, simulation.belt_mm_per_s // 2)):
        line = _Guided(simulation, controller, speed)
        for _ in range(_ROUNDS):
            low, high = controller.gate_tick - _SEARCH_TICK, controller.gate_tick + _SEARCH_TICK
            while high - low > 1:
                middle = (low + high) // 2 if high - low > 2 else low + 1
                thrown = line.ordered_at(middle)
                yield Observation("gate", speed, middle, float(thrown))
                low, high = (middle, high) if thrown else (low, middle)


class _Guided:
    """Marker parts, one at a time, on a simulated belt that runs at one speed."""

    def __init__(self, simulation: SimulationConfig, controller: ControllerConfig, speed_mm_per_s: int) -> None:
        slow = min(simulation.parts_per_minute, max(1, 60_000 * speed_mm_per_s // (2000 * controller.gate_tick)))
        changed = {"belt_mm_per_s": speed_mm_per_s, "parts_per_minute": slow, "faults": type(simulation.faults)()}
        self._world = World(simulation.model_copy(update=changed), controller, 1)
        self._controller = controller
        self._now_ns = 0
        self._gone: list[bool] = []
        self._world.on_gone = lambda part: self._gone.append(bool(part.boxed))
        self._world.set_gate(controller.energised_passes, 0)
        self._world.set_running(True, 0)

    def marker_mm(self, count: int) -> float:
        """How far past the middle of the field the marker is, `count` after the eye saw the part."""
        seen_count = self._next_part()
        at_ns = self._world.when(seen_count + count)
        assert at_ns is not None
        part = self._world.on_belt[-1]
        travelled = self._world.place_um(at_ns) - part.front_um
        self._finish()
        return (travelled - self._controller.camera_tick * self._controller.tick_um) / 1000

    def ordered_at(self, count: int) -> bool:
        """Whether the part fell out when the ejector was ordered `count` after the eye saw it."""
        seen_count = self._next_part()
        at_ns = self._world.when(seen_count + count)
        assert at_ns is not None
        self._world.set_gate(not self._controller.energised_passes, at_ns)
        self._finish()
        self._world.set_gate(self._controller.energised_passes, self._now_ns)
        return not self._gone[-1]

    def _next_part(self) -> int:
        while True:
            edge = self._world.next_eye_edge()
            assert edge is not None
            self._now_ns = max(self._now_ns, edge[0])
            self._world.pop_eye_edge()
            if edge[1]:
                return self._world.count_at(self._now_ns)

    def _finish(self) -> None:
        before = len(self._gone)
        while len(self._gone) == before:
            self._now_ns += 20_000_000
            self._world.settle(self._now_ns)


MARKER_MM = PART_UM / 1000
