"""The numbers that have a name on the wire: verdicts, phases, reasons, modes, faults, orders, configuration keys.

What it is: the enumerations of `protocol`, part of its table and its hash. What it is not: messages. Any thread.
"""

from __future__ import annotations

import enum


class Verdict(enum.IntEnum):
    """The verdict on the wire; the same numbers as the station's own."""

    NONE = 0
    PASS = 1
    REJECT = 2
    NOT_INSPECTED = 3


class Phase(enum.IntEnum):
    """How far a part has come. `DECIDED`: its deadline is behind it and its outcome stands."""

    SEEN = 1
    TRIGGERED = 2
    DECIDED = 3


class Why(enum.IntEnum):
    """Why a part went where it went. Only `EARNED` is the good lane."""

    OPEN = 0
    EARNED = 1
    JUDGED_BAD = 2
    NOT_INSPECTED = 3
    NO_VERDICT = 4
    LEASE_EXPIRED = 5
    TOO_CLOSE = 6
    TOO_LONG = 7
    SHUT_DOWN = 8
    NOT_CONFIGURED = 9
    QUEUE_FULL = 10
    PURGED = 11
    CONTRADICTION = 12


class Confirmed(enum.IntEnum):
    """What is known of a rejected part's way. `SORTED`: its sorter was fired for it, and the gate's sensor need not see
    it; the gate rejects it all the same."""

    UNKNOWN = 0
    SEEN = 1
    MISSED = 2
    SORTED = 3


class Mode(enum.IntEnum):
    """What the controller does. Its line-run output is energised in `RUN` only."""

    BOOT = 0
    READY = 1
    RUN = 2
    SHUT_DOWN = 3


class Fault(enum.IntEnum):
    """Why the controller shut down; sticky until RESET."""

    NONE = 0
    EYE_STUCK = 1
    CONFIG_CRC = 2
    OUTPUT_STUCK = 3
    CONSECUTIVE_REJECTS = 4
    CONSECUTIVE_UNKNOWN = 5
    NOT_CONFIRMED = 6
    BIN_FULL = 7
    LOW_AIR = 8
    WATCHDOG = 9
    REJECTS_OF_LAST = 10
    QUEUE_FULL = 11
    ENCODER_LOST = 12


class Order(enum.IntEnum):
    """What COMMAND asks for. RUN is refused while shut down; RESET leads to READY and never to RUN."""

    RUN = 1
    STOP = 2
    RESET = 3


class Answer(enum.IntEnum):
    """What came of FIRE. Only `FIRED` moved an output.

    `NOT_READY`: the mode is not READY. `NOT_AT_REST`: belt or gate moved within the last second, or, without an
    encoder, what was on the belt may still be. `BUSY`: a part is at the gate or before its sorter, or the output has
    not rested for its shortest time. `NO_OUTPUT`: there is none of that number, or no pulse of that length.
    """

    FIRED = 1
    NOT_READY = 2
    NOT_AT_REST = 3
    BUSY = 4
    NO_OUTPUT = 5


class Encoder(enum.IntEnum):
    """What counts the belt. `CLOCK`: nothing does, and one count is 64 us of the controller's clock."""

    CLOCK = 0
    SINGLE = 1
    QUADRATURE = 2


# What the controller's mode must be for an order to have been obeyed.
OBEYED: dict[Order, set[Mode]] = {
    Order.RUN: {Mode.RUN},
    Order.STOP: set(Mode) - {Mode.RUN},
    Order.RESET: set(Mode) - {Mode.SHUT_DOWN},
}


class Input(enum.IntEnum):
    """The inputs that may be wired, as bits of `Key.INPUTS`. Open circuit reads as active: a cut wire is an alarm."""

    CONFIRM = 1
    BIN_FULL = 2
    LOW_AIR = 4


class Key(enum.IntEnum):
    """What can be configured. Counts unless the name says otherwise; every value is 0..65535.

    The keys up to `CONSECUTIVE_UNKNOWN_STOP` must be set; the others stand at `DEFAULTS` when they are not.
    Ejector 0 is the gate; ejectors 1 to 3 are sorters that fire for a part only if its verdict named them.
    """

    CAMERA_COUNT = 1
    GATE_COUNT = 2
    GUARD_COUNT = 3
    MIN_SPACING_COUNT = 4
    PART_MAX_COUNT = 5
    EYE_STUCK_COUNT = 6
    DEBOUNCE_US = 7
    STROBE_US = 8
    LEAD_MS = 9
    MIN_ON_MS = 10
    MAX_ON_MS = 11
    MIN_OFF_MS = 12
    ENERGISED_PASSES = 13
    CONFIRM_WINDOW_COUNT = 14
    CONSECUTIVE_REJECTS_STOP = 15
    CONSECUTIVE_UNKNOWN_STOP = 16
    REJECTS_OF_LAST_STOP = 17
    LAST_PARTS = 18
    ENCODER = 19
    INPUTS = 20
    EJECT_1_COUNT = 21
    EJECT_1_ON_MS = 22
    EJECT_1_LEAD_MS = 23
    EJECT_1_MAX_ON_MS = 24
    EJECT_1_MIN_OFF_MS = 25
    EJECT_2_COUNT = 26
    EJECT_2_ON_MS = 27
    EJECT_2_LEAD_MS = 28
    EJECT_2_MAX_ON_MS = 29
    EJECT_2_MIN_OFF_MS = 30
    EJECT_3_COUNT = 31
    EJECT_3_ON_MS = 32
    EJECT_3_LEAD_MS = 33
    EJECT_3_MAX_ON_MS = 34
    EJECT_3_MIN_OFF_MS = 35
