"""The paced binary behind a real pseudo-terminal, as a board behind its USB port: pyserial, bridge thread, wall clock.

Few and short; what is punctual is tested in cycles elsewhere.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import pytest

from firmware_bridge import framing
from firmware_bridge.bridge import Bridge
from firmware_bridge.codes import Key
from firmware_bridge.events import Event, PartDecided, PartSeen
from firmware_bridge.port import BridgeThread, Port
from firmware_bridge.protocol import PROTOCOL, Hello, Ident, Verdict, Why, pack, unpack
from firmware_bridge.simavr import HZ, Simavr
from tests.firmware.board import need_simavr
from tests.firmware_bridge.made import SETTINGS

BAUD = 500_000
COUNT_CYCLES = HZ // 6_000  # a second from eye to gate: a machine that stands still for less costs no part
BITS = 11  # simavr counts a parity bit that is not sent
EVERY = HZ // 20


class Pty:
    """A chip that keeps step with the clock on the wall, in a thread, its serial line on a pseudo-terminal."""

    def __init__(self, chip: Simavr | None) -> None:
        self.chip = chip
        self._master, self._slave = os.openpty()
        os.set_blocking(self._master, False)
        self.url = os.ttyname(self._slave)
        self._stopping = threading.Event()
        self.at_start: Callable[[], None] | None = None
        self._thread = threading.Thread(target=self._echo if chip is None else self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(5)
        os.close(self._master)
        os.close(self._slave)
        if self.chip is not None:
            self.chip.close()

    def _echo(self) -> None:
        while not self._stopping.is_set():
            if select.select([self._master], [], [], 0.05)[0]:
                os.write(self._master, os.read(self._master, 4096))

    def _run(self) -> None:
        assert self.chip is not None
        start_ns, start = time.monotonic_ns(), self.chip.cycle
        while not self._stopping.is_set():
            if select.select([self._master], [], [], 0.0001)[0]:
                self.chip.write(os.read(self._master, 4096))
            if self.at_start is not None:
                self.at_start()
                self.at_start = None
            self.chip.run(start + (time.monotonic_ns() - start_ns) * HZ // 1_000_000_000)
            said = bytes(value for _, value in self.chip.sent())
            if said:
                os.write(self._master, said)


@pytest.fixture
def board() -> Iterator[Pty]:
    made = Pty(Simavr(need_simavr()))
    yield made
    made.close()


def round_trips(port: Port, question: bytes, is_answer: Callable[[bytes], bool], times: int = 150) -> list[float]:
    """Milliseconds from writing a question to its whole answer."""
    took = []
    for _ in range(times):
        port.write(question)
        asked, heard = time.perf_counter(), b""
        while not is_answer(heard):
            heard += port.wait(1.0)
            assert time.perf_counter() - asked < 30
        took.append((time.perf_counter() - asked) * 1e3)
    return took


def test_a_question_is_answered_within_milliseconds(board: Pty) -> None:
    """The bytes' own time on the line aside, 2 ms on a quiet machine; a bare echo here and now says how quiet it is."""
    question = framing.encode(pack(Hello(PROTOCOL)))
    echo = Pty(None)
    port = Port(echo.url, BAUD)
    bare = round_trips(port, question, lambda heard: heard.endswith(question))
    port.close()
    echo.close()
    port = Port(board.url, BAUD)
    found: list[Ident] = []

    def is_answer(heard: bytes) -> bool:
        answers = [unpack(payload) for payload in framing.Deframer().feed(heard)]
        found.extend(answer for answer in answers if isinstance(answer, Ident))
        return any(isinstance(answer, Ident) for answer in answers)

    took = round_trips(port, question, is_answer)
    port.close()
    line_ms = (len(question) + len(framing.encode(pack(found[-1])))) * BITS / BAUD * 1e3
    print(
        f"round trip {median(took):.2f} ms median, {max(took):.1f} most, {line_ms:.2f} ms of it on the line; ", end=""
    )
    print(f"bare echo {median(bare):.2f} ms")
    assert found[-1].protocol == PROTOCOL
    assert median(took) - line_ms <= 2 + 10 * median(bare)


def test_twenty_parts_a_second_cost_the_bridge_little(board: Pty, tmp_path: Path) -> None:
    """Parts pass the eye on the wall's clock; each earns its PASS, and the bridge's thread sleeps in between."""
    del tmp_path
    chip = board.chip
    assert chip is not None
    heard: list[Event] = []
    failures: list[BaseException] = []
    bridge = Bridge(SETTINGS | {Key.MIN_SPACING_COUNT: 100}, 500)
    thread = BridgeThread(bridge, lambda: Port(board.url, BAUD), time.monotonic_ns, heard.append, failures.append)
    thread.start()
    wait_for(lambda: bridge.linked and bridge.clock_error_ns > 0)
    thread.order(Bridge.run)
    wait_for(lambda: bridge.settled)

    def let_parts_come() -> None:
        chip.encoder(COUNT_CYCLES)
        for number in range(60):
            at = chip.cycle + HZ // 2 + number * EVERY
            chip.pin(at, "B", 0, True)
            chip.pin(at + EVERY // 4, "B", 0, False)

    board.at_start = let_parts_come
    wait_for(lambda: any(isinstance(event, PartSeen) for event in heard))
    clock = time.pthread_getcpuclockid(thread.ident or 0)
    since_s, cpu_s, judged = time.monotonic(), time.clock_gettime(clock), 0
    while judged < 50:
        for event in heard[:]:
            if isinstance(event, PartSeen) and event.part_id & 0xFFFFFFFF > judged:
                thread.judge(event.part_id, Verdict.PASS)
                judged = event.part_id & 0xFFFFFFFF
        time.sleep(0.005)
        assert time.monotonic() - since_s < 60
    share = (time.clock_gettime(clock) - cpu_s) / (time.monotonic() - since_s)
    wait_for(lambda: sum(isinstance(event, PartDecided) for event in heard) >= 50)
    thread.stop()
    thread.join(5)
    decided = [event for event in heard if isinstance(event, PartDecided)]
    earned = sum(event.why is Why.EARNED for event in decided)
    whys = Counter(event.why.name for event in decided)
    print(f"bridge thread {share:.1%} of a core at 20 parts/s; {dict(whys)}")
    assert failures == []
    assert earned >= 25  # a machine that stands still for a while costs some, and they are rejected
    assert share < 0.04


def wait_for(condition: Callable[[], bool], timeout_s: float = 30) -> None:
    until_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.01)
