"""The station's state, in PackML's words, and the few ways it may change.

What it is: a pure table of what leads where. What it is not: who asks or what is done then (`line`). Line thread.

Source of the words: ISA-TR88.00.02 (PackML); the acting states between them are not shown, because nothing in the
station dwells in them.
"""

from __future__ import annotations

import enum


class State(enum.StrEnum):
    """Stopped: nothing is ready. Idle: ready, belt stands. Execute: runs. Held: a person must look. Aborted: broken."""

    STOPPED = "Stopped"
    IDLE = "Idle"
    EXECUTE = "Execute"
    HELD = "Held"
    ABORTED = "Aborted"


class Cause(enum.StrEnum):
    """What may move the state."""

    READY = "ready"
    START = "start"
    STOP = "stop"
    RESET = "reset"
    HOLD = "hold"
    ABORT = "abort"


_NEXT = {
    (State.STOPPED, Cause.READY): State.IDLE,
    (State.IDLE, Cause.START): State.EXECUTE,
    (State.EXECUTE, Cause.STOP): State.IDLE,
    (State.EXECUTE, Cause.HOLD): State.HELD,
    (State.IDLE, Cause.HOLD): State.HELD,
    (State.HELD, Cause.RESET): State.IDLE,
    (State.ABORTED, Cause.RESET): State.STOPPED,
}


def after(state: State, cause: Cause) -> State | None:
    """The state that `cause` leads to, or None if it is refused in `state`. ABORT leads to ABORTED from anywhere."""
    return State.ABORTED if cause is Cause.ABORT else _NEXT.get((state, cause))
