"""The parts between eye and gate, as the reject controller keeps them.

What it is: the rules of the reject contract in simulated time - what is armed, what disarms it, when the camera is
triggered and the gate moves. It mirrors the firmware's `parts` and `outputs`. What it is not: the wire
(`simulator`) or the physical belt (the `Belt` it is given). One thread at a time.

The contract: a part is armed for reject the moment the eye sees it. Only a PASS for this part, before its deadline,
under a running lease, with nothing else held against it, lets it through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from firmware_bridge.belt import Belt, PartState
from firmware_bridge.protocol import Fault, Key, Mode, Phase, Verdict, Why

_MS = 1_000_000
RING = 32
Due = tuple[int, Callable[[], None]]


class Parts:
    """See the module. `tell` is called with every row that changed. Starts unconfigured, as after a power-up."""

    def __init__(self, belt: Belt, tell: Callable[[PartState], None], now_ns: int = 0) -> None:
        self._belt = belt
        self._tell = tell
        self._config: dict[Key, int] = {}
        self._rows: dict[int, PartState] = {}
        self.now_ns = now_ns
        self.mode = Mode.BOOT
        self.fault = Fault.NONE
        self.next_part = 1
        self.open_part = 1
        self.lease_until_ns = -1
        self.blocked = False
        self.gate = False
        self._gate_since_ns = 0
        self._purge_end: int | None = None
        self._needs_purge = True
        self._unknown_run = 0
        self._reject_run = 0

    # -- what the station orders -----------------------------------------------------------------------------------

    def configure(self, values: dict[Key, int]) -> None:
        """Take a complete configuration; leads from BOOT to READY."""
        self._config = dict(values)
        self.mode = Mode.READY if self.mode is Mode.BOOT else self.mode

    def row(self, number: int) -> PartState | None:
        """The row of a part, while it is in the ring."""
        return self._rows.get(number)

    def judge(self, part: PartState, verdict: Verdict) -> None:
        """A verdict arrived. The first one stands; a different second one rejects the part."""
        if part.phase is not Phase.DECIDED:
            if part.verdict is Verdict.NONE:
                part.verdict = verdict
            elif part.verdict is not verdict:
                part.held = Why.CONTRADICTION
        self._tell(part)

    def run(self) -> None:
        """READY to RUN. What lay between eye and gate at power-up is unknown and goes to the bin first."""
        if self.mode is not Mode.READY:
            return
        self.mode = Mode.RUN
        if self._needs_purge and not self._config[Key.ENERGISED_PASSES]:
            self._purge_end = self._belt.count_at(self.now_ns) + self._config[Key.GATE_COUNT]
        self._needs_purge = False
        self._belt.set_running(True, self.now_ns)
        self._drive_gate()

    def stop(self) -> None:
        """RUN to READY: the belt stands, the parts on it stay what they are."""
        if self.mode is Mode.RUN:
            self.mode = Mode.READY
            self._belt.set_running(False, self.now_ns)

    def reset_fault(self) -> None:
        """A person cleared the fault."""
        if self.mode is Mode.SHUT_DOWN:
            self.mode, self.fault = Mode.READY, Fault.NONE
            self._reject_run = self._unknown_run = 0
            self._needs_purge = True

    def power_off(self) -> None:
        """Outputs fall to their safe state: the belt stands, the ejector is de-energised."""
        self._belt.set_running(False, self.now_ns)
        self._belt.set_gate(False, self.now_ns)

    # -- time --------------------------------------------------------------------------------------------------------

    def advance(self, to_ns: int) -> None:
        """Do everything that is due up to and including `to_ns`, in order."""
        while (due := self._next_due()) is not None and due[0] <= to_ns:
            self.now_ns = max(self.now_ns, due[0])
            due[1]()
        self.now_ns = max(self.now_ns, to_ns)

    def next_event_ns(self) -> int | None:
        """When `advance` has something to do next."""
        due = self._next_due()
        return None if due is None else max(due[0], self.now_ns)

    def _next_due(self) -> Due | None:
        return min(self._agenda(), key=lambda item: item[0], default=None)

    def _agenda(self) -> Iterator[Due]:
        edge = self._belt.next_eye_edge()
        if edge is not None:
            yield edge[0], self._on_eye_edge
        if not self._config:
            return
        if self._purge_end is not None:
            yield from self._at(self._purge_end, self._end_purge)
        elif self.gate:
            yield self._gate_since_ns + self._config[Key.MAX_ON_MS] * _MS, self._cut_gate
        newest = self._rows.get(self.next_part - 1)
        if self.blocked and newest is not None and self.mode is not Mode.SHUT_DOWN:
            yield from self._at(newest.seen_count + self._config[Key.EYE_STUCK_COUNT], self._on_eye_stuck)
        for number in range(max(self.open_part - 4, 1), self.next_part):
            part = self._rows.get(number)
            if part is not None:
                yield from self._part_agenda(part)

    def _part_agenda(self, part: PartState) -> Iterator[Due]:
        if part.phase is Phase.SEEN:
            yield from self._at(part.seen_count + self._config[Key.CAMERA_COUNT], lambda: self._trigger(part))
        if part.phase is not Phase.DECIDED:
            yield from self._at(self._deadline(part), lambda: self._decide(part))
        elif not part.gate_done:
            start, end = self._gate_window(part)
            yield from self._at(end if part.gate_on else start, lambda: self._move_gate(part))

    def _at(self, count: int, action: Callable[[], None]) -> Iterator[Due]:
        when = self._belt.when(count)
        if when is not None:
            yield when, action

    def _lead_count(self) -> int:
        """How far the belt goes while the ejector moves, at the speed of now."""
        now = self._belt.count_at(self.now_ns)
        later = self._belt.when(now + 100)
        if later is None:
            return 0
        return int(self._config[Key.LEAD_MS] * _MS * 100 / max(1, later - self.now_ns))

    def _due(self, part: PartState) -> int:
        return part.seen_count + self._config[Key.GATE_COUNT]

    def _deadline(self, part: PartState) -> int:
        return self._due(part) - self._lead_count() - self._config[Key.GUARD_COUNT]

    def _gate_window(self, part: PartState) -> tuple[int, int]:
        length = (part.end_count or part.seen_count + self._config[Key.PART_MAX_COUNT]) - part.seen_count
        lead = self._lead_count()
        start = self._due(part) - lead
        if not self._config[Key.ENERGISED_PASSES]:
            per_ms = lead / max(1, self._config[Key.LEAD_MS])
            length = max(length, int(self._config[Key.MIN_ON_MS] * per_ms))
        return start, start + length

    # -- the eye, the camera, the gate -----------------------------------------------------------------------------

    def _on_eye_edge(self) -> None:
        edge = self._belt.next_eye_edge()
        assert edge is not None
        self._belt.pop_eye_edge()
        count = self._belt.count_at(edge[0])
        self.blocked = edge[1]
        if edge[1]:
            self._see(count, edge[0])
        elif self.next_part - 1 in self._rows:
            self._clear(self._rows[self.next_part - 1], count)

    def _see(self, count: int, at_ns: int) -> None:
        part = PartState(self.next_part, count, at_ns)
        self.next_part += 1
        before = self._rows.get(part.number - 1)
        self._rows[part.number] = part
        self._rows.pop(part.number - RING, None)
        if not self._config:
            part.held = part.why = Why.NOT_CONFIGURED
            part.phase, part.gate_done = Phase.DECIDED, True
            self._close_rows()
        elif self.mode is Mode.SHUT_DOWN:
            part.held = Why.SHUT_DOWN
        elif before and before.end_count and count - before.end_count < self._config[Key.MIN_SPACING_COUNT]:
            self._hold(before, Why.TOO_CLOSE)
            part.held = Why.TOO_CLOSE
        self._tell(part)

    def _clear(self, part: PartState, count: int) -> None:
        part.end_count = count
        if self._config and count - part.seen_count > self._config[Key.PART_MAX_COUNT]:
            self._hold(part, Why.TOO_LONG)

    def _hold(self, part: PartState, why: Why) -> None:
        if part.phase is not Phase.DECIDED and part.held is Why.OPEN:
            part.held = why
            self._tell(part)

    def _on_eye_stuck(self) -> None:
        self._shut_down(Fault.EYE_STUCK)

    def _trigger(self, part: PartState) -> None:
        part.phase = Phase.TRIGGERED
        part.trigger_ns = self.now_ns
        self._belt.trigger(self.now_ns)
        self._tell(part)

    def _decide(self, part: PartState) -> None:
        part.why = self._judgement(part)
        part.phase = Phase.DECIDED
        part.decided_count = self._belt.count_at(self.now_ns)
        moves = (part.why is Why.EARNED) == bool(self._config[Key.ENERGISED_PASSES])
        part.gate_done = not moves
        self._close_rows()
        self._tell(part)
        self._count_runs(part)

    def _judgement(self, part: PartState) -> Why:
        if self.mode is Mode.SHUT_DOWN:
            return Why.SHUT_DOWN
        if part.end_count is None and self.blocked and part.number == self.next_part - 1:
            return Why.TOO_LONG
        if part.held is not Why.OPEN:
            return part.held
        if self.now_ns > self.lease_until_ns:
            return Why.LEASE_EXPIRED
        return {
            Verdict.PASS: Why.EARNED,
            Verdict.REJECT: Why.JUDGED_BAD,
            Verdict.NOT_INSPECTED: Why.NOT_INSPECTED,
            Verdict.NONE: Why.NO_VERDICT,
        }[part.verdict]

    def _count_runs(self, part: PartState) -> None:
        self._reject_run = self._reject_run + 1 if part.why is Why.JUDGED_BAD else 0
        unknown = part.why not in (Why.EARNED, Why.JUDGED_BAD)
        self._unknown_run = self._unknown_run + 1 if unknown else 0
        for run, key, fault in (
            (self._reject_run, Key.CONSECUTIVE_REJECTS_STOP, Fault.CONSECUTIVE_REJECTS),
            (self._unknown_run, Key.CONSECUTIVE_UNKNOWN_STOP, Fault.CONSECUTIVE_UNKNOWN),
        ):
            if self._config[key] and run >= self._config[key]:
                self._shut_down(fault)

    def _close_rows(self) -> None:
        while self.open_part < self.next_part and self._decided(self.open_part):
            self.open_part += 1

    def _decided(self, number: int) -> bool:
        part = self._rows.get(number)
        return part is None or part.phase is Phase.DECIDED

    def _move_gate(self, part: PartState) -> None:
        part.gate_done = part.gate_on
        part.gate_on = True
        self._drive_gate()

    def _drive_gate(self) -> None:
        wanted = self._purge_end is not None or any(part.gate_on and not part.gate_done for part in self._rows.values())
        wanted = wanted and self.mode is not Mode.SHUT_DOWN
        if wanted != self.gate:
            self.gate = wanted
            self._gate_since_ns = self.now_ns
            self._belt.set_gate(wanted, self.now_ns)

    def _cut_gate(self) -> None:
        for part in self._rows.values():
            part.gate_done = part.gate_done or part.gate_on
        self._drive_gate()

    def _end_purge(self) -> None:
        self._purge_end = None
        self._drive_gate()

    def _shut_down(self, fault: Fault) -> None:
        self.mode, self.fault = Mode.SHUT_DOWN, fault
        for number in range(self.open_part, self.next_part):
            self._hold(self._rows[number], Why.SHUT_DOWN)
        self._belt.set_running(False, self.now_ns)
        self._drive_gate()
