"""Whatever happens to the web process, the line does not notice: killed, frozen, watched, or under a crowd."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import httpx
import pytest
from websockets.asyncio.client import connect

from inspector.errors import StoreError
from inspector.record.reader import Reader
from inspector.types import OutcomeKind
from tests.test_command_line import ROOT, station

PARTS = 10


class Station:
    """A station with its web process, and what its records say of a stretch of time."""

    def __init__(self, tmp_path: Path, file: Path | None = None) -> None:
        file = file or station(tmp_path, parts_per_minute="240")
        self._file = tmp_path / "records.sqlite"
        command = [sys.executable, "-m", "inspector", "run", "--station", str(file)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
        )
        assert self.process.stderr is not None
        self.address = next(line for line in self.process.stderr if line.startswith("web: ")).split()[1]
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def web_pid(self) -> int:
        listed = subprocess.run(
            ["pgrep", "-P", str(self.process.pid), "-f", "inspector web"], capture_output=True, text=True
        )
        return int(listed.stdout.split()[0])

    def watch(self, parts: int) -> tuple[float, int]:
        """Median slack in ms over the next `parts` parts, and how many of them came too late or got no picture."""
        reader = self._reader()
        first = self._newest(reader)
        while self._newest(reader) < first + parts:
            assert self.process.poll() is None
            threading.Event().wait(0.1)
        records = [stored.record for stored in reader.records(limit=parts)]
        reader.close()
        lost = [r for r in records if r.outcome.kind in (OutcomeKind.TOO_LATE, OutcomeKind.UNCONFIRMED)]
        slacks = [record.slack_ms for record in records if record.slack_ms is not None]
        return median(slacks), len(lost)

    def _reader(self) -> Reader:
        """The store, once the line has made it."""
        while True:
            assert self.process.poll() is None
            with contextlib.suppress(StoreError):
                return Reader.open(f"sqlite:///{self._file}")
            threading.Event().wait(0.1)

    @staticmethod
    def _newest(reader: Reader) -> int:
        newest = reader.records(limit=1)
        return newest[0].number if newest else 0


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Station]:
    station_ = Station(tmp_path)
    try:
        yield station_
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(station_.process.pid, signal.SIGTERM)
        station_.process.wait(30)


def killed(running: Station) -> Callable[[], None]:
    os.kill(running.web_pid(), signal.SIGKILL)
    return lambda: None


def frozen(running: Station) -> Callable[[], None]:
    pid = running.web_pid()
    os.kill(pid, signal.SIGSTOP)
    return lambda: os.kill(pid, signal.SIGCONT)


def crowded(running: Station) -> Callable[[], None]:
    ending = threading.Event()

    async def client(http: httpx.AsyncClient) -> None:
        while not ending.is_set():
            with contextlib.suppress(httpx.HTTPError):
                await http.get("api/v1/records?limit=20")
            await asyncio.sleep(0.5)

    async def crowd() -> None:
        async with httpx.AsyncClient(base_url=running.address, timeout=20) as http:
            await asyncio.gather(*(client(http) for _ in range(50)))

    thread = threading.Thread(target=lambda: asyncio.run(crowd()))
    thread.start()

    def end() -> None:
        ending.set()
        thread.join(30)

    return end


def watched(running: Station) -> Callable[[], None]:
    """Ten viewers of the live page, each of which takes every picture."""
    ending = threading.Event()
    address = running.address.replace("http", "ws") + "api/v1/live"

    async def viewer() -> None:
        async with connect(address, proxy=None) as socket:
            while not ending.is_set():
                await socket.recv()
                await socket.send("a")

    async def crowd() -> None:
        await asyncio.gather(*(viewer() for _ in range(10)))

    thread = threading.Thread(target=lambda: asyncio.run(crowd()))
    thread.start()

    def end() -> None:
        ending.set()
        thread.join(30)

    return end


@pytest.mark.parametrize("trouble", [killed, frozen, crowded, watched], ids=lambda trouble: trouble.__name__)
def test_the_line_does_not_notice(running: Station, trouble: Callable[[Station], Callable[[], None]]) -> None:
    quiet_ms, lost_quiet = running.watch(PARTS)
    end = trouble(running)
    troubled_ms, lost_troubled = running.watch(PARTS)
    end()
    print(f"median slack {quiet_ms:.1f} ms quiet, {troubled_ms:.1f} ms with the web {trouble.__name__}")
    assert lost_quiet == lost_troubled == 0
    # Judging takes a few per cent of the slack; half of it would mean that the line waits for somebody.
    assert troubled_ms > 0.8 * quiet_ms
