"""The parts that a PLC triggers: their numbers, and how what the contract tells becomes the station's own events.

What it is: the book that stands in for the reject controller's where there is none (wiring "triggers"): every trigger
is a part with a number that is never given twice, whatever number the PLC gives it. What it is not: the handshake
(`contract`) or a thread. `hear` is called under the contract's lock, by whichever thread holds it.

The number goes into a journal before anything else happens, with the PLC's own, so that a killed station knows
afterwards which parts it had been told of. Those that the process before had left without a record stay in it until the
next process begins: one that is killed before it has recorded them hands them on. The journal is written, not synced: a
cut of the power may lose the last ones.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

from firmware_bridge.events import Event, PartLost, PartSeen, PartTaken
from firmware_bridge.plc.events import PlcEvent, ResultLost, ResultTaken, Triggered, TriggerRefused

_JOURNAL = struct.Struct("<8sII")
_MARK = b"PLCPART1"
_SLOT = struct.Struct("<III")  # number, whether the PLC gave one, which
_LEFT = struct.Struct("<QII")  # part id, whether the PLC gave a number, which
SLOTS = 256
"""Of so many parts the PLC's number is kept: more than can be under way at once."""


class PartJournal:
    """The boot and the last number given, the PLC's numbers of the last `SLOTS` parts, and the parts of earlier boots
    that were left. Raises OSError where it cannot be written."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path.resolve()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        self._boot = 0

    def read(self) -> tuple[int, int]:
        """(boot, last number) of the process before this one; (0, 0) if there is none, or it is no journal."""
        data = os.pread(self._file, _JOURNAL.size, 0)
        if len(data) != _JOURNAL.size or data[:8] != _MARK:
            return 0, 0
        _, boot, number = _JOURNAL.unpack(data)
        return boot, number

    def plc_parts(self) -> dict[int, int]:
        """The PLC's numbers of the last parts of that process, by their own, where it gave one."""
        found: dict[int, int] = {}
        data = os.pread(self._file, SLOTS * _SLOT.size, _JOURNAL.size)
        for number, given, plc_part in _SLOT.iter_unpack(data[: len(data) // _SLOT.size * _SLOT.size]):
            if given:
                found[number] = plc_part
        return found

    def left(self) -> dict[int, int | None]:
        """Parts that the process before this one had found without a record itself: their ids, the PLC's numbers."""
        data = os.pread(self._file, os.fstat(self._file).st_size, _JOURNAL.size + SLOTS * _SLOT.size)
        whole = data[: len(data) // _LEFT.size * _LEFT.size]
        return {part_id: plc_part if given else None for part_id, given, plc_part in _LEFT.iter_unpack(whole)}

    def begin(self, boot: int, left: Mapping[int, int | None]) -> None:
        """From here on, numbers are this boot's; `left` are the parts of earlier ones without a record. All or nothing:
        a process that is killed meanwhile leaves the journal of the one before."""
        rows = [_LEFT.pack(part_id, plc_part is not None, plc_part or 0) for part_id, plc_part in left.items()]
        content = _JOURNAL.pack(_MARK, boot, 0) + bytes(SLOTS * _SLOT.size) + b"".join(rows)
        fresh = self._path.with_name(self._path.name + ".new")
        file = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            _write_all(file, content)
            # Else a cut of the power could leave an empty journal, and boots be given twice.
            os.fsync(file)
            os.replace(fresh, self._path)
        except OSError:
            os.close(file)
            fresh.unlink(missing_ok=True)
            raise
        os.close(self._file)
        self._file = file
        self._boot = boot

    def note(self, number: int, plc_part: int | None) -> None:
        """This number is given, to the part that the PLC calls `plc_part`."""
        slot = _SLOT.pack(number, plc_part is not None, plc_part or 0)
        os.pwrite(self._file, slot, _JOURNAL.size + number % SLOTS * _SLOT.size)
        os.pwrite(self._file, _JOURNAL.pack(_MARK, self._boot, number), 0)

    def close(self) -> None:
        """Give the file back."""
        os.close(self._file)


def _write_all(file: int, content: bytes) -> None:
    """All of it, or OSError: a full disk takes a part of a write first."""
    while content:
        content = content[os.write(file, content) :]


class PlcParts:
    """See the module. `boot` is the high half of every part id; `left` are parts of earlier boots without a record."""

    def __init__(self, boot: int, journal: PartJournal, left: Mapping[int, int | None]) -> None:
        self._boot = boot
        self._journal = journal
        self._number = 0
        self._part_of: dict[int, int] = {}
        self._wire_of: dict[int, int] = {}
        journal.begin(boot, left)

    def hear(self, event: PlcEvent) -> list[Event]:
        """What the station's line has to know of this event."""
        if isinstance(event, Triggered):
            part_id = self._new(event.part_id)
            self._part_of[event.part_id], self._wire_of[part_id] = part_id, event.part_id
            return [PartSeen(part_id, event.encoder, event.encoder, event.at_ns, event.part_id)]
        if isinstance(event, TriggerRefused):
            plc_part = event.part_id or None
            return [PartLost(self._new(plc_part), "trigger_refused", plc_part)]
        if isinstance(event, ResultTaken):
            return [PartTaken(part_id, event.verdict.name) for part_id in self._forget(event.part_id)]
        if isinstance(event, ResultLost):
            return [PartLost(part_id, "result_lost") for part_id in self._forget(event.part_id)]
        return []

    def part_of(self, wire_id: int) -> int | None:
        """The station's id of the part that the PLC calls `wire_id`, while it is open."""
        return self._part_of.get(wire_id)

    def wire_of(self, part_id: int) -> int | None:
        """The PLC's number of an open part."""
        return self._wire_of.get(part_id)

    def abandon(self, why: str) -> list[Event]:
        """Every open part is lost."""
        lost: list[Event] = [PartLost(part_id, why) for part_id in self._wire_of]
        self._part_of.clear()
        self._wire_of.clear()
        return lost

    def _new(self, plc_part: int | None) -> int:
        self._number += 1
        self._journal.note(self._number, plc_part)
        return self._boot << 32 | self._number

    def _forget(self, wire_id: int) -> Iterable[int]:
        part_id = self._part_of.pop(wire_id, None)
        if part_id is not None:
            del self._wire_of[part_id]
            yield part_id
