"""Registers without meaning: 200 of each kind, plain memory, and a note of every master that came and went."""

from __future__ import annotations

from collections.abc import Sequence

from firmware_bridge.plc.modbus_pdu import ILLEGAL_ADDRESS, ModbusError, Table

SIZE = 200


class Memory:
    def __init__(self) -> None:
        self.tables: dict[Table, list[int]] = {table: [0] * SIZE for table in Table}
        self.there: list[str] = []
        self.gone: list[str] = []
        self.ticks: list[int] = []

    def read(self, _client: str, table: Table, start: int, count: int) -> list[int]:
        if start + count > SIZE:
            raise ModbusError(ILLEGAL_ADDRESS, "beyond the end")
        return self.tables[table][start : start + count]

    def write(self, _client: str, table: Table, start: int, values: Sequence[int]) -> None:
        if start + len(values) > SIZE:
            raise ModbusError(ILLEGAL_ADDRESS, "beyond the end")
        self.tables[table][start : start + len(values)] = values

    def exchange(
        self, client: str, read_start: int, read_count: int, write_start: int, values: Sequence[int]
    ) -> list[int]:
        self.read(client, Table.HOLDING, read_start, read_count)
        self.write(client, Table.HOLDING, write_start, values)
        return self.read(client, Table.HOLDING, read_start, read_count)

    def connected(self, client: str) -> None:
        self.there.append(client)

    def disconnected(self, client: str) -> None:
        self.gone.append(client)

    def tick(self, now_ns: int) -> None:
        self.ticks.append(now_ns)
