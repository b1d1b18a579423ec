"""Setting the camera up while the belt stands: what it sees, as fast as a screen shows it, and exposure and gain.

What it is: what the line does for the cameras page. What it is not: the camera's thread (`threads`), or the station
file: what is set here lasts as long as this process. Only in maintenance, where no part passes. Line thread.
"""

from __future__ import annotations

from inspector.camera import Guard
from inspector.clock import Clock
from inspector.config import CameraConfig
from inspector.errors import CameraError
from inspector.exposure import Exposure
from inspector.link.server import LinkServer
from inspector.threads import CameraThread
from inspector.types import Frame

_MAINTENANCE = "the camera is set up in maintenance: begin it first"


class SetUp:
    """See the module."""

    def __init__(
        self, config: CameraConfig, clock: Clock, camera: Guard, thread: CameraThread, link: LinkServer
    ) -> None:
        self._config = config
        self._clock = clock
        self._camera = camera
        self._thread = thread
        self._link = link
        thread.show = self._show

    def look(self, maintenance: bool) -> None:
        """The camera runs freely while somebody looks at its page in maintenance, and not a moment longer."""
        # Recorded pictures would be used up.
        self._thread.free = maintenance and self._link.wants_camera and self._config.kind != "folder"

    def command(self, words: str, maintenance: bool) -> str:
        """Set exposure and gain, an `Exposure`'s words; empty, or why not."""
        if not maintenance:
            return _MAINTENANCE
        try:
            self._camera.adjust(Exposure.of(words).put_into(self._config))
        except (CameraError, ValueError) as why:
            return str(why)
        return ""

    def _show(self, frame: Frame) -> None:
        self._link.publish_camera(self._clock.utc(), frame.pixels)
