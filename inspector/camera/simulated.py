"""A simulated camera: looks at a handed-in scene, and can be given every fault a real one has.

What it is: the camera's twin. Faults are arguments: drawn from a seed with the chances of `[simulation.faults]`, or
from any function that says what goes wrong with the next exposure. What it is not: the world it looks at
(`inspector.simulation`). The camera thread; `trigger` from any, in the order of time.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from inspector.camera.base import CameraCounters, Scene
from inspector.camera.trigger_line import TriggerLine
from inspector.clock import Clock
from inspector.config import CameraConfig, FaultConfig
from inspector.errors import CameraError, CameraLost
from inspector.types import Frame, FrameStatus

TRANSFER_NS = 5_000_000
LATE_NS = (50_000_000, 2_000_000_000)
"""How much later a late frame comes: from a hiccup to hopeless."""
RECORDED_US = 5000
"""The exposure time of the scene's pictures, by definition, at 0 dB."""
BUFFERS = 4
"""The driver's ring: a repeated frame is one of the last so many."""
AWAY_NS = 150_000_000
"""How long an unplugged camera cannot be opened again."""


class CameraFault(enum.StrEnum):
    """What may go wrong with one exposure."""

    LOST = "lost"
    REPEATED = "repeated"
    LATE = "late"
    BLACK = "black"
    INCOMPLETE = "incomplete"
    UNPLUGGED = "unplugged"


Draw = Callable[[], frozenset[CameraFault]]


def no_faults() -> frozenset[CameraFault]:
    """All is well."""
    return frozenset()


def seeded_faults(config: FaultConfig, seed: int) -> Draw:
    """Faults drawn with the configured chances; the sequence follows from the seed alone."""
    random = np.random.default_rng(seed)
    chances = {
        CameraFault.LOST: config.frame_lost,
        CameraFault.REPEATED: config.frame_repeated,
        CameraFault.LATE: config.frame_late,
        CameraFault.BLACK: config.frame_black,
        CameraFault.INCOMPLETE: config.frame_incomplete,
        CameraFault.UNPLUGGED: config.camera_unplugged,
    }

    def draw() -> frozenset[CameraFault]:
        dice = random.random(len(chances))
        return frozenset(fault for (fault, chance), roll in zip(chances.items(), dice, strict=True) if roll < chance)

    return draw


class SimulatedCamera:
    """See the module and `base`. `seed` decides only how late a late frame is, and which buffer is repeated."""

    def __init__(
        self, config: CameraConfig, clock: Clock, scene: Scene, faults: Draw = no_faults, seed: int = 0
    ) -> None:
        self.name = config.name
        self.counters = CameraCounters()
        self._config = config
        self._clock = clock
        self._scene = scene
        self._faults = faults
        self._random = np.random.default_rng(seed)
        self._line: TriggerLine[Frame] = TriggerLine(config.name, clock)
        self._open = False
        self._back_ns = 0
        self._frame_id = 0
        self._handed_out: deque[Frame] = deque(maxlen=BUFFERS)

    def open(self) -> None:
        """See `base`; an unplugged camera can be opened again after `AWAY_NS`."""
        if self._clock.now_ns() < self._back_ns:
            raise CameraLost(f"camera {self.name!r}: is unplugged")
        self._line.restore()
        self._open = True

    def arm(self) -> None:
        """See `base`."""
        self._require_open()
        self._line.clear()

    def trigger(self, at_ns: int, part: object | None = None) -> int:  # noqa: ARG002 - see `base.FiredCamera`
        """See `base`."""
        if not self._open or self._line.lost:
            return at_ns
        faults = self._faults()
        self._frame_id += 1
        if CameraFault.UNPLUGGED in faults:
            self._back_ns = at_ns + AWAY_NS
            self._line.lose("was unplugged")
        elif CameraFault.LOST not in faults:
            frame = self._exposed(at_ns + self._config.trigger_delay_us * 1000, faults)
            late_ns = int(self._random.integers(*LATE_NS)) if CameraFault.LATE in faults else 0
            self._line.put(frame.exposed_at_ns + TRANSFER_NS + late_ns, frame)
        return at_ns

    def next_ready_ns(self) -> int | None:
        """See `base`."""
        return self._line.next_ready_ns()

    def next_frame(self, timeout_s: float) -> Frame:
        """See `base`."""
        self._require_open()
        frame = self._line.take(timeout_s)
        self.counters.frames += 1
        self.counters.incomplete += frame.status is FrameStatus.INCOMPLETE
        return frame

    def adjust(self, config: CameraConfig) -> None:
        """See `base`: the scene becomes darker or brighter by as much, and is clipped at white."""
        self._config = config

    def close(self) -> None:
        """See `base`."""
        self._open = False
        self._line.clear()

    def settings(self) -> dict[str, str]:
        """See `base`."""
        exposure_us, gain_db = self._lit_by()
        lit = {"exposure_time_us": f"{exposure_us}", "gain_db": f"{gain_db:g}"}
        return {"source": "simulated belt", **lit, "trigger_source": "line", "refused": ""}

    def _lit_by(self) -> tuple[int, float]:
        return self._config.exposure_time_us or RECORDED_US, self._config.gain_db or 0.0

    def _require_open(self) -> None:
        if not self._open:
            raise CameraError(f"camera {self.name!r}: is not open")

    def _exposed(self, at_ns: int, faults: frozenset[CameraFault]) -> Frame:
        pixels, source = self._scene.picture_at(at_ns)
        exposure_us, gain_db = self._lit_by()
        if (exposure_us, gain_db) != (RECORDED_US, 0.0):
            lit = cv2.convertScaleAbs(pixels, alpha=exposure_us / RECORDED_US * 10 ** (gain_db / 20))
            pixels = np.ascontiguousarray(lit, np.uint8)
        frame = Frame(frame_id=self._frame_id, camera=self.name, exposed_at_ns=at_ns, pixels=pixels, source=source)
        if CameraFault.REPEATED in faults and self._handed_out:
            # A driver that hands out a buffer of its ring again: this exposure's id and time, older pixels.
            old = self._handed_out[int(self._random.integers(len(self._handed_out)))]
            frame = replace(frame, pixels=old.pixels, source=old.source)
        if CameraFault.BLACK in faults:
            frame = replace(frame, pixels=np.zeros_like(pixels))
        if CameraFault.INCOMPLETE in faults:
            torn = frame.pixels.copy()
            torn[len(torn) // 2 :] = 0
            frame = replace(frame, pixels=torn, status=FrameStatus.INCOMPLETE)
        self._handed_out.append(frame)
        return frame
