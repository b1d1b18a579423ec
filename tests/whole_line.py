"""The whole line in simulated time with a judge that knows the truth: what the fault campaigns run on.

Everything is real but the pictures (4 x 4 pixels that only carry their name) and the judge, so that thousands of
parts take seconds. The run with real pictures and the real model is `tests/test_runs.py`.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from firmware_bridge.simulated_link import LineNoise, SimulatedLink, Twin
from firmware_bridge.simulator import SimulatedController
from inspector.clock import SimulatedClock
from inspector.config import ControllerConfig, FaultConfig, RecordConfig, SimulationConfig, StationConfig
from inspector.errors import FrameTimeout
from inspector.fast import FastRun, Life
from inspector.labels import Truth
from inspector.passage import Passage
from inspector.sender import BridgeSender
from inspector.simulation import World, source_of
from inspector.station import make_bridge, make_recorder, open_store
from inspector.tally import Tally
from inspector.tracker import Tracker
from inspector.types import Bookmark, Frame, Inspection, InspectionRecord, Reason, Verdict

LOOKS = 40
TRUTH = {str(look): Truth("good", Verdict.PASS) if look % 4 else Truth("bad", Verdict.REJECT) for look in range(LOOKS)}
EVERY_FAULT = FaultConfig(
    byte_flip=1e-3,
    byte_drop=1e-3,
    byte_double=5e-4,
    controller_reset=3e-3,
    encoder_slip=0.02,
    double_part=0.02,
    stuck_eye=3e-3,
    frame_lost=0.02,
    frame_repeated=0.02,
    frame_late=0.02,
    line_slow=0.02,
    host_killed=5e-3,
)


class NamedFrames:
    """A camera whose frames carry nothing but the name of what they show, and the camera faults that need no pixels."""

    def __init__(self, world: World, clock: SimulatedClock, faults: FaultConfig, seed: int) -> None:
        self._world = world
        self._clock = clock
        self._faults = faults
        self._random = np.random.default_rng(seed)
        self._ready: list[tuple[int, int, Frame]] = []
        self._taken = 0

    def open(self) -> None:
        return None

    def trigger(self, at_ns: int) -> None:
        if self._random.random() < self._faults.frame_lost:
            return
        self._expose(at_ns, 400_000_000 if self._random.random() < self._faults.frame_late else 0)
        if self._random.random() < self._faults.frame_repeated:
            self._expose(at_ns, 1_000_000)

    def _expose(self, at_ns: int, late_ns: int) -> None:
        parts = self._world.in_field(at_ns)
        name = "empty" if not parts else "several"
        if len(parts) == 1:
            name = source_of(str(parts[0].picture), parts[0].uid)
        self._taken += 1
        pixels = np.zeros((4, 4), np.uint8)
        frame = Frame(frame_id=self._taken, camera="c", exposed_at_ns=at_ns, pixels=pixels, source=name)
        heapq.heappush(self._ready, (at_ns + 15_000_000 + late_ns, self._taken, frame))

    def next_ready_ns(self) -> int | None:
        return self._ready[0][0] if self._ready else None

    def next_frame(self, _timeout_s: float) -> Frame:
        if not self._ready or self._ready[0][0] > self._clock.now_ns():
            raise FrameTimeout("none ready")
        return heapq.heappop(self._ready)[2]


def knowing_judge(frame: Frame) -> Inspection:
    """Says what the label says."""
    assert frame.part_id is not None
    truth = TRUTH.get(frame.source.split("#")[0])
    verdict = truth.expected if truth else Verdict.NOT_INSPECTED
    reasons = () if verdict is Verdict.PASS else (Reason(code="label"),)
    return Inspection(part_id=frame.part_id, frame_id=frame.frame_id, verdict=verdict, reasons=reasons, recipe_id="r")


@dataclass
class WholeLine:
    """One campaign. After `run`, `tally` has its sums and `seen` the controller's own count."""

    folder: Path
    seed: int = 1
    faults: FaultConfig = field(default_factory=FaultConfig)
    tracker: type[Tracker] = Tracker
    twin: Callable[..., Twin] = SimulatedController
    controller_config: ControllerConfig = field(default_factory=ControllerConfig)
    judge: Callable[[Frame], Inspection] = knowing_judge

    def run(self, parts: int) -> WholeLine:
        self.config = StationConfig(
            folder=self.folder,
            controller=self.controller_config,
            record=RecordConfig(store="records.sqlite", images="images"),
            simulation=SimulationConfig(seed=self.seed, faults=self.faults),
        )
        assert self.config.simulation is not None
        self.clock = SimulatedClock()
        self.world = World(self.config.simulation, self.config.controller, LOOKS)
        self.controller = self.twin(self.world, clock_start=2**32 - 50_000_000, drift_ppm=300)
        random = np.random.default_rng(self.seed + 7)
        faults = self.faults
        noise = LineNoise(lambda: float(random.random()), faults.byte_flip, faults.byte_drop, faults.byte_double)
        self.tally = Tally(TRUTH)
        self.world.on_gone = self.tally.gone
        self.store = open_store(self.config, self.clock)
        self.fast = FastRun(
            clock=self.clock,
            world=self.world,
            link=SimulatedLink(self.controller, noise),
            camera=NamedFrames(self.world, self.clock, faults, self.seed + 3),
            start_life=self._begin_life,
            faults=faults,
            seed=self.seed,
            judge_ms=25,
            frame_queue=2,
        )
        self.fast.run(parts, lambda _seen: None)
        self._count()
        return self

    @property
    def seen(self) -> int:
        return self.controller.total_seen

    def _begin_life(self) -> Life:
        self.store.close()
        self.store = open_store(self.config, self.clock)
        bridge = make_bridge(self.config, self.store)
        recorder = make_recorder(self.config, self.store, threaded=False)

        def record(row: InspectionRecord, _frame: Frame | None, mark: Bookmark) -> bool:
            return recorder.put(row, None, mark)

        passage = Passage(
            clock=self.clock,
            tracker=self.tracker(8_000_000),
            inspect=self.judge,
            send=BridgeSender(bridge, self.clock),
            record=record,
            recipe_id="r",
        )
        passage.on_judged = self.tally.judged
        return Life(bridge=bridge, passage=passage, frames=deque(), commit=recorder.flush, end=recorder.close)

    def _count(self) -> None:
        self.records: list[InspectionRecord] = []
        before: int | None = None
        while page := self.store.reader.records(before=before, limit=500):
            for stored in page:
                self.tally.record(stored.record)
                self.records.append(stored.record)
            before = page[-1].number
        self.conflicts = self.store.reader.conflicts()
        self.store.close()
