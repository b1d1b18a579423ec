"""The PLC's side of the handshake, as an IEC 61131-3 function block.

What it is: the text of `docs/plc/FB_InspectionStation.st`; its constants, outputs and offsets come from the register
map, its logic is below. What it is not: the logic of the station (`contract`). Run by `generate`, on no thread.

Written for any compiler of edition 2 or later: no pragma, no enumeration, no vendor type, every conversion named,
every mixed expression in parentheses. The tests parse this text with a grammar of others and run it scan by scan
against the contract.
"""

from __future__ import annotations

import enum

from firmware_bridge.plc.fields import (
    BY_NAME,
    FIELDS,
    MAP_VERSION,
    PLC_WORDS,
    STATION_START,
    STATION_WORDS,
    Field,
)
from firmware_bridge.plc.signals import Control, Mode, PlcVerdict, Status

NAME = "FB_InspectionStation"
_TYPES = {
    "u16": ("UINT", "ui"),
    "i16": ("INT", "i"),
    "bits": ("WORD", "w"),
    "u32": ("UDINT", "udi"),
    "i32": ("DINT", "di"),
}
# The fields of the result block that the block decides by itself are not handed on.
_KEPT = ("result_part_id", "inspection_id_copy")


def camel(name: str) -> str:
    """`part_x` -> `PartX`."""
    return "".join(word.capitalize() for word in name.split("_"))


def _variable(field: Field) -> str:
    return _TYPES[field.kind][1] + camel(field.name)


def _read(field: Field) -> str:
    """The expression that makes a field of the words read."""
    offset = field.address - STATION_START
    kind = _TYPES[field.kind][0]
    if field.words == 2:
        return f"DWORD_TO_{kind}(SHL(WORD_TO_DWORD(awIn[{offset}]), 16) OR WORD_TO_DWORD(awIn[{offset + 1}]))"
    return f"awIn[{offset}]" if kind == "WORD" else f"WORD_TO_{kind}(awIn[{offset}])"


def _handed_on() -> list[Field]:
    return [field for field in FIELDS if field.in_result and field.name not in _KEPT]


def _masks(prefix: str, bits: type[enum.IntFlag]) -> list[str]:
    return [f"    c{prefix}{camel(str(bit.name).lower())} : WORD := 16#{int(bit):04X};" for bit in bits]


def _constants() -> str:
    lines = [*_masks("Ctl", Control), *_masks("Sta", Status), *_masks("Mode", Mode)]
    lines.append(f"    cMapVersion : UINT := {MAP_VERSION};")
    lines.append(f"    cVerdictPass : UINT := {int(PlcVerdict.PASS)};")
    return "\n".join(lines)


def _outputs() -> str:
    return "\n".join(
        f"    {_variable(field)} : {_TYPES[field.kind][0]}; (* {field.meaning} *)" for field in _handed_on()
    )


def _assignments(indent: str) -> str:
    return "\n".join(f"{indent}{_variable(field)} := {_read(field)};" for field in _handed_on())


def render() -> str:
    """The whole file."""
    text = _TEXT
    for name, value in {
        "NAME": NAME,
        "MAP": str(MAP_VERSION),
        "IN_LAST": str(STATION_WORDS - 1),
        "OUT_LAST": str(PLC_WORDS - 1),
        "CONSTANTS": _constants(),
        "OUTPUTS": _outputs(),
        "RESULT": _assignments("        "),
        **{f"IN.{field.name}": _read(field) for field in FIELDS if not field.to_station and field.kind != "text"},
        **{f"OUT.{field.name}": f"awOut[{field.address}]" for field in FIELDS if field.to_station},
        "OUT.trigger_part_id+1": f"awOut[{BY_NAME['trigger_part_id'].address + 1}]",
        "OUT.trigger_encoder+1": f"awOut[{BY_NAME['trigger_encoder'].address + 1}]",
    }.items():
        text = text.replace("{" + name + "}", value)
    return text


_TEXT = """(* {NAME}: the PLC's side of the handshake with the inspection station, register map {MAP}.
   Generated from the register map; the rules are in docs/plc.md. Call it once in every scan.

   awIn is what the Modbus client read last (holding registers 100 on, 80 words), awOut what it writes (0 on, 16
   words), best both in one exchange of function code 23. xCommOk is TRUE while that exchange works.

   Every part is rejected unless xDone AND xPass come for its udiDonePart. xPass is TRUE in that one scan only. *)
FUNCTION_BLOCK {NAME}
VAR_INPUT
    xCommOk : BOOL;
    awIn : ARRAY[0..{IN_LAST}] OF WORD;
    xEnable : BOOL; (* take part in production *)
    xLineRunning : BOOL;
    xTrigger : BOOL; (* its rising edge: inspect part udiPartId now *)
    udiPartId : UDINT; (* never 0, and no number twice within a few minutes *)
    udiEncoder : UDINT;
    xFaultReset : BOOL; (* a person has seen the fault *)
    xExecute : BOOL; (* its rising edge: carry out uiCommand *)
    uiCommand : UINT := 1; (* 1: change to job uiArgument *)
    uiArgument : UINT;
    udiExpectedChecksum : UDINT; (* settings that may pass parts; 0: any *)
    tHeartbeat : TIME := T#500ms;
    tAnswer : TIME := T#1s; (* a part without a result after this is a reject *)
    tCommand : TIME := T#40s;
END_VAR
VAR_OUTPUT
    awOut : ARRAY[0..{OUT_LAST}] OF WORD;
    xReady : BOOL; (* a trigger would be taken *)
    xDone : BOOL; (* one scan: udiDonePart is decided *)
    xPass : BOOL; (* with xDone: let it through *)
    udiDonePart : UDINT;
    xRefused : BOOL; (* one scan: the trigger was not passed on, the part is a reject *)
    xAlive : BOOL; (* the station's heartbeat changes *)
    xFault : BOOL; (* stop the line, or reject everything *)
    xCommandDone : BOOL; (* one scan *)
    xCommandFailed : BOOL; (* one scan; uiErrorCode says why *)
    uiErrorCode : UINT;
    uiStray : UINT; (* results of parts that were not waited for *)
{OUTPUTS}
END_VAR
VAR
    wStatus : WORD;
    wControl : WORD;
    uiBeat : UINT;
    uiStationBeat : UINT;
    uiBeatBefore : UINT;
    xHaveBeat : BOOL;
    xChanged : BOOL;
    xTriggerBefore : BOOL;
    xExecuteBefore : BOOL;
    xPending : BOOL; (* a part waits for its result *)
    udiPending : UDINT;
    xRaised : BOOL; (* the trigger bit *)
    xAccepted : BOOL;
    udiMissed : UDINT;
    xAck : BOOL;
    xRunning : BOOL; (* a command is asked for *)
    xDecided : BOOL;
    tonSilent : TON;
    tonAnswer : TON;
    tonCommand : TON;
END_VAR
VAR CONSTANT
{CONSTANTS}
END_VAR

(* What is not decided below in this very scan is no pass. *)
xDone := FALSE;
xPass := FALSE;
xRefused := FALSE;
xCommandDone := FALSE;
xCommandFailed := FALSE;
xDecided := FALSE;
wStatus := {IN.status};
uiErrorCode := {IN.error_code};

(* The station lives while its heartbeat changes; the first value read is no change. *)
uiStationBeat := {IN.station_heartbeat};
xChanged := xCommOk AND xHaveBeat AND (uiStationBeat <> uiBeatBefore);
xHaveBeat := xCommOk;
uiBeatBefore := uiStationBeat;
tonSilent(IN := NOT xChanged, PT := tHeartbeat);
IF NOT xCommOk OR tonSilent.Q THEN
    xAlive := FALSE;
ELSIF xChanged THEN
    xAlive := TRUE;
END_IF;
xFault := (NOT xAlive)
    OR ((wStatus AND cStaFault) <> 16#0000)
    OR ({IN.map_version} <> cMapVersion)
    OR (({IN.modes} AND cModeYouHaveControl) = 16#0000);

(* A part is triggered once, and its trigger held until the station says whose it took. *)
IF xTrigger AND NOT xTriggerBefore THEN
    IF xReady AND (NOT xFault) AND (udiPartId <> 0) THEN
        xPending := TRUE;
        udiPending := udiPartId;
        udiMissed := {IN.missed_triggers};
        xRaised := TRUE;
        xAccepted := FALSE;
        {OUT.trigger_part_id} := DWORD_TO_WORD(SHR(UDINT_TO_DWORD(udiPartId), 16));
        {OUT.trigger_part_id+1} := DWORD_TO_WORD(UDINT_TO_DWORD(udiPartId) AND 16#0000FFFF);
        {OUT.trigger_encoder} := DWORD_TO_WORD(SHR(UDINT_TO_DWORD(udiEncoder), 16));
        {OUT.trigger_encoder+1} := DWORD_TO_WORD(UDINT_TO_DWORD(udiEncoder) AND 16#0000FFFF);
    ELSE
        xRefused := TRUE;
    END_IF;
ELSIF xRaised THEN
    IF ((wStatus AND cStaTriggerAck) <> 16#0000) AND ({IN.accepted_part_id} = udiPending) THEN
        xAccepted := TRUE;
        xRaised := FALSE;
    ELSIF {IN.missed_triggers} <> udiMissed THEN
        xRaised := FALSE;
        xDecided := TRUE;
    END_IF;
END_IF;
xTriggerBefore := xTrigger;

(* A result is looked at once, then acknowledged. Only one way leads to xPass. *)
IF (wStatus AND cStaResultsValid) = 16#0000 THEN
    xAck := FALSE;
ELSIF NOT xAck THEN
    xAck := TRUE;
    IF xPending AND xAccepted AND ({IN.result_part_id} = udiPending)
        AND ({IN.inspection_id} = {IN.inspection_id_copy}) THEN
        xDecided := TRUE;
        xPass := ({IN.verdict} = cVerdictPass)
            AND (NOT xFault)
            AND ((wStatus AND cStaMaintenance) = 16#0000)
            AND ((udiExpectedChecksum = 0) OR ({IN.result_checksum} = udiExpectedChecksum));
{RESULT}
    ELSE
        uiStray := uiStray + 1;
    END_IF;
END_IF;

(* No answer in time, or no station to answer: a reject. *)
tonAnswer(IN := xPending AND NOT xDecided, PT := tAnswer);
IF xPending AND (tonAnswer.Q OR NOT xAlive) THEN
    xDecided := TRUE;
    xPass := FALSE;
END_IF;
IF xDecided THEN
    xDone := TRUE;
    udiDonePart := udiPending;
    xPending := FALSE;
    xRaised := FALSE;
    xAccepted := FALSE;
END_IF;

(* A command is held until it is done, failed or given up. *)
IF xExecute AND (NOT xExecuteBefore) AND (NOT xRunning) THEN
    IF (wStatus AND (cStaCommandExecuting OR cStaCommandCompleted OR cStaCommandFailed)) = 16#0000 THEN
        xRunning := TRUE;
        {OUT.command} := UINT_TO_WORD(uiCommand);
        {OUT.command_argument} := UINT_TO_WORD(uiArgument);
    ELSE
        xCommandFailed := TRUE;
    END_IF;
ELSIF xRunning THEN
    IF (wStatus AND cStaCommandFailed) <> 16#0000 THEN
        xCommandFailed := TRUE;
        xRunning := FALSE;
    ELSIF (wStatus AND cStaCommandCompleted) <> 16#0000 THEN
        xCommandDone := TRUE;
        xRunning := FALSE;
    END_IF;
END_IF;
xExecuteBefore := xExecute;
tonCommand(IN := xRunning, PT := tCommand);
IF tonCommand.Q THEN
    xCommandFailed := TRUE;
    xRunning := FALSE;
END_IF;

(* What is written. *)
wControl := 16#0000;
IF xEnable THEN
    wControl := wControl OR cCtlTriggerEnable;
END_IF;
IF xLineRunning THEN
    wControl := wControl OR cCtlLineRunning;
END_IF;
IF xRaised THEN
    wControl := wControl OR cCtlTrigger;
END_IF;
IF xAck THEN
    wControl := wControl OR cCtlResultsAck;
END_IF;
IF xRunning THEN
    wControl := wControl OR cCtlExecuteCommand;
END_IF;
IF xFaultReset THEN
    wControl := wControl OR cCtlFaultReset;
END_IF;
IF uiBeat = 65535 THEN
    uiBeat := 0;
ELSE
    uiBeat := uiBeat + 1;
END_IF;
{OUT.control} := wControl;
{OUT.plc_heartbeat} := UINT_TO_WORD(uiBeat);
{OUT.heartbeat_timeout} := UINT_TO_WORD(0);
{OUT.expected_map} := UINT_TO_WORD(cMapVersion);
xReady := (NOT xFault) AND xEnable AND (NOT xPending) AND (NOT xRaised)
    AND ((wStatus AND cStaTriggerReady) <> 16#0000)
    AND ((wStatus AND cStaTriggerAck) = 16#0000);
END_FUNCTION_BLOCK
"""
