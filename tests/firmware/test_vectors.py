"""One table of scripts, run by the simulated controller and by the firmware: both must say the same of every part.

A script is what happens to one line of parts, 20 ms of simulated time in a count of 80; what must come of it stands
beside it. Neither side is the other's oracle.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from firmware_bridge import framing
from firmware_bridge.protocol import (
    Command,
    Commit,
    Count,
    Counters,
    Encoder,
    Fault,
    Hello,
    Ident,
    Input,
    Judge,
    Key,
    Lease,
    Message,
    Mode,
    Order,
    PartRow,
    Read,
    Set,
    Status,
    Verdict,
    Why,
    config_crc,
    pack,
    unpack,
)
from firmware_bridge.simulator import SimulatedController
from tests.firmware.host import GATE, LINE_RUN, Host
from tests.firmware.host import MS as TICKS_PER_MS
from tests.firmware_bridge.made import SETTINGS, StraightBelt

MS = 1_000_000
NS_PER_COUNT = 250_000  # of StraightBelt: 4 counts in a millisecond
LINE = SETTINGS | {Key.GATE_COUNT: 3000, Key.CAMERA_COUNT: 900, Key.GUARD_COUNT: 100, Key.LEAD_MS: 5}
FRONT = 1000
GOOD, BAD, UNSURE = Verdict.PASS, Verdict.REJECT, Verdict.NOT_INSPECTED


class Twin:
    """The simulated controller on a straight belt."""

    def __init__(self, fronts: list[int], length: int) -> None:
        self.belt = StraightBelt(fronts, length)
        self.controller = SimulatedController(self.belt, clock_start=2**32 - 1_000_000)
        self.now_ms = 0
        self._deframer = framing.Deframer()

    def say(self, message: Message) -> None:
        """A message arrives now."""
        self.controller.receive(framing.encode(pack(message)), self.now_ms * MS)

    def run(self, ms: int) -> list[Message]:
        """What is said meanwhile."""
        self.now_ms += ms
        self.controller.advance(self.now_ms * MS)
        payloads = self._deframer.feed(b"".join(frame for _, frame in self.controller.take_output()))
        return [message for payload in payloads if (message := unpack(payload))]

    def set_input(self, which: Input, active: bool) -> None:
        """A pin moves."""
        self.controller.set_input(which, active, self.now_ms * MS)

    def gate(self) -> list[tuple[int, bool]]:
        """When the gate moved, in ms."""
        moves = [(at // MS, on) for at, on in self.belt.gate]
        return [move for before, move in zip([(0, False), *moves], moves, strict=False) if before[1] != move[1]]

    @property
    def runs(self) -> bool:
        """The line-run output."""
        return self.belt.running


class Core:
    """The firmware's core on the same belt."""

    def __init__(self, fronts: list[int], length: int) -> None:
        self.host = Host(clock=2**32 - 1_000_000, turn=400)
        self._heard = 0
        edges = [edge for front in fronts for edge in (front, front + length)]
        self.host.lib.host_belt(NS_PER_COUNT // 500, (ctypes.c_uint32 * len(edges))(*edges), len(edges))

    def say(self, message: Message) -> None:
        """A message arrives a few hundred us from now."""
        self.host.say(message)

    def run(self, ms: int) -> list[Message]:
        """What is said meanwhile."""
        self.host.run(ms * TICKS_PER_MS)
        heard, self._heard = self.host.heard[self._heard :], len(self.host.heard)
        return heard

    def set_input(self, which: Input, active: bool) -> None:
        """A pin moves."""
        self.host.lib.host_inputs(int(which) if active else 0)

    def gate(self) -> list[tuple[int, bool]]:
        """When the gate moved, in ms."""
        moves, on = [], False
        for tick, outputs in self.host.edges:
            if bool(outputs & GATE) != on:
                on = not on
                moves.append((tick // TICKS_PER_MS, on))
        return moves

    @property
    def runs(self) -> bool:
        """The line-run output."""
        return bool(self.host.outputs & LINE_RUN)


Side = Twin | Core
Script = Callable[[Side], None]


@dataclass
class Vector:
    """A script: settings, where parts lie, verdicts by part, what happens at which ms; and what must come of it."""

    whys: list[Why]
    verdicts: dict[int, list[Verdict]] = field(default_factory=dict)
    fronts: list[int] = field(default_factory=lambda: [FRONT])
    length: int = 400
    settings: dict[Key, int] = field(default_factory=dict)
    fault: Fault = Fault.NONE
    lease_ms: int = 60_000
    at_ms: dict[int, Script] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    confirmed: list[int] = field(default_factory=list)
    gate: list[tuple[int, bool]] | None = None
    runs: bool = True


def order(which: Order) -> Script:
    return lambda side: side.say(Command(which))


def pin(which: Input, active: bool) -> Script:
    return lambda side: side.set_input(which, active)


def row(count: int, pitch: int = 1200) -> list[int]:
    return [FRONT + pitch * part for part in range(count)]


CONFIRM = {Key.INPUTS: int(Input.CONFIRM), Key.CONFIRM_WINDOW_COUNT: 400}
SORTER = {Key.EJECT_2_COUNT: 1500, Key.EJECT_2_ON_MS: 200, Key.EJECT_2_MAX_ON_MS: 300, Key.EJECT_2_MIN_OFF_MS: 5}
VALVE = {Key.ENERGISED_PASSES: 0}
NO_ENCODER = {Key.ENCODER: int(Encoder.CLOCK), Key.PART_MAX_COUNT: 3000}
# A part that is OPEN at the end is still on the belt, which stands.
# A part whose front is at the eye after 250 ms is at the gate after 1000 ms; it is 100 ms long.
VECTORS = {
    "an earned pass": Vector([Why.EARNED], {1: [GOOD]}, gate=[(995, True), (1095, False)]),
    "judged bad": Vector([Why.JUDGED_BAD], {1: [BAD]}, gate=[]),
    "not inspected": Vector([Why.NOT_INSPECTED], {1: [UNSURE]}),
    "no verdict": Vector([Why.NO_VERDICT]),
    "twice the same": Vector([Why.EARNED], {1: [GOOD, GOOD]}, counters={"repeated": 1}),
    "pass, then reject": Vector([Why.CONTRADICTION], {1: [GOOD, BAD]}, counters={"contradictions": 1}),
    "reject, then pass": Vector([Why.CONTRADICTION], {1: [BAD, GOOD]}, counters={"contradictions": 1}),
    "after the deadline": Vector(
        [Why.NO_VERDICT], at_ms={985: lambda side: side.say(Judge(1, 1, GOOD))}, counters={"late": 1}
    ),
    "of another boot": Vector(
        [Why.NO_VERDICT], at_ms={500: lambda side: side.say(Judge(2, 1, GOOD))}, counters={"stale": 1}
    ),
    "of a part that never was": Vector([Why.NO_VERDICT], {7: [GOOD]}, counters={"unknown_part": 1}),
    "no verdict at all": Vector(
        [Why.NO_VERDICT], at_ms={500: lambda side: side.say(Judge(1, 1, 9))}, counters={"unknown_part": 1}
    ),
    "silent past the lease": Vector([Why.LEASE_EXPIRED], {1: [GOOD]}, lease_ms=700),
    "too close": Vector([Why.TOO_CLOSE] * 2, {1: [GOOD], 2: [GOOD]}, fronts=[FRONT, FRONT + 900]),
    "too long": Vector([Why.TOO_LONG], {1: [GOOD]}, length=1300),
    "merged windows": Vector(
        [Why.EARNED] * 3, {1: [GOOD], 2: [GOOD], 3: [GOOD]}, fronts=row(3, 415),
        settings={Key.MIN_SPACING_COUNT: 10}, gate=[(995, True), (1302, False)],
    ),
    "stuck eye": Vector([Why.OPEN], {1: [GOOD]}, length=5000, fault=Fault.EYE_STUCK, runs=False,
        settings={Key.EYE_STUCK_COUNT: 2000}),
    "rejects in succession": Vector(
        [Why.JUDGED_BAD] * 2 + [Why.OPEN], {1: [BAD], 2: [BAD], 3: [GOOD]}, fronts=row(4),
        settings={Key.CONSECUTIVE_REJECTS_STOP: 2}, fault=Fault.CONSECUTIVE_REJECTS, runs=False,
    ),
    "unknowns in succession": Vector(
        [Why.NO_VERDICT, Why.NOT_INSPECTED], {2: [UNSURE], 3: [GOOD]}, fronts=row(3),
        settings={Key.CONSECUTIVE_UNKNOWN_STOP: 2}, fault=Fault.CONSECUTIVE_UNKNOWN, runs=False,
    ),
    "rejects of the last": Vector(
        [Why.JUDGED_BAD, Why.EARNED, Why.JUDGED_BAD], {1: [BAD], 2: [GOOD], 3: [BAD]}, fronts=row(4),
        settings={Key.REJECTS_OF_LAST_STOP: 2, Key.LAST_PARTS: 3}, fault=Fault.REJECTS_OF_LAST, runs=False,
    ),
    "rejects further apart": Vector(
        [Why.JUDGED_BAD, Why.EARNED, Why.JUDGED_BAD], {1: [BAD], 2: [GOOD], 3: [BAD]}, fronts=row(3),
        settings={Key.REJECTS_OF_LAST_STOP: 2, Key.LAST_PARTS: 2},
    ),
    "eject confirmed": Vector(
        [Why.JUDGED_BAD], {1: [BAD]}, settings=CONFIRM, confirmed=[1],
        at_ms={1060: pin(Input.CONFIRM, True), 1065: pin(Input.CONFIRM, False)},
    ),
    "eject not confirmed": Vector(
        [Why.JUDGED_BAD], {1: [BAD]}, settings=CONFIRM, confirmed=[2], fault=Fault.NOT_CONFIRMED, runs=False
    ),
    "confirmed before anything could be": Vector(
        [Why.JUDGED_BAD], {1: [BAD]}, settings=CONFIRM, confirmed=[2], fault=Fault.NOT_CONFIRMED, runs=False,
        at_ms={600: pin(Input.CONFIRM, True), 605: pin(Input.CONFIRM, False)}, counters={"unexpected": 1},
    ),
    "what a sorter took the gate's sensor need not see": Vector(
        [Why.JUDGED_BAD], settings=CONFIRM | SORTER, confirmed=[3], gate=[],
        at_ms={400: lambda side: side.say(Judge(1, 1, BAD, 2))},
    ),
    "what its sorter could not take it must see": Vector(
        [Why.JUDGED_BAD] * 2, fronts=row(2, 600), settings=CONFIRM | SORTER | {Key.MIN_SPACING_COUNT: 10}, runs=False,
        at_ms={430: lambda side: [side.say(Judge(1, part, BAD, 2)) for part in (1, 2)]}, counters={"limited": 1},
        fault=Fault.NOT_CONFIRMED, confirmed=[3, 2],
    ),
    "what names no sorter is not sorted, whatever else is configured": Vector(
        [Why.EARNED], {1: [GOOD]}, settings=SORTER | {Key.CONSECUTIVE_UNKNOWN_STOP: 1500}, confirmed=[0]
    ),
    "a good part needs no confirmation": Vector([Why.EARNED], {1: [GOOD]}, settings=CONFIRM, confirmed=[0]),
    "bin full": Vector(
        [Why.OPEN], {1: [GOOD]}, settings={Key.INPUTS: int(Input.BIN_FULL)}, fault=Fault.BIN_FULL, runs=False,
        at_ms={500: pin(Input.BIN_FULL, True)},
    ),
    "low air": Vector(
        [Why.OPEN], {1: [GOOD]}, settings={Key.INPUTS: int(Input.LOW_AIR)}, fault=Fault.LOW_AIR, runs=False,
        at_ms={500: pin(Input.LOW_AIR, True)},
    ),
    "a contact that bounces": Vector(
        [Why.EARNED], {1: [GOOD]}, settings={Key.INPUTS: int(Input.LOW_AIR)},
        at_ms={500: pin(Input.LOW_AIR, True), 512: pin(Input.LOW_AIR, False)},
    ),
    "an input that is not wired": Vector([Why.EARNED], {1: [GOOD]}, at_ms={500: pin(Input.LOW_AIR, True)}),
    "reset leads to ready, not to run": Vector(
        [Why.OPEN], {1: [GOOD]}, settings={Key.INPUTS: int(Input.LOW_AIR)}, runs=False,
        at_ms={500: pin(Input.LOW_AIR, True), 540: pin(Input.LOW_AIR, False), 560: order(Order.RESET)},
    ),
    "a shutdown ignores RUN": Vector(
        [Why.OPEN], {1: [GOOD]}, settings={Key.INPUTS: int(Input.LOW_AIR)}, runs=False, fault=Fault.LOW_AIR,
        at_ms={500: pin(Input.LOW_AIR, True), 540: pin(Input.LOW_AIR, False), 560: order(Order.RUN)},
    ),
    "stopped and started": Vector(
        [Why.EARNED], {1: [GOOD]}, at_ms={700: order(Order.STOP), 900: order(Order.RUN)},
        gate=[(1195, True), (1295, False)],
    ),
    "a valve blows for what is bad": Vector(
        [Why.EARNED, Why.JUDGED_BAD], {1: [GOOD], 2: [BAD]}, fronts=[FRONT + 100, FRONT + 1300], settings=VALVE,
        gate=[(0, True), (755, False), (1325, True), (1430, False)],
    ),
    "stopped and started in mid-purge": Vector(
        [], fronts=[], settings=VALVE, at_ms={300: order(Order.STOP), 500: order(Order.RUN)},
        gate=[(0, True), (960, False)],
    ),
    "stopped in mid-purge for longer than a valve may blow": Vector(
        [], fronts=[], settings=VALVE | {Key.MAX_ON_MS: 100}, at_ms={300: order(Order.STOP), 600: order(Order.RUN)},
        gate=[(0, True), (400, False), (600, True), (1060, False)],
    ),
    "a shutdown in mid-purge: all of it again": Vector(
        [], fronts=[], settings=VALVE | {Key.INPUTS: int(Input.LOW_AIR)}, gate=[(0, True), (1255, False)],
        at_ms={280: pin(Input.LOW_AIR, True), 320: pin(Input.LOW_AIR, False), 400: order(Order.RESET),
               500: order(Order.RUN)},
    ),
    "a shutdown in mid-purge, and no RUN": Vector(
        [], fronts=[], settings=VALVE | {Key.INPUTS: int(Input.LOW_AIR), Key.MAX_ON_MS: 100}, runs=False,
        at_ms={280: pin(Input.LOW_AIR, True), 320: pin(Input.LOW_AIR, False), 500: order(Order.RESET)},
        gate=[(0, True), (400, False)],
    ),
    "RESET and RUN in mid-purge change nothing": Vector(
        [Why.EARNED], {1: [GOOD]}, settings=VALVE, at_ms={100: order(Order.RESET), 400: order(Order.RUN)},
        gate=[(0, True), (755, False)],
    ),
    "what came in mid-purge is judged, also after a stop": Vector(
        [Why.EARNED, Why.JUDGED_BAD], {1: [GOOD], 2: [BAD]}, fronts=[FRONT - 400, FRONT + 800], settings=VALVE,
        at_ms={250: order(Order.STOP), 350: order(Order.RUN)},
        gate=[(0, True), (860, False), (1305, True), (1410, False)],
    ),
    "without an encoder a stop in mid-purge begins it again": Vector(
        [], fronts=[], settings=VALVE | NO_ENCODER, at_ms={100: order(Order.STOP), 150: order(Order.RUN)},
        gate=[(0, True), (347, False)],
    ),
    "not longer than allowed": Vector([Why.EARNED], {1: [GOOD]}, settings={Key.MAX_ON_MS: 50},
        gate=[(995, True), (1045, False)], counters={"limited": 1}),
    "a valve that is cut stops the line": Vector(
        [Why.JUDGED_BAD], {1: [BAD]}, fronts=[FRONT + 100], settings=VALVE | {Key.MAX_ON_MS: 50}, runs=False,
        fault=Fault.OUTPUT_STUCK, counters={"limited": 1},
    ),
    "without an encoder, before the belt has come to the gate": Vector(
        [Why.PURGED], {1: [GOOD]}, fronts=[100], settings=NO_ENCODER
    ),
    "without an encoder": Vector(
        [Why.EARNED], {1: [GOOD]}, settings=NO_ENCODER, gate=[(437, True), (537, False)]
    ),
    "without an encoder, the belt stopped": Vector(
        [Why.PURGED], {1: [GOOD]}, settings=NO_ENCODER,
        at_ms={400: order(Order.STOP)}, runs=False,
    ),
    "the ring is full": Vector(
        [], {}, fronts=row(34, 80), length=30, runs=False, fault=Fault.QUEUE_FULL,
        settings={Key.MIN_SPACING_COUNT: 0},
    ),
}  # fmt: skip


def play(side: Side, vector: Vector) -> tuple[dict[int, PartRow], Status, Counters]:
    """Configure, run the script for two seconds of belt and give the last rows, status and counters."""
    settings = LINE | vector.settings
    side.say(Command(Order.STOP))
    for key, value in settings.items():
        side.say(Set(key, value))
    side.say(Commit(config_crc(settings.items())))
    heard = side.run(60)
    assert [m.config_crc for m in heard if isinstance(m, Ident)] == [config_crc(settings.items())]
    side.say(Lease(1, vector.lease_ms))
    side.say(Command(Order.RUN))
    heard += side.run(2)
    verdicts = {part: list(what) for part, what in vector.verdicts.items()}
    seen: set[int] = set()
    for ms in range(0, 2000, 5):
        for at_ms, script in vector.at_ms.items():
            if ms - 5 < at_ms <= ms:
                script(side)
        news = side.run(5)
        heard += news
        seen |= {m.part for m in news if isinstance(m, PartRow)}
        for part in [part for part in verdicts if part in seen or part > 4]:
            side.say(Judge(1, part, verdicts[part].pop(0)))
            if not verdicts[part]:
                del verdicts[part]
    side.say(Count())
    side.say(Command(0))
    heard += side.run(60)
    rows = {m.part: m for m in heard if isinstance(m, PartRow)}
    (counters,) = [m for m in heard if isinstance(m, Counters)]
    return rows, [m for m in heard if isinstance(m, Status)][-1], counters


@pytest.mark.parametrize("kind", [Twin, Core])
@pytest.mark.parametrize("name", VECTORS)
def test_both_controllers_do_what_the_table_says(name: str, kind: type[Side]) -> None:
    vector = VECTORS[name]
    side = kind(vector.fronts, vector.length)
    rows, status, counters = play(side, vector)
    assert [Why(rows[part].why).name for part in range(1, len(vector.whys) + 1)] == [why.name for why in vector.whys]
    assert Fault(status.fault).name == vector.fault.name
    assert (status.mode == Mode.SHUT_DOWN) == (vector.fault is not Fault.NONE)
    assert side.runs == vector.runs
    odd = {name: getattr(counters, name) for name in ("late", "stale", "unknown_part", "repeated", "contradictions",
           "unexpected", "limited")}  # fmt: skip
    assert odd == dict.fromkeys(odd, 0) | vector.counters
    if vector.confirmed:
        assert [rows[part].confirmed for part in range(1, len(vector.confirmed) + 1)] == vector.confirmed
    if vector.gate is not None:
        moves = [(at - 62, on) for at, on in side.gate()]
        assert [on for _, on in moves] == [on for _, on in vector.gate]
        assert all(abs(at - wanted) <= 3 for (at, _), (wanted, _) in zip(moves, vector.gate, strict=True)), moves


@pytest.mark.parametrize("kind", [Twin, Core])
def test_both_introduce_themselves_and_read_out_the_same_rows(kind: type[Side]) -> None:
    side = kind(row(2), 400)
    play_rows, _, _ = play(side, Vector([], fronts=row(2)))
    side.say(Hello(0))
    side.say(Read(1, 9))
    heard = side.run(30)
    (ident,) = [m for m in heard if isinstance(m, Ident)]
    assert (ident.boot, ident.ring, ident.clock_hz) == (1, 32, 2_000_000)
    assert {m.part: m for m in heard if isinstance(m, PartRow)} == play_rows
