"""Firing an ejector for a test, from the station's side: asked once, sent until it is answered, never late.

What it is: what the bridge knows of the last test. What it is not: whether it may be (the controller decides that:
`Answer`). Belongs to the bridge thread; `last` may be read by any.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from firmware_bridge.codes import Answer
from firmware_bridge.protocol import Fire, Fired

_MS = 1_000_000
_RESEND_NS = 50 * _MS
_GIVE_UP_NS = 500 * _MS
NO_ANSWER = "NO_ANSWER"


@dataclass(frozen=True, slots=True)
class Pulse:
    """A test: ejector 0 is the gate, 1 to 3 the sorters. `answer`: a name of `Answer`, NO_ANSWER, or not there yet."""

    output: int
    pulse_ms: int
    answer: str = ""


class Firing:
    """See the module."""

    def __init__(self) -> None:
        self.last: Pulse | None = None
        self._serial = 0
        self._until_ns: int | None = None
        self._next_ns = 0

    def ask(self, output: int, pulse_ms: int) -> None:
        """Fire `output` (0..3) for `pulse_ms` (1..65535); raises ValueError. What comes of it will be in `last`."""
        if output not in range(4):
            raise ValueError(f"output is {output}, wanted 0 (the gate) or 1 to 3 (a sorter)")
        if pulse_ms not in range(1, 65_536):
            raise ValueError(f"pulse_ms is {pulse_ms}, wanted 1..65535")
        self.last = Pulse(output, pulse_ms)
        self._until_ns = None

    def due(self, now_ns: int, linked: bool) -> Iterator[Fire]:
        """What is to be sent now."""
        if self.last is None or self.last.answer:
            return
        if self._until_ns is None:
            # From the time, so that a station that was restarted does not take the last one's number again.
            self._serial = max(self._serial + 1, now_ns // 1000) % 65_535 + 1
            self._until_ns, self._next_ns = now_ns + _GIVE_UP_NS, now_ns
        if now_ns >= self._until_ns:
            self.lose()
        elif linked and now_ns >= self._next_ns:
            self._next_ns = now_ns + _RESEND_NS
            yield Fire(self._serial, self.last.output, self.last.pulse_ms)

    def lose(self) -> None:
        """The port went: what was asked on it and not answered is not asked on the next one."""
        if self.last is not None and not self.last.answer:
            self.last = replace(self.last, answer=NO_ANSWER)

    def hear(self, fired: Fired) -> None:
        """The controller's answer."""
        if self.last is not None and not self.last.answer and self._until_ns and fired.serial == self._serial:
            self.last = replace(self.last, answer=Answer(fired.answer).name)
