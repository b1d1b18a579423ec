"""The camera thread, and what the line thread waits for.

What it is: the hand-over from camera and bridge to the line, bounded and counted. What it is not: the line's loop
(`running`) or the guard of the camera (`camera.guard`). `CameraThread.run` is the camera thread.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress

from firmware_bridge.events import Event
from firmware_bridge.plc.events import PlcEvent
from inspector.camera.guard import Guard
from inspector.clock import perf_ns
from inspector.errors import CameraError, CameraLost, FrameTimeout
from inspector.types import Frame

FREE_FPS = 30


class Inbox:
    """What the line thread waits for: events of the bridge, and at most `frames` frames of the camera."""

    def __init__(self, frames: int) -> None:
        self._items: queue.SimpleQueue[Event | PlcEvent | Frame] = queue.SimpleQueue()
        self._room = threading.Semaphore(frames)
        self.frames_dropped = 0

    def put_event(self, event: Event | PlcEvent) -> None:
        """An event of the controller or the PLC; there are a few for each part on the belt, never more."""
        self._items.put(event)

    def put_frame(self, frame: Frame) -> None:
        """A frame; dropped and counted when the line is too slow, and its part is then NOT_INSPECTED."""
        if self._room.acquire(blocking=False):
            self._items.put(frame)
        else:
            self.frames_dropped += 1

    def get(self, timeout_s: float) -> Event | PlcEvent | Frame | None:
        """The next item, or None after `timeout_s`."""
        with suppress(queue.Empty):
            item = self._items.get(timeout=timeout_s)
            if isinstance(item, Frame):
                self._room.release()
            return item
        return None


class CameraThread(threading.Thread):
    """Waits for frames. The camera reopens by itself (`camera.guard`); what it could not say is counted there.

    While it is `free` its frames go to `show`: they are for a person who sets the camera up, belong to no part and
    never come to the inbox. A camera that waits for triggers is then made to expose `FREE_FPS` times a second.
    """

    def __init__(self, camera: Guard, inbox: Inbox, failed: Callable[[BaseException], None]) -> None:
        super().__init__(name="camera", daemon=True)
        self._camera = camera
        self._inbox = inbox
        self._failed = failed
        self._stopping = threading.Event()
        self.lost = False
        self.trouble = ""
        self.free = False
        self.show: Callable[[Frame], None] = lambda _frame: None

    def stop(self) -> None:
        """End after the present wait."""
        self._stopping.set()

    def run(self) -> None:
        """The loop; see the class."""
        try:
            while not self._stopping.is_set():
                try:
                    if self.free != self._camera.free:
                        self._camera.free = self.free
                        self._camera.arm()
                    if self._camera.free:
                        self._show_one()
                    else:
                        self._inbox.put_frame(self._next())
                except FrameTimeout:
                    continue
                except CameraLost as why:
                    self.lost, self.trouble = True, str(why)
                except CameraError as why:
                    self.trouble = str(why)
        except Exception as why:  # noqa: BLE001 - the outermost line of the thread
            self._failed(why)

    def _next(self) -> Frame:
        frame = self._camera.next_frame(0.2)
        self.lost = False
        return frame

    def _show_one(self) -> None:
        due_ns = perf_ns() + 1_000_000_000 // FREE_FPS
        paced = self._camera.expose()
        self.show(self._next())
        if paced:
            self._stopping.wait(max(0, due_ns - perf_ns()) / 1e9)
