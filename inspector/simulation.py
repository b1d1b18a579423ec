"""One world for the twins: a belt, parts with known truth, an eye, a camera's field and a gate.

What it is: the physics that the simulated controller is wired to (`firmware_bridge.belt.Belt`) and that the
simulated camera looks at. It knows where every physical part ended up, which nobody else in a run does: that is
what escapes are counted from. What it is not: any part of the station. Lives in the time it is handed; in a
real-time run the bridge thread moves it.

Lengths are in um along the belt, the eye at 0. The encoder count is the belt's place in ticks, less what slipped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from inspector.config import ControllerConfig, SimulationConfig

PART_UM = 80_000
_STUCK_UM = 700_000


@dataclass(slots=True)
class PhysicalPart:
    """A thing on the belt. `number` is (boot, running number) as the eye met it, None if the eye never did.

    `picture` is the index of what it looks like; `boxed` says where it went, None while it is still on the way.
    `sorter` is the one that took it out before the gate.
    """

    uid: int
    front_um: int
    picture: int
    number: tuple[int, int] | None = None
    boxed: bool | None = None
    sorter: int = 0

    @property
    def centre_um(self) -> int:
        """Place of its middle, in belt travel."""
        return self.front_um + PART_UM // 2


def source_of(file: str, uid: int) -> str:
    """How a simulated picture is named in a record: its file, and which physical part it was taken of."""
    return f"{file}#{uid}"


@dataclass(slots=True)
class _Edge:
    at_um: int
    blocked: bool
    part: PhysicalPart | None


@dataclass(slots=True)
class _Sorter:
    number: int
    at_um: int
    lead_ms: int
    moves: deque[tuple[int, bool]] = field(default_factory=lambda: deque([(-1, False)]))


class World:
    """See the module. `pictures` is how many different looks the parts have; `boot` is the controller's first."""

    def __init__(self, config: SimulationConfig, controller: ControllerConfig, pictures: int, boot: int = 1) -> None:
        self._config = config
        self._controller = controller
        self._random = np.random.default_rng(config.seed)
        self._order = self._random.permutation(pictures)
        self._speed = config.belt_mm_per_s / 1e6  # um per ns
        self._pitch_um = config.belt_mm_per_s * 60_000_000 // config.parts_per_minute // 1000
        self._moving = False
        self._since_ns = 0
        self._place_um = 0.0
        self._slipped = 0
        self._next_front_um = self._pitch_um
        self._made = 0
        self._edges: deque[_Edge] = deque()
        self._gate: deque[tuple[int, bool]] = deque([(-1, False)])
        self._sorters = [
            _Sorter(sorter.number, sorter.tick * controller.tick_um, sorter.lead_ms) for sorter in controller.sorter
        ]
        self._looked_um = 0.0
        self.on_belt: deque[PhysicalPart] = deque()
        self.on_trigger: Callable[[int], object] = lambda _at_ns: None
        self.on_gone: Callable[[PhysicalPart], None] = lambda _part: None
        self._boot = boot
        self._number = 0
        self._stuck_until_um = 0
        self.limit: int | None = None
        self.edges_seen = 0
        self.slips = self.doubles = self.stuck = 0

    # -- what the controller is wired to ---------------------------------------------------------------------------

    def count_at(self, at_ns: int) -> int:
        """Encoder count at `at_ns`."""
        return int(self.place_um(at_ns)) // self._controller.tick_um - self._slipped

    def when(self, count: int) -> int | None:
        """When the encoder reaches `count`; None while the belt stands."""
        return self._when_um((count + self._slipped) * self._controller.tick_um)

    def next_eye_edge(self) -> tuple[int, bool] | None:
        """Time and state of the eye's next edge; None while the belt stands, or when `limit` parts were seen."""
        if not self._edges:
            if self.limit is not None and self.edges_seen >= self.limit:
                return None
            self._make_part()
        at_ns = self._when_um(self._edges[0].at_um)
        return None if at_ns is None else (at_ns, self._edges[0].blocked)

    def part_at_eye(self) -> PhysicalPart | None:
        """The part that begins at the eye's next edge, if one does."""
        return self._edges[0].part if self._edges else None

    def pop_eye_edge(self) -> None:
        """The controller has seen the edge: from here on the part has its number."""
        edge = self._edges.popleft()
        if edge.blocked:
            self._number += 1
            self.edges_seen += 1
            if edge.part is not None:
                edge.part.number = (self._boot, self._number)
        if self._random.random() < self._config.faults.encoder_slip:
            self._slipped += int(self._random.integers(1, 20))
            self.slips += 1

    def set_running(self, running: bool, at_ns: int) -> None:
        """The line-run output starts and stops the belt."""
        self.settle(at_ns)
        self._place_um = self.place_um(at_ns)
        self._since_ns = at_ns
        self._moving = running

    def set_gate(self, energised: bool, at_ns: int) -> None:
        """The ejector's output; the mechanics follow `lead_ms` later."""
        self._gate.append((at_ns + self._controller.lead_ms * 1_000_000, energised))

    def set_sorter(self, number: int, energised: bool, at_ns: int) -> None:
        """A sorter's output; one that the station does not know of is not there."""
        for sorter in self._sorters:
            if sorter.number == number:
                sorter.moves.append((at_ns + sorter.lead_ms * 1_000_000, energised))

    def trigger(self, at_ns: int) -> None:
        """The camera's trigger line."""
        self.settle(at_ns)
        self.on_trigger(at_ns)

    # -- what the station's twins look at --------------------------------------------------------------------------

    def place_um(self, at_ns: int) -> float:
        """How far the belt has gone."""
        return self._place_um + (self._speed * (at_ns - self._since_ns) if self._moving else 0.0)

    def in_field(self, at_ns: int) -> list[PhysicalPart]:
        """The parts that lie wholly or half in the camera's field, nearest to its middle first."""
        place = self.place_um(at_ns) - self._controller.camera_tick * self._controller.tick_um
        # A copy, made in one go: while the belt stands the camera's set-up looks from a thread of its own.
        near = [part for part in self.on_belt.copy() if abs(place - part.front_um) < PART_UM]
        return sorted(near, key=lambda part: abs(place - part.front_um))

    def settle(self, now_ns: int) -> None:
        """Let every part that has passed a sorter or the gate by now fall where that let it fall."""
        if self._sorters:
            self._sort_out(now_ns)
        gate_um = self._controller.gate_tick * self._controller.tick_um
        while self.on_belt:
            passed_ns = self._when_um(self.on_belt[0].centre_um + gate_um)
            if passed_ns is None or passed_ns >= now_ns:
                return
            part = self.on_belt.popleft()
            part.boxed = _state_at(self._gate, passed_ns) == self._controller.energised_passes
            self.on_gone(part)

    def power_cycle(self) -> None:
        """The controller was reset: it counts parts from 1 again."""
        self._boot += 1
        self._number = 0

    def clear_eye(self) -> None:
        """A person wiped the eye: it sees again, from the next part on."""
        place = self._place_um
        while self._edges and self._edges[0].at_um <= self._stuck_until_um:
            self._edges.popleft()
        if self._stuck_until_um > place:
            self._edges.appendleft(_Edge(int(place), False, None))
        self._stuck_until_um = 0

    # -- inside ----------------------------------------------------------------------------------------------------

    def _when_um(self, place_um: float) -> int | None:
        if place_um <= self._place_um:
            return self._since_ns
        return self._since_ns + int((place_um - self._place_um) / self._speed) + 1 if self._moving else None

    def _sort_out(self, now_ns: int) -> None:
        """The belt has moved evenly since the last look: whoever changes that looks first."""
        place = self.place_um(now_ns)
        for sorter in self._sorters:
            for part in list(self.on_belt):
                at_um = part.centre_um + sorter.at_um
                passed_ns = self._when_um(at_um) if self._looked_um < at_um <= place else None
                if passed_ns is not None and _state_at(sorter.moves, passed_ns):
                    part.boxed, part.sorter = False, sorter.number
                    self.on_belt.remove(part)
                    self.on_gone(part)
        self._looked_um = place

    def _make_part(self) -> None:
        faults, draw = self._config.faults, self._random.random
        front = self._next_front_um
        part = self._place(front)
        end = front + PART_UM
        if draw() < faults.double_part:
            self.doubles += 1
            self._place(end)
            end += PART_UM
        if draw() < faults.stuck_eye:
            self.stuck += 1
            self._stuck_until_um = end = front + _STUCK_UM
        self._edges += [_Edge(front, True, part), _Edge(end, False, None)]
        self._step(end)

    def _place(self, front_um: int) -> PhysicalPart:
        self._made += 1
        part = PhysicalPart(self._made, front_um, int(self._order[self._made % len(self._order)]))
        self.on_belt.append(part)
        return part

    def _step(self, eye_clear_um: int) -> None:
        spread = self._config.spacing_jitter
        while True:
            gap = self._pitch_um * (1 + spread * (2 * self._random.random() - 1))
            self._next_front_um += max(int(gap), PART_UM + 1000)
            if self._next_front_um > eye_clear_um:
                return
            # The eye is blocked, but the parts come all the same: nobody will have seen this one.
            self._place(self._next_front_um)


def _state_at(moves: deque[tuple[int, bool]], at_ns: int) -> bool:
    while len(moves) > 1 and moves[1][0] <= at_ns:
        moves.popleft()
    return moves[0][1]
