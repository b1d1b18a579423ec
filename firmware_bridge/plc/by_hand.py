"""What a person asks of the maintenance mode, in words: `begin`, `end`, `fire OUTPUT`, `force SIGNAL VALUE`.

What it is: words in, done or why not. What it is not: who may ask (the web checks people), or the mode (`maintenance`).
Line thread; where there is a contract, under its lock.
"""

from __future__ import annotations

from typing import Protocol

from firmware_bridge.plc.maintenance import FORCEABLE, Maintenance
from firmware_bridge.plc.signals import Refusal

GIVE_BACK = "-"


class Asked(Protocol):
    """Whose maintenance it is: the contract, or a station without a PLC."""

    maintenance: Maintenance

    def line_runs(self) -> bool:
        """Whether parts move, or may."""
        ...

    def asked(self, why: Refusal, now_ns: int) -> Refusal:
        """A person asked, and this came of it; the same again."""
        ...


def obey(asked: Asked, words: str, now_ns: int) -> str:
    """Do what a person asks; empty, or why not."""
    return why_not(words, asked.asked(_done(asked, words, now_ns), now_ns))


def why_not(words: str, why: Refusal) -> str:
    """A refusal in words, empty for NONE."""
    return "" if why is Refusal.NONE else f"{words} is refused: {why.name.lower().replace('_', ' ')}"


def _done(asked: Asked, words: str, now_ns: int) -> Refusal:
    maintenance = asked.maintenance
    what, _, rest = words.partition(" ")
    if words == "begin":
        return maintenance.enter(asked.line_runs(), now_ns)
    if words == "end":
        return maintenance.leave()
    if what == "fire":
        number = next((number for number, name in maintenance.outputs.items() if name == rest), -1)
        return maintenance.fire(number, now_ns)
    if what == "force":
        signal, _, value = rest.partition(" ")
        fits = value == GIVE_BACK or value in map(str, FORCEABLE.get(signal, ()))
        wanted = None if value == GIVE_BACK else int(value) if fits else -1
        return maintenance.force(signal, wanted, now_ns)
    return Refusal.UNKNOWN_COMMAND
