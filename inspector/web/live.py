"""The live channel: picture, verdict and counts of one part in one message, the newest only, to any number of viewers.

What it is: one hub (encodes each picture once, and only while someone watches) and one loop for each viewer. What it
is not: a video stream or a queue; a slow viewer sees fewer parts, never older ones. Event loop; JPEG in its thread
pool.

A message is `u32 little-endian header length | JSON header | JPEG (may be empty)`, header `kind` is `part`, `status`
or, for who sets the camera up, `camera`: a picture of no part. The viewer answers each with any message; at most
UNACKED are under way to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from dataclasses import asdict, dataclass, field
from typing import Any

import cv2
from fastapi import WebSocket, WebSocketDisconnect

from inspector.link.client import LinkClient
from inspector.link.messages import CameraPicture, PartEvent, plain
from inspector.link.preview import PreviewReader
from inspector.types import StationStatus, Verdict
from inspector.web.schemas import status_out

UNACKED = 2
HEARTBEAT_S = 1.0
ASLEEP_S = 2.5
STATUS_S = 0.2
JPEG_QUALITY = 80
MAX_VIEWERS = 100


@dataclass(slots=True, eq=False)
class _Viewer:
    fresh: asyncio.Event = field(default_factory=asyncio.Event)
    packets: dict[str, bytes] = field(default_factory=dict)
    unacked: int = 0
    pictures: bool = True
    camera: bool = False


class LiveHub:
    """Made once for an app; `run` lives as long as it."""

    def __init__(self, client: LinkClient) -> None:
        self._client = client
        self._reader = PreviewReader()
        self._viewers: set[_Viewer] = set()
        self._heard = asyncio.Event()
        self._shown: PartEvent | None = None
        self._seen: CameraPicture | None = None
        self._told: StationStatus | None = None
        self._connected = False
        self.encoded = 0
        client.on_message = self._heard.set

    async def run(self) -> None:
        """Turn what the line says into packets, for ever: parts at once, status five times a second at most."""
        loop = asyncio.get_running_loop()
        next_status = loop.time()
        while True:
            turned = loop.time()
            with contextlib.suppress(TimeoutError):
                # Not `wait_for`: in Python 3.11 it loses a cancellation that comes with the event.
                async with asyncio.timeout(max(0.01, next_status - turned)):
                    await self._heard.wait()
            self._heard.clear()
            if loop.time() - turned > ASLEEP_S:
                self._forget_the_past()
                continue
            self._client.watch(self._watched, any(viewer.camera for viewer in self._viewers))
            if not self._viewers:
                next_status = loop.time() + HEARTBEAT_S
                continue
            if self._watched:
                await self._show_part()
                await self._show_camera()
            if self._status_is_due(loop.time(), next_status):
                self._offer("status", pack(self._status_header(), b""))
                next_status = loop.time() + HEARTBEAT_S

    async def serve(self, socket: WebSocket, pictures: bool = True, camera: bool = False) -> None:
        """Everything for one viewer, or all but parts, until it goes; with `camera` the set-up's pictures too."""
        viewer = _Viewer(pictures=pictures, camera=camera)
        self._viewers.add(viewer)
        viewer.packets["status"] = pack(self._status_header(), b"")
        viewer.fresh.set()
        self._heard.set()
        listening = asyncio.create_task(_listen(socket, viewer))
        talking = asyncio.create_task(_talk(socket, viewer))
        try:
            await asyncio.wait({listening, talking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._viewers.discard(viewer)
            for task in (listening, talking):
                task.cancel()
            with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # closed already
                await socket.close()

    @property
    def full(self) -> bool:
        """Whether another viewer is one too many."""
        return len(self._viewers) >= MAX_VIEWERS

    @property
    def _watched(self) -> bool:
        return any(viewer.pictures for viewer in self._viewers)

    def _forget_the_past(self) -> None:
        """This process was stopped for a while: what waits for it is of then, and must not be shown as of now."""
        self._client.drop()
        for viewer in self._viewers:
            viewer.packets.clear()

    def _status_is_due(self, now: float, heartbeat_at: float) -> bool:
        changed = self._client.connected != self._connected or self._client.status is not self._told
        waited = now >= heartbeat_at - HEARTBEAT_S + STATUS_S
        due = now >= heartbeat_at or (changed and waited) or self._client.connected != self._connected
        if due:
            self._told, self._connected = self._client.status, self._client.connected
        return due

    async def _show_part(self) -> None:
        event = self._client.part
        if event is None or event is self._shown:
            return
        self._shown = event
        jpeg, size = await asyncio.to_thread(self._picture, event)
        self._offer("part", pack(part_header(event, size), jpeg))

    async def _show_camera(self) -> None:
        seen = self._client.camera
        if seen is None or seen is self._seen:
            return
        self._seen = seen
        jpeg, (width, height) = await asyncio.to_thread(self._picture, seen)
        header = {"v": 1, "kind": "camera", "at_utc": seen.at_utc, "width": width, "height": height}
        self._offer("camera", pack(header, jpeg))

    def _picture(self, event: PartEvent | CameraPicture) -> tuple[bytes, tuple[int, int]]:
        """The picture as JPEG and its (width, height); empty where there is none (any more)."""
        pixels = None if event.preview is None else self._reader.read(event.preview)
        if pixels is None:
            return b"", (0, 0)
        self.encoded += 1
        encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
        return encoded.tobytes(), (pixels.shape[1], pixels.shape[0])

    def _offer(self, kind: str, packet: bytes) -> None:
        for viewer in self._viewers:
            if (kind == "part" and not viewer.pictures) or (kind == "camera" and not viewer.camera):
                continue
            viewer.packets[kind] = packet
            viewer.fresh.set()

    def _status_header(self) -> dict[str, Any]:
        line = {
            "connected": self._client.connected,
            "status_age_s": self._client.status_age_s(),
            "trouble": self._client.trouble,
        }
        return {"v": 1, "kind": "status", "line": line, "status": status_out(self._client.status)}


def part_header(event: PartEvent, size: tuple[int, int]) -> dict[str, Any]:
    """The header of a part's message."""
    return {
        "v": 1,
        "kind": "part",
        "part_id": str(event.part_id),
        "verdict": Verdict(event.verdict).name,
        "at_utc": event.at_utc,
        "score": event.score,
        "width": size[0],
        "height": size[1],
        "counts": asdict(event.counts),
        "reasons": [asdict(reason) for reason in event.reasons],
        "boxes": [[*defect.box_px, defect.label, defect.score] for defect in event.defects],
        "measurements": [asdict(one) | {"ok": one.ok} for one in event.measurements],
        "heat": None if event.heat is None else asdict(event.heat),
    }


def pack(header: dict[str, Any], jpeg: bytes) -> bytes:
    """A message of the live channel."""
    text = json.dumps(plain(header), separators=(",", ":")).encode()
    return struct.pack("<I", len(text)) + text + jpeg


async def _listen(socket: WebSocket, viewer: _Viewer) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while (await socket.receive())["type"] != "websocket.disconnect":
            viewer.unacked = max(0, viewer.unacked - 1)
            viewer.fresh.set()


async def _talk(socket: WebSocket, viewer: _Viewer) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while await viewer.fresh.wait():
            viewer.fresh.clear()
            while viewer.packets and viewer.unacked < UNACKED:
                # A part before a status: the status may already count the part that is to be shown.
                kind = next(kind for kind in ("part", "status", "camera") if kind in viewer.packets)
                viewer.unacked += 1
                await socket.send_bytes(viewer.packets.pop(kind))
