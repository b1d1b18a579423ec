"""The parts between eye and gate, as the reject controller keeps them.

What it is: the rules of the reject contract in simulated time - what is armed, what disarms it, when the camera is
triggered and the gate moves. It mirrors the firmware's `parts`. What it is not: the wire (`simulator`), the outputs
(`simulated_outputs`) or the physical belt (the `Belt` it is given). One thread at a time.

The contract: a part is armed for reject the moment the eye sees it. Only a PASS for this part, before its deadline,
under a running lease, with nothing else held against it, lets it through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from firmware_bridge.belt import Belt, PartCounters, PartState
from firmware_bridge.codes import Encoder, Fault, Input, Key, Mode, Phase, Verdict, Why
from firmware_bridge.protocol import RING
from firmware_bridge.settings import DEFAULTS
from firmware_bridge.simulated_outputs import Due, Gate, Place, Sorter
from firmware_bridge.simulated_stops import Runs, SlowInputs

_MS = 1_000_000
_BY_VERDICT = {
    Verdict.REJECT: Why.JUDGED_BAD,
    Verdict.NOT_INSPECTED: Why.NOT_INSPECTED,
    Verdict.NONE: Why.NO_VERDICT,
}


class Parts:
    """See the module. `tell` is called with every row that changed. Starts unconfigured, as after a power-up."""

    def __init__(
        self, belt: Belt, place: Place, tell: Callable[[PartState], None], now_ns: int = 0, blocked: bool = False
    ) -> None:
        self._belt = belt
        self._place = place
        self._tell = tell
        self._config: dict[Key, int] = {}
        self._rows: dict[int, PartState] = {}
        self._gate = Gate(belt, place, self._next_start, self._on_gate_cut)
        self._inputs = SlowInputs()
        self._runs = Runs()
        self.on_sorter: Callable[[int, bool, int], None] = lambda _number, _on, _at_ns: None
        self.sorters = [Sorter(place, number, self._sorter_moved) for number in (1, 2, 3)]
        self.counters = PartCounters()
        self.now_ns = now_ns
        self.mode = Mode.BOOT
        self.fault = Fault.NONE
        self.next_part = 1
        self.open_part = 1
        self.lease_until_ns = -1
        self.blocked = blocked
        self._blocked_at = 0
        self._needs_purge = True
        place.by_clock = False

    @property
    def gate(self) -> bool:
        """The gate is energised."""
        return self._gate.on

    @property
    def limited(self) -> int:
        """How often an output met its limit."""
        return self._gate.limited + sum(sorter.limited for sorter in self.sorters)

    # -- what the station orders -----------------------------------------------------------------------------------

    def configure(self, values: dict[Key, int]) -> None:
        """Take a complete configuration; leads from BOOT to READY. Parts on the belt are flushed to reject."""
        self._config = self._gate.config = DEFAULTS | values
        self.mode = Mode.READY if self.mode is Mode.BOOT else self.mode
        for number in range(self.open_part, self.next_part):
            self._rows[number].why, self._rows[number].phase = Why.PURGED, Phase.DECIDED
            self._tell(self._rows[number])
        self.open_part = self.next_part
        self._needs_purge = True
        self._gate.drop(self.now_ns)
        self._place.by_clock = self._config[Key.ENCODER] == Encoder.CLOCK
        self._blocked_at = self._place.count_at(self.now_ns)

    def row(self, number: int) -> PartState | None:
        """The row of a part, while it is in the ring."""
        return self._rows.get(number)

    def judge(self, number: int, verdict: Verdict, eject: int = 0) -> None:
        """A verdict arrived. The first one stands; a different second one rejects the part."""
        part = self._rows.get(number)
        if part is None:
            self.counters.unknown_part += 1
            return
        if part.verdict is verdict:
            self.counters.repeated += 1
        elif part.phase is Phase.DECIDED:
            self.counters.late += 1
        elif part.verdict is Verdict.NONE:
            part.verdict = verdict
            part.eject = eject if eject <= 3 else 0
        else:
            part.held = Why.CONTRADICTION
            self.counters.contradictions += 1
        self._tell(part)

    def run(self) -> None:
        """READY to RUN. What lay between eye and gate at power-up is unknown and goes to the bin first."""
        if self.mode is not Mode.READY:
            return
        self.mode = Mode.RUN
        purge = self._needs_purge and self._gate.blows
        if purge:
            length = self._config[Key.GATE_COUNT] + (self._config[Key.PART_MAX_COUNT] if self.blocked else 0)
            self._gate.purge_end = self._place.count_at(self.now_ns) + length
        if purge or self._place.by_clock:
            self._hold_all(Why.PURGED)
        self._needs_purge = False
        self._line(True)

    def stop(self) -> None:
        """RUN to READY: the belt stands, the parts on it stay what they are if an encoder tells where they are."""
        if self.mode is Mode.RUN:
            self.mode = Mode.READY
            self._line(False)
            if self._place.by_clock:
                self._hold_all(Why.PURGED)
                self._needs_purge = True

    def reset_fault(self) -> None:
        """A person cleared the fault."""
        if self.mode is Mode.SHUT_DOWN:
            self.mode, self.fault = Mode.READY if self._config else Mode.BOOT, Fault.NONE
            self._runs.clear()
            self._needs_purge = True

    def power_off(self) -> None:
        """Outputs fall to their safe state: the belt stands, the ejectors are de-energised."""
        self._belt.set_running(False, self.now_ns)
        self._belt.set_gate(False, self.now_ns)
        for sorter in self.sorters:
            sorter.off(self.now_ns)

    # -- the slow inputs -------------------------------------------------------------------------------------------

    def set_input(self, which: Input, active: bool) -> None:
        """An input changed, now. The confirmation sensor counts at once, the others when they have lasted 20 ms."""
        if not self._config.get(Key.INPUTS, 0) & which:
            return
        if which is Input.CONFIRM and active:
            self._on_confirm()
        self._inputs.set(which, active, self.now_ns)

    def _on_confirm(self) -> None:
        for number in range(max(1, self.next_part - RING), self.open_part):
            part = self._rows[number]
            if part.awaited:
                if self._place.count_at(self.now_ns) < self._window_start(part):
                    break
                part.awaited, part.confirmed = False, 1
                self._tell(part)
                return
        self.counters.unexpected += 1

    def _input_agenda(self) -> Iterator[Due]:
        slow = self._inputs.due()
        if slow is not None and self.mode is not Mode.SHUT_DOWN:
            yield slow[0], lambda: self.shut_down(slow[1])
        if not self._config[Key.INPUTS] & Input.CONFIRM:
            return
        for number in range(max(1, self.next_part - RING), self.open_part):
            part = self._rows[number]
            if part.awaited:
                end = self._due(part) + self._length(part) + self._config[Key.CONFIRM_WINDOW_COUNT]
                yield from self._at(end, lambda part=part: self._on_unconfirmed(part))  # type: ignore[misc]

    def _on_unconfirmed(self, part: PartState) -> None:
        part.awaited, part.confirmed = False, 2
        self._tell(part)
        self.shut_down(Fault.NOT_CONFIRMED)

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
        for outputs in (self._gate.agenda(), *(sorter.agenda(self._config) for sorter in self.sorters)):
            for at_ns, action in outputs:
                yield at_ns, lambda action=action: action(self.now_ns)  # type: ignore[misc]
        if self.blocked and self.mode is not Mode.SHUT_DOWN:
            yield from self._at(self._blocked_at + self._config[Key.EYE_STUCK_COUNT], self._on_eye_stuck)
        yield from self._input_agenda()
        for number in range(self.open_part, self.next_part):
            yield from self._part_agenda(self._rows[number])

    def _part_agenda(self, part: PartState) -> Iterator[Due]:
        if part.phase is Phase.SEEN:
            yield from self._at(part.seen_count + self._config[Key.CAMERA_COUNT], lambda: self._trigger(part))
        if part.eject:
            yield from self._at(self._sort_start(part) - self._config[Key.GUARD_COUNT], lambda: self._sort(part))
        yield from self._at(self._window_start(part) - self._config[Key.GUARD_COUNT], lambda: self._decide(part))

    def _at(self, count: int, action: Callable[[], None]) -> Iterator[Due]:
        when = self._place.when(count)
        if when is not None:
            yield when, action

    def _due(self, part: PartState) -> int:
        return part.seen_count + self._config[Key.GATE_COUNT]

    def _window_start(self, part: PartState) -> int:
        return self._due(part) - self._place.per_ms(self._config[Key.LEAD_MS], self.now_ns)

    def _next_start(self) -> int | None:
        return None if self.open_part == self.next_part else self._window_start(self._rows[self.open_part])

    def _length(self, part: PartState) -> int:
        return self._config[Key.PART_MAX_COUNT] if part.end_count is None else part.end_count - part.seen_count

    # -- the eye and the camera ------------------------------------------------------------------------------------

    def _on_eye_edge(self) -> None:
        edge = self._belt.next_eye_edge()
        assert edge is not None
        self._belt.pop_eye_edge()
        count = self._place.count_at(edge[0])
        self.blocked, self._blocked_at = edge[1], count
        if edge[1]:
            self._see(count, edge[0])
        elif self.next_part - 1 in self._rows:
            self._clear(self._rows[self.next_part - 1], count)

    def _see(self, count: int, at_ns: int) -> None:
        part = PartState(self.next_part, count, at_ns)
        overwritten = self._rows.pop(part.number - RING, None)
        if not self._config:
            part.held = part.why = Why.NOT_CONFIGURED
            part.phase = Phase.DECIDED
            self.open_part = part.number + 1
        elif overwritten is not None and overwritten.phase is not Phase.DECIDED:
            self.open_part += 1
            self.shut_down(Fault.QUEUE_FULL)
            part.held = Why.QUEUE_FULL
        else:
            part.held = self._first_hold(self._rows.get(part.number - 1), count)
        self._rows[part.number] = part
        self.next_part += 1
        self.counters.most_in_flight = max(self.counters.most_in_flight, self.next_part - self.open_part)
        self._tell(part)

    def _first_hold(self, before: PartState | None, count: int) -> Why:
        if self.mode is Mode.SHUT_DOWN:
            return Why.SHUT_DOWN
        spacing = self._config[Key.MIN_SPACING_COUNT]
        if before is None or before.end_count is None or count - before.end_count >= spacing:
            return Why.OPEN
        self._hold(before, Why.TOO_CLOSE)
        return Why.TOO_CLOSE

    def _clear(self, part: PartState, count: int) -> None:
        part.end_count = count
        if self._config and count - part.seen_count > self._config[Key.PART_MAX_COUNT]:
            self._hold(part, Why.TOO_LONG)

    def _hold(self, part: PartState, why: Why) -> None:
        if part.phase is not Phase.DECIDED and part.held is Why.OPEN:
            part.held = why
            self._tell(part)

    def _hold_all(self, why: Why) -> None:
        for number in range(self.open_part, self.next_part):
            self._hold(self._rows[number], why)

    def _on_eye_stuck(self) -> None:
        self.shut_down(Fault.EYE_STUCK)

    def _trigger(self, part: PartState) -> None:
        part.phase = Phase.TRIGGERED
        part.trigger_ns = self.now_ns
        self._belt.trigger(self.now_ns)
        self._tell(part)

    # -- the decision ----------------------------------------------------------------------------------------------

    def _sort_start(self, part: PartState) -> int:
        base = 5 * (part.eject - 1)
        lead = self._place.per_ms(self._config[Key(Key.EJECT_1_LEAD_MS + base)], self.now_ns)
        return part.seen_count + self._config[Key(Key.EJECT_1_COUNT + base)] - lead

    def _sort(self, part: PartState) -> None:
        number, start = part.eject, self._sort_start(part)
        wired = self._config[Key(Key.EJECT_1_COUNT + 5 * (number - 1))]
        part.eject = 0
        in_time = wired and self._place.count_at(self.now_ns) < start
        if in_time and part.held is Why.OPEN and self.now_ns <= self.lease_until_ns and self.mode is not Mode.SHUT_DOWN:
            self.sorters[number - 1].fire(start)

    def _sorter_moved(self, number: int, on: bool, at_ns: int) -> None:
        self.on_sorter(number, on, at_ns)

    def _decide(self, part: PartState) -> None:
        start = self._window_start(part)
        part.why = self._judgement(part, start)
        if (part.why is Why.EARNED) != self._gate.blows:
            until = (self._due(part) if self._gate.blows else start) + self._length(part)
            if not self._gate.open(start, until, part.number, self.now_ns):
                part.why = Why.QUEUE_FULL
        part.phase = Phase.DECIDED
        part.decided_count = self._place.count_at(self.now_ns)
        part.awaited = part.why not in (Why.EARNED, Why.PURGED) and bool(self._config[Key.INPUTS] & Input.CONFIRM)
        self.open_part += 1
        self._tell(part)
        fault = self._runs.add(part.why, self._config)
        if fault is not Fault.NONE:
            self.shut_down(fault)

    def _judgement(self, part: PartState, start: int) -> Why:
        if self.mode is Mode.SHUT_DOWN:
            return Why.QUEUE_FULL if part.held is Why.QUEUE_FULL else Why.SHUT_DOWN
        if self.blocked and part.number == self.next_part - 1:
            return Why.TOO_LONG
        if part.held is not Why.OPEN:
            return part.held
        if self.now_ns > self.lease_until_ns:
            return Why.LEASE_EXPIRED
        if part.verdict is Verdict.PASS:
            return Why.TOO_CLOSE if self._gate.near(start, part.number, self.now_ns) else Why.EARNED
        return _BY_VERDICT[part.verdict]

    # -- stopping --------------------------------------------------------------------------------------------------

    def _line(self, runs: bool) -> None:
        self._belt.set_running(runs, self.now_ns)
        self._gate.line_moves(runs, self.now_ns)

    def _on_gate_cut(self) -> None:
        if self._gate.blows:
            self._hold_all(Why.PURGED)
            self._needs_purge = True
            if self.mode is Mode.RUN:
                self.shut_down(Fault.OUTPUT_STUCK)

    def shut_down(self, fault: Fault) -> None:
        """Stop the line; sticky until `reset_fault`. The first fault stands."""
        if self.mode is Mode.SHUT_DOWN:
            return
        self.mode, self.fault = Mode.SHUT_DOWN, fault
        self._hold_all(Why.SHUT_DOWN)
        self._line(False)
        if not self._config or not self._gate.blows or fault is Fault.OUTPUT_STUCK:
            self._gate.drop(self.now_ns)
