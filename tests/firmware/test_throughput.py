"""Fifty parts a second with sixteen in flight through the real binary, and what an oracle says about each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from firmware_bridge import framing
from firmware_bridge.protocol import Counters, Encoder, Judge, Key, Phase, Verdict, Why, pack
from tests.firmware.board import GATE, MS, Board

PARTS = 5000
PITCH = 20 * MS
COUNT = 3200  # cycles: 5 kHz
LENGTH = 30  # counts
GATE_AT = 1700  # 17 pitches from the eye
GUARD = 40
SETTINGS = {
    Key.ENCODER: Encoder.SINGLE,
    Key.CAMERA_COUNT: 100,
    Key.GATE_COUNT: GATE_AT,
    Key.GUARD_COUNT: GUARD,
    Key.MIN_SPACING_COUNT: 40,
    Key.PART_MAX_COUNT: 45,
    Key.EYE_STUCK_COUNT: 2000,
    Key.LEAD_MS: 0,
    Key.MIN_ON_MS: 0,
    Key.MIN_OFF_MS: 1,
    Key.MAX_ON_MS: 200,
}
BOOT = 1


@dataclass
class Planned:
    """One part: when it is at the eye, how long it is, what is said about it, and what must come of it."""

    at: int
    length: int
    said: list[tuple[int, bytes]]
    why: Why


def plan(parts: int, first: int, random: np.random.Generator) -> list[Planned]:
    """What happens, and by the rules of the contract alone what its outcome must be."""
    planned: list[Planned] = []
    for number in range(1, parts + 1):
        at, length = first + number * PITCH, LENGTH * COUNT
        soon = at + int(random.uniform(30, 250) * MS)
        late = at + (GATE_AT - GUARD) * COUNT + 5 * MS
        judge = {verdict: frame(Judge(BOOT, number, verdict)) for verdict in Verdict}
        match int(random.integers(0, 14)):
            case 0:
                said, why = [(soon, judge[Verdict.REJECT])], Why.JUDGED_BAD
            case 1:
                said, why = [(soon, judge[Verdict.NOT_INSPECTED])], Why.NOT_INSPECTED
            case 2:
                said, why = [], Why.NO_VERDICT
            case 3:
                said, why = [(late, judge[Verdict.PASS])], Why.NO_VERDICT
            case 4:
                said, why = [(soon, frame(Judge(BOOT + 1, number, Verdict.PASS)))], Why.NO_VERDICT
            case 5:
                said = [(soon, judge[Verdict.PASS]), (soon + 5 * MS, judge[Verdict.REJECT])]
                why = Why.CONTRADICTION
            case 6:
                said, why = [(soon, broken(judge[Verdict.PASS], random))], Why.NO_VERDICT
            case 7:
                said, why = [(soon, judge[Verdict.PASS])], Why.TOO_LONG
                length = 50 * COUNT
            case _:
                said, why = [(soon, judge[Verdict.PASS])] * int(random.integers(1, 3)), Why.EARNED
        planned.append(Planned(at, length, said, why))
    return planned


def frame(message: Judge) -> bytes:
    return framing.encode(pack(message))


def broken(data: bytes, random: np.random.Generator) -> bytes:
    """One bit of a frame turned over, but none of its end."""
    at = int(random.integers(0, len(data) - 1))
    return data[:at] + bytes([data[at] ^ 1 << int(random.integers(0, 8))]) + data[at + 1 :]


def carry_out(board: Board, planned: list[Planned]) -> None:
    deeds = [(part.at - MS, part) for part in planned] + [said for part in planned for said in part.said]
    for at, deed in sorted(deeds, key=lambda item: item[0]):
        board.run_to(at)
        if isinstance(deed, Planned):
            board.part(deed.at, deed.length)
        else:
            board.chip.write(deed)
    board.run_ms(500)


def open_at(edges: list[tuple[int, bool]], cycles: list[int]) -> list[bool]:
    """The gate's state at each of the rising `cycles`."""
    times = np.array([at for at, _ in edges])
    states = np.array([False] + [on for _, on in edges])
    return [bool(state) for state in states[np.searchsorted(times, cycles, side="right")]]


def test_five_thousand_parts_with_sixteen_in_flight() -> None:
    board = Board()
    board.start(SETTINGS)
    board.chip.encoder(COUNT)
    planned = plan(PARTS, board.chip.cycle + MS, np.random.default_rng(4))
    carry_out(board, planned)
    rows = board.rows()
    assert sorted(rows) == list(range(1, PARTS + 1)), "a part is lost, or one too many"
    assert {row.phase for row in rows.values()} == {Phase.DECIDED}
    found = {number: Why(row.why) for number, row in rows.items()}
    assert found == {number: part.why for number, part in enumerate(planned, start=1)}
    centres = [part.at + GATE_AT * COUNT + min(part.length, LENGTH * COUNT) // 2 for part in planned]
    passes = open_at(board.moved(GATE), centres)
    assert passes == [part.why is Why.EARNED for part in planned]
    board.chip.write(framing.encode(b"\x08"))
    board.run_ms(10)
    counters = board.last(Counters)
    print(counters, {why.name: sum(part.why is why for part in planned) for why in Why})
    assert counters.most_in_flight >= 16
    assert counters.overruns == 0
    board.close()
