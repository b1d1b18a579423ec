"""The registers of the contract: what a master reads and writes, whatever protocol carries it.

What it is: the one door between a server and the contract, with exact exceptions. Every access takes the lock, sees
one moment, and takes effect whole or not at all. What it is not: a server, or the rules. The server's thread calls it;
the line's thread takes the same `lock` around its calls of the contract.

Addresses are those in the frames, from 0. A coil is a bit of `control`, discrete inputs are the bits of `status`,
`faults` and `modes`; input registers are the station's block again.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Sequence

from firmware_bridge.plc import picture
from firmware_bridge.plc.contract import Contract
from firmware_bridge.plc.fields import (
    BY_NAME,
    MAP_VERSION,
    PLC_FIELDS,
    PLC_START,
    PLC_WORDS,
    RESULT_START,
    RESULT_WORDS,
    STATION_START,
    STATION_WORDS,
    Value,
    from_words,
    pack,
    to_words,
)
from firmware_bridge.plc.inputs import Inputs
from firmware_bridge.plc.maintenance import VERDICT
from firmware_bridge.plc.results import Result
from firmware_bridge.plc.signals import Control, Refusal

_PLC_END, _STATION_END = PLC_START + PLC_WORDS, STATION_START + STATION_WORDS
_RESULT = slice(RESULT_START - STATION_START, RESULT_START - STATION_START + RESULT_WORDS)
_BEAT = BY_NAME["plc_heartbeat"].address
_DISCRETE = ("status", "faults", "modes")
_RESERVED = frozenset(range(PLC_WORDS)) - {
    address for field in PLC_FIELDS for address in range(field.address, field.address + field.words)
}
_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS, _ILLEGAL_VALUE, _NOT_THE_WRITER = 1, 2, 3, 4
_COUNTED = {
    _ILLEGAL_FUNCTION: Refusal.ILLEGAL_FUNCTION,
    _ILLEGAL_ADDRESS: Refusal.ILLEGAL_ADDRESS,
    _ILLEGAL_VALUE: Refusal.ILLEGAL_VALUE,
}


class Table(enum.Enum):
    """The four tables of Modbus."""

    COILS = "coils"
    DISCRETE_INPUTS = "discrete inputs"
    HOLDING_REGISTERS = "holding registers"
    INPUT_REGISTERS = "input registers"


class AccessRefused(Exception):
    """An access that was not done; `code` is the Modbus exception: 1 function, 2 address, 3 value, 4 not the writer."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Image:
    """See the module. `clock` gives the monotonic nanoseconds that the contract is told."""

    def __init__(self, contract: Contract, clock: Callable[[], int]) -> None:
        self.contract = contract
        self.lock = threading.RLock()
        self.clients: set[str] = set()
        self._clock = clock
        self._packed_for: tuple[Result | None, int, int | None] | None = None
        self._packed: list[int] = []
        self._inputs: Inputs | None = None
        self._input_words: list[int] = []
        self._values: dict[str, Value] = {}
        self._words = [0] * STATION_WORDS
        self._shown_for: tuple[int, str] | None = None

    def read(self, client: str, table: Table, start: int, count: int) -> list[int]:
        """`count` registers or bits from `start`; raises AccessRefused (2) outside the map."""
        with self.lock:
            if table is Table.HOLDING_REGISTERS and start < STATION_START:
                return self._cut(self._written(), PLC_START, start, count)
            if table in (Table.HOLDING_REGISTERS, Table.INPUT_REGISTERS):
                return self._cut(self._shown(client), STATION_START, start, count)
            if table is Table.COILS:
                return self._cut(_bits(self._written()[0]), 0, start, count)
            words = self._shown(client)
            bits = [bit for name in _DISCRETE for bit in _bits(words[BY_NAME[name].address - STATION_START])]
            return self._cut(bits, 0, start, count)

    def write(self, client: str, table: Table, start: int, values: Sequence[int]) -> None:
        """Write registers or coils; all of them take effect together, or none (AccessRefused 1, 2, 3 or 4)."""
        with self.lock:
            words = self._written()
            if table is Table.COILS:
                bits = _bits(words[0])
                self._put(bits, start, [int(bool(value)) for value in values])
                words[0] = sum(bit << place for place, bit in enumerate(bits))
            elif table is Table.HOLDING_REGISTERS:
                self._put(words, start - PLC_START, values)
            else:
                raise self._refuse(_ILLEGAL_FUNCTION, f"{table.value} cannot be written")
            self._take(client, words)

    def exchange(
        self, client: str, read_start: int, read_count: int, write_start: int, values: Sequence[int]
    ) -> list[int]:
        """Write holding registers, then read some, in one moment (FC 23); a refused read leaves nothing written."""
        with self.lock:
            self._check_read(read_start, read_count)
            self.write(client, Table.HOLDING_REGISTERS, write_start, values)
            return self.read(client, Table.HOLDING_REGISTERS, read_start, read_count)

    def refused(self, code: int) -> None:
        """The server itself refused a request, with this exception."""
        with self.lock:
            self.contract.trace.refuse(_COUNTED.get(code, Refusal.ILLEGAL_FUNCTION))
            self._shown_for = None

    def connected(self, client: str) -> None:
        """A client's connection began."""
        with self.lock:
            self.clients.add(client)

    def disconnected(self, client: str) -> None:
        """A client's connection ended."""
        with self.lock:
            self.clients.discard(client)
            self.contract.disconnected(client, self._clock())

    def tick(self) -> None:
        """Time passes; at least every 20 ms."""
        with self.lock:
            self.contract.tick(self._clock())

    def _written(self) -> list[int]:
        inputs = self.contract.inputs
        if inputs is not self._inputs:
            values = {field.name: getattr(inputs, field.name) for field in PLC_FIELDS}
            self._inputs, self._input_words = inputs, pack(values, PLC_START, PLC_WORDS)
        return [*self._input_words]

    def _shown(self, client: str) -> list[int]:
        """The station's block; a field is packed only when it has changed: it is read hundreds of times a second."""
        old, words = self._values, self._words
        if self._shown_for == (self.contract.version, client):
            return words
        values = picture.values(self.contract, client)
        for name, value in values.items():
            if name not in old or old[name] != value:
                field = BY_NAME[name]
                place = field.address - STATION_START
                words[place : place + field.words] = to_words(field, value)
        self._values, self._shown_for = values, (self.contract.version, client)
        words[_RESULT] = self._result_words()
        return words

    def _result_words(self) -> list[int]:
        """The result block; packed once for each result."""
        results = self.contract.results
        key = (results.shown, results.inspection_id, self.contract.maintenance.forced.get(VERDICT))
        if key != self._packed_for:
            self._packed_for = key
            self._packed = pack(picture.result(self.contract), RESULT_START, RESULT_WORDS)
        return self._packed

    def _check_read(self, start: int, count: int) -> None:
        first, words = (PLC_START, PLC_WORDS) if start < STATION_START else (STATION_START, STATION_WORDS)
        if count < 1 or start < first or start + count > first + words:
            raise self._refuse(_ILLEGAL_ADDRESS, f"addresses {start} to {start + count - 1} are not in the map")

    def _cut(self, cells: Sequence[int], first: int, start: int, count: int) -> list[int]:
        if count < 1 or start < first or start + count > first + len(cells):
            raise self._refuse(_ILLEGAL_ADDRESS, f"addresses {start} to {start + count - 1} are not in the map")
        return list(cells[start - first : start - first + count])

    def _put(self, cells: list[int], offset: int, values: Sequence[int]) -> None:
        if not values or offset < 0 or offset + len(values) > len(cells):
            raise self._refuse(_ILLEGAL_ADDRESS, f"addresses from {offset} on cannot be written")
        cells[offset : offset + len(values)] = values

    def _take(self, client: str, words: list[int]) -> None:
        before = self._input_words
        if words[_BEAT + 1 :] == before[_BEAT + 1 :] and words[:_BEAT] == before[:_BEAT]:
            inputs = self.contract.inputs.at_beat(words[_BEAT])
        else:
            try:
                inputs = _inputs(words)
            except ValueError as error:
                raise self._refuse(_ILLEGAL_VALUE, str(error)) from error
        if not self.contract.write(client, inputs, self._clock()):
            raise AccessRefused(_NOT_THE_WRITER, f"{self.contract.owner} is in control")
        self._inputs, self._input_words = inputs, words

    def _refuse(self, code: int, text: str) -> AccessRefused:
        self.contract.trace.refuse(_COUNTED[code])
        self._shown_for = None
        return AccessRefused(code, text)


def _inputs(words: list[int]) -> Inputs:
    """The PLC's block, decoded; ValueError for what the map does not allow."""
    for address in _RESERVED:
        if words[address]:
            raise ValueError(f"register {address} is {words[address]}, wanted 0: reserved in map {MAP_VERSION}")
    values = [from_words(field, words[field.address : field.address + field.words]) for field in PLC_FIELDS]
    control, *rest = (int(value) for value in values)
    return Inputs(Control(control), *rest)


def _bits(word: int) -> list[int]:
    return [word >> place & 1 for place in range(16)]
