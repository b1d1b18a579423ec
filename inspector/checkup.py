"""Is this station fit to run, and if not, what to do about it.

What it is: one look at each thing the station stands on. What it is not: a test of the line; nothing moves. Main
thread of a command or a job.

While a line runs it holds controller, camera and store, and asking a second time would disturb it (opening a serial
port resets many controllers): `check(..., line_runs=True)` leaves these to what the line itself says.
"""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from firmware_bridge.bridge import Bridge
from firmware_bridge.events import Linked, Refused
from firmware_bridge.port import Port, PortGone
from firmware_bridge.protocol_sim import register as register_simulated
from inspector import station
from inspector.calibrated import TimingResult
from inspector.calibration_set import load_calibration
from inspector.camera import make_camera
from inspector.clock import Clock
from inspector.config import StationConfig
from inspector.errors import StationError
from inspector.plc_check import look_at_plc
from inspector.plc_wiring import TRIGGERS
from inspector.record.reader import Reader, store_url

_ANSWER_NS = 1_500_000_000
_EARLIEST = "2026-01-01"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: `level` is ok, warn or fail; `found` is what was seen, `advice` what to do."""

    what: str
    level: str
    found: str
    advice: str = ""


def check(config: StationConfig, clock: Clock, *, line_runs: bool = False) -> Iterator[Finding]:
    """One finding for each thing, in the order a part meets them; `line_runs` spares what a running line holds."""
    looks: tuple[tuple[str, Callable[[StationConfig, Clock], Finding], str], ...] = (
        ("controller", _controller, "check cable, power and [controller] port"),
        ("plc", partial(_plc, line_runs=line_runs), "correct [plc]"),
        ("camera", _camera, "check cable and [camera] source"),
        ("model", _model, "teach the recipe's model, or correct [station] recipe"),
        ("calibration", _calibration, "make the result again, or correct [calibration]"),
        ("store", _store, "stop the other station, or correct [record] store"),
        ("disk", _disk, "free disk space, or lower [record] image_budget_mb"),
        ("clock", _clock, "set the computer's clock: records carry its time"),
    )
    for what, look, advice in looks:
        if (line_runs and what in ("controller", "camera")) or (what == "plc" and config.plc is None):
            continue
        try:
            if line_runs and what == "store":
                yield _read_store(config)
                continue
            yield look(config, clock)
        except (StationError, PortGone, OSError) as why:
            yield Finding(what, "fail", str(why), advice)


def _controller(config: StationConfig, clock: Clock) -> Finding:
    if config.plc is not None and config.plc.wiring == TRIGGERS:
        return Finding("controller", "ok", "none: the PLC triggers and rejects")
    url = config.controller.port
    if url.startswith("sim://"):
        simulated = station.simulate(config, 1)
        register_simulated("check", simulated.link, clock.now_ns)
        url = "sim://check"
    port = Port(url, config.controller.baud)
    try:
        return _ask_controller(config, port, clock)
    finally:
        port.close()


def _ask_controller(config: StationConfig, port: Port, clock: Clock) -> Finding:
    bridge = Bridge(station.controller_settings(config.controller), config.controller.lease_ms)
    until_ns = clock.now_ns() + _ANSWER_NS
    while clock.now_ns() < until_ns:
        events = bridge.poll(clock.now_ns())
        port.write(bridge.take_output())
        events += bridge.receive(port.wait(0.02), clock.now_ns())
        for event in events:
            if isinstance(event, Linked):
                return Finding("controller", "ok", f"{config.controller.port} answers, boot {event.boot}, configured")
            if isinstance(event, Refused):
                return Finding("controller", "fail", event.text, "inspector firmware flash")
    found = f"{config.controller.port} opened, but nothing answers at {config.controller.baud} baud"
    return Finding("controller", "fail", found, "check that the controller is flashed and powered")


def _plc(config: StationConfig, clock: Clock, *, line_runs: bool) -> Finding:
    del clock
    assert config.plc is not None
    found, advice = look_at_plc(config, config.plc, line_runs=line_runs)
    return Finding("plc", "warn" if advice else "ok", found, advice)


def _camera(config: StationConfig, clock: Clock) -> Finding:
    scene = station.simulate(config, 1).scene if config.camera.kind == "simulated" else None
    camera = make_camera(config.camera, config.folder, clock, scene)
    try:
        camera.open()
        settings = camera.settings()
    finally:
        camera.close()
    refused = settings.pop("refused", "")
    found = ", ".join(f"{name} {value}" for name, value in settings.items())
    if refused:
        return Finding("camera", "warn", f"{found}; refused: {refused}", "the camera will not do this: remove the key")
    return Finding("camera", "ok", found)


def _model(config: StationConfig, clock: Clock) -> Finding:
    del clock
    line = station.load_line(config, station.load_recipe_of(config))
    card = line.runner.card
    claim = (
        f"at most {100 * card.threshold.false_rejects_at_most:.2f} % false rejects from {card.threshold.images} images"
    )
    found = f"{card.name} {card.revision}, sha {card.model.sha256[:12]}, reference outputs come out here; {claim}"
    return Finding("model", "ok", found)


def _calibration(config: StationConfig, clock: Clock) -> Finding:
    calibration = load_calibration(config)
    flat = station.load_flat_field(config) is not None
    if not calibration.results:
        return Finding("calibration", "warn", "none: results are in pixels", "make what you need: docs/calibration.md")
    ages = {kind: _age_days(result.made_at, clock.utc()) for kind, result in calibration.results.items()}
    found = f"{calibration.id}: " + ", ".join(f"{kind} {days} days old" for kind, days in ages.items())
    found += ", frames are flat-field corrected" if flat else ""
    old = [kind for kind, days in ages.items() if not 0 <= days <= config.calibration.max_age_days]
    timing = calibration.results.get("timing")
    if isinstance(timing, TimingResult):
        for key in ("camera_tick", "gate_tick"):
            learned, wanted = getattr(timing.value, key), getattr(config.controller, key)
            if abs(learned - wanted) > 1 + timing.uncertainty[key]:
                advice = f"set [controller] {key} = {learned}, or learn it again"
                return Finding("calibration", "warn", f"{found}; {key} is {wanted}, learned {learned}", advice)
    if old:
        days = config.calibration.max_age_days
        advice = f"made in the future or more than {days} days ago: make {', '.join(old)} again"
        return Finding("calibration", "warn", found, advice)
    return Finding("calibration", "ok", found)


def _age_days(made_at: str, now: str) -> int:
    made, today = (datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (made_at, now))
    return (today - made).days


def _store(config: StationConfig, clock: Clock) -> Finding:
    store = station.open_store(config, clock)
    try:
        newest = store.reader.records(limit=1)
        found = f"{store.name}, {newest[0].number if newest else 0} records"
    finally:
        store.close()
    return Finding("store", "ok", found)


def _read_store(config: StationConfig) -> Finding:
    reader = Reader.open(store_url(config.record.store, config.folder))
    try:
        return Finding("store", "ok", f"{reader.name}, {reader.newest_number()} records, the line writes to it")
    finally:
        reader.close()


def _disk(config: StationConfig, clock: Clock) -> Finding:
    del clock
    folder = config.path(config.record.images)
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free_mb = shutil.disk_usage(existing).free // 1_000_000
    wanted = config.record.image_budget_mb + config.record.min_free_mb
    found = f"{free_mb} MB free at {existing}, pictures may take {config.record.image_budget_mb} MB"
    if free_mb < config.record.min_free_mb:
        return Finding("disk", "fail", found, "free disk space: no picture can be kept")
    if free_mb < wanted:
        return Finding("disk", "warn", found, "the disk fills before the budget does; lower [record] image_budget_mb")
    return Finding("disk", "ok", found)


def _clock(config: StationConfig, clock: Clock) -> Finding:
    del config
    now = clock.utc()
    if now < _EARLIEST:
        return Finding("clock", "fail", f"it is {now}", "set the computer's clock: records carry its time")
    return Finding("clock", "ok", now)
