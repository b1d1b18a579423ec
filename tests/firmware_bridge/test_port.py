"""The bridge thread on real ports: a pseudo-terminal with the twin behind it, and `sim://`."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import threading
import time
import tty
from collections.abc import Iterator

import pytest

from firmware_bridge.bridge import Bridge
from firmware_bridge.events import Event, Linked, PartSeen
from firmware_bridge.port import BridgeThread, Port, PortGone
from firmware_bridge.protocol_sim import register
from firmware_bridge.simulated_link import LineNoise, SimulatedLink
from firmware_bridge.simulator import SimulatedController
from tests.firmware_bridge.made import SETTINGS, StraightBelt


def twin(fronts: list[int]) -> SimulatedLink:
    started = time.monotonic_ns()
    belt = StraightBelt(fronts)
    belt.since_ns = started
    controller = SimulatedController(belt)
    controller.advance(started)
    return SimulatedLink(controller, LineNoise(lambda: 1.0))


@contextlib.contextmanager
def behind_a_pty(link: SimulatedLink) -> Iterator[str]:
    """The twin behind a pseudo-terminal, moved by a thread of its own."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    ending = threading.Event()

    def serve() -> None:
        while not ending.is_set():
            ready, _, _ = select.select([ours], [], [], 0.002)
            with contextlib.suppress(OSError):
                if ready:
                    link.write(os.read(ours, 4096), time.monotonic_ns())
                if data := link.read(time.monotonic_ns()):
                    os.write(ours, data)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield os.ttyname(theirs)
    finally:
        ending.set()
        thread.join()
        for end in (ours, theirs):
            with contextlib.suppress(OSError):
                os.close(end)


class Listener:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self._changed = threading.Condition()
        self.failures: list[BaseException] = []

    def hear(self, event: Event) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def wait_for(self, kind: type[Event], count: int = 1, timeout_s: float = 20.0) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: sum(isinstance(e, kind) for e in self.events) >= count, timeout_s)


@contextlib.contextmanager
def running(url: str, listener: Listener) -> Iterator[tuple[Bridge, BridgeThread]]:
    bridge = Bridge(SETTINGS, 500)
    thread = BridgeThread(
        bridge, lambda: Port(url, 250_000), time.monotonic_ns, listener.hear, listener.failures.append
    )
    thread.start()
    try:
        yield bridge, thread
    finally:
        thread.stop()
        thread.join(5)
        assert not thread.is_alive()


def test_a_part_is_seen_over_a_pseudo_terminal() -> None:
    listener = Listener()
    with behind_a_pty(twin([200])) as name, running(name, listener) as (_, thread):
        listener.wait_for(Linked)
        thread.order(Bridge.run)
        listener.wait_for(PartSeen)
    assert not listener.failures


def test_the_same_over_sim() -> None:
    listener = Listener()
    register("test-port", twin([200]), time.monotonic_ns)
    with running("sim://test-port", listener) as (_, thread):
        listener.wait_for(Linked)
        thread.order(Bridge.run)
        listener.wait_for(PartSeen)
    assert not listener.failures


def test_a_port_that_comes_late_is_found(tmp_path) -> None:  # type: ignore[no-untyped-def]
    listener = Listener()
    link = tmp_path / "controller"
    with running(str(link), listener) as (_, thread):
        with behind_a_pty(twin([])) as name:
            while not thread.reopened:
                threading.Event().wait(0.01)
            assert str(link) in thread.port_error
            link.symlink_to(name)
            listener.wait_for(Linked)
        assert not listener.failures


def test_a_port_that_goes_away_is_reopened(tmp_path) -> None:  # type: ignore[no-untyped-def]
    listener = Listener()
    link = tmp_path / "controller"
    with running(str(link), listener):
        for _ in range(2):
            with behind_a_pty(twin([])) as name:
                link.unlink(missing_ok=True)
                link.symlink_to(name)
                before = sum(isinstance(e, Linked) for e in listener.events)
                listener.wait_for(Linked, before + 1)
    assert not listener.failures


@pytest.mark.parametrize("url", ["/dev/does-not-exist", "sim://nobody", "nonsense://x"])
def test_a_port_that_is_not_there_is_named(url: str) -> None:
    with pytest.raises(PortGone, match=url.split("/")[-1]):
        Port(url, 250_000)


def test_waiting_costs_nearly_no_processor() -> None:
    listener = Listener()
    with behind_a_pty(twin([])) as name, running(name, listener) as (_, thread):
        listener.wait_for(Linked)
        clock = time.pthread_getcpuclockid(thread.ident or 0)
        before_cpu, before = time.clock_gettime_ns(clock), time.monotonic_ns()
        threading.Event().wait(1.5)
        share = (time.clock_gettime_ns(clock) - before_cpu) / (time.monotonic_ns() - before)
    assert share < 0.03
