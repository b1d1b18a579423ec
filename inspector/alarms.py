"""What a person must know now: the alarms that stand.

What it is: a book of alarms by code, each with its time and what to do. What it is not: the state that they put the
station into (`passage`). Line thread.
"""

from __future__ import annotations

from inspector.clock import Clock
from inspector.types import Alarm


class Alarms:
    """See the module. Raising an alarm that stands already changes nothing: its time is when it began."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._standing: dict[str, Alarm] = {}

    def __contains__(self, code: str) -> bool:
        return code in self._standing

    def all(self) -> tuple[Alarm, ...]:
        """All that stand, oldest first."""
        return tuple(self._standing.values())

    def raise_(self, code: str, text: str, advice: str, severity: str = "stop") -> None:
        """An alarm that stands until it is settled or cleared."""
        if code not in self._standing:
            since = self._clock.utc()
            self._standing[code] = Alarm(code=code, severity=severity, text=text, advice=advice, since_utc=since)

    def settle(self, code: str) -> None:
        """Its cause is gone, or a person has read it."""
        self._standing.pop(code, None)

    def tell(self, code: str, present: bool, text: str, advice: str) -> None:
        """An alarm that comes and goes with its cause."""
        if present:
            self.raise_(code, text, advice)
        else:
            self.settle(code)

    def clear(self) -> None:
        """A person has reset the station; what still stands in fact will be raised again."""
        self._standing.clear()
