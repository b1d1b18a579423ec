"""Registers without meaning: 200 of each kind, plain memory, and a note of every master that went."""

from __future__ import annotations

from collections.abc import Sequence

from firmware_bridge.plc.image import AccessRefused, Table

SIZE = 200


class Memory:
    def __init__(self) -> None:
        self.tables: dict[Table, list[int]] = {table: [0] * SIZE for table in Table}
        self.refusals: list[int] = []
        self.gone: list[str] = []
        self.ticks = 0

    def read(self, _client: str, table: Table, start: int, count: int) -> list[int]:
        if start + count > SIZE:
            raise AccessRefused(2, "beyond the end")
        return self.tables[table][start : start + count]

    def write(self, _client: str, table: Table, start: int, values: Sequence[int]) -> None:
        if start + len(values) > SIZE:
            raise AccessRefused(2, "beyond the end")
        self.tables[table][start : start + len(values)] = values

    def exchange(
        self, client: str, read_start: int, read_count: int, write_start: int, values: Sequence[int]
    ) -> list[int]:
        self.read(client, Table.HOLDING_REGISTERS, read_start, read_count)
        self.write(client, Table.HOLDING_REGISTERS, write_start, values)
        return self.read(client, Table.HOLDING_REGISTERS, read_start, read_count)

    def refused(self, code: int) -> None:
        self.refusals.append(code)

    def disconnected(self, client: str) -> None:
        self.gone.append(client)

    def tick(self) -> None:
        self.ticks += 1
