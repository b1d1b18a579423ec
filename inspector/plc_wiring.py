"""The PLC of a station file, built: contract, jobs, server, and the two wirings.

What it is: from `[plc]` to the things that `connecting` puts together. What it is not: what they do. Main thread, at
start-up.
"""

from __future__ import annotations

import errno
import ipaddress
import os
from collections.abc import Callable
from pathlib import Path

from firmware_bridge.events import Event, PartLost
from firmware_bridge.plc.inputs import Options
from firmware_bridge.plc.modbus_rtu import ModbusRtuServer
from firmware_bridge.plc.modbus_tcp import Limits, ModbusTcpServer, Network
from firmware_bridge.plc.parts import PartJournal, PlcParts
from firmware_bridge.port import Port
from inspector.calibration_set import load_calibration
from inspector.clock import Clock
from inspector.config import PlcConfig, StationConfig
from inspector.errors import ConfigError
from inspector.line import Line
from inspector.outputs import outputs_of
from inspector.plc_controller import PlcServer
from inspector.plc_jobs import PlcJobs
from inspector.plc_results import Places
from inspector.plc_side import Hands, PlcSide
from inspector.recipe import find_recipe
from inspector.record.store import Store

TRIGGERS = "triggers"
_DO = {
    errno.EADDRINUSE: "another program listens there, perhaps a second station: stop it, or choose another port",
    errno.EADDRNOTAVAIL: "this machine has no such address; wanted one of its own, or '0.0.0.0' for all of them",
    errno.EACCES: "a port below 1024 needs a privilege: choose another, such as 1502",
}


def make_side(
    config: StationConfig, plc: PlcConfig, clock: Clock, line: Line, hands: Hands, parts: PlcParts | None
) -> tuple[PlcSide, PlcJobs]:
    """The station's half of the contract, and its jobs, not loaded yet; raises ConfigError."""
    calibration = load_calibration(config)
    jobs = PlcJobs(known_jobs(config, plc, line.recipe.id), line, lambda recipe_id: _load(config, recipe_id, line))
    options = Options(
        plc_triggers=parts is not None,
        in_flight=plc.in_flight,
        result_timeout_ms=plc.result_timeout_ms,
        first_piece=plc.first_piece,
        plc_may_approve=plc.may_approve,
        outputs=outputs_of(config),
    )
    places = Places(calibration.plane, calibration.robot)
    return PlcSide(clock, options, jobs, places, hands, parts), jobs


def make_server(plc: PlcConfig, side: PlcSide, clock: Clock, failed: Callable[[BaseException], None]) -> PlcServer:
    """What the PLC talks to: TCP, or a serial line; raises ConfigError if it cannot be."""
    if plc.serial:
        return ModbusRtuServer(
            lambda: Port(plc.serial, plc.baud, plc.parity),
            side.image,
            clock.now_ns,
            failed,
            unit=plc.unit,
            baud=plc.baud,
        )
    limits = Limits(clients=plc.clients, idle_ns=plc.idle_ms * 1_000_000, requests_per_s=plc.requests_per_s)
    address = (plc.host, plc.port)
    try:
        return ModbusTcpServer(address, side.image, clock.now_ns, failed, allow=networks(plc), limits=limits)
    except OSError as why:
        raise not_listening(plc, why) from why


def not_listening(plc: PlcConfig, why: OSError) -> ConfigError:
    """Why nobody can be heard at the address of `[plc]`, and what to do."""
    number = why.errno or 0
    said = _DO.get(number, f"cannot be listened on: {os.strerror(number)}")
    if number < 0:  # of getaddrinfo
        said = "no such name; wanted an address of this machine"
    return ConfigError(f"[plc] host {plc.host!r}, port {plc.port}: {said}")


def check_wiring(config: StationConfig, plc: PlcConfig) -> None:
    """What fits together only in some wirings; raises ConfigError."""
    camera = config.camera
    if plc.simulated and (plc.wiring != TRIGGERS or plc.serial):
        raise ConfigError("[plc] simulated is a twin that triggers over TCP; wanted wiring 'triggers' and no serial")
    if plc.wiring == TRIGGERS and camera.kind == "opencv" and camera.trigger_source != "software":
        text = f"[plc] wiring is 'triggers' and [camera] trigger_source {camera.trigger_source!r}, wanted 'software'"
        raise ConfigError(text)


def begin_parts(config: StationConfig, plc: PlcConfig, store: Store) -> tuple[PlcParts, int, list[Event]]:
    """The book of parts, its boot, and the parts that an earlier process was told of and has no record of."""
    try:
        journal = PartJournal(config.path(plc.journal))
        before, last = journal.read()
        named = journal.plc_parts()
        told = journal.left()
    except OSError as why:
        raise _unwritten(config.path(plc.journal), why) from why
    mark = store.bookmark()
    first = mark.first_open if mark is not None and mark.boot == before else 1
    told |= {before << 32 | number: named.get(number) for number in range(first, last + 1)}
    recorded = store.has(list(told))
    left = {part_id: plc_part for part_id, plc_part in told.items() if part_id not in recorded}
    lost: list[Event] = [PartLost(part_id, "station_restarted", plc_part) for part_id, plc_part in left.items()]
    boot = max(before, mark.boot if mark is not None else 0) + 1
    try:
        return PlcParts(boot, journal, left), boot, lost
    except OSError as why:
        raise _unwritten(config.path(plc.journal), why) from why


def _unwritten(path: Path, why: OSError) -> ConfigError:
    return ConfigError(f"[plc] journal {path}: cannot be written: {why.strerror}")


def known_jobs(config: StationConfig, plc: PlcConfig, own: str) -> dict[int, str]:
    """The recipe of every job number; `own` is the one that the station starts with. Raises ConfigError."""
    if not plc.job:
        return {1: own}
    known = {job.number: job.recipe for job in plc.job}
    for job in plc.job:
        try:
            find_recipe(config.path(config.station.recipe).parent, job.recipe)
        except ConfigError as why:
            raise ConfigError(f"[[plc.job]] number {job.number}: {why}") from None
    if len(known) != len(plc.job) or len(set(known.values())) != len(plc.job):
        raise ConfigError(
            f"[[plc.job]] has a number or a recipe twice: {[(job.number, job.recipe) for job in plc.job]}"
        )
    if own not in known.values():
        raise ConfigError(
            f"[[plc.job]] has the recipes {sorted(known.values())}, wanted {own!r} of [station] recipe, too"
        )
    return known


def _load(config: StationConfig, recipe_id: str, like: Line) -> Line:
    recipe = find_recipe(config.path(config.station.recipe).parent, recipe_id)
    return Line(recipe, config.line, like.calibration_id, like.plane, like.sorters)


def networks(plc: PlcConfig) -> list[Network]:
    """The masters that may connect, none for any; raises ConfigError."""
    try:
        return [ipaddress.ip_network(text) for text in plc.allow]
    except ValueError as why:
        raise ConfigError(
            f"[plc] allow is {plc.allow}: {why}; wanted addresses or networks like '192.168.0.0/24'"
        ) from why
