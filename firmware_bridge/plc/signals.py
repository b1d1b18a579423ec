"""The words of the PLC contract: every bit, command, verdict and refusal, with its number on the wire.

What it is: enumerations, and nothing else. The register map, its page and the PLC source name them from here. What it
is not: behaviour (`contract`) or addresses (`fields`). Any thread.
"""

from __future__ import annotations

import enum


class Control(enum.IntFlag):
    """What the PLC asks; register `control`."""

    TRIGGER_ENABLE = 1 << 0
    TRIGGER = 1 << 1
    BUFFER_RESULTS = 1 << 2
    RESULTS_ACK = 1 << 3
    EXECUTE_COMMAND = 1 << 4
    SET_OFFLINE = 1 << 7
    FAULT_RESET = 1 << 8
    LINE_RUNNING = 1 << 9


class Status(enum.IntFlag):
    """What the station answers; register `status`."""

    TRIGGER_READY = 1 << 0
    TRIGGER_ACK = 1 << 1
    BUSY = 1 << 2
    MISSED_TRIGGER = 1 << 3
    RESULTS_VALID = 1 << 4
    INSPECTION_COMPLETED = 1 << 5
    RESULTS_OVERRUN = 1 << 6
    ONLINE = 1 << 7
    COMMAND_EXECUTING = 1 << 8
    COMMAND_COMPLETED = 1 << 9
    COMMAND_FAILED = 1 << 10
    FAULT = 1 << 11
    EXPOSING = 1 << 12
    JOB_BUSY = 1 << 13
    FIRST_PIECE_WANTED = 1 << 14
    MAINTENANCE = 1 << 15


class Fault(enum.IntFlag):
    """Why the station does not run; register `faults`. Sticky until FAULT_RESET, and as long as the cause lasts."""

    PLC_WATCHDOG = 1 << 0
    STATION_STALLED = 1 << 1
    CAMERA = 1 << 2
    MODEL = 1 << 3
    CONTROLLER = 1 << 4
    REJECT_BIN_FULL = 1 << 5
    EJECT_UNCONFIRMED = 1 << 6
    CONSECUTIVE_REJECTS = 1 << 7
    CONSECUTIVE_UNKNOWN = 1 << 8
    RECORDER = 1 << 9
    JOB = 1 << 10
    OTHER = 1 << 15


class Mode(enum.IntFlag):
    """What holds at the moment beside the handshake; register `modes`. The first bit is the reader's own."""

    YOU_HAVE_CONTROL = 1 << 0
    CONTROL_TAKEN = 1 << 1
    PLC_TRIGGERS = 1 << 2
    FIRST_PIECE_OPTION = 1 << 3
    FORCED = 1 << 4


class ResultFlag(enum.IntFlag):
    """What the result block holds; register `result_flags`."""

    POSE = 1 << 0
    DEFECT = 1 << 1
    FIRST_PIECE = 1 << 2


class PlcVerdict(enum.IntEnum):
    """The verdict on this wire. Everything but exactly PASS means reject."""

    NONE = 0
    PASS = 1
    REJECT = 2
    UNKNOWN = 3
    NOT_INSPECTED = 4
    FAULT = 5


class LengthUnit(enum.IntEnum):
    """What one step of the positions in the result block is."""

    NONE = 0
    MM_0_01 = 1
    PX_0_1 = 2


class Command(enum.IntEnum):
    """What EXECUTE_COMMAND starts; register `command`, its argument in `command_argument`."""

    NONE = 0
    CHANGE_JOB = 1
    APPROVE_FIRST_PIECE = 2
    ENTER_MAINTENANCE = 3
    LEAVE_MAINTENANCE = 4
    TEST_FIRE = 5


class PackMl(enum.IntEnum):
    """The PackML states in use, with their numbers of PackTags 3.0; register `packml_state`."""

    UNDEFINED = 0
    STOPPED = 2
    IDLE = 4
    EXECUTE = 6
    ABORTED = 9
    HELD = 11


class Refusal(enum.IntEnum):
    """Why something was refused, lost or broken; registers `error_code` (the last one) and `not_ready` (now)."""

    NONE = 0
    NO_CONTROL = 1
    MAP_VERSION = 2
    FAULT = 3
    OFFLINE = 4
    WIRING = 5
    NOT_ENABLED = 6
    JOB_BUSY = 7
    MAINTENANCE = 8
    EXPOSING = 9
    BUSY = 10
    TRIGGER_NOT_DROPPED = 11
    DUPLICATE_PART = 12
    UNKNOWN_JOB = 20
    UNKNOWN_COMMAND = 21
    COMMAND_BUSY = 22
    JOB_FAILED = 23
    JOB_TIMEOUT = 24
    NOT_WANTED = 25
    NOT_ALLOWED = 26
    LINE_IS_RUNNING = 27
    NOT_IN_MAINTENANCE = 28
    UNKNOWN_OUTPUT = 29
    NO_JOB = 30
    NOT_FORCEABLE = 31
    NOT_FIRED = 32
    ACK_WITHOUT_RESULT = 40
    RESULT_OVERRUN = 41
    RESULT_NOBODY = 42
    RESULT_WITHDRAWN = 43
    RESULT_OF_NO_PART = 44
    RESULT_TIMEOUT = 45
    PLC_HEARTBEAT = 50
    PLC_CONNECTION = 51
    STATION_PULSE = 52
    NOT_THE_WRITER = 60
    ILLEGAL_ADDRESS = 61
    ILLEGAL_VALUE = 62
    ILLEGAL_FUNCTION = 63
