"""What `inspector check` says of the PLC: jobs, masters, address or serial port, before anybody stands at a cabinet.

What it is: one look at what `[plc]` stands on; nobody is connected to, nothing answers. What it is not: the building of
it (`plc_wiring`). Main thread of a command or a job.
"""

from __future__ import annotations

import socket

from firmware_bridge.port import Port
from inspector import plc_wiring, station
from inspector.config import PlcConfig, StationConfig
from inspector.recipe import find_recipe

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def look_at_plc(config: StationConfig, plc: PlcConfig, *, line_runs: bool) -> tuple[str, str]:
    """What was found and what to do; no advice where all is well. Raises what `plc_wiring` would, and PortGone."""
    recipe = station.load_recipe_of(config)
    known = plc_wiring.known_jobs(config, plc, recipe.id)
    for recipe_id in sorted(set(known.values()) - {recipe.id}):
        station.load_line(config, find_recipe(config.path(config.station.recipe).parent, recipe_id))
    networks = plc_wiring.networks(plc)
    plc_wiring.check_wiring(config, plc)
    where = f"Modbus RTU {plc.serial}, unit {plc.unit}" if plc.serial else f"Modbus TCP {plc.host}:{plc.port}"
    jobs = ", ".join(f"{number} {recipe_id}" for number, recipe_id in sorted(known.items()))
    found = f"wiring {plc.wiring}, {where}, jobs: {jobs}"
    if not line_runs:
        _try(plc)
    if plc.serial or plc.simulated:
        return found, ""
    if plc.host in _LOOPBACK:
        return found, "only this machine can connect: set [plc] host to the address that the PLC reaches, or '0.0.0.0'"
    if not networks:
        return found, "any machine of the network may take control: name the PLC in [plc] allow"
    return found, ""


def _try(plc: PlcConfig) -> None:
    if plc.serial:
        Port(plc.serial, plc.baud, plc.parity).close()
        return
    try:
        socket.create_server((plc.host, plc.port)).close()
    except OSError as why:
        raise plc_wiring.not_listening(plc, why) from why
