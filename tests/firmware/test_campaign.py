"""Everything that may go wrong, at once, over 20,000 parts: no part in the box that has not earned it, none forgotten.

The station's side is the real bridge; the line between them loses, damages and doubles bytes. The oracle is the
physical world of `world`: it knows where each part lies, and what was said of it and when.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.bridge import Bridge
from firmware_bridge.events import Event, PartDecided, PartLost, PartSeen
from firmware_bridge.protocol import Encoder, Input, Key, Verdict, Why
from tests.firmware.host import LINE_RUN, MS, Host, broken
from tests.firmware.world import Thing, World
from tests.firmware_bridge.made import SETTINGS

PERIOD = 500  # ticks in a count: 4 kHz
PITCH = 200  # counts: 20 parts a second
NS = 500
STEP = 5 * MS
LINE = SETTINGS | {
    Key.CAMERA_COUNT: 120,
    Key.GATE_COUNT: 1600,
    Key.GUARD_COUNT: 20,
    Key.MIN_SPACING_COUNT: 50,
    Key.PART_MAX_COUNT: 110,
    Key.EYE_STUCK_COUNT: 600,
    Key.LEAD_MS: 4,
    Key.MIN_ON_MS: 5,
    Key.MIN_OFF_MS: 2,
    Key.ENCODER: Encoder.QUADRATURE,
    Key.INPUTS: Input.CONFIRM,
    Key.CONFIRM_WINDOW_COUNT: 400,
}
# The chance of each fault for each part.
FAULTS = {
    "host killed": 0.002,
    "host late": 0.01,
    "reset": 0.003,
    "reversal": 0.03,
    "jitter": 0.05,
    "stuck eye": 0.001,
    "double part": 0.02,
    "not confirmed": 0.003,
}


@dataclass
class Tally:
    """What the oracle found."""

    things: int = 0
    boxed: int = 0
    good: int = 0
    escapes: list[Thing] = field(default_factory=list)
    forgotten: list[tuple[int, int]] = field(default_factory=list)
    twice: list[tuple[int, int]] = field(default_factory=list)
    invented: list[tuple[int, int]] = field(default_factory=list)
    undone: int = 0
    earned_without_pass: list[tuple[int, int]] = field(default_factory=list)
    whys: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FAULTS, 0))


class Campaign:
    """A line with everything that befalls it. `noisy` damages bytes in both directions."""

    def __init__(self, seed: int, passes: bool, lib: ctypes.CDLL | None = None) -> None:
        self._random = np.random.default_rng(seed)
        self.host = Host(lib, clock=2**32 - 40_000_000, count=2**32 - 30_000)
        self.settings = LINE | {Key.ENERGISED_PASSES: int(passes)}
        self.world = World(self.host, self.settings, PERIOD)
        self.world.on_seen = self._on_seen
        self.world.confirms = self._confirms
        self.host.take = self._take  # type: ignore[method-assign]
        self._wire = bytearray()
        self._bridge: Bridge | None = self._new_bridge(None)
        self._truth: dict[tuple[int, int], bool] = {}
        self._said: dict[tuple[int, int], int] = {}
        self._to_say: list[tuple[int, int]] = []
        self._front = 0
        self._back_at = self._born_at = self._turn_at = self._person_at = 0
        self._backwards = False
        self._outcomes: dict[tuple[int, int], list[str]] = {}
        self._open: tuple[int, int] | None = None
        self.tally = Tally()

    def _draw(self) -> float:
        return float(self._random.random())

    def _new_bridge(self, resume: tuple[int, int] | None) -> Bridge:
        return Bridge(self.settings, 200, resume)

    def _noise(self, data: bytes) -> bytes:
        """Of 10,000 bytes, five have a wrong bit, five do not arrive and five come twice."""
        chances = self._random.random(len(data))
        for at in np.flatnonzero(chances < 0.0015)[::-1]:
            byte = data[at : at + 1]
            if chances[at] < 0.0005:
                byte = bytes([byte[0] ^ 1 << int(self._random.integers(0, 8))])
            elif chances[at] < 0.001:
                byte = b""
            else:
                byte *= 2
            data = data[:at] + byte + data[at + 1 :]
        return data

    def _take(self) -> None:
        self._wire += self.host.read()
        self.host.edges += self.host.events()

    # -- the world's side ------------------------------------------------------------------------------------------

    def _happens(self, fault: str) -> bool:
        happens = self._draw() < FAULTS[fault]
        self.tally.faults[fault] += happens
        return happens

    def _confirms(self) -> bool:
        return not self._happens("not confirmed")

    def _feed(self) -> None:
        while self._front < self.world.place + 4 * PITCH:
            self._front += PITCH + int(self._random.integers(-20, 20))
            self._put(self._front)
            if self._happens("double part"):
                self._put(self._front + 80)
                self._front += 80

    def _put(self, front: int) -> None:
        self.world.add(Thing(front, 80, self._draw() < 0.8))
        self.tally.things += 1

    def _on_seen(self, number: tuple[int, int], things: list[Thing]) -> None:
        self._truth[number] = things[0].good
        if self._happens("stuck eye"):
            self.world.stuck_until = self.world.place + 5000
        if self._happens("host killed") and self._bridge is not None:
            self._bridge = None
            self._born_at = self.host.now + int(self._random.integers(100, 1500)) * MS
        if self._happens("jitter") and not self._backwards:
            self.world.turn(False, int(PERIOD * self._random.uniform(0.8, 1.3)))
        if self._happens("reset"):
            self._turn_at = self.host.now + int(self._random.integers(5, 400)) * MS

    def _befall(self) -> None:
        now = self.host.now
        if self._turn_at and now >= self._turn_at and self.world.quiet_eye(20, 0):
            self._turn_at = 0
            self.host.reset()
            self.world.power_cycled()
        if self._backwards and now >= self._back_at:
            self._backwards = False
            self.world.turn(False, int(PERIOD * self._random.uniform(0.8, 1.3)))
        elif self.world.runs and self.world.quiet_eye(60, 10) and self._happens("reversal"):
            self._backwards = True
            self.world.turn(True)
            self._back_at = now + int(self._random.integers(1, 40)) * self.world.period
        if self._bridge is None and now >= self._born_at:
            self._bridge = self._new_bridge(self._recorded())

    def _recorded(self) -> tuple[int, int] | None:
        """What the station's store would say: the boot it knows, and the first part without an outcome."""
        if self._open is None:
            return None
        boot, number = self._open
        while (boot, number) in self._outcomes:
            number += 1
        return boot, number

    # -- the station's side ----------------------------------------------------------------------------------------

    def _hear(self, event: Event) -> None:
        if isinstance(event, PartSeen):
            number = (event.part_id >> 32, event.part_id & 0xFFFFFFFF)
            late = 500 if self._happens("host late") else 0
            self._to_say.append((self.host.now + (40 + late) * MS, event.part_id))
            if self._open is None or self._open[0] != number[0]:
                self._open = (number[0], 1)
        elif isinstance(event, PartDecided | PartLost):
            number = (event.part_id >> 32, event.part_id & 0xFFFFFFFF)
            why = event.why.name if isinstance(event, PartDecided) else event.why
            known = self._outcomes.setdefault(number, [])
            if known and (why in known or isinstance(event, PartLost)):
                return  # told again to a station that was restarted: its store has the record
            known.append(why)
            self.tally.whys[why] = self.tally.whys.get(why, 0) + 1
            if why == Why.EARNED.name and number not in self._said:
                self.tally.earned_without_pass.append(number)

    def _speak(self, bridge: Bridge, now_ns: int) -> None:
        while self._to_say and self._to_say[0][0] <= self.host.now:
            _, part_id = self._to_say.pop(0)
            number = (part_id >> 32, part_id & 0xFFFFFFFF)
            good = self._truth.get(number, False)
            bad = Verdict.REJECT if self._draw() < 0.8 else Verdict.NOT_INSPECTED
            if good:
                self._said[number] = self.host.now
            bridge.judge(part_id, Verdict.PASS if good else bad, now_ns)
        self._to_say.sort()

    def _person(self, bridge: Bridge) -> None:
        """Half a second after the line has stopped: wipes the eye, acknowledges, starts."""
        if self.host.outputs & LINE_RUN:
            self._person_at = self.host.now + 500 * MS
        elif self.host.now >= self._person_at:
            self._person_at = self.host.now + 500 * MS
            if bridge.status is not None and bridge.status.fault:
                self.world.clear_eye()
                bridge.reset()
            bridge.run()

    def step(self) -> None:
        """Five milliseconds."""
        self._feed()
        self.world.run_to(self.host.now + STEP)
        self._befall()
        data = self._noise(bytes(self._wire))
        self._wire.clear()
        if self._bridge is not None:
            now_ns = self.host.now * NS
            for event in [*self._bridge.receive(data, now_ns), *self._bridge.poll(now_ns)]:
                self._hear(event)
            self._speak(self._bridge, now_ns)
            self._person(self._bridge)
            output = self._bridge.take_output()
            if output:
                self.host.write(self._noise(output))

    def settle(self) -> None:
        """No more parts and no more faults; until everything that was seen has its outcome, or ten seconds."""
        self._feed = lambda: None  # type: ignore[method-assign]
        self._happens = lambda _fault: False  # type: ignore[method-assign]
        until = self.host.now + 10_000 * MS
        while self.host.now < until:
            self.step()

    # -- the oracle ------------------------------------------------------------------------------------------------

    def judge(self) -> Tally:
        """Everything that lies in the box or the bin by now, and everything that was told."""
        tally = self.tally
        for thing in self.world.gone:
            tally.boxed += bool(thing.boxed)
            tally.good += thing.good
            earned = thing.alone and len(thing.numbers) == 1 and thing.good and thing.numbers[0] in self._said
            if thing.boxed and not earned:
                tally.escapes.append(thing)
            tally.undone += not thing.boxed and [self._outcomes.get(number) for number in thing.numbers] == [["EARNED"]]
        tally.forgotten = [number for number in self.world.seen if number not in self._outcomes]
        tally.invented = sorted(set(self._outcomes) - set(self.world.seen))
        tally.twice = [number for number, whys in self._outcomes.items() if len(whys) > 1]
        return tally


def run_campaign(parts: int, seed: int, *, passes: bool, lib: ctypes.CDLL | None = None) -> Tally:
    """Run it, then let the line go quiet so that every outcome can be read."""
    campaign = Campaign(seed, passes, lib)
    while len(campaign.world.seen) < parts:
        campaign.step()
    campaign.settle()
    return campaign.judge()


@pytest.mark.parametrize("passes", [True, False], ids=["diverter", "valve"])
def test_nothing_escapes_and_nothing_is_forgotten(passes: bool) -> None:
    tally = run_campaign(10_500, 3, passes=passes)
    print(f"\n{tally}")
    check(tally)
    assert all(tally.faults.values())


def check(tally: Tally) -> None:
    """No escape, nothing forgotten, nothing told twice or made up."""
    assert not tally.escapes, (len(tally.escapes), tally.escapes[:3])
    assert not tally.forgotten
    assert not tally.twice
    assert not tally.invented
    assert not tally.earned_without_pass
    # It is not done by rejecting everything.
    assert tally.boxed > 0.6 * tally.good
    assert tally.undone < 0.01 * tally.things


BUGS = {
    "a pair counts as one part": ("parts.c", "part->length > config[KEY_PART_MAX_COUNT]", "part->length > 0xfffe"),
    "the belt is not purged": ("parts.c", "needs_purge && blows()", "false"),
    "a reversed belt counts": ("hal_host.c", "} else if (lag) {", "} else if (false) {"),
}


@pytest.mark.parametrize("bug", BUGS)
def test_the_oracle_notices_a_broken_firmware(bug: str, tmp_path: Path) -> None:
    assert run_campaign(1500, 4, passes=False, lib=broken(tmp_path, *BUGS[bug])).escapes
