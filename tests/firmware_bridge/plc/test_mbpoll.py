"""Debian's mbpoll against the servers: a master written by other people, on TCP and on a serial line."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest

from firmware_bridge.plc.image import Table
from firmware_bridge.plc.modbus_rtu import ModbusRtuServer
from firmware_bridge.port import Port
from tests.firmware_bridge.plc.lines import Cable, serial_cable
from tests.firmware_bridge.plc.registers import Memory
from tests.firmware_bridge.plc.test_modbus_tcp import serving

if shutil.which("mbpoll") is None:
    if os.environ.get("CI"):
        raise RuntimeError("the Debian package mbpoll is not installed")
    pytest.skip("the Debian package mbpoll is not installed", allow_module_level=True)


def mbpoll(*words: str) -> tuple[int, str]:
    done = subprocess.run(["mbpoll", *words], capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout + done.stderr


def values(text: str) -> list[int]:
    return [int(found) for found in re.findall(r"^\[\d+\]:\s+(\d+)", text, re.M)]


def reads_and_writes(where: list[str], memory: Memory) -> None:
    """`-0`: addresses as on the wire; `-1`: once; `-t`: 0 coils, 1 discrete inputs, 3 input, 4 holding registers."""
    memory.tables[Table.HOLDING_REGISTERS][10:13] = [11, 65535, 13]
    memory.tables[Table.INPUT_REGISTERS][20:22] = [21, 22]
    memory.tables[Table.COILS][3] = 1
    memory.tables[Table.DISCRETE_INPUTS][5] = 1
    for words, wanted in (
        (["-t", "4", "-r", "10", "-c", "3"], [11, 65535, 13]),
        (["-t", "3", "-r", "20", "-c", "2"], [21, 22]),
        (["-t", "0", "-r", "2", "-c", "3"], [0, 1, 0]),
        (["-t", "1", "-r", "4", "-c", "3"], [0, 1, 0]),
    ):
        code, text = mbpoll("-0", "-1", *words, *where)
        assert (code, values(text.replace(" (-1)", ""))) == (0, wanted), text
    assert mbpoll("-0", "-t", "4", "-r", "30", *where, "7", "8")[0] == 0
    assert memory.tables[Table.HOLDING_REGISTERS][30:32] == [7, 8]
    assert mbpoll("-0", "-t", "4", "-r", "40", *where, "9")[0] == 0
    assert memory.tables[Table.HOLDING_REGISTERS][40] == 9
    assert mbpoll("-0", "-t", "0", "-r", "50", *where, "1", "0", "1")[0] == 0
    assert memory.tables[Table.COILS][50:53] == [1, 0, 1]
    code, text = mbpoll("-0", "-1", "-t", "4", "-r", "199", "-c", "2", *where)
    assert "Illegal data address" in text, text


def test_over_tcp() -> None:
    with serving() as served:
        reads_and_writes(["-p", str(served.server.port), "127.0.0.1"], served.memory)
        assert served.server.counters.refused == {2: 1}


@contextlib.contextmanager
def on_a_line(cable: Cable, memory: Memory) -> Iterator[ModbusRtuServer]:
    failures: list[BaseException] = []
    server = ModbusRtuServer(
        lambda: Port(cable.station, 19_200), memory, time.monotonic_ns, failures.append, unit=1, baud=19_200
    )
    server.start()
    yield server
    server.stop()
    assert not server.is_alive()
    assert not failures


def test_over_a_serial_line() -> None:
    memory = Memory()
    with serial_cable() as cable, on_a_line(cable, memory) as server:
        reads_and_writes(["-m", "rtu", "-b", "19200", "-P", "even", "-a", "1", cable.plc], memory)
        assert server.counters.refused == {2: 1}
    assert memory.gone == ["serial"]


def test_another_unit_and_a_noisy_line_get_no_answer() -> None:
    memory = Memory()
    once = ["-0", "-1", "-t", "4", "-r", "0", "-m", "rtu", "-b", "19200", "-P", "even", "-o", "0.3"]
    with serial_cable() as cable, on_a_line(cable, memory) as server:
        assert "timed out" in mbpoll(*once, "-a", "2", cable.plc)[1]
        assert server.counters.requests == 0
        cable.through = lambda data: data[:-1] + bytes((data[-1] ^ 0x40,))
        assert "timed out" in mbpoll(*once, "-a", "1", cable.plc)[1]
        cable.through = lambda data: data[1:]
        assert "timed out" in mbpoll(*once, "-a", "1", cable.plc)[1]
        cable.through = lambda data: data
        assert mbpoll(*once, "-a", "1", cable.plc)[0] == 0
        assert server.counters.requests == 1
        assert server.counters.garbage == 2
        assert server.counters.other_units >= 1


def test_a_port_that_is_not_there_is_looked_for() -> None:
    memory = Memory()
    server = ModbusRtuServer(
        lambda: Port("/dev/does-not-exist", 19_200), memory, time.monotonic_ns, lambda _why: None, unit=1, baud=19_200
    )
    server.start()
    while not server.port_error:
        time.sleep(0.01)
    server.stop()
    assert "/dev/does-not-exist" in server.port_error
    assert not memory.gone
