"""The I/O monitor's data: every register with its name and how long it has been as it is, the last edges, the counters.

What it is: a look at the contract, ten times a second, told five times a second. What it is not: a screen, or able to
change anything. Line thread.
"""

from __future__ import annotations

from collections import deque
from dataclasses import fields
from typing import Any

from firmware_bridge.plc import picture
from firmware_bridge.plc.fields import FIELDS, Field, Value, to_words
from firmware_bridge.plc.image import Image
from firmware_bridge.plc.modbus_pdu import Counters
from firmware_bridge.plc.signals import Command
from firmware_bridge.plc.trace import ORDERS, Order
from inspector.clock import Clock
from inspector.link.messages import PlcReport

_TELL_NS = 200_000_000


class PlcMonitor:
    """See the module. `wiring` is the station file's word."""

    def __init__(self, image: Image, counters: Counters, clock: Clock, wiring: str) -> None:
        self._image = image
        self._counters = counters
        self._clock = clock
        self._wiring = wiring
        self._values: dict[str, Value] = {}
        self._since_ns: dict[str, int] = {}
        self._next_ns = 0
        self._orders: deque[dict[str, Any]] = deque(maxlen=ORDERS)
        self._ordered = 0

    def look(self) -> PlcReport | None:
        """Note what has changed; the report, when it is time for one."""
        now_ns = self._clock.now_ns()
        contract = self._image.contract
        with self._image.lock:
            values = picture.values(contract, "") | picture.result(contract)
            values |= {field.name: getattr(contract.inputs, field.name) for field in FIELDS if field.to_station}
            orders, ordered = [*contract.trace.orders], contract.trace.ordered
        self._note_orders(orders, ordered)
        for name, value in values.items():
            if name not in self._values or self._values[name] != value:
                self._since_ns[name] = now_ns
        for name in self._values.keys() - values.keys():
            self._since_ns[name] = now_ns
        for field in FIELDS:  # what has no value yet has been so since the first look
            self._since_ns.setdefault(field.name, now_ns)
        self._values = values
        if now_ns < self._next_ns:
            return None
        self._next_ns = now_ns + _TELL_NS
        return self._report(now_ns)

    def _report(self, now_ns: int) -> PlcReport:
        contract = self._image.contract
        with self._image.lock:
            edges = [*contract.trace.edges]
            refused = {why.name: count for why, count in contract.trace.refused.items()}
            owner = contract.owner or ""
            changes, changed_ns = dict(contract.trace.changes), dict(contract.trace.changed_ns)
        server = {item.name: getattr(self._counters, item.name) for item in fields(Counters) if item.name != "refused"}
        registers = [self._register(field, now_ns) for field in FIELDS]
        for bit in (bit for one in registers if one["name"] in ("control", "status") for bit in one["bits"]):
            since_ns = changed_ns.get(bit["name"])
            bit["changes"] = changes.get(bit["name"], 0)
            bit["unchanged_s"] = None if since_ns is None else round((now_ns - since_ns) / 1e9, 1)
        return PlcReport(
            wiring=self._wiring,
            owner=owner,
            registers=tuple(registers),
            edges=tuple(
                {
                    "ago_ms": round((now_ns - edge.at_ns) / 1e6, 1),
                    "signal": edge.signal,
                    "value": edge.value,
                    "inspection_id": edge.inspection_id,
                    "part_id": edge.part_id,
                }
                for edge in edges
            ),
            refused=refused,
            server=server | {f"exception_{code}": count for code, count in sorted(self._counters.refused.items())},
            outputs=tuple(contract.maintenance.outputs.values()),
            forced=dict(contract.maintenance.forced),
            orders=tuple(self._orders),
        )

    def _note_orders(self, orders: list[Order], ordered: int) -> None:
        """Give each new command of the PLC its wall time, once."""
        first = max(self._ordered, ordered - len(orders))
        for number, order in enumerate(orders[len(orders) - (ordered - first) :], first + 1):
            known = order.command in list(Command)
            self._orders.append(
                {
                    "number": number,
                    "at_utc": self._clock.utc(),
                    "master": order.owner,
                    "command": Command(order.command).name if known else str(order.command),
                    "argument": order.argument,
                    "refused": order.refused.name if order.refused else "",
                }
            )
        self._ordered = ordered

    def _register(self, field: Field, now_ns: int) -> dict[str, Any]:
        value = self._values.get(field.name, "" if field.kind == "text" else 0)
        shown = {
            "name": field.name,
            "address": field.address,
            "words": to_words(field, value),
            "value": value if isinstance(value, str) else round(float(value), 4) if field.scale != 1 else int(value),
            "unit": field.unit,
            "to_station": field.to_station,
            "unchanged_s": round((now_ns - self._since_ns[field.name]) / 1e9, 1),
        }
        if field.names is not None and not isinstance(value, str):
            shown["names"] = _names(field, int(value))
            if field.kind == "bits":
                shown["bits"] = [
                    {"name": str(bit.name), "bit": int(bit).bit_length() - 1, "on": bool(int(bit) & int(value))}
                    for bit in field.names
                ]
        return shown


def _names(field: Field, value: int) -> list[str]:
    """The names of the bits that are set, or of the number."""
    assert field.names is not None
    if field.kind == "bits":
        return [str(bit.name) for bit in field.names if bit & value]
    return [str(item.name) for item in field.names if item == value]
