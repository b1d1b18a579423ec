"""A station for the handshake alone: contract, registers, server, and a line that judges by the part's number.

Every field of a result is a function of its part id, the same as in `masters/plc.c`.
"""

from __future__ import annotations

import contextlib
import queue
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from firmware_bridge.plc import signals
from firmware_bridge.plc.contract import Contract
from firmware_bridge.plc.events import PlcEvent, Triggered
from firmware_bridge.plc.fields import FIELDS, STATION_WORDS
from firmware_bridge.plc.image import Image
from firmware_bridge.plc.inputs import Options
from firmware_bridge.plc.modbus_tcp import Limits, ModbusTcpServer
from firmware_bridge.plc.results import Result
from firmware_bridge.plc.signals import LengthUnit, PackMl, PlcVerdict

FAST = Limits(requests_per_s=1_000_000)


def mix(part: int, salt: int) -> int:
    x = (part * 2654435761 & 0xFFFFFFFF) ^ (salt * 40503 & 0xFFFFFFFF)
    x ^= x >> 15
    x = x * 2246822519 & 0xFFFFFFFF
    return x ^ x >> 13


def result_of(part: int) -> Result:
    return Result(
        part_id=part,
        verdict=PlcVerdict(1 + mix(part, 1) % 2),
        record_id=part,
        defect_class=mix(part, 2) % 50,
        defect_count=mix(part, 3) % 9,
        score=mix(part, 4) % 20000 / 1e4,
        inspection_ms=mix(part, 5) % 5000 / 10,
        unit=LengthUnit.MM_0_01,
        part_xy=(mix(part, 6) % 100000 / 100, mix(part, 7) % 100000 / 100),
        angle_deg=mix(part, 8) % 18000 / 100,
        defect_xy=(mix(part, 9) % 100000 / 100, mix(part, 10) % 100000 / 100),
    )


@dataclass
class Station:
    """`judge` False: the line hears its triggers and answers none."""

    options: Options = field(default_factory=Options)
    limits: Limits = FAST
    judge: bool = True
    events: list[PlcEvent] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.added_ns = 0
        self._inbox: queue.SimpleQueue[PlcEvent] = queue.SimpleQueue()
        self.contract = Contract(self.options, {1: "bracket", 2: "cover"}, self._inbox.put)
        self.image = Image(self.contract, self.clock)
        self.server = ModbusTcpServer(
            ("127.0.0.1", 0), self.image, self.clock, self.failures.append, limits=self.limits
        )
        self._ending = threading.Event()
        self._line = threading.Thread(target=self._run, daemon=True)
        self.pulses = True

    @property
    def port(self) -> int:
        return self.server.port

    def clock(self) -> int:
        """The machine's clock, and what a test has added to it."""
        return time.monotonic_ns() + self.added_ns

    def _run(self) -> None:
        with self.image.lock:
            now_ns = self.clock()
            self.contract.pulse(now_ns)
            self.contract.job_done(1, 0x12345678, now_ns)
            self.contract.state(PackMl.EXECUTE, now_ns)
        while not self._ending.is_set():
            with contextlib.suppress(queue.Empty):
                self._hear(self._inbox.get(timeout=0.02))
            if self.pulses:
                with self.image.lock:
                    self.contract.pulse(self.clock())

    def _hear(self, event: PlcEvent) -> None:
        self.events.append(event)
        if isinstance(event, Triggered) and self.judge:
            with self.image.lock:
                self.contract.exposed(event.part_id, self.clock())
            with self.image.lock:
                self.contract.result(result_of(event.part_id), self.clock())

    def __enter__(self) -> Station:
        self.server.start()
        self._line.start()
        return self

    def __exit__(self, *_why: object) -> None:
        self._ending.set()
        self._line.join(5)
        self.server.stop()
        for failure in self.failures:
            raise failure
        assert not self.server.is_alive()


def header() -> str:
    """The table of fields as C: addresses, and the bits of control and status."""
    lines = [f"#define {field.name.upper()} {field.address}" for field in FIELDS]
    lines += [f"#define CONTROL_{bit.name} {int(bit)}" for bit in signals.Control]
    lines += [f"#define STATUS_{bit.name} {int(bit)}" for bit in signals.Status]
    lines += ["#define STATION_START 100", f"#define STATION_WORDS {STATION_WORDS}"]
    return "\n".join(lines) + "\n"


def compile_plc(folder: Path) -> Path:
    """The PLC on libmodbus, compiled; raises CalledProcessError."""
    (folder / "map.h").write_text(header())
    source = Path(__file__).parent / "masters" / "plc.c"
    program = folder / "plc"
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{folder}", "-I/usr/include/modbus"]
    subprocess.run(["gcc", *flags, "-o", program, source, "-lmodbus"], check=True, capture_output=True, text=True)
    return program


@contextlib.contextmanager
def beside(*words: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A program while the block runs; killed at its end."""
    process = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
