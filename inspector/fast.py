"""A whole station in simulated time, in one thread: `inspector run --fast`.

What it is: the loop that lets belt, controller, serial line, camera and station happen in order, as fast as the
computer can. The station in it is the real one (passage, tracker, bridge, recorder, vision, model); only time, port
and camera are twins. What it is not: a test of threads (that is the real-time run). Main thread.

It also plays the parts that a person plays: it kills the station's process, presses reset and start, wipes the eye.
"""

from __future__ import annotations

import functools
import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from firmware_bridge.bridge import Bridge
from firmware_bridge.simulated_link import SimulatedLink
from inspector.clock import SimulatedClock
from inspector.config import FaultConfig
from inspector.errors import CameraError, StationError
from inspector.passage import Passage
from inspector.simulation import World
from inspector.state import Cause, State
from inspector.types import Frame, Inspection

_MS = 1_000_000
_BOOT_MS = 900
_PERSON_MS = 2000
_SLOW_MS = 1500
_COMMIT_MS = 1000


class TriggeredCamera(Protocol):
    """What the loop needs of a camera: the trigger line, and frames when their time has come."""

    def trigger(self, at_ns: int) -> object:
        """Expose now."""
        ...

    def next_frame(self, timeout_s: float) -> Frame:
        """The next frame that is ready; raises FrameTimeout or CameraLost."""
        ...

    def next_ready_ns(self) -> int | None:
        """When the next frame will be ready; None if none is on its way."""
        ...

    def open(self) -> None:
        """Connect, again after CameraLost."""
        ...


@dataclass(slots=True)
class Life:
    """One life of the station's process, from its start to its end or its kill."""

    bridge: Bridge
    passage: Passage
    frames: deque[Frame]
    commit: Callable[[], object]
    end: Callable[[], object]
    busy: bool = False


class FastRun:
    """See the module. `start_life` builds the station anew, as a restarted process would: from what is on disk."""

    def __init__(
        self,
        *,
        clock: SimulatedClock,
        world: World,
        link: SimulatedLink,
        camera: TriggeredCamera,
        start_life: Callable[[], Life],
        faults: FaultConfig,
        seed: int,
        judge_ms: float,
        frame_queue: int,
    ) -> None:
        self._clock = clock
        self._world = world
        self._link = link
        self._camera = camera
        self._start_life = start_life
        self._faults = faults
        self._random = np.random.default_rng(seed + 1)
        self._judge_ms = judge_ms
        self._frame_queue = frame_queue
        self._agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._serial = 0
        self._life: Life | None = None
        self._person_called = False
        self._drawn_for = 0
        self.frames_dropped = 0
        self.kills = self.resets = self.camera_losses = 0
        world.on_trigger = camera.trigger

    def run(self, parts: int, progress: Callable[[int], None]) -> None:
        """Run until `parts` parts were seen and every one of them has its record.

        Raises StationError if the station stands still for good.
        """
        self._world.limit = parts
        self._begin_life()
        idle_since = 0
        while not self._finished(parts):
            before = self._link.controller.total_seen
            self._step()
            if self._link.controller.total_seen != before:
                idle_since = self._clock.now_ns()
                progress(before + 1)
            if self._clock.now_ns() - idle_since > 600_000 * _MS:
                state = self._life.passage.state if self._life else "dead"
                raise StationError(f"no part for 600 simulated seconds; the station is {state}")
        self._end_life()

    # -- the loop --------------------------------------------------------------------------------------------------

    def _step(self) -> None:
        self._clock.advance_to(self._next_ns())
        now_ns = self._clock.now_ns()
        while self._agenda and self._agenda[0][0] <= now_ns:
            heapq.heappop(self._agenda)[2]()
        data = self._link.read(now_ns)
        self._take_frames()
        if self._life is not None:
            self._serve(self._life, data, now_ns)
        self._world.settle(now_ns)
        self._draw_faults()

    def _next_ns(self) -> int:
        now_ns = self._clock.now_ns()
        times = [self._link.next_event_ns(), self._camera.next_ready_ns()]
        if self._life is not None:
            times.append(self._life.bridge.next_wake_ns())
        if self._agenda:
            times.append(self._agenda[0][0])
        return max(now_ns + 1000, min((at for at in times if at is not None), default=now_ns + _MS))

    def _at(self, delay_ms: float, action: Callable[[], None]) -> None:
        self._serial += 1
        heapq.heappush(self._agenda, (self._clock.now_ns() + int(delay_ms * _MS), self._serial, action))

    def _finished(self, parts: int) -> bool:
        life = self._life
        controller = self._link.controller
        if life is None or self._world.edges_seen < parts:
            return False
        return not life.passage.open_parts and life.bridge.caught_up(controller.boot, controller.parts.next_part)

    # -- the station -----------------------------------------------------------------------------------------------

    def _serve(self, life: Life, data: bytes, now_ns: int) -> None:
        for event in [*life.bridge.receive(data, now_ns), *life.bridge.poll(now_ns)]:
            life.frames.extendleft(reversed(life.passage.hear(event)))
        life.passage.watch(life.bridge.status, life.bridge.settled)
        self._work(life)
        output = life.bridge.take_output()
        if output:
            self._link.write(output, now_ns)
        if life.passage.state in (State.HELD, State.IDLE) and not self._person_called:
            self._person_called = True
            self._at(_PERSON_MS, self._person)

    def _take_frames(self) -> None:
        try:
            while (ready := self._camera.next_ready_ns()) is not None and ready <= self._clock.now_ns():
                self._arrive(self._camera.next_frame(0))
        except CameraError:
            self.camera_losses += 1
            self._at(200, self._camera.open)

    def _arrive(self, frame: Frame) -> None:
        life = self._life
        if life is None or len(life.frames) >= self._frame_queue:
            self.frames_dropped += 1
        else:
            life.frames.append(frame)

    def _work(self, life: Life) -> None:
        while not life.busy and life.frames:
            frame = life.passage.bind(life.frames.popleft())
            if frame is not None:
                life.busy = True
                inspection = life.passage.examine(frame)
                slow = self._random.random() < self._faults.line_slow
                done = functools.partial(self._done, life, inspection, frame)
                self._at(_SLOW_MS if slow else self._judge_ms, done)

    def _done(self, life: Life, inspection: Inspection, frame: Frame) -> None:
        life.busy = False
        if life is self._life:
            life.passage.finish(inspection, frame)

    # -- what happens to it ----------------------------------------------------------------------------------------

    def _begin_life(self) -> None:
        self._life = self._start_life()
        self._person_called = False
        self._at(_COMMIT_MS, functools.partial(self._commit, self._life))

    def _commit(self, life: Life) -> None:
        # The recorder's thread would commit within its linger time; here the records of a moment go together.
        if life is self._life:
            life.commit()
            self._at(_COMMIT_MS, functools.partial(self._commit, life))

    def _end_life(self) -> None:
        if self._life is not None:
            self._life.end()
        self._life = None

    def _kill(self) -> None:
        # As kill -9 does it: nothing is flushed, nothing is told.
        self.kills += 1
        self._life = None
        self._at(_BOOT_MS, self._begin_life)

    def _reset_controller(self) -> None:
        self.resets += 1
        self._link.controller.reset(self._clock.now_ns())
        self._world.power_cycle()

    def _person(self) -> None:
        self._person_called = False
        life = self._life
        if life is None:
            return
        self._world.clear_eye()
        if life.passage.state is State.HELD:
            life.passage.order(Cause.RESET)
        if life.passage.state is State.IDLE:
            life.passage.order(Cause.START)

    def _draw_faults(self) -> None:
        """Once for each part that the eye saw."""
        while self._drawn_for < self._link.controller.total_seen:
            self._drawn_for += 1
            if self._random.random() < self._faults.controller_reset:
                self._at(self._random.random() * 500, self._reset_controller)
            if self._random.random() < self._faults.host_killed and self._life is not None:
                self._at(self._random.random() * 500, self._kill)
