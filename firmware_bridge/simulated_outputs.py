"""The gate of the simulated reject controller: windows, limits, purge; and where on the belt everything is due.

What it is: when outputs move and that none can stay on; it mirrors the firmware's `outputs`. What it is not: which
part deserves what (`simulated_parts`). One thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from firmware_bridge.belt import Belt, PartState
from firmware_bridge.protocol import Key

_MS = 1_000_000
_WINDOWS = 4
COUNT_CLOCKS = 128
# When something is due, and what is to be called with the time.
Due = tuple[int, Callable[[int], None]]


class Place:
    """Counts and times of the belt: by its encoder, or by the controller's clock where there is none."""

    def __init__(self, belt: Belt, clock_start: int, clock_per_ns: float) -> None:
        self._belt = belt
        self._clock_start = clock_start
        self._clock_per_ns = clock_per_ns
        self.by_clock = False
        self.config: dict[Key, int] = {}

    def count_at(self, at_ns: int) -> int:
        """See `Belt`."""
        if not self.by_clock:
            return self._belt.count_at(at_ns)
        return (self._clock_start + int(at_ns * self._clock_per_ns)) // COUNT_CLOCKS

    def when(self, count: int) -> int | None:
        """See `Belt`."""
        if not self.by_clock:
            return self._belt.when(count)
        return -int(-(count * COUNT_CLOCKS - self._clock_start) // self._clock_per_ns)

    def per_ms(self, ms: int, now_ns: int) -> int:
        """How far the belt goes in `ms` at the speed of now; 0 while it stands."""
        later = self.when(self.count_at(now_ns) + 100)
        return 0 if later is None else int(ms * _MS * 100 / max(1, later - now_ns))

    def due(self, part: PartState) -> int:
        """The count at which the front of this part is at the gate."""
        return part.seen_count + self.config[Key.GATE_COUNT]

    def window_start(self, part: PartState, now_ns: int) -> int:
        """The count at which the gate must begin to move for this part, at the speed of now."""
        return self.due(part) - self.per_ms(self.config[Key.LEAD_MS], now_ns)

    def length(self, part: PartState) -> int:
        """Its length in counts; the longest allowed while its end has not been seen."""
        return self.config[Key.PART_MAX_COUNT] if part.end_count is None else part.end_count - part.seen_count

    def at(self, count: int, action: Callable[[int], None]) -> Iterator[Due]:
        """The action at the time of a count, if that can be told."""
        when = self.when(count)
        if when is not None:
            yield when, action


@dataclass(slots=True)
class Window:
    """The gate is energised from one count to another, for the part of this number."""

    start: int
    until: int
    number: int


class Gate:
    """See the module. `next_start` tells where the next undecided part's window would start; `cut` that it was cut."""

    def __init__(self, belt: Belt, place: Place, next_start: Callable[[], int | None], cut: Callable[[], None]) -> None:
        self._belt = belt
        self._place = place
        self._next_start = next_start
        self._cut_told = cut
        self._windows: list[Window] = []
        self._last: Window | None = None
        self._since_ns = 0
        self._stopped_ns: int | None = None
        self._start_ns: int | None = None
        self._test_ms = 0
        self.moved_ns = 0
        self.purge_end: int | None = None
        self.on = False
        self.limited = 0

    @property
    def blows(self) -> bool:
        """A valve that is energised to reject, not a diverter that is energised to pass."""
        return not self._place.config[Key.ENERGISED_PASSES]

    @property
    def testing(self) -> bool:
        """It is on for a test."""
        return self.on and bool(self._test_ms)

    @property
    def busy(self) -> bool:
        """It is on, or a window or a purge waits."""
        return self.on or bool(self._windows) or self.purge_end is not None

    def test(self, pulse_ms: int, now_ns: int) -> None:
        """Energise for that long, or for the longest that is allowed."""
        self._test_ms = min(pulse_ms, self._place.config[Key.MAX_ON_MS])
        self._drive(True, now_ns)

    def near(self, start: int, number: int, now_ns: int) -> bool:
        """Whether the last window ends too close before `start`."""
        if self._last is None or start - self._last.until >= self._min_off(now_ns):
            return False
        return self.blows or not self._windows or self._last.number != number - 1

    def open(self, start: int, until: int, number: int, now_ns: int) -> bool:
        """Energise from `start` to `until`; False if too many windows wait."""
        if self.blows:
            until = max(until, start + self._place.per_ms(self._place.config[Key.MIN_ON_MS], now_ns))
        if len(self._windows) == _WINDOWS:
            if not self.blows:
                return False
            self._windows[-1].until = until
        else:
            self._windows.append(Window(start, until, number))
        self._last = Window(start, until, number)
        return True

    def drop(self, now_ns: int) -> None:
        """Forget all windows and de-energise."""
        self._windows.clear()
        self._last = self.purge_end = None
        self.moved_ns, self._test_ms = now_ns, 0
        self._drive(False, now_ns)

    def start_line(self, now_ns: int, tested: bool = False) -> None:
        """Start the line; if it is to be purged or was `tested`, when the gate has moved."""
        self._stopped_ns = None
        self._start_ns = now_ns
        if tested or self.purge_end is not None:
            self._start_ns += self._place.config[Key.LEAD_MS] * _MS
        if self.purge_end is not None:
            self._drive(True, now_ns)

    def stop_line(self, now_ns: int) -> None:
        """Stop the line; a purge pauses while it stands."""
        self._stopped_ns = self.moved_ns = now_ns
        self._start_ns = None
        self._belt.set_running(False, now_ns)

    def _start(self, now_ns: int) -> None:
        self._start_ns = None
        self._belt.set_running(True, now_ns)

    def agenda(self) -> Iterator[Due]:
        """What comes next: times, and what is to be called with the time."""
        if self._start_ns is not None:
            yield self._start_ns, self._start
        if self.purge_end is not None:
            yield from self._place.at(self.purge_end, self._end_purge)
            if self.on and self._stopped_ns is not None:
                yield (
                    self._stopped_ns + self._place.config[Key.MAX_ON_MS] * _MS,
                    lambda now_ns: self._drive(False, now_ns),
                )
        elif self.testing:
            yield self._since_ns + self._test_ms * _MS, lambda now_ns: self._drive(False, now_ns)
        elif self.on:
            closing = self._place.when(self._windows[0].until)
            if closing is not None:
                shortest = self._since_ns + self._place.config[Key.MIN_ON_MS] * _MS if self.blows else 0
                yield max(closing, shortest), self._close
            yield self._since_ns + self._place.config[Key.MAX_ON_MS] * _MS, self._cut
        elif self._windows:
            yield from self._place.at(self._windows[0].start, lambda now_ns: self._drive(True, now_ns))

    # -- inside ----------------------------------------------------------------------------------------------------

    def _min_off(self, now_ns: int) -> int:
        return self._place.per_ms(max(1, self._place.config[Key.MIN_OFF_MS]), now_ns)

    def _drive(self, on: bool, now_ns: int) -> None:
        if on != self.on:
            self.on = on
            self._since_ns = now_ns
            self.moved_ns = self.moved_ns if on else now_ns
            self._belt.set_gate(on, now_ns)

    def _close(self, now_ns: int) -> None:
        first, gap = self._windows[0], self._min_off(now_ns)
        while len(self._windows) > 1 and self._windows[1].start - first.until < gap:
            following = self._windows.pop(1)
            first.until = max(first.until, following.until)
        start = self._next_start() if self.blows else None
        if start is not None and start - first.until < gap:
            first.until = max(first.until, start)
        closing = self._place.when(first.until)
        if closing is not None and closing <= now_ns:
            self._windows.pop(0)
            self._drive(False, now_ns)

    def _cut(self, now_ns: int) -> None:
        self._windows.pop(0)
        self.limited += 1
        self._drive(False, now_ns)
        self._cut_told()

    def _end_purge(self, now_ns: int) -> None:
        self.purge_end = None
        count = self._place.count_at(now_ns)
        self._windows = [window for window in self._windows if window.until > count]
        self._since_ns = now_ns
        if not self._windows or self._windows[0].start > count:
            self._drive(False, now_ns)
