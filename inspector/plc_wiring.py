"""The PLC of a station file, built: contract, jobs, server, and the two wirings.

What it is: from `[plc]` to the things that `connecting` puts together. What it is not: what they do. Main thread, at
start-up.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

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
from inspector.plc_controller import PlcServer
from inspector.plc_jobs import PlcJobs
from inspector.plc_results import Places
from inspector.plc_side import Hands, PlcSide
from inspector.recipe import find_recipe
from inspector.record.store import Store

TRIGGERS = "triggers"


def make_side(
    config: StationConfig, plc: PlcConfig, clock: Clock, line: Line, hands: Hands, parts: PlcParts | None
) -> tuple[PlcSide, PlcJobs]:
    """The station's half of the contract, and its jobs, not loaded yet; raises ConfigError."""
    calibration = load_calibration(config)
    jobs = PlcJobs(_known(config, plc, line), line, lambda recipe_id: _load(config, recipe_id, line))
    options = Options(
        plc_triggers=parts is not None,
        in_flight=plc.in_flight,
        result_timeout_ms=plc.result_timeout_ms,
        first_piece=plc.first_piece,
        plc_may_approve=plc.may_approve,
        outputs=config.outputs,
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
        return ModbusTcpServer(address, side.image, clock.now_ns, failed, allow=_networks(plc), limits=limits)
    except OSError as why:
        text = f"[plc] host {plc.host!r}, port {plc.port}: cannot be listened on: {why.strerror or why}"
        raise ConfigError(text) from why


def begin_parts(config: StationConfig, plc: PlcConfig, store: Store) -> tuple[PlcParts, int, list[Event]]:
    """The book of parts, its boot, and the parts that an earlier process was told of and has no record of."""
    try:
        journal = PartJournal(config.path(plc.journal))
        before, last = journal.read()
    except OSError as why:
        raise ConfigError(f"[plc] journal {config.path(plc.journal)}: cannot be written: {why.strerror}") from why
    mark = store.bookmark()
    first = mark.first_open if mark is not None and mark.boot == before else 1
    told = [before << 32 | number for number in range(first, last + 1)]
    recorded = store.has(told)
    lost: list[Event] = [PartLost(part_id, "station_restarted") for part_id in told if part_id not in recorded]
    boot = max(before, mark.boot if mark is not None else 0) + 1
    return PlcParts(boot, journal), boot, lost


def _known(config: StationConfig, plc: PlcConfig, line: Line) -> dict[int, str]:
    if not plc.job:
        return {1: line.recipe.id}
    known = {job.number: job.recipe for job in plc.job}
    if len(known) != len(plc.job) or len(set(known.values())) != len(plc.job):
        raise ConfigError(
            f"[[plc.job]] has a number or a recipe twice: {[(job.number, job.recipe) for job in plc.job]}"
        )
    if line.recipe.id not in known.values():
        text = (
            f"[[plc.job]] has the recipes {sorted(known.values())}, wanted {line.recipe.id!r} of [station] recipe, too"
        )
        raise ConfigError(text)
    for recipe_id in known.values():
        find_recipe(config.path(config.station.recipe).parent, recipe_id)
    return known


def _load(config: StationConfig, recipe_id: str, like: Line) -> Line:
    recipe = find_recipe(config.path(config.station.recipe).parent, recipe_id)
    return Line(recipe, config.line, like.calibration_id, like.plane, like.sorters)


def _networks(plc: PlcConfig) -> list[Network]:
    try:
        return [ipaddress.ip_network(text) for text in plc.allow]
    except ValueError as why:
        raise ConfigError(
            f"[plc] allow is {plc.allow}: {why}; wanted addresses or networks like '192.168.0.0/24'"
        ) from why
