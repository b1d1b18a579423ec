"""The station's copy of the controller's rows: what is known of each part of one boot, and what is missing.

What it is: a pure book. It turns rows into events, each once and in order, and knows which row must be read again. What
it is not: the conversation (`bridge`). Belongs to the bridge thread; thrown away whole when the controller was reset.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from firmware_bridge.clock_sync import ClockSync
from firmware_bridge.events import Event, PartDecided, PartLost, PartSeen, PartTriggered
from firmware_bridge.protocol import Ident, Key, PartRow, Phase, Status, Verdict, Why

# Each look at a member of an enumeration takes longer than the comparison, and `missing` is asked at every wake.
_TRIGGERED, _DECIDED = int(Phase.TRIGGERED), int(Phase.DECIDED)
# Looked up, since calling an enumeration takes longer than the rest of a row.
_WHY = {int(why): why for why in Why}
_VERDICT = {int(verdict): verdict for verdict in Verdict}


@dataclass(slots=True)
class Row:
    """One part: how far its row has come, and where on the belt its trigger and its gate lie."""

    phase: int = 0
    trigger_count: int = 0
    due_count: int = 0


@dataclass(slots=True)
class Pending:
    """A verdict that the controller has not acknowledged."""

    verdict: Verdict
    sent_ns: int
    eject: int = 0


@dataclass(slots=True)
class Boot:
    """See the module. All parts before `low` are closed; the next part will get the number `known_next` or more."""

    number: int
    sync: ClockSync
    ring: int
    settings: dict[Key, int]
    low: int = 1
    known_next: int = 1
    open_part: int = 1
    count: int = 0
    rows: dict[int, Row] = field(default_factory=dict)
    pending: dict[int, Pending] = field(default_factory=dict)

    @staticmethod
    def begin(ident: Ident, settings: dict[Key, int], low: int) -> Boot:
        """The book of a boot that has just introduced itself; parts before `low` were recorded in an earlier life."""
        sync = ClockSync(ident.clock_hz)
        return Boot(ident.boot, sync, ident.ring, settings, low=low, known_next=low, open_part=low)

    def hear_status(self, status: Status, sent_ns: int | None, now_ns: int) -> None:
        """A STATUS; `sent_ns` is when the LEASE it answers was sent, None if it answers none."""
        if sent_ns is not None:
            self.sync.add(sent_ns, now_ns, status.clock, status.count)
            self.count = self.sync.count64(status.count)
        self.known_next = max(self.known_next, status.next_part)
        self.open_part = max(self.open_part, status.open_part)

    def hear_row(self, row: PartRow) -> Iterable[Event]:
        """A row: what is new in it."""
        if row.part < self.low or not self.sync.ready:
            return ()
        known = self.rows.get(row.part)
        if known is None:
            known = self.rows[row.part] = Row()
        self.known_next = max(self.known_next, row.part + 1)
        self._acknowledge(row)
        news = self._news(row, known)
        known.phase = max(known.phase, row.phase)
        self._forget_decided()
        return news

    def missing(self) -> int | None:
        """The first part whose row we should have by now and have not."""
        rows, open_part, count = self.rows, self.open_part, self.count
        for number in range(self.low, self.known_next):
            row = rows.get(number)
            if row is None or row.phase == 0 or (row.phase < _DECIDED and number < open_part):
                return number
            if row.phase < _TRIGGERED and row.trigger_count < count:
                return number
        return None

    def queue(self) -> list[dict[str, int | str | None]]:
        """The parts not decided yet, as the controller told of them: `part`, `phase`, `to_gate` (counts from now to the
        gate), and `verdict`, the one that is on its way to the controller. May be asked by any thread: a copy of a
        dict is made in one step."""
        waiting = dict(self.pending)
        return [
            {
                "part": number,
                "phase": Phase(row.phase).name if row.phase else "UNREAD",
                "to_gate": row.due_count - self.count if row.phase else None,
                "verdict": waiting[number].verdict.name if number in waiting else None,
            }
            for number, row in sorted(dict(self.rows).items())
            if row.phase != Phase.DECIDED
        ]

    def overwritten(self) -> Iterable[Event]:
        """Give up the parts whose rows the controller's ring no longer has."""
        while self.low < self.known_next - self.ring:
            yield PartLost(self.number << 32 | self.low, "overwritten")
            self.rows[self.low] = Row(Phase.DECIDED)
            self._forget_decided()

    def slack_ns(self, row: Row, now_ns: int) -> int | None:
        """Deadline of this part minus now; None while the belt stands or nothing is known of its speed."""
        due_ns = self.sync.time_of_count(row.due_count - self.settings[Key.GUARD_COUNT]) if self.sync.ready else None
        return None if due_ns is None else due_ns - self.settings[Key.LEAD_MS] * 1_000_000 - now_ns

    def _news(self, row: PartRow, known: Row) -> list[Event]:
        news: list[Event] = []
        part_id = self.number << 32 | row.part
        if known.phase < Phase.SEEN <= row.phase:
            seen = self.sync.count64(row.seen_count)
            known.trigger_count = seen + self.settings[Key.CAMERA_COUNT]
            known.due_count = seen + self.settings[Key.GATE_COUNT]
            news.append(PartSeen(part_id, seen, known.due_count, self.sync.to_ns(row.seen_clock)))
        if known.phase < Phase.TRIGGERED <= row.phase and row.trigger_clock:
            news.append(PartTriggered(part_id, self.sync.to_ns(row.trigger_clock)))
        if known.phase < Phase.DECIDED <= row.phase:
            decided = self.sync.count64(row.decided_count)
            news.append(PartDecided(part_id, _WHY[row.why], _VERDICT[row.verdict], decided))
        return news

    def _acknowledge(self, row: PartRow) -> None:
        pending = self.pending.get(row.part)
        if pending and (row.verdict == pending.verdict or row.phase == Phase.DECIDED):
            del self.pending[row.part]

    def _forget_decided(self) -> None:
        while self.low in self.rows and self.rows[self.low].phase == Phase.DECIDED:
            del self.rows[self.low]
            self.pending.pop(self.low, None)
            self.low += 1
