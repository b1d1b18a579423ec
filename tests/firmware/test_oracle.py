"""100,000 parts at 50 a second with 16 in flight, each against what the oracle says must become of it.

The oracle is the plan of each part and the place where it physically ended; nothing in it comes from the firmware.
Every mistake that is planted on purpose must be noticed by it.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge import framing
from firmware_bridge.protocol import Encoder, Judge, Key, Lease, PartRow, Phase, Verdict, Why, pack, unpack
from tests.firmware.host import MS, Host, broken
from tests.firmware.world import Thing, World
from tests.firmware_bridge.made import SETTINGS

PERIOD = 100  # ticks in a count: 20 kHz
PITCH = 400  # counts: 50 parts a second
LINE = SETTINGS | {
    Key.CAMERA_COUNT: 100,
    Key.GATE_COUNT: 16 * PITCH,
    Key.GUARD_COUNT: 40,
    Key.MIN_SPACING_COUNT: 120,
    Key.PART_MAX_COUNT: 220,
    Key.EYE_STUCK_COUNT: 3000,
    Key.LEAD_MS: 4,
    Key.MIN_ON_MS: 1,
    Key.MIN_OFF_MS: 1,
    Key.ENCODER: Encoder.QUADRATURE,
}
LEAD = LINE[Key.LEAD_MS] * MS // PERIOD
LAST = LINE[Key.GATE_COUNT] - LINE[Key.GUARD_COUNT] - LEAD  # counts after the eye at which a verdict is too late
IN_TIME, TOO_LATE = LAST - 60, LAST + 5  # a frame and a turn of the loop take 1.1 ms: 22 counts
PLANS = ("pass", "reject", "unknown", "none", "late", "both", "twice", "foreign", "close", "long", "last moment")
CHANCES = (0.55, 0.12, 0.03, 0.04, 0.04, 0.04, 0.04, 0.04, 0.04, 0.03, 0.03)
EXPECTED = {
    "pass": Why.EARNED,
    "reject": Why.JUDGED_BAD,
    "unknown": Why.NOT_INSPECTED,
    "none": Why.NO_VERDICT,
    "late": Why.NO_VERDICT,
    "both": Why.CONTRADICTION,
    "twice": Why.EARNED,
    "foreign": Why.NO_VERDICT,
    "close": Why.TOO_CLOSE,
    "long": Why.TOO_LONG,
    "last moment": Why.EARNED,
}


@dataclass
class Mismatch:
    """A part that did not become what the oracle said: outcome and lane."""

    part: int
    plan: str
    why: Why | None
    boxed: bool | None


def plan_parts(parts: int, seed: int) -> tuple[list[str], list[int], list[int]]:
    """What shall be said of each part, its length, and the place of its front."""
    random = np.random.default_rng(seed)
    plans = [str(plan) for plan in random.choice(PLANS, parts, p=CHANCES)]
    lengths = [int(length) for length in random.integers(120, 200, parts)]
    fronts = [PITCH * (part + 1) for part in range(parts)]
    lengths = [240 if plan == "long" else length for plan, length in zip(plans, lengths, strict=True)]
    for part in range(parts - 1):
        if plans[part] == "close" and plans[part + 1] == "close":
            # Only two in succession are a pair: the first comes late, the second just behind it.
            fronts[part] = fronts[part + 1] - lengths[part] - 60
    for part in range(parts):
        before = part > 0 and fronts[part] - fronts[part - 1] - lengths[part - 1] < LINE[Key.MIN_SPACING_COUNT]
        after = part + 1 < parts and fronts[part + 1] - fronts[part] - lengths[part] < LINE[Key.MIN_SPACING_COUNT]
        if plans[part] == "close" and not (before or after):
            plans[part] = "pass"
        elif before or after:
            plans[part] = "close"
    return plans, lengths, fronts


def messages(plan: str, part: int) -> list[tuple[int, Judge]]:
    """What the station says of it: counts after the eye, and the verdict."""
    good, bad = Judge(1, part, Verdict.PASS), Judge(1, part, Verdict.REJECT)
    if plan == "none":
        return []
    if plan == "late":
        return [(TOO_LATE, good)]
    if plan == "last moment":
        return [(IN_TIME, good)]
    if plan == "foreign":
        return [(1000, Judge(2, part, Verdict.PASS))]
    if plan in ("both", "twice"):
        return [(1000, good), (3000, bad if plan == "both" else good)]
    if plan in ("reject", "unknown"):
        return [(1000, bad if plan == "reject" else Judge(1, part, Verdict.NOT_INSPECTED))]
    return [(1000, good)]


def run_line(
    parts: int, seed: int, *, passes: bool = True, lib: ctypes.CDLL | None = None
) -> tuple[list[Mismatch], dict[str, int], int]:
    """Run them; gives what went wrong, how often each plan was kept, and the most parts in flight."""
    settings = LINE | {Key.ENERGISED_PASSES: int(passes)}
    host = Host(lib, clock=2**32 - 3_000_000, count=2**32 - 20_000)
    host.start(settings, 65_000)
    world = World(host, settings, PERIOD, step=50 * MS)
    # What lies between eye and gate when the belt starts is purged: the first planned part comes behind it.
    world.run_to(host.now + 17 * PITCH * PERIOD)
    plans, lengths, fronts = plan_parts(parts, seed)
    # How far behind the last front the world is fed: no more parts than can be told apart need be on the belt.
    base = world.place + PITCH
    for front, length, plan in zip(fronts, lengths, plans, strict=True):
        world.add(Thing(base + front, length, EXPECTED[plan] is Why.EARNED))
    says = sorted(
        (base + fronts[part] + after, framing.encode(pack(message)))
        for part, plan in enumerate(plans)
        for after, message in messages(plan, part + 1)
    )
    outcomes: dict[int, list[Why]] = {}
    flight = 0
    deframer = framing.Deframer()
    start_tick, start_place = host.now, world.place

    def take() -> None:
        nonlocal flight
        for payload in deframer.feed(host.read()):
            row = unpack(payload)
            if isinstance(row, PartRow) and row.phase == Phase.DECIDED:
                whys = outcomes.setdefault(row.part, [])
                if Why(row.why) not in whys:
                    whys.append(Why(row.why))
        host.edges += host.events()

    host.take = take  # type: ignore[method-assign]
    renew = 0
    for place, frame in says:
        tick = start_tick + (place - start_place) * PERIOD
        world.run_to(tick)
        if tick > renew:
            renew = tick + 20_000 * MS
            host.say(Lease(2, 65_000))
        host.write(frame)
        flight = max(flight, world.number - len(outcomes))
    world.run_to(host.now + 20 * PITCH * PERIOD)
    wrong, kept = [], dict.fromkeys(PLANS, 0)
    for part, plan in enumerate(plans, start=1):
        expected, thing = EXPECTED[plan], world.gone[part - 1] if part <= len(world.gone) else None
        whys = outcomes.get(part, [])
        boxed = thing.boxed if thing else None
        if whys == [expected] and boxed is (expected is Why.EARNED):
            kept[plan] += 1
        else:
            wrong.append(Mismatch(part, plan, whys[-1] if whys else None, boxed))
    return wrong, kept, flight


@pytest.mark.parametrize(("passes", "parts"), [(True, 70_000), (False, 30_000)], ids=["diverter", "valve"])
def test_every_part_becomes_what_the_oracle_says(passes: bool, parts: int) -> None:
    wrong, kept, flight = run_line(parts, seed=1, passes=passes)
    assert not wrong, (len(wrong), wrong[:5])
    assert sum(kept.values()) == parts
    assert all(kept.values()), kept
    assert flight >= 16
    print(f"\n{parts} parts, most in flight {flight}: {kept}")


ROW = "    struct part *part = ROW(number);\n    parts_tell(part);\n    if (part->verdict"
HELD = "    if (part->held != WHY_OPEN)\n        return part->held;\n"
BUGS = {
    "the deadline is the gate": (
        "parts.c",
        "window_start(part) - belt_distance(KEY_GUARD_COUNT)))",
        "window_start(part)))",
    ),
    "the boot is not looked at": ("parts.c", "if (of_boot != boot) {", "if (0) {"),
    "what is held against a part is forgotten": ("parts.c", HELD, ""),
    "no verdict is a good one": ("parts.c", "(part->verdict == VERDICT_PASS)", "(part->verdict <= VERDICT_PASS)"),
    "the next part's verdict": ("parts.c", ROW, ROW.replace("(number)", "(number + 1)")),
    "the gate opens late": ("parts.c", "(KEY_GATE_COUNT) - belt_lead;", "(KEY_GATE_COUNT) + 200;"),
    "the gate stays open": ("outputs.c", "    w->until = until;\n", "    w->until = until + 400;\n"),
    "places that do not wrap": ("belt.h", "return (int32_t)(now - at) >= 0;", "return now >= at;"),
}


@pytest.mark.parametrize("bug", BUGS)
def test_the_oracle_notices_a_broken_firmware(bug: str, tmp_path: Path) -> None:
    wrong, _, _ = run_line(1500, seed=2, lib=broken(tmp_path, *BUGS[bug]))
    assert wrong
