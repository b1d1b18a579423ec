"""What line and web say to each other, and how it looks on the wire.

What it is: bytes in, messages out, and back. What it is not: a socket (server, client). Pure; any thread.

A message is `u32 little-endian length | JSON in UTF-8`, and the JSON is one object with `v` (the version below),
`kind` and the fields of its type. Another version, an unknown kind or a wrong field raises LinkError: the two
processes are started together by the supervisor and are never of two versions on purpose.

    line -> web    status (StationStatus), part (PartEvent), plc (PlcReport), camera (CameraPicture), reply (Reply)
    web -> line    watch (Watch), command (Command)
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass, field, is_dataclass
from typing import Any, Literal, get_args

from inspector.errors import LinkError
from inspector.types import Alarm, Counts, Defect, Measurement, Reason, StationStatus, Verdict

VERSION = 1
MAX_TO_WEB = 1 << 20
MAX_TO_LINE = 1 << 16
_LENGTH = struct.Struct("<I")

CommandKind = Literal["start", "stop", "reset", "recipe", "ack", "maintenance", "camera"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewRef:
    """Where a picture lies: file of the shared memory and the number it was written under, see `preview`."""

    path: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """The model's map of a part as the screens draw it, made only while someone watches.

    `cells` is base64 of `height` rows of `width` uint8 values, of which 127.5 is the threshold and 0 what is ignored.
    `to_frame` (a, b, tx, c, d, ty) takes (column, row) to the picture's pixels: x = a column + b row + tx.
    """

    width: int
    height: int
    cells: str
    to_frame: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartEvent:
    """The last judged part as the screens show it: verdict, findings and the counts right after it, as one.

    Measurements and `heat` come only while someone watches."""

    part_id: int
    verdict: Verdict
    at_utc: str
    counts: Counts
    score: float | None = None
    reasons: tuple[Reason, ...] = ()
    defects: tuple[Defect, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    heat: Heat | None = None
    preview: PreviewRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraPicture:
    """What the camera sees while somebody sets it up: a picture of no part, and no verdict."""

    at_utc: str
    preview: PreviewRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlcReport:
    """The I/O monitor: what stands on the wire between station and PLC, five times a second.

    `registers`: name, address, words, value, unit, names, bits, to_station, and unchanged_s. `edges`: the last ones of
    the handshake, oldest first: ago_ms, signal, value, inspection_id, part_id. `refused` counts by reason, `server`
    what the server met. `outputs` may be fired in maintenance, `forced` are the signals that are. `orders`: the last
    commands of the PLC, oldest first: number (from 1 since the line started), at_utc, master, command, argument,
    refused.
    """

    wiring: str
    owner: str
    registers: tuple[dict[str, Any], ...] = ()
    edges: tuple[dict[str, Any], ...] = ()
    refused: dict[str, int] = field(default_factory=dict)
    server: dict[str, int] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    forced: dict[str, int] = field(default_factory=dict)
    orders: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Whether this client wants the parts' pictures, and what the camera sees in its set-up; a new one does not."""

    on: bool
    camera: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Something a person asks of the line. `argument` is the recipe's id, the alarm's code, the words of
    `firmware_bridge.plc.by_hand` or those of `inspector.exposure`, `user` is for the log.

    There is no token: who may open the socket (mode 0600) may command; the web checks people.
    """

    id: int
    what: CommandKind
    argument: str = ""
    user: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The line's answer to the command of the same id; `error` says why not."""

    id: int
    ok: bool
    error: str = ""


Message = StationStatus | PartEvent | PlcReport | CameraPicture | Watch | Command | Reply
_KINDS: dict[type[Any], str] = {
    StationStatus: "status",
    PartEvent: "part",
    PlcReport: "plc",
    CameraPicture: "camera",
    Watch: "watch",
    Command: "command",
    Reply: "reply",
}


def plain(value: Any) -> Any:
    """`value` with only what JSON knows: dataclasses as objects, numpy scalars as numbers, what is not finite as None.

    Not `asdict`, which copies all it meets: most of what a report of the PLC costs.
    """
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int)):
        return value
    if is_dataclass(value):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return plain(value.item())


def encode(message: Message) -> bytes:
    """The message as it goes on the wire."""
    body = plain(message) | {"v": VERSION, "kind": _KINDS[type(message)]}
    data = json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
    return _LENGTH.pack(len(data)) + data


def decode(data: bytes) -> Message:
    """The message of one JSON text (without its length). Raises LinkError for anything that is not one."""
    try:
        body = json.loads(data)
        if body["v"] != VERSION:
            raise LinkError(f"link message: version is {body['v']!r}, wanted {VERSION}")
        message: Message = _READERS[body["kind"]]({key: body[key] for key in body if key not in ("v", "kind")})
        return message
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as why:
        raise LinkError(f"link message: cannot be read: {type(why).__name__}: {why}") from why


@dataclass(slots=True)
class Assembler:
    """Messages out of a stream of bytes, however it was cut. Raises LinkError where it is not our stream."""

    limit: int
    _buffer: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> list[Message]:
        """All messages that `data` completes."""
        self._buffer += data
        messages = []
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > self.limit:
                raise LinkError(f"link message: length is {length}, wanted at most {self.limit}")
            if len(self._buffer) < _LENGTH.size + length:
                break
            messages.append(decode(bytes(self._buffer[_LENGTH.size : _LENGTH.size + length])))
            del self._buffer[: _LENGTH.size + length]
        return messages


def _status(body: dict[str, Any]) -> StationStatus:
    body["counts"] = Counts(**body["counts"])
    body["alarms"] = tuple(Alarm(**alarm) for alarm in body["alarms"])
    return StationStatus(**body)


def _part(body: dict[str, Any]) -> PartEvent:
    body["verdict"] = Verdict(body["verdict"])
    body["counts"] = Counts(**body["counts"])
    body["reasons"] = tuple(Reason(**reason) for reason in body["reasons"])
    body["defects"] = tuple(Defect(**{**defect, "box_px": _box(defect["box_px"])}) for defect in body["defects"])
    body["measurements"] = tuple(
        Measurement(**{**one, "shapes": tuple(tuple(shape) for shape in one["shapes"])}) for one in body["measurements"]
    )
    heat = body["heat"]
    body["heat"] = None if heat is None else Heat(**{**heat, "to_frame": tuple(heat["to_frame"])})
    return PartEvent(**_previewed(body))


def _box(edges: Any) -> tuple[int, int, int, int]:
    x, y, width, height = edges
    return (int(x), int(y), int(width), int(height))


def _plc(body: dict[str, Any]) -> PlcReport:
    for name in ("registers", "edges", "outputs", "orders"):
        body[name] = tuple(body[name])
    return PlcReport(**body)


def _camera(body: dict[str, Any]) -> CameraPicture:
    return CameraPicture(**_previewed(body))


def _previewed(body: dict[str, Any]) -> dict[str, Any]:
    body["preview"] = None if body["preview"] is None else PreviewRef(**body["preview"])
    return body


def _watch(body: dict[str, Any]) -> Watch:
    watch = Watch(**body)
    if not isinstance(watch.on, bool) or not isinstance(watch.camera, bool):
        raise TypeError(f"watch is {body!r}, wanted true or false")
    return watch


def _command(body: dict[str, Any]) -> Command:
    command = Command(**body)
    fits = isinstance(command.id, int) and isinstance(command.argument, str) and isinstance(command.user, str)
    if command.what not in get_args(CommandKind) or not fits:
        raise TypeError(f"command is {body!r}")
    return command


_READERS: dict[str, Any] = {
    "status": _status,
    "part": _part,
    "plc": _plc,
    "camera": _camera,
    "watch": _watch,
    "command": _command,
    "reply": lambda body: Reply(**body),
}
