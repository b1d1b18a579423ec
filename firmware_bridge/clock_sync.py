"""Where the controller's clock and count are now, from questions and answers.

What it is: the map between the controller's 32-bit clock and the station's monotonic nanoseconds, and the belt's
speed. What it is not: a synchroniser; no clock is ever set. Belongs to the bridge thread.

An answer of the controller was made somewhere between the question's sending and the answer's arrival; the middle is
wrong by half a round trip at most. The half of the last `WINDOW` samples with the shortest round trips is trusted
(Cristian, Distributed Computing 3, 1989) and the rate is a least-squares line through it, so that one late answer
does no harm.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from firmware_bridge.protocol import unwrap

WINDOW = 32
# A rate is fitted once the trusted samples span this much; before that the nominal rate is the better guess.
_SPAN_NS = 200e6
# A ceramic resonator is within 0.5 %; more than 1 % off is not a clock.
_OFF = 0.01


@dataclass(frozen=True, slots=True)
class Sample:
    """One answered question: the middle of its round trip, the round trip, and what the controller said."""

    at_ns: int
    round_trip_ns: int
    clock: int
    count: int


class ClockSync:
    """Learns from samples; before the first one it knows nothing and says so by `ready`.

    `counts_per_ns` is the belt's speed over the last samples; 0.0 while it is unknown or stands.
    """

    def __init__(self, clock_hz: int) -> None:
        self._nominal = 1e9 / clock_hz
        self._ns_per_clock = self._nominal
        self._samples: deque[Sample] = deque(maxlen=WINDOW)
        self._clock = 0
        self._count = 0
        self._origin = (0.0, 0.0)
        self.counts_per_ns = 0.0
        self.ready = False
        self.error_ns = 0

    def add(self, sent_ns: int, received_ns: int, clock: int, count: int) -> None:
        """One exchange: sent and received on the station's clock, `clock` and `count` as 32-bit words."""
        self._clock = unwrap(clock, self._clock) if self.ready else clock
        self._count = unwrap(count, self._count) if self.ready else count
        middle = (sent_ns + received_ns) // 2
        self._samples.append(Sample(middle, received_ns - sent_ns, self._clock, self._count))
        self.ready = True
        self._fit()
        self.counts_per_ns = self._speed()

    def to_ns(self, clock: int) -> int:
        """The station's time at which the controller's clock showed `clock` (32 bits, not older than 2**31)."""
        clock0, at0 = self._origin
        return int(at0 + (unwrap(clock, self._clock) - clock0) * self._ns_per_clock)

    def count64(self, count: int) -> int:
        """The 32-bit `count` as the unwrapped count of this boot."""
        return unwrap(count, self._count)

    def _speed(self) -> float:
        if len(self._samples) < 2:
            return 0.0
        first, last = self._samples[max(0, len(self._samples) - 4)], self._samples[-1]
        return max(0.0, (last.count - first.count) / max(1, last.at_ns - first.at_ns))

    def time_of_count(self, count64: int) -> int | None:
        """When the belt will reach `count64` at its present speed; None while it stands."""
        if self.counts_per_ns <= 0.0:
            return None
        last = self._samples[-1]
        return last.at_ns + int((count64 - last.count) / self.counts_per_ns)

    def _fit(self) -> None:
        best = sorted(self._samples, key=lambda sample: sample.round_trip_ns)[: max(2, len(self._samples) // 2)]
        clock0 = sum(sample.clock for sample in best) / len(best)
        at0 = sum(sample.at_ns for sample in best) / len(best)
        spread = sum((sample.clock - clock0) ** 2 for sample in best)
        if spread * self._nominal**2 > _SPAN_NS**2:
            slope = sum((sample.clock - clock0) * (sample.at_ns - at0) for sample in best) / spread
            self._ns_per_clock = min(max(slope, self._nominal * (1 - _OFF)), self._nominal * (1 + _OFF))
        self._origin = (clock0, at0)
        errors = [abs(self.to_ns(sample.clock % 2**32) - sample.at_ns) for sample in best]
        self.error_ns = best[0].round_trip_ns // 2 + max(errors)
