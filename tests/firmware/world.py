"""The physical line around the firmware's core, and the oracle: which part lies in the box, and whether it may.

What it is: a belt, an eye, an ejector and parts whose truth is known, moved tick by tick; nothing in it is taken from
the firmware. Places are encoder counts at the eye. What it is not: a station (the tests bring one).
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from firmware_bridge.protocol import Key
from tests.firmware.host import GATE, LINE_RUN, MS, Host

CONFIRM = 1


@dataclass(slots=True)
class Thing:
    """A physical part. `numbers`: what the eye called it, (boot, number); `alone`: nothing else had these numbers."""

    front: int
    length: int
    good: bool
    numbers: list[tuple[int, int]] = field(default_factory=list)
    alone: bool = True
    boxed: bool | None = None


class World:
    """See the module. The belt follows the line-run output at once, the ejector in `LEAD_MS`; `step` is how often it is
    looked at where nothing is due."""

    def __init__(self, host: Host, settings: dict[Key, int], period: int, step: int = 5 * MS) -> None:
        self.host = host
        self._gate_count = settings[Key.GATE_COUNT]
        self._passes = bool(settings[Key.ENERGISED_PASSES])
        self._lead = settings[Key.LEAD_MS] * MS
        self._step = step
        self.period = period
        self.place = 0
        self.high = 0
        self._direction = 0
        self._since = host.now
        self._coming: deque[Thing] = deque()
        self._under_eye: list[Thing] = []
        self._to_gate: deque[Thing] = deque()
        self.gone: list[Thing] = []
        self._gate: deque[tuple[int, bool]] = deque([(-1, False)])
        self.runs = False
        self.stuck_until: int | None = None
        self._eye = False
        self.number = 0
        self.seen: list[tuple[int, int]] = []
        self.on_seen: Callable[[tuple[int, int], list[Thing]], None] = lambda _number, _things: None
        self.confirms: Callable[[], bool] | None = None
        self._confirm_off: int | None = None
        host.edges.clear()
        self.runs = bool(host.outputs & LINE_RUN)
        self.turn(False)

    # -- what the tests do -----------------------------------------------------------------------------------------

    def add(self, thing: Thing) -> None:
        """A part lies on the belt, behind all others."""
        self._coming.append(thing)
        self._to_gate.append(thing)

    def turn(self, backwards: bool, period: int | None = None) -> None:
        """The belt goes the other way, or at another speed, from the next count on."""
        self._advance(self.host.now)
        self._since = self.host.now
        self.period = period or self.period
        self._direction = (-1 if backwards else 1) if self.runs else 0
        self.host.lib.host_belt(self.period, (ctypes.c_uint32 * 0)(), 0)
        self.host.lib.host_encoder(self.period if self._direction else 0, self._direction < 0)

    def run_to(self, tick: int) -> None:
        """Let the world go on; steps end where the eye may change."""
        while self.host.now < tick:
            # A belt that starts within a step could run past a boundary that was none before.
            until = self._next_boundary() if self._direction else self.host.now + MS
            until = min(tick, self.host.now + self._step, until)
            self.host.run_to(max(until, self.host.now + 1))
            self._settle()

    def clear_eye(self) -> None:
        """A person wipes the eye and takes away what lies under it."""
        self.stuck_until = None
        for thing in self._under_eye:
            self._to_gate.remove(thing)
        self._under_eye.clear()

    def power_cycled(self) -> None:
        """The controller begins anew; what lies under the eye was seen before."""
        self.number = 0
        self.host.take()
        self._look_at_outputs()

    def quiet_eye(self, before: int, after: int) -> bool:
        """No edge of the eye within these counts before and after here."""
        edges = [
            edge for thing in [*self._under_eye, *self._coming] for edge in (thing.front, thing.front + thing.length)
        ]
        edges += [] if self.stuck_until is None else [self.stuck_until]
        edges += [thing.front + thing.length for thing in self._to_gate]
        return not any(self.place - before <= edge <= self.place + after for edge in edges)

    # -- how it goes on --------------------------------------------------------------------------------------------

    def _advance(self, tick: int) -> None:
        if self._direction:
            counts = (tick - self._since) // self.period
            self.place += counts * self._direction
            self._since += counts * self.period
            self.high = max(self.high, self.place)

    def _next_boundary(self) -> int:
        edges = [self._coming[0].front] if self._coming else []
        edges += [thing.front + thing.length for thing in self._under_eye]
        edges += [] if self.stuck_until is None else [self.stuck_until]
        ahead = [(edge - self.place) * self._direction for edge in edges]
        counts = min((step for step in ahead if step > 0), default=1 << 40)
        return self._since + counts * self.period

    def _settle(self) -> None:
        self._look_at_outputs()
        self._advance(self.host.now)
        new = []
        while self._coming and self._coming[0].front <= self.place:
            new.append(self._coming.popleft())
        self._under_eye = [t for t in self._under_eye if t.front + t.length > self.place] + new
        if self.stuck_until is not None and self.place >= self.stuck_until:
            self.stuck_until = None
        blocked = bool(self._under_eye) or self.stuck_until is not None
        if blocked and not self._eye:
            self.number += 1
            self.seen.append((self.host.boot, self.number))
        if new and self.seen and blocked:
            self._name(new, already=self._eye)
        if blocked != self._eye:
            self._eye = blocked
            self.host.lib.host_eye(blocked)
        self._pass_gate()
        if self._confirm_off is not None and self.host.now >= self._confirm_off:
            self._confirm_off = None
            self.host.lib.host_inputs(0)

    def _name(self, new: list[Thing], already: bool) -> None:
        number = (self.host.boot, self.number)
        for thing in new:
            thing.numbers.append(number)
        sharing = [thing for thing in self._under_eye if number in thing.numbers]
        if len(sharing) > 1 or already or self.stuck_until is not None:
            for thing in sharing:
                thing.alone = False
        if not already:
            self.on_seen(number, new)

    def _look_at_outputs(self) -> None:
        for tick, outputs in self.host.edges:
            if bool(outputs & GATE) != self._gate[-1][1]:
                self._gate.append((tick + self._lead, bool(outputs & GATE)))
            if bool(outputs & LINE_RUN) != self.runs:
                self._advance(tick)
                self._since = tick
                self.runs = not self.runs
                self._direction = int(self.runs)
        self.host.edges.clear()

    def _pass_gate(self) -> None:
        while self._to_gate:
            thing = self._to_gate[0]
            centre = thing.front + thing.length // 2 + self._gate_count
            if self.high < centre:
                return
            self._to_gate.popleft()
            # When its middle was there: within this step, whose speed and direction were the same throughout.
            tick = self._since - (self.place - centre) * self.period
            while len(self._gate) > 1 and self._gate[1][0] <= tick:
                self._gate.popleft()
            thing.boxed = self._gate[0][1] == self._passes
            self.gone.append(thing)
            if not thing.boxed and self.confirms is not None and self.confirms():
                self._confirm_off = self.host.now + 5 * MS
                self.host.lib.host_inputs(CONFIRM)
