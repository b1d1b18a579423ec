"""The parts between eye and gate, as the reject controller keeps them.

What it is: the rules of the reject contract in simulated time - what is armed, what disarms it, when the camera is
triggered and the gate moves. It mirrors the firmware's `parts`. What it is not: the wire (`simulator`), the outputs
(`simulated_outputs`) or the physical belt (the `Belt` it is given). One thread at a time.

The contract: a part is armed for reject the moment the eye sees it. Only a PASS for this part, before its deadline,
under a running lease, with nothing else held against it, lets it through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import itemgetter

from firmware_bridge.belt import Belt, PartState
from firmware_bridge.codes import Encoder, Fault, Input, Key, Mode, Phase, Verdict, Why
from firmware_bridge.settings import DEFAULTS
from firmware_bridge.simulated_firing import Firing
from firmware_bridge.simulated_outputs import Due, Gate, Place
from firmware_bridge.simulated_rows import BY_VERDICT, Rows
from firmware_bridge.simulated_sorters import Sorters
from firmware_bridge.simulated_stops import Confirmations, Runs, SlowInputs


class Parts:
    """See the module. `tell` is called with every row that changed. Starts unconfigured, as after a power-up."""

    def __init__(
        self, belt: Belt, place: Place, tell: Callable[[PartState], None], now_ns: int = 0, blocked: bool = False
    ) -> None:
        self._belt = belt
        self._place = place
        self._config: dict[Key, int] = {}
        self._gate = Gate(belt, place, self._next_start, self._on_gate_cut)
        self._inputs = SlowInputs()
        self._runs = Runs()
        self.confirmations = Confirmations(place, self._on_unconfirmed)
        self.rows = Rows(tell)
        self.sorters = Sorters(belt, place)
        self.firing = Firing(place, self._gate, self.sorters, self.rows)
        self.now_ns = self._gate.moved_ns = now_ns
        self.mode = Mode.BOOT
        self.fault = Fault.NONE
        self.lease_until_ns = -1
        self.blocked = blocked
        self._blocked_at = 0
        self._needs_purge = True
        self._flush_until: int | None = None
        place.by_clock = False

    @property
    def next_part(self) -> int:
        """The number the next part will get."""
        return self.rows.next

    @property
    def open_part(self) -> int:
        """The first part that is not decided."""
        return self.rows.open

    @property
    def gate(self) -> bool:
        """The gate is energised."""
        return self._gate.on

    @property
    def limited(self) -> int:
        """How often an output met its limit."""
        return self._gate.limited + self.sorters.limited

    @property
    def leased(self) -> bool:
        """The station has been heard of lately."""
        return self.now_ns <= self.lease_until_ns

    # -- what the station orders -----------------------------------------------------------------------------------

    def configure(self, values: dict[Key, int]) -> None:
        """Take a complete configuration; leads from BOOT to READY. Parts on the belt are flushed to reject."""
        self._config = self._place.config = DEFAULTS | values
        self.mode = Mode.READY if self.mode is Mode.BOOT else self.mode
        self._place.by_clock = self._config[Key.ENCODER] == Encoder.CLOCK
        for part in self.rows.undecided():
            self.rows.decide(part, Why.PURGED, self._place.count_at(self.now_ns))
        self.confirmations.clear()
        self._needs_purge = True
        self._gate.drop(self.now_ns)
        self.sorters.off(self.now_ns)
        self._blocked_at = self._place.count_at(self.now_ns)

    def run(self) -> None:
        """READY to RUN. What lay between eye and gate at power-up is unknown and goes to the bin first."""
        if self.mode is not Mode.READY:
            return
        self.mode = Mode.RUN
        purge = self._needs_purge and self._gate.blows
        past_gate = self._place.count_at(self.now_ns) + self._config[Key.GATE_COUNT]
        if self._place.by_clock:
            # The clock goes on while the belt waits for the gate.
            past_gate += self._place.per_ms(self._config[Key.LEAD_MS], self.now_ns)
        if purge:
            self._gate.purge_end = past_gate + (self._config[Key.PART_MAX_COUNT] if self.blocked else 0)
        if purge or self._place.by_clock:
            self.rows.hold_all(Why.PURGED)
        # Without an encoder nothing tells how far the belt has come before it had its speed.
        self._flush_until = past_gate if self._place.by_clock else None
        self._needs_purge = False
        self.firing.end(self.now_ns)
        self._gate.start_line(self.now_ns, self.firing.started())

    def stop(self) -> None:
        """RUN to READY: the belt stands, the parts on it stay what they are if an encoder tells where they are."""
        if self.mode is Mode.RUN:
            self.mode = Mode.READY
            self._gate.stop_line(self.now_ns)
            if self._place.by_clock:
                self.rows.hold_all(Why.PURGED)
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
        self.sorters.off(self.now_ns)

    def shut_down(self, fault: Fault) -> None:
        """Stop the line; sticky until `reset_fault`. The first fault stands."""
        if self.mode is Mode.SHUT_DOWN:
            return
        self.mode, self.fault = Mode.SHUT_DOWN, fault
        self.rows.hold_all(Why.SHUT_DOWN)
        self._gate.stop_line(self.now_ns)
        self.firing.end(self.now_ns)
        if not self._config or not self._gate.blows or fault is Fault.OUTPUT_STUCK:
            self._gate.drop(self.now_ns)
            self.sorters.off(self.now_ns)

    # -- the slow inputs -------------------------------------------------------------------------------------------

    def set_input(self, which: Input, active: bool) -> None:
        """An input changed, now. The confirmation sensor counts at once, the others when they have lasted 20 ms."""
        if not self._config.get(Key.INPUTS, 0) & which:
            return
        self._inputs.set(which, active, self.now_ns)
        if which is Input.CONFIRM and active:
            part = self.confirmations.seen(self.now_ns)
            if part is not None:
                self.rows.tell(part)

    def _on_unconfirmed(self, part: PartState) -> None:
        self.rows.tell(part)
        self.shut_down(Fault.NOT_CONFIRMED)

    # -- time --------------------------------------------------------------------------------------------------------

    def advance(self, to_ns: int) -> None:
        """Do everything that is due up to and including `to_ns`, in order."""
        while (due := self._next_due()) is not None and due[0] <= to_ns:
            self.now_ns = max(self.now_ns, due[0])
            due[1](self.now_ns)
        self.now_ns = max(self.now_ns, to_ns)

    def next_event_ns(self) -> int | None:
        """When `advance` has something to do next."""
        due = self._next_due()
        return None if due is None else max(due[0], self.now_ns)

    def _next_due(self) -> Due | None:
        return min(self._agenda(), key=itemgetter(0), default=None)

    def _agenda(self) -> Iterator[Due]:
        edge = self._belt.next_eye_edge()
        if edge is not None:
            yield edge[0], self._on_eye_edge
        if not self._config:
            return
        yield from self._gate.agenda()
        yield from self.sorters.agenda()
        yield from self.confirmations.agenda()
        slow = self._inputs.due()
        if self.mode is not Mode.SHUT_DOWN:
            if self.blocked:
                stuck = self._blocked_at + self._config[Key.EYE_STUCK_COUNT]
                yield from self._place.at(stuck, lambda _: self.shut_down(Fault.EYE_STUCK))
            if slow is not None:
                yield slow[0], lambda _: self.shut_down(slow[1])
        for part in self.rows.undecided():
            yield from self._part_agenda(part)

    def _part_agenda(self, part: PartState) -> Iterator[Due]:
        at, guard = self._place.at, self._config[Key.GUARD_COUNT]
        if part.phase is Phase.SEEN:
            yield from at(part.seen_count + self._config[Key.CAMERA_COUNT], lambda _: self._trigger(part))
        if part.eject:
            yield from at(self.sorters.start(part, self.now_ns) - guard, lambda _: self._sort(part))
        # Places are in order, and so are deadlines: the first part's comes first.
        if part.number == self.rows.open:
            yield from at(self._place.window_start(part, self.now_ns) - guard, lambda _: self._decide(part))

    def _next_start(self) -> int | None:
        part = self.rows.oldest_undecided()
        return None if part is None else self._place.window_start(part, self.now_ns)

    # -- the eye and the camera ------------------------------------------------------------------------------------

    def _on_eye_edge(self, _now_ns: int) -> None:
        edge = self._belt.next_eye_edge()
        assert edge is not None
        self._belt.pop_eye_edge()
        count = self._place.count_at(edge[0])
        self.blocked, self._blocked_at = edge[1], count
        newest = self.rows.newest()
        if edge[1]:
            self._see(PartState(self.rows.next, count, edge[0]), newest)
        elif newest is not None:
            newest.end_count = count
            if self._config and self._place.length(newest) > self._config[Key.PART_MAX_COUNT]:
                self.rows.hold(newest, Why.TOO_LONG)

    def _see(self, part: PartState, before: PartState | None) -> None:
        if not self._config:
            self.rows.add_rejected(part, Why.NOT_CONFIGURED)
            return
        # Parts come and the belt is said to stand: nothing would ever reach the gate.
        stands = before is not None and before.seen_count == part.seen_count and not self._place.by_clock
        if stands and self.mode is Mode.RUN:
            self.shut_down(Fault.ENCODER_LOST)
        oldest = self.rows.oldest_undecided()
        if self.rows.full() and oldest is not None:
            part.held = Why.QUEUE_FULL
            self.shut_down(Fault.QUEUE_FULL)
            self._decide(oldest)
        else:
            part.held = self._first_hold(before, part.seen_count)
        self.rows.add(part)
        if self._place.by_clock:
            self.firing.end(self.now_ns)

    def _first_hold(self, before: PartState | None, count: int) -> Why:
        if self.mode is Mode.SHUT_DOWN:
            return Why.SHUT_DOWN
        if self._flush_until is not None and count < self._flush_until:
            return Why.PURGED
        return self.rows.spaced(before, count, self._config[Key.MIN_SPACING_COUNT])

    def _trigger(self, part: PartState) -> None:
        part.phase = Phase.TRIGGERED
        part.trigger_ns = self.now_ns
        self._belt.trigger(self.now_ns)
        self.rows.tell(part)

    # -- the decision ----------------------------------------------------------------------------------------------

    def _sort(self, part: PartState) -> None:
        allowed = self.leased and part.held is Why.OPEN and self.mode is not Mode.SHUT_DOWN
        self.sorters.fire(part, allowed, self.now_ns)

    def _decide(self, part: PartState) -> None:
        start = self._place.window_start(part, self.now_ns)
        why = self._judgement(part, start)
        if (why is Why.EARNED) != self._gate.blows:
            until = (self._place.due(part) if self._gate.blows else start) + self._place.length(part)
            if not self._gate.open(start, until, part.number, self.now_ns):
                why = Why.QUEUE_FULL
        if why not in (Why.EARNED, Why.PURGED) and not part.confirmed and self._config[Key.INPUTS] & Input.CONFIRM:
            self.confirmations.await_part(part)
        self.rows.decide(part, why, self._place.count_at(self.now_ns))
        fault = self._runs.add(why, self._config)
        if fault is not Fault.NONE:
            self.shut_down(fault)

    def _judgement(self, part: PartState, start: int) -> Why:
        if self.mode is Mode.SHUT_DOWN:
            return Why.QUEUE_FULL if part.held is Why.QUEUE_FULL else Why.SHUT_DOWN
        if self.blocked and part.number == self.rows.next - 1:
            return Why.TOO_LONG
        if part.held is not Why.OPEN:
            return part.held
        if not self.leased:
            return Why.LEASE_EXPIRED
        if part.verdict is Verdict.PASS:
            return Why.TOO_CLOSE if self._gate.near(start, part.number, self.now_ns) else Why.EARNED
        return BY_VERDICT[part.verdict]

    def _on_gate_cut(self) -> None:
        if self._gate.blows:
            self.rows.hold_all(Why.PURGED)
            self._needs_purge = True
            if self.mode is Mode.RUN:
                self.shut_down(Fault.OUTPUT_STUCK)
