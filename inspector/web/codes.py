"""What the line and the reject controller say by number or by name, in words.

What it is: a message id for each mode, fault, outcome and class. What it is not: the codes themselves, which addresses,
the API and files of tables keep (`firmware_bridge.codes`, docs/errors.md). Constants; any thread.
"""

from __future__ import annotations

from firmware_bridge.codes import Fault, Mode, Why
from firmware_bridge.plc.signals import Fault as PlcFault
from firmware_bridge.plc.signals import PlcVerdict
from inspector.types import OutcomeKind
from inspector.web.words import mark

MODES = {
    Mode.BOOT: mark("starting"),
    Mode.READY: mark("ready, belt not released"),
    Mode.RUN: mark("running, belt released"),
    Mode.SHUT_DOWN: mark("shut down"),
}
FAULTS = {
    Fault.NONE: mark("none"),
    Fault.EYE_STUCK: mark("the photo-eye stays blocked"),
    Fault.CONFIG_CRC: mark("its settings are damaged"),
    Fault.OUTPUT_STUCK: mark("an output does not follow"),
    Fault.CONSECUTIVE_REJECTS: mark("too many rejects in a row"),
    Fault.CONSECUTIVE_UNKNOWN: mark("too many parts in a row without a verdict"),
    Fault.NOT_CONFIRMED: mark("a rejected part was not seen in the reject bin"),
    Fault.BIN_FULL: mark("the reject bin is full"),
    Fault.LOW_AIR: mark("the air pressure is too low"),
    Fault.WATCHDOG: mark("its watchdog has bitten"),
    Fault.REJECTS_OF_LAST: mark("too many rejects among the last parts"),
    Fault.QUEUE_FULL: mark("too many parts between eye and gate"),
    Fault.ENCODER_LOST: mark("the encoder gives no pulses"),
}
# Bits: where a PLC triggers there is no controller, and what it reads as faults stands in its place.
PLC_FAULTS = {
    PlcFault.PLC_WATCHDOG: mark("the PLC is gone"),
    PlcFault.STATION_STALLED: mark("the station stood still"),
    PlcFault.CAMERA: mark("the camera gives no pictures"),
    PlcFault.MODEL: mark("the model cannot be used"),
    PlcFault.CONTROLLER: mark("trouble with the reject controller"),
    PlcFault.REJECT_BIN_FULL: mark("the reject bin is full"),
    PlcFault.EJECT_UNCONFIRMED: mark("a rejected part was not seen in the reject bin"),
    PlcFault.CONSECUTIVE_REJECTS: mark("too many rejects in a row"),
    PlcFault.CONSECUTIVE_UNKNOWN: mark("too many parts in a row without a verdict"),
    PlcFault.RECORDER: mark("records cannot be written"),
    PlcFault.JOB: mark("the job cannot be loaded"),
    PlcFault.OTHER: mark("another fault, see the alarms"),
}
OUTCOMES = {
    OutcomeKind.FIRED: mark("thrown out"),
    OutcomeKind.PASSED: mark("let through"),
    OutcomeKind.TOO_LATE: mark("thrown out, too late to be judged"),
    OutcomeKind.UNCONFIRMED: mark("not known"),
}
# Why it went there: the controller's own words, the PLC's, and the station's for what neither knows any more.
WHYS = {
    Why.OPEN.name: mark("not decided yet"),
    Why.EARNED.name: mark("judged good in time"),
    Why.JUDGED_BAD.name: mark("judged bad"),
    Why.NOT_INSPECTED.name: mark("not inspected"),
    Why.NO_VERDICT.name: mark("no verdict in time"),
    Why.LEASE_EXPIRED.name: mark("the station was silent"),
    Why.TOO_CLOSE.name: mark("too close to another part"),
    Why.TOO_LONG.name: mark("too long for a part"),
    Why.SHUT_DOWN.name: mark("the controller had shut down"),
    Why.NOT_CONFIGURED.name: mark("the controller had no settings"),
    Why.QUEUE_FULL.name: mark("too many parts between eye and gate"),
    Why.PURGED.name: mark("cleared from the belt before the line ran"),
    Why.CONTRADICTION.name: mark("two verdicts that differ"),
    "OVERWRITTEN": mark("the controller kept it no longer"),
    "CONTROLLER_RESET": mark("the controller was reset"),
    "TRIGGER_REFUSED": mark("the PLC's trigger was refused"),
    "RESULT_LOST": mark("the PLC did not fetch the result"),
    "STATION_RESTARTED": mark("the station was started again"),
    "STATION_STOPPED": mark("the station was ended"),
} | {
    f"PLC_TOOK_{verdict.name}": said
    for verdict, said in {
        PlcVerdict.PASS: mark("the PLC took PASS"),
        PlcVerdict.REJECT: mark("the PLC took REJECT"),
        PlcVerdict.NOT_INSPECTED: mark("the PLC took NOT INSPECTED"),
        PlcVerdict.UNKNOWN: mark("the PLC was told that there is no verdict"),
        PlcVerdict.FAULT: mark("the PLC was told of a fault"),
    }.items()
}
# Classes of defects: what a taught model finds, and what the sample pictures show; and why a part was not judged,
# shorter than in `said.REASONS`, for a table's column and below a bar.
CLASSES = {
    "anomaly": mark("anomaly"),
    "scratch": mark("scratch"),
    "dent": mark("dent"),
    "crack": mark("crack"),
    "missing_feature": mark("missing feature"),
    "burr": mark("burr"),
    "stain": mark("stain"),
    "print": mark("print"),
    "score": mark("score"),
    "no_frame": mark("no picture"),
    "late": mark("too late"),
    "frame_ambiguous": mark("ambiguous picture"),
    "frame_incomplete": mark("torn picture"),
    "black": mark("black picture"),
    "blown": mark("overexposed"),
    "blurred": mark("blurred"),
    "frozen": mark("same picture"),
    "empty": mark("empty"),
    "no_part": mark("no part"),
    "two_parts": mark("two parts"),
    "half_part": mark("half part"),
    "hidden": mark("hidden"),
    "wrong_size": mark("wrong size"),
    "unfit": mark("too small"),
    "score_not_a_number": mark("no score"),
    "not_measured": mark("not measured"),
    "code_unreadable": mark("unreadable code"),
    "code_wrong": mark("wrong code"),
    "restarted": mark("station start"),
    "recipe_changed": mark("recipe change"),
    "maintenance": mark("maintenance"),
    "station_aborted": mark("station aborted"),
} | {reason.lower(): said for reason, said in WHYS.items()}
