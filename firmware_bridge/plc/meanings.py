"""One line for every bit and number of the PLC contract, for the register page and the screens.

What it is: text by enumeration member; a member without a line breaks the generator, and so the tests. What it is not:
the numbers (`signals`). Any thread.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

from firmware_bridge.plc.signals import (
    Command,
    Control,
    Fault,
    LengthUnit,
    Mode,
    PackMl,
    PlcVerdict,
    Refusal,
    ResultFlag,
    Status,
)

Word = enum.IntEnum | enum.IntFlag
# A dictionary for each enumeration: members of different ones are equal where their numbers are.
_CONTROL: dict[Control, str] = {
    Control.TRIGGER_ENABLE: "triggers may come; dropping it clears TRIGGER_ACK and MISSED_TRIGGER",
    Control.TRIGGER: "rising: inspect part trigger_part_id; held until TRIGGER_ACK, then dropped",
    Control.BUFFER_RESULTS: "up to 8 results may wait behind the one shown",
    Control.RESULTS_ACK: "rising: the result was read; falling: show the next",
    Control.EXECUTE_COMMAND: "rising: carry out command; held until completed or failed, then dropped",
    Control.SET_OFFLINE: "while 1: no triggers",
    Control.FAULT_RESET: "rising: a person has seen the faults",
    Control.LINE_RUNNING: "parts are moving; ends maintenance",
}
_STATUS: dict[Status, str] = {
    Status.TRIGGER_READY: "a trigger would be taken now; else not_ready says why not",
    Status.TRIGGER_ACK: "the trigger was taken, for accepted_part_id; goes with TRIGGER",
    Status.BUSY: "a part is between trigger and result",
    Status.MISSED_TRIGGER: "the last trigger was refused: that part is not inspected, reject it",
    Status.RESULTS_VALID: "the result block holds a result that is not acknowledged yet",
    Status.INSPECTION_COMPLETED: "changes with every result shown; not a level",
    Status.RESULTS_OVERRUN: "results were lost, the oldest were kept; until FAULT_RESET",
    Status.ONLINE: "the station is in EXECUTE and not set offline",
    Status.COMMAND_EXECUTING: "the command is being carried out",
    Status.COMMAND_COMPLETED: "it is done; goes with EXECUTE_COMMAND",
    Status.COMMAND_FAILED: "it was refused or failed, error_code says why; goes with EXECUTE_COMMAND",
    Status.FAULT: "any bit of faults; nothing passes",
    Status.EXPOSING: "the picture is being taken, the part must not move away",
    Status.JOB_BUSY: "the job is being changed",
    Status.FIRST_PIECE_WANTED: "nobody has approved the first piece of this job yet: every PASS is shown as UNKNOWN",
    Status.MAINTENANCE: "outputs are fired and signals forced by hand; nothing passes",
}
_FAULT: dict[Fault, str] = {
    Fault.PLC_WATCHDOG: "the PLC fell silent, or its connection ended, while the line ran",
    Fault.STATION_STALLED: "the line of the station hangs",
    Fault.CAMERA: "no pictures",
    Fault.MODEL: "the model cannot judge",
    Fault.CONTROLLER: "the reject controller shut down, or does not answer",
    Fault.REJECT_BIN_FULL: "the reject bin is full",
    Fault.EJECT_UNCONFIRMED: "a reject was not seen in the chute: it may be among the good parts",
    Fault.CONSECUTIVE_REJECTS: "too many rejects in a row",
    Fault.CONSECUTIVE_UNKNOWN: "too many parts without a judgement in a row",
    Fault.RECORDER: "results cannot be recorded",
    Fault.JOB: "a job change was not finished in time",
    Fault.OTHER: "see the screen of the station",
}
_MODE: dict[Mode, str] = {
    Mode.YOU_HAVE_CONTROL: "the reader of this register is the one whose writes count",
    Mode.CONTROL_TAKEN: "somebody is",
    Mode.PLC_TRIGGERS: "the PLC triggers; 0: the station's own eye does",
    Mode.FIRST_PIECE_OPTION: "the first piece of a job must be approved",
    Mode.FORCED: "for a wiring check some of what is read is forced: bits of status (see forced), or the verdict",
}
_RESULT_FLAG: dict[ResultFlag, str] = {
    ResultFlag.POSE: "part_x, part_y, part_angle hold",
    ResultFlag.DEFECT: "defect_x, defect_y hold",
    ResultFlag.FIRST_PIECE: "triggered before the first piece was approved",
}
_VERDICT: dict[PlcVerdict, str] = {
    PlcVerdict.NONE: "no result",
    PlcVerdict.PASS: "good",
    PlcVerdict.REJECT: "judged bad",
    PlcVerdict.UNKNOWN: "no verdict that may be used: none in time, first piece not approved, or job changed meanwhile",
    PlcVerdict.NOT_INSPECTED: "it could not be judged",
    PlcVerdict.FAULT: "a fault or maintenance came between its trigger and its result",
}
_COMMAND: dict[Command, str] = {
    Command.NONE: "",
    Command.CHANGE_JOB: "to job command_argument, between two parts; the old one stays if it fails",
    Command.APPROVE_FIRST_PIECE: "from here on PASS counts",
    Command.ENTER_MAINTENANCE: "only while nothing runs; ends by itself after 10 minutes",
    Command.LEAVE_MAINTENANCE: "",
    Command.TEST_FIRE: "in maintenance, one pulse on output command_argument (0 camera, 1 ejector, 2 to 4 sorters)",
}
_UNIT: dict[LengthUnit, str] = {
    LengthUnit.NONE: "no position",
    LengthUnit.MM_0_01: "0.01 mm in the plane of the belt (the station is calibrated)",
    LengthUnit.PX_0_1: "0.1 pixel of the picture (it is not)",
}
_PACKML: dict[PackMl, str] = dict.fromkeys(PackMl, "") | {
    PackMl.HELD: "waits for a person or the PLC",
    PackMl.ABORTED: "a fault inside the station",
}
_REFUSAL: dict[Refusal, str] = {
    Refusal.NONE: "",
    Refusal.NO_CONTROL: "nobody has written yet, or control was lost",
    Refusal.MAP_VERSION: "expected_map is another one",
    Refusal.FAULT: "a fault stands",
    Refusal.OFFLINE: "the station is not in EXECUTE, or SET_OFFLINE",
    Refusal.WIRING: "the station is triggered by its own eye",
    Refusal.NOT_ENABLED: "TRIGGER_ENABLE is 0",
    Refusal.JOB_BUSY: "the job is being changed",
    Refusal.MAINTENANCE: "maintenance mode",
    Refusal.EXPOSING: "the last picture is being taken",
    Refusal.BUSY: "as many parts are under way as may be",
    Refusal.TRIGGER_NOT_DROPPED: "TRIGGER is still 1 from the last time",
    Refusal.DUPLICATE_PART: "a part of this number is under way, or its result is not fetched",
    Refusal.UNKNOWN_JOB: "the station has no job of this number; the old one stays",
    Refusal.UNKNOWN_COMMAND: "no command has this number",
    Refusal.COMMAND_BUSY: "the last command is still being carried out",
    Refusal.JOB_FAILED: "the station could not change the job; the old one stays",
    Refusal.JOB_TIMEOUT: "the station did not change the job in time",
    Refusal.NOT_WANTED: "no first piece waits for approval",
    Refusal.NOT_ALLOWED: "the station lets only a person do that",
    Refusal.LINE_IS_RUNNING: "no maintenance while the line runs",
    Refusal.NOT_IN_MAINTENANCE: "only in maintenance mode",
    Refusal.UNKNOWN_OUTPUT: "no output has this number",
    Refusal.NO_JOB: "no job is loaded",
    Refusal.NOT_FIRED: "the reject controller or the camera refused the test pulse; the screen says why",
    Refusal.NOT_FORCEABLE: "this signal cannot be forced, or not to this: never to PASS, never a fault away",
    Refusal.ACK_WITHOUT_RESULT: "RESULTS_ACK rose while RESULTS_VALID was 0",
    Refusal.RESULT_OVERRUN: "a result had no room: the PLC does not acknowledge",
    Refusal.RESULT_NOBODY: "a result had nobody to be shown to",
    Refusal.RESULT_WITHDRAWN: "a PASS that was not acknowledged was taken back, because of a fault",
    Refusal.RESULT_OF_NO_PART: "the station answered twice, late, or for a part that was not triggered",
    Refusal.RESULT_TIMEOUT: "a part had no result in time and became UNKNOWN",
    Refusal.PLC_HEARTBEAT: "plc_heartbeat did not change in time; control is free",
    Refusal.PLC_CONNECTION: "the connection of the PLC in control ended; control is free",
    Refusal.STATION_PULSE: "the line of the station did not pulse in time",
    Refusal.NOT_THE_WRITER: "another master tried to write (exception 4)",
    Refusal.ILLEGAL_ADDRESS: "an access outside the map (exception 2)",
    Refusal.ILLEGAL_VALUE: "a value outside the map (exception 3)",
    Refusal.ILLEGAL_FUNCTION: "a function that is not there (exception 1)",
}
_ALL: dict[type[Word], Mapping[Any, str]] = {
    Control: _CONTROL,
    Status: _STATUS,
    Fault: _FAULT,
    Mode: _MODE,
    ResultFlag: _RESULT_FLAG,
    PlcVerdict: _VERDICT,
    Command: _COMMAND,
    LengthUnit: _UNIT,
    PackMl: _PACKML,
    Refusal: _REFUSAL,
}


def meaning(word: Word) -> str:
    """What a bit or a number means; empty where its name says it all."""
    return _ALL[type(word)][word]
