"""THE TABLE: the whole machine on one page - what it is made of, which thread runs what, what is real or simulated.

What it is: the only module that chooses between real and simulated, and builds the station from its file. What it is
not: what happens then (`passage`), or the loops themselves (`running`, `fast`). Main thread, at start-up.

    thread     loop                              hands over by           when full
    camera     wait for a frame                  queue of 2              that part is NOT_INSPECTED, counted
    line       inspect one frame; hear events    direct calls            -
    bridge     serial in and out, lease          unbounded event queue   (bounded by the parts on the belt)
    recorder   store and pictures                queue of 256            picture dropped first, then Aborted
    plc        requests of the PLC's masters     contract, under a lock  a flood waits; one too many is refused
    trigger    fire the camera for the PLC       event queue             bounded by `in_flight`
    jobs       load the PLC's jobs, then end     taken between parts     -
    link       status and preview to the web     one slot, latest wins   a slow client is disconnected
    recipe     load another recipe, then end     taken between parts     one at a time
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from firmware_bridge.bridge import Bridge
from firmware_bridge.codes import Encoder, Input, Key
from firmware_bridge.flash import FlashError
from firmware_bridge.settings import settings_error
from firmware_bridge.simavr_controller import SimavrController
from firmware_bridge.simulated_link import LineNoise, SimulatedLink, Twin
from firmware_bridge.simulator import SimulatedController
from inspector.calibration_set import load_calibration
from inspector.camera.base import Scene
from inspector.camera.belt_scene import BeltScene
from inspector.camera.flat_field import FlatField
from inspector.clock import Clock
from inspector.config import ControllerConfig, StationConfig
from inspector.drift_alarms import DriftAlarms
from inspector.errors import ConfigError
from inspector.labels import Truth, labels_of, load_labels, picture_files
from inspector.line import Line
from inspector.passage import Passage
from inspector.recipe import Recipe, load_recipe
from inspector.record.images import ImageFolder
from inspector.record.reader import store_url
from inspector.record.recorder import Recorder
from inspector.record.store import Store
from inspector.sender import Sender
from inspector.simulation import World
from inspector.tracker import Tracker
from inspector.types import Bookmark, Frame, InspectionRecord

_CLOCK_START = 2**32 - 60_000_000


def controller_settings(config: ControllerConfig) -> dict[Key, int]:
    """What is pushed to the controller; raises ConfigError where it would not take it."""
    settings = {
        Key.CAMERA_COUNT: config.camera_tick,
        Key.GATE_COUNT: config.gate_tick,
        Key.GUARD_COUNT: config.guard_tick,
        Key.MIN_SPACING_COUNT: config.min_spacing_tick,
        Key.PART_MAX_COUNT: config.part_max_tick,
        Key.EYE_STUCK_COUNT: config.eye_stuck_tick,
        Key.DEBOUNCE_US: config.debounce_us,
        Key.STROBE_US: config.strobe_us,
        Key.LEAD_MS: config.lead_ms,
        Key.MIN_ON_MS: config.pulse_ms,
        Key.MAX_ON_MS: config.max_on_ms,
        Key.MIN_OFF_MS: config.min_off_ms,
        Key.ENERGISED_PASSES: int(config.energised_passes),
        Key.CONFIRM_WINDOW_COUNT: config.confirm_window_tick,
        Key.CONSECUTIVE_REJECTS_STOP: config.consecutive_rejects_stop,
        Key.CONSECUTIVE_UNKNOWN_STOP: config.consecutive_unknown_stop,
        Key.REJECTS_OF_LAST_STOP: config.rejects_of_last_stop,
        Key.LAST_PARTS: config.last_parts,
        Key.ENCODER: int(_ENCODERS[config.encoder]),
        Key.INPUTS: sum(Input[name.upper()] for name in set(config.inputs)),
    }
    settings |= _sorter_settings(config)
    if trouble := settings_error(settings):
        raise ConfigError(f"[controller] the controller would refuse this: {trouble}")
    return settings


def _sorter_settings(config: ControllerConfig) -> dict[Key, int]:
    settings: dict[Key, int] = {}
    for number, sorter in enumerate(config.sorter):
        where = f"[[controller.sorter]] {number}"
        first = Key(Key.EJECT_1_COUNT + 5 * (sorter.number - 1))
        if first in settings:
            raise ConfigError(f"{where}: number is {sorter.number}, wanted one that no other sorter has")
        if not config.camera_tick < sorter.tick < config.gate_tick:
            between = f"wanted between camera_tick, {config.camera_tick}, and gate_tick, {config.gate_tick}"
            raise ConfigError(f"{where}: tick is {sorter.tick}, {between}")
        if sorter.pulse_ms > sorter.max_on_ms:
            raise ConfigError(f"{where}: pulse_ms is {sorter.pulse_ms}, wanted at most max_on_ms, {sorter.max_on_ms}")
        values = (sorter.tick, sorter.pulse_ms, sorter.lead_ms, sorter.max_on_ms, sorter.min_off_ms)
        settings |= {Key(first + field): value for field, value in enumerate(values)}
    return settings


_ENCODERS = {"none": Encoder.CLOCK, "single": Encoder.SINGLE, "quadrature": Encoder.QUADRATURE}


@dataclass(slots=True)
class Simulated:
    """The simulated surroundings of a station: the belt, the controller behind its line, and what the camera sees."""

    world: World
    controller: Twin
    link: SimulatedLink
    scene: Scene | None
    truth: Mapping[str, Truth]


def load_recipe_of(config: StationConfig) -> Recipe:
    """The recipe that the station starts with; raises ConfigError."""
    return load_recipe(config.path(config.station.recipe))


def load_line(config: StationConfig, recipe: Recipe) -> Line:
    """The recipe's model, checked and ready; raises ConfigError or ModelError."""
    calibration = load_calibration(config)
    # Where a PLC tracks and rejects there is no controller, and so no sorter of ours.
    ours = config.plc is None or config.plc.wiring != "triggers"
    sorters = frozenset(sorter.number for sorter in config.controller.sorter if ours)
    return Line(recipe, config.line, calibration.id, calibration.plane, sorters)


def load_flat_field(config: StationConfig) -> FlatField | None:
    """What corrects every frame, where the station wants it; raises ConfigError."""
    calibration = load_calibration(config)
    if not calibration.flat or calibration.illumination is None:
        return None
    return FlatField(calibration.illumination.grid)


def open_store(config: StationConfig, clock: Clock) -> Store:
    """The record store, for writing; raises StoreError."""
    url = store_url(config.record.store, config.folder)
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    return Store.open(url, clock)


def make_recorder(config: StationConfig, store: Store, *, threaded: bool) -> Recorder:
    """The recorder and its folder of pictures; raises StoreError."""
    record = config.record
    images = ImageFolder(
        config.path(record.images),
        budget_mb=record.image_budget_mb,
        min_free_mb=record.min_free_mb,
        note=store.note_removals,
    )
    return Recorder(
        store, images, limit=record.queue, keep_every_nth_pass=record.keep_every_nth_pass, threaded=threaded
    )


def make_bridge(config: StationConfig, store: Store) -> Bridge:
    """The conversation with the controller, resumed where the store says the last one was recorded to."""
    mark = store.bookmark()
    resume = (mark.boot, mark.first_open) if mark else None
    return Bridge(controller_settings(config.controller), config.controller.lease_ms, resume)


def make_passage(config: StationConfig, clock: Clock, line: Line, send: Sender, recorder: Recorder) -> Passage:
    """The part's way, wired to its judge, its controller and its recorder."""
    calibration = load_calibration(config)
    drift = DriftAlarms(calibration.illumination) if calibration.illumination else None

    def record(row: InspectionRecord, frame: Frame | None, mark: Bookmark) -> bool:
        taken = recorder.put(calibration.stamp(row), frame, mark)
        if taken and drift is not None and frame is not None:
            drift.look(frame, row, passage)
        return taken

    passage = Passage(
        clock=clock,
        tracker=Tracker(int(config.line.bind_tolerance_ms * 1e6)),
        inspect=line.inspect,
        send=send,
        record=record,
        recipe_id=line.recipe.id,
    )
    return passage


def simulate(config: StationConfig, first_boot: int, controller_kind: str = "python", now_ns: int = 0) -> Simulated:
    """The simulated world of the station file, with its controller switched on at `now_ns`.

    Raises ConfigError if it has none or simavr lacks, DatasetError for its pictures.
    """
    simulation = config.simulation
    if simulation is None:
        raise ConfigError("[controller] port is 'sim://', but the station file has no [simulation]")
    if config.camera.kind == "simulated" and not simulation.pictures:
        raise ConfigError("[simulation] pictures is empty, wanted folders of pictures that the parts look like")
    folder, files, truth = _pictures(config)
    looks = [file for file in files if truth.get(file, _GOOD).kind not in ("empty", "two_parts")] or files
    world = World(simulation, config.controller, max(1, len(looks)), first_boot)
    scene = None
    if config.camera.kind == "simulated":
        scene = BeltScene(world, folder, looks, _first(truth, "empty"), _first(truth, "two_parts"))
    controller = make_controller(controller_kind, world, first_boot, now_ns)
    faults = simulation.faults
    draw = np.random.default_rng(simulation.seed + 2).random
    noise = LineNoise(lambda: float(draw()), faults.byte_flip, faults.byte_drop, faults.byte_double)
    return Simulated(world, controller, SimulatedLink(controller, noise, config.controller.baud), scene, truth)


def make_controller(kind: str, world: World, boot: int, now_ns: int) -> Twin:
    """The twin of the controller: `python`, its rules, or `simavr`, its real binary. Raises ConfigError."""
    if kind == "python":
        return SimulatedController(world, boot=boot, clock_start=_CLOCK_START, drift_ppm=200)
    if kind != "simavr":
        raise ConfigError(f"--controller is {kind!r}, wanted 'python' or 'simavr'")
    try:
        return SimavrController(world, boot=boot, clock_start=_CLOCK_START, drift_ppm=200, start_ns=now_ns)
    except FlashError as why:
        raise ConfigError(f"--controller simavr: {why}") from why


_GOOD = labels_of(["good/any"])["good/any"]


def _pictures(config: StationConfig) -> tuple[Path, list[str], Mapping[str, Truth]]:
    simulation = config.simulation
    assert simulation is not None
    if config.camera.kind == "folder":
        files = picture_files(config.path(config.camera.source))
        return config.path(config.camera.source), files, labels_of(files)
    root = config.path(simulation.labels).parent if simulation.labels else config.folder.resolve()
    found = [path for name in simulation.pictures for path in _below(root, config.path(name))]
    truth = load_labels(config.path(simulation.labels)) if simulation.labels else labels_of(found)
    return root, found, truth


def _below(root: Path, folder: Path) -> list[str]:
    if not folder.is_relative_to(root):
        raise ConfigError(f"{folder}: [simulation] pictures must lie below {root}, where the labels are")
    prefix = folder.relative_to(root).as_posix()
    return [f"{prefix}/{file}" for file in picture_files(folder)]


def _first(truth: Mapping[str, Truth], kind: str) -> str | None:
    return next((file for file, what in sorted(truth.items()) if what.kind == kind), None)


Progress = Callable[[int], None]
