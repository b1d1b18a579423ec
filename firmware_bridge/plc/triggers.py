"""The parts between trigger and result.

What it is: the book of accepted triggers, their numbers, and the one being exposed. What it is not: whether a trigger
may be accepted (`contract`). Used under the contract's lock.
"""

from __future__ import annotations

from firmware_bridge.plc.results import InFlight


class Triggers:
    """See the module. `in_flight` has the oldest part first."""

    def __init__(self) -> None:
        self.in_flight: dict[int, InFlight] = {}
        self.acquisition_id = 0
        self.accepted_id = 0
        self.exposing: int | None = None
        self._own_id = 0

    def accept(self, part_id: int, entry: InFlight) -> int:
        """Take a part into the book; its number, which is made here for part 0."""
        while not part_id or part_id in self.in_flight:
            part_id = self._own_id = self._own_id % 0xFFFF_FFFF + 1
        self.in_flight[part_id] = entry
        self.acquisition_id = self.acquisition_id % 0xFFFF + 1
        self.accepted_id = part_id
        return part_id

    def recorded_as(self, part_id: int, record_id: int) -> None:
        """The number of a part under way in the station's records; so it has one even if it is never answered."""
        entry = self.in_flight.get(part_id)
        if entry is not None:
            entry.record_id = record_id

    def exposed(self, part_id: int) -> None:
        """The picture of this part is taken."""
        if self.exposing == part_id:
            self.exposing = None

    def take(self, part_id: int) -> InFlight | None:
        """The entry of a part, which leaves the book; None if it is not in it."""
        self.exposed(part_id)
        return self.in_flight.pop(part_id, None)

    def overdue(self, now_ns: int, timeout_ns: int) -> list[int]:
        """The parts without a result for longer than `timeout_ns`."""
        return [part for part, entry in self.in_flight.items() if now_ns - entry.accepted_ns > timeout_ns]

    def doom(self) -> None:
        """A fault: no PASS for anything under way."""
        for entry in self.in_flight.values():
            entry.doomed = True
