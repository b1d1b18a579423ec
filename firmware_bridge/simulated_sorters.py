"""The ejectors 1 to 3 of the simulated reject controller: a pulse for a part that its verdict named.

What it is: when a sorter moves, and that it cannot stay on; it mirrors the firmware's `outputs`. What it is not: the
gate (`simulated_outputs`). One thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from firmware_bridge.belt import Belt, PartState
from firmware_bridge.codes import Confirmed, Key
from firmware_bridge.simulated_outputs import Due, Place

_MS = 1_000_000


class Sorter:
    """One of the ejectors 1 to 3: a pulse for a part that its verdict named."""

    def __init__(self, place: Place, number: int, moved: Callable[[int, bool, int], None]) -> None:
        self._place = place
        self._number = number
        self._moved = moved
        self._start: int | None = None
        self._since_ns: int | None = None
        self._on = False
        self._test_ms = 0
        self.limited = 0

    def fire(self, start: int) -> bool:
        """A pulse from count `start` on, unless it is still busy."""
        if self._on or self._start is not None:
            self.limited += 1
            return False
        self._start = start
        return True

    @property
    def on(self) -> bool:
        """It is energised."""
        return self._on

    @property
    def testing(self) -> bool:
        """It is energised for a test."""
        return self._on and bool(self._test_ms)

    def busy(self, now_ns: int) -> bool:
        """A part waits for it, or it has not rested for its shortest time."""
        return self._start is not None or now_ns < self._rested_ns

    def test(self, pulse_ms: int, now_ns: int) -> None:
        """A pulse from now on."""
        self._test_ms = pulse_ms
        self._begin(now_ns)

    def off(self, now_ns: int) -> None:
        """De-energise and forget."""
        self._start = None
        if self._on:
            self._end(now_ns)

    def agenda(self) -> Iterator[Due]:
        """See `Gate.agenda`."""
        if not self._on and self._start is None:
            return
        on_ms = min(self._test_ms or self._key(Key.EJECT_1_ON_MS), self._key(Key.EJECT_1_MAX_ON_MS))
        if self._on and self._since_ns is not None:
            yield self._since_ns + on_ms * _MS, self._end
        elif self._start is not None:
            when = self._place.when(self._start)
            if when is not None:
                yield when, self._begin if when >= self._rested_ns else self._skip

    @property
    def _rested_ns(self) -> int:
        return 0 if self._since_ns is None else self._since_ns + self._key(Key.EJECT_1_MIN_OFF_MS) * _MS

    def _key(self, of_first: Key) -> int:
        return self._place.config[Key(of_first + 5 * (self._number - 1))]

    def _begin(self, now_ns: int) -> None:
        self._start, self._on, self._since_ns = None, True, now_ns
        self._moved(self._number, True, now_ns)

    def _skip(self, now_ns: int) -> None:
        del now_ns
        self._start = None
        self.limited += 1

    def _end(self, now_ns: int) -> None:
        self._on, self._since_ns, self._test_ms = False, now_ns, 0
        self._moved(self._number, False, now_ns)


class Sorters:
    """All three."""

    def __init__(self, belt: Belt, place: Place) -> None:
        self._place = place
        self._sorters = [Sorter(place, number, belt.set_sorter) for number in (1, 2, 3)]

    @property
    def limited(self) -> int:
        """How often a pulse was left out."""
        return sum(sorter.limited for sorter in self._sorters)

    def start(self, part: PartState, now_ns: int) -> int:
        """The count at which the sorter that this part's verdict named must begin to move."""
        base, config = 5 * (part.eject - 1), self._place.config
        lead = self._place.per_ms(config[Key(Key.EJECT_1_LEAD_MS + base)], now_ns)
        return part.seen_count + config[Key(Key.EJECT_1_COUNT + base)] - lead

    def fire(self, part: PartState, allowed: bool, now_ns: int) -> None:
        """The part comes near its sorter: fire it if that is wired, allowed and not too late."""
        number, start = part.eject, self.start(part, now_ns)
        part.eject = 0
        if (
            allowed
            and self.wired(number)
            and self._place.count_at(now_ns) < start
            and self._sorters[number - 1].fire(start)
        ):
            part.confirmed = Confirmed.SORTED

    @property
    def on(self) -> bool:
        """Any is energised."""
        return any(sorter.on for sorter in self._sorters)

    def wired(self, number: int) -> bool:
        """There is one of this number."""
        return bool(self._place.config[Key(Key.EJECT_1_COUNT + 5 * (number - 1))])

    def busy(self, number: int, now_ns: int) -> bool:
        """See `Sorter`."""
        return self._sorters[number - 1].busy(now_ns)

    def test(self, number: int, pulse_ms: int, now_ns: int) -> None:
        """See `Sorter`."""
        self._sorters[number - 1].test(pulse_ms, now_ns)

    def end_test(self, now_ns: int) -> None:
        """Cut the pulse of a test."""
        for sorter in self._sorters:
            if sorter.testing:
                sorter.off(now_ns)

    def off(self, now_ns: int) -> None:
        """De-energise all and forget."""
        for sorter in self._sorters:
            sorter.off(now_ns)

    def agenda(self) -> Iterator[Due]:
        """What comes next."""
        for sorter in self._sorters:
            yield from sorter.agenda()
