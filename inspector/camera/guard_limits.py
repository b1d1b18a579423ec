"""What the guard of a camera goes by: how patient it is, and what it knows of one thread's camera.

What it is: its limits, how long it waits between two tries, and a record. What it is not: the guard (`guard`). The
guard's threads.
"""

from __future__ import annotations

from dataclasses import dataclass

from inspector.camera.base import Camera
from inspector.config import CameraConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardLimits:
    """`hang_ns`: a call into the camera that takes longer never returns. `stall_ns`: a source that runs freely and
    brings nothing for so long is lost (None for a triggered one, where no part means no frame). `repeats_most`:
    repeated frames in a row before the source is lost. Back-off doubles from `retry_first_ns` to `retry_most_ns`.
    `queue`: frames kept for the line; what comes on top is dropped and counted."""

    hang_ns: int = 8_000_000_000
    stall_ns: int | None = None
    repeats_most: int = 5
    wait_s: float = 0.2
    retry_first_ns: int = 100_000_000
    retry_most_ns: int = 5_000_000_000
    queue: int = 2


class Worker:
    """One thread's camera, and what the watchdog needs of it. Guarded by the guard's condition, but for the camera."""

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        self.connected = False
        self.told = False
        self.current = True
        self.abandoned = False
        self.adjusted: CameraConfig | None = None
        self.heard_ns = 0
        self.calling_since_ns: int | None = None


def pause_ns(failures: int, limits: GuardLimits) -> int:
    """How long to wait after so many failures in a row: doubling, up to a limit."""
    return min(limits.retry_most_ns, limits.retry_first_ns << min(failures - 1, 16))
