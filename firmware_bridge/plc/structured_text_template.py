"""The logic of the PLC's function block.

What it is: text, with braces where `structured_text` puts in what the register map says. What it is not: Python that
does anything.
"""

TEMPLATE = """(* {NAME}: the PLC's side of the handshake with the inspection station, register map {MAP}.
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
