"""Names that the station itself gives to things that people read: outputs, stages, shifts, looks of the check, nobody.

What it is: a message id for each such name, and for what the check advises. What it is not: names of the handshake's
signals and registers, keys of files, or what people typed: they are shown as they are. Constants; any thread.
"""

from __future__ import annotations

from inspector.web.words import Words, mark

# What is done on the machine without a login, and what the recipe book says of files that it found.
AUTHORS = {"open station": mark("open station"), "(file)": mark("(file)")}
FINDS = {
    "as it was found": mark("as it was found"),
    "changed outside of the screens": mark("changed outside of the screens"),
}
# The shifts of a station file that names none.
SHIFTS = {"early": mark("early shift"), "late": mark("late shift"), "night": mark("night shift")}
OUTPUTS = {"ejector": mark("ejector"), "camera": mark("camera")}
SORTER = mark("sorter {number}")
STAGES = {
    "shrink": mark("shrink"),
    "locate": mark("locate"),
    "health": mark("health"),
    "patch": mark("patch"),
    "model": mark("model"),
    "find": mark("find"),
    "measure": mark("measure"),
    "codes": mark("codes"),
    "decide": mark("decide"),
}
LOOKS = {
    "controller": mark("controller"),
    "plc": mark("PLC"),
    "camera": mark("camera"),
    "model": mark("model"),
    "calibration": mark("calibration"),
    "store": mark("record store"),
    "disk": mark("disk"),
    "clock": mark("clock"),
}
CALIBRATIONS = {
    "lens": mark("lens"),
    "plane": mark("plane"),
    "robot": mark("robot"),
    "illumination": mark("illumination"),
    "timing": mark("timing"),
}
# What the check advises, where it says the same each time. What it found has numbers and paths in it: it stays English.
ADVICE = (
    mark("check cable, power and [controller] port"),
    mark("correct [plc]"),
    mark("check cable and [camera] source"),
    mark("teach the recipe's model, or correct [station] recipe"),
    mark("make the result again, or correct [calibration]"),
    mark("stop the other station, or correct [record] store"),
    mark("free disk space, or lower [record] image_budget_mb"),
    mark("set the computer's clock: records carry its time"),
    mark("check that the controller is flashed and powered"),
    mark("the camera will not do this: remove the key"),
    mark("make what you need: docs/calibration.md"),
    mark("free disk space: no picture can be kept"),
    mark("the disk fills before the budget does; lower [record] image_budget_mb"),
    mark("only this machine can connect: set [plc] host to the address that the PLC reaches, or '0.0.0.0'"),
    mark("any machine of the network may take control: name the PLC in [plc] allow"),
)
# What the server of the handshake counts.
SERVER = {
    "requests": mark("requests"),
    "accepted": mark("connections accepted"),
    "not_allowed": mark("connections not allowed"),
    "too_many": mark("connections too many"),
    "garbage": mark("unreadable requests"),
    "other_units": mark("requests to other units"),
    "idle_closed": mark("closed, being idle"),
    "slowed": mark("requests slowed down"),
}
_KINDS = {
    "author": AUTHORS,
    "find": FINDS,
    "shift": SHIFTS,
    "output": OUTPUTS,
    "stage": STAGES,
    "look": LOOKS,
    "calibration": CALIBRATIONS,
    "advice": dict(zip(ADVICE, ADVICE, strict=True)),
}


def name_words(words: Words, name: str, kind: str) -> str:
    """The name of a kind in words; one that is not the station's own is shown as it is."""
    if kind == "output" and name.startswith("sorter_"):
        return words(SORTER, number=name.removeprefix("sorter_"))
    return words(_KINDS[kind][name]) if name in _KINDS[kind] else name
