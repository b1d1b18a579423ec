"""One run of a station, from its file to its sums: in real time or in simulated time.

What it is: what `inspector run` does, without the command line. What it is not: the loops (`running`, `fast`) or the
choice of parts (`station`). Main thread of the line process.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from firmware_bridge.plc.modbus_tcp import ModbusTcpServer
from firmware_bridge.protocol_sim import register
from inspector import station
from inspector.camera import Guard, open_camera
from inspector.camera.simulated import seeded_faults
from inspector.clock import Clock, SimulatedClock, SystemClock
from inspector.config import FaultConfig, StationConfig
from inspector.connecting import Around, connect
from inspector.errors import ConfigError
from inspector.fast import FastRun, Life
from inspector.line import Line
from inspector.link.server import LinkServer
from inspector.plc_jobs import PlcJobs
from inspector.record.store import Store
from inspector.running import Crew, Running
from inspector.sender import BridgeSender
from inspector.simulated_plc import LockedScene, SimulatedPlc
from inspector.tally import Tally
from inspector.threads import CameraThread, Inbox

_PAGE = 500
_JUDGE_MS = 25.0


@dataclass(frozen=True, slots=True)
class RunResult:
    """The sums of a run, and whether the law held."""

    document: dict[str, Any]
    law_holds: bool


def run_fast(
    config: StationConfig, parts: int, progress: Callable[[int], None], controller: str = "python"
) -> RunResult:
    """Run `parts` parts in simulated time, with every fault that the station file asks for.

    Raises ConfigError if the controller or the camera is not simulated, StationError if the station stands still.
    """
    if not config.controller.port.startswith("sim://"):
        raise ConfigError(f"[controller] port is {config.controller.port!r}; a run in simulated time needs 'sim://'")
    clock = SimulatedClock()
    line = station.load_line(config, station.load_recipe_of(config))
    book = _Book(config, clock)
    first_boot = book.next_boot()
    surroundings = station.simulate(config, first_boot, controller)
    tally = Tally(surroundings.truth)
    surroundings.world.on_gone = tally.gone
    faults = config.simulation.faults if config.simulation else FaultConfig()
    seed = config.simulation.seed if config.simulation else 0
    camera = open_camera(
        config.camera,
        config.folder,
        clock,
        surroundings.scene,
        faults=seeded_faults(faults, seed + 3),
        threads=False,
        finish=station.load_flat_field(config),
    )
    assert not isinstance(camera, Guard)

    def life() -> Life:
        return _begin_life(config, clock, line, book.reopen(), tally)

    run = FastRun(
        clock=clock,
        world=surroundings.world,
        link=surroundings.link,
        camera=camera,
        start_life=life,
        faults=faults,
        seed=seed,
        judge_ms=_JUDGE_MS,
        frame_queue=config.line.frame_queue,
    )
    run.run(parts, progress)
    book.count(tally)
    seen = surroundings.controller.total_seen
    document = tally.document(seen) | {
        "mode": "fast",
        "simulated_s": round(clock.now_ns() / 1e9, 1),
        "station_kills": run.kills,
        "controller_resets": run.resets,
        "camera_losses": run.camera_losses,
        "frames_dropped": run.frames_dropped,
        "encoder_slips": surroundings.world.slips,
        "double_parts": surroundings.world.doubles,
        "stuck_eyes": surroundings.world.stuck,
    }
    book.close()
    return RunResult(document, tally.law_holds(seen))


def _begin_life(config: StationConfig, clock: SimulatedClock, line: Line, store: Store, tally: Tally) -> Life:
    bridge = station.make_bridge(config, store)
    recorder = station.make_recorder(config, store, threaded=False)
    passage = station.make_passage(config, clock, line, BridgeSender(bridge, clock), recorder)
    passage.on_judged = tally.judged
    line.forget_frame()
    return Life(bridge=bridge, passage=passage, frames=deque(), commit=recorder.flush, end=recorder.close)


class _Book:
    """The store over the several lives of a run, and which of its records are this run's."""

    def __init__(self, config: StationConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._store: Store | None = station.open_store(config, clock)
        newest = self._store.reader.records(limit=1)
        self._before = newest[0].number if newest else 0

    def next_boot(self) -> int:
        """A boot number that no record of the store has: the simulated controller has no EEPROM."""
        mark = self.store.bookmark()
        return mark.boot + 1 if mark else 1

    @property
    def store(self) -> Store:
        """The open store."""
        assert self._store is not None
        return self._store

    def reopen(self) -> Store:
        """The store as a restarted process finds it."""
        self.close()
        self._store = station.open_store(self._config, self._clock)
        return self._store

    def count(self, tally: Tally) -> None:
        """Put this run's records into the tally, as they lie in the store."""
        before: int | None = None
        while True:
            page = self.store.reader.records(before=before, limit=_PAGE)
            for stored in page:
                if stored.number <= self._before:
                    return
                tally.record(stored.record)
            if len(page) < _PAGE:
                return
            before = page[-1].number

    def close(self) -> None:
        """Give the store back."""
        if self._store is not None:
            self._store.close()
        self._store = None


@dataclass(slots=True)
class RealRun:
    """A station in real time, built and ready to `run`; `running.stopping` ends it from any thread."""

    running: Running
    surroundings: station.Simulated | None
    tally: Tally
    book: _Book
    parts: int | None
    beside: Sequence[PlcJobs | SimulatedPlc]

    def run(self) -> RunResult:
        """Run to the end and count."""
        try:
            for thread in self.beside:
                thread.start()
            self.running.run(self.parts)
            self.book.reopen()
            self.book.count(self.tally)
        finally:
            for thread in self.beside:
                thread.stop()
            self.book.close()
        seen = self.running.seen
        document = self.tally.document(seen) | {"mode": "realtime", "open_at_the_end": seen - self.tally.records}
        if self.surroundings is None:
            # Without a simulated belt nobody knows where a part went physically.
            document |= dict.fromkeys(("escapes_by_fault", "boxed", "binned", "sorted", "unseen_by_the_eye"))
        finished = self.parts is None or self.tally.law_holds(seen)
        return RunResult(document, finished and not self.tally.escapes_by_fault and not self.tally.duplicates)


def build_realtime(config: StationConfig, parts: int | None, *, with_link: bool, controller: str = "python") -> RealRun:
    """Everything that runs in real time; raises what any of its parts raises at start-up."""
    clock = SystemClock()
    line = station.load_line(config, station.load_recipe_of(config))
    book = _Book(config, clock)
    surroundings = _surround(config, clock, book, parts, controller)
    inbox = Inbox(config.line.frame_queue)
    late: list[Running] = []

    def failed(why: BaseException) -> None:
        for running in late:
            running.failed(why)

    world_lock = threading.Lock()
    camera = _open_camera(config, clock, surroundings, world_lock)
    around = Around(
        config, clock, book.store, line, inbox, camera, _port_url(config), lambda line: late[0].take_line(line), failed
    )
    connected = connect(around)
    twin = None
    if surroundings is not None and config.plc is not None and isinstance(connected.server, ModbusTcpServer):
        server = connected.server
        if config.plc.simulated:
            twin = SimulatedPlc(surroundings.world, world_lock, config.controller, clock, lambda: server.port)
    if surroundings is not None and twin is None:
        surroundings.world.on_trigger = camera.trigger
    recorder = station.make_recorder(config, book.store, threaded=True)
    passage = station.make_passage(config, clock, line, connected.sender, recorder)
    tally = Tally(surroundings.truth if surroundings else {})
    passage.on_judged = tally.judged
    if surroundings is not None:
        surroundings.world.on_gone = tally.gone
    link = LinkServer(config.path(config.line.link), clock) if with_link else None
    crew = Crew(
        controller=connected.controller,
        camera=camera,
        camera_counters=camera.counters,
        camera_thread=CameraThread(camera, inbox, failed),
        recorder=recorder,
        link=link,
        side=connected.side,
        plc_server=connected.server,
        plc_monitor=connected.monitor,
    )
    running = Running(config, clock, line, passage, crew, inbox)
    late.append(running)
    beside = [thread for thread in (connected.jobs, twin) if thread is not None]
    return RealRun(running, surroundings, tally, book, parts, beside)


def _open_camera(
    config: StationConfig, clock: Clock, surroundings: station.Simulated | None, lock: threading.Lock
) -> Guard:
    scene = surroundings.scene if surroundings else None
    if scene is not None and config.plc is not None and config.plc.simulated:
        scene = LockedScene(scene, lock)
    faults = config.simulation.faults if config.simulation else FaultConfig()
    draw = seeded_faults(faults, config.simulation.seed + 3 if config.simulation else 0)
    flat = station.load_flat_field(config)
    camera = open_camera(config.camera, config.folder, clock, scene, faults=draw, finish=flat)
    assert isinstance(camera, Guard)
    return camera


def _surround(
    config: StationConfig, clock: Clock, book: _Book, parts: int | None, controller: str
) -> station.Simulated | None:
    plc = config.plc
    triggered = plc is not None and plc.wiring == "triggers"
    if triggered and not (plc is not None and plc.simulated):
        return None
    if not triggered and not config.controller.port.startswith("sim://"):
        if controller != "python":
            raise ConfigError(
                f"--controller {controller} needs [controller] port 'sim://', found {config.controller.port!r}"
            )
        return None
    surroundings = station.simulate(config, book.next_boot(), controller, clock.now_ns())
    surroundings.world.limit = parts
    if not triggered:
        register(_SIMULATED, surroundings.link, clock.now_ns)
    return surroundings


_SIMULATED = "station"


def _port_url(config: StationConfig) -> str:
    port = config.controller.port
    return f"sim://{_SIMULATED}" if port.startswith("sim://") else port
