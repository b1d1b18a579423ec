"""A straight belt for the controller's twin, and a station's side that speaks for itself: what these tests share."""

from __future__ import annotations

from dataclasses import dataclass, field

from firmware_bridge.bridge import Bridge
from firmware_bridge.events import Event
from firmware_bridge.protocol import Key, Verdict
from firmware_bridge.simulated_link import LineNoise, SimulatedLink
from firmware_bridge.simulator import SimulatedController

MS = 1_000_000
NS_PER_COUNT = 250_000
PART = 800
SETTINGS = {
    Key.CAMERA_COUNT: 1500,
    Key.GATE_COUNT: 6000,
    Key.GUARD_COUNT: 100,
    Key.MIN_SPACING_COUNT: 600,
    Key.PART_MAX_COUNT: 1200,
    Key.EYE_STUCK_COUNT: 3000,
    Key.DEBOUNCE_US: 500,
    Key.STROBE_US: 200,
    Key.LEAD_MS: 8,
    Key.MIN_ON_MS: 40,
    Key.MAX_ON_MS: 1000,
    Key.MIN_OFF_MS: 5,
    Key.ENERGISED_PASSES: 1,
    Key.CONFIRM_WINDOW_COUNT: 0,
    Key.CONSECUTIVE_REJECTS_STOP: 0,
    Key.CONSECUTIVE_UNKNOWN_STOP: 0,
}


@dataclass
class StraightBelt:
    """Runs at one speed when it runs; `fronts` are the counts at which parts reach the eye."""

    fronts: list[int]
    length: int = PART
    running: bool = False
    count: int = 0
    since_ns: int = 0
    gate: list[tuple[int, bool]] = field(default_factory=list)
    triggers: list[int] = field(default_factory=list)
    sorters: list[tuple[int, bool, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.edges = [edge for front in self.fronts for edge in ((front, True), (front + self.length, False))]

    def count_at(self, at_ns: int) -> int:
        return self.count + ((at_ns - self.since_ns) // NS_PER_COUNT if self.running else 0)

    def when(self, count: int) -> int | None:
        if count <= self.count:
            return self.since_ns
        return self.since_ns + (count - self.count) * NS_PER_COUNT if self.running else None

    def next_eye_edge(self) -> tuple[int, bool] | None:
        at = self.when(self.edges[0][0]) if self.edges else None
        return None if at is None else (at, self.edges[0][1])

    def pop_eye_edge(self) -> None:
        self.edges.pop(0)

    def set_running(self, running: bool, at_ns: int) -> None:
        self.count, self.since_ns, self.running = self.count_at(at_ns), at_ns, running

    def set_gate(self, energised: bool, at_ns: int) -> None:
        self.gate.append((at_ns, energised))

    def set_sorter(self, number: int, energised: bool, at_ns: int) -> None:
        self.sorters.append((number, energised, at_ns))

    def trigger(self, at_ns: int) -> None:
        self.triggers.append(at_ns)

    def gate_at(self, at_ns: int) -> bool:
        return next((state for since, state in reversed(self.gate) if since <= at_ns), False)


class Rig:
    """Bridge, line and controller in simulated time; `until` steps them."""

    def __init__(
        self,
        fronts: list[int],
        *,
        settings: dict[Key, int] | None = None,
        noise: LineNoise | None = None,
        clock_start: int = 0,
        drift_ppm: float = 0.0,
        length: int = PART,
        resume: tuple[int, int] | None = None,
    ) -> None:
        self.settings = SETTINGS | (settings or {})
        self.belt = StraightBelt(fronts, length)
        self.controller = SimulatedController(self.belt, clock_start=clock_start, drift_ppm=drift_ppm)
        self.link = SimulatedLink(self.controller, noise or LineNoise(lambda: 1.0))
        self.bridge = Bridge(self.settings, 500, resume)
        self.now_ns = 0
        self.heard: list[Event] = []
        self.silent = False

    def until(self, at_ns: int) -> list[Event]:
        """Everything that the bridge says up to `at_ns`."""
        before = len(self.heard)
        while self.now_ns < at_ns:
            times = [self.link.next_event_ns(), None if self.silent else self.bridge.next_wake_ns(), at_ns]
            self.now_ns = max(self.now_ns + 1000, min(at for at in times if at is not None))
            data = self.link.read(self.now_ns)
            if self.silent:
                continue
            self.heard += self.bridge.receive(data, self.now_ns)
            self.heard += self.bridge.poll(self.now_ns)
            self.send()
        return self.heard[before:]

    def send(self) -> None:
        self.link.write(self.bridge.take_output(), self.now_ns)

    def start(self) -> None:
        """Link up and let the belt run."""
        self.until(200 * MS)
        assert self.bridge.linked
        self.bridge.run()
        self.until(400 * MS)
        assert self.belt.running

    def judge(self, part: int, verdict: Verdict, boot: int | None = None) -> int | None:
        slack = self.bridge.judge((boot or self.controller.boot) << 32 | part, verdict, self.now_ns)
        self.send()
        return slack

    def told(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.heard if isinstance(event, kind)]
