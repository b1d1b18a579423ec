"""The twin of a PLC that triggers, tracks and rejects: a Modbus TCP master on the simulated belt.

What it is: eye, camera trigger, tracking and gate of the simulated world, moved by a real master over a real socket, as
a PLC's program would. What it is not: any part of the station, or a test of the handshake (masters nobody here wrote
are). The thread `plc twin`; `LockedScene` is called by the thread that fires the camera.

It passes a part only on exactly PASS for that part, read while RESULTS_VALID and the station's heartbeat alive;
everything else stays in the reject lane.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from firmware_bridge.plc.fields import PLC_START, STATION_START, STATION_WORDS, Value, pack, unpack
from firmware_bridge.plc.signals import Control, PlcVerdict, Status
from inspector.camera.base import Scene
from inspector.clock import Clock
from inspector.config import ControllerConfig
from inspector.simulation import PART_UM, PhysicalPart, World
from inspector.types import Pixels

_SCAN_S = 0.005
_WRITTEN = 10
_HEARTBEAT_NS = 500_000_000
_RESET_NS = 500_000_000
_LATEST_NS = 60_000_000
_EARLY_TICK = 100
_RUN = Control.TRIGGER_ENABLE | Control.BUFFER_RESULTS


class LockedScene:
    """See `camera.base.Scene`: the same world is moved by the twin's thread meanwhile."""

    def __init__(self, scene: Scene, lock: threading.Lock) -> None:
        self._scene = scene
        self._lock = lock

    def picture_at(self, at_ns: int) -> tuple[Pixels, str]:
        """See `Scene`."""
        with self._lock:
            return self._scene.picture_at(at_ns)


@dataclass(slots=True)
class _Tracked:
    """A part between eye and gate."""

    wire_id: int
    seen_count: int
    physical: PhysicalPart | None
    triggered: bool = False
    late: bool = False
    passed: bool = False


class SimulatedPlc(threading.Thread):
    """See the module. `port` tells where the station listens, once it does."""

    def __init__(
        self, world: World, lock: threading.Lock, controller: ControllerConfig, clock: Clock, port: Callable[[], int]
    ) -> None:
        super().__init__(name="plc twin", daemon=True)
        self._world = world
        self._lock = lock
        self._camera_tick = controller.camera_tick
        self._gate_tick = controller.gate_tick
        self._part_tick = PART_UM // controller.tick_um
        self._clock = clock
        self._port = port
        self._stopping = threading.Event()
        self._beat = self._numbered = 0
        self._control = Control(0)
        self._wire_id = 0
        self._parts: deque[_Tracked] = deque()
        self._heard = (-1, 0)
        self._faulty_since_ns: int | None = None
        self._belt_runs = self._energised = False

    def stop(self) -> None:
        """End, and wait for it; the belt stands then."""
        self._stopping.set()
        if self.is_alive():
            self.join(2.0)

    def run(self) -> None:
        """Connect, scan, and connect anew, until stopped."""
        while not self._stopping.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self._port()), timeout=1.0) as line:
                    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._control = Control(0)
                    while not self._stopping.wait(_SCAN_S):
                        self._scan(self._exchange(line))
            except OSError:
                self._move_belt(False, self._clock.now_ns())
                self._stopping.wait(0.2)
        self._move_belt(False, self._clock.now_ns())

    def _exchange(self, line: socket.socket) -> dict[str, Value]:
        self._beat = self._beat % 0xFFFF + 1
        values = {"control": self._control, "plc_heartbeat": self._beat, "trigger_part_id": self._wire_id}
        words = pack(values, PLC_START, _WRITTEN)
        head = (1, 0, 11 + 2 * _WRITTEN, 1, 23, STATION_START, STATION_WORDS, PLC_START, _WRITTEN, 2 * _WRITTEN)
        line.sendall(struct.pack(f">HHHBBHHHHB{_WRITTEN}H", *head, *words))
        answer = b""
        while len(answer) < 9 + 2 * STATION_WORDS:
            data = line.recv(4096)
            if not data or (len(answer + data) > 7 and (answer + data)[7] != 23):
                raise OSError("the station closed, or refused")
            answer += data
        return unpack(struct.unpack(f">{STATION_WORDS}H", answer[9:]), STATION_START)

    # -- one scan of the program ----------------------------------------------------------------------------------

    def _scan(self, block: dict[str, Value]) -> None:
        now_ns = self._clock.now_ns()
        status = Status(int(block["status"]))
        if block["station_heartbeat"] != self._heard[0]:
            self._heard = (int(block["station_heartbeat"]), now_ns)
        alive = now_ns - self._heard[1] < _HEARTBEAT_NS
        with self._lock:
            self._move_belt(alive and bool(status & Status.ONLINE) and not status & Status.FAULT, now_ns)
            self._look_at_eye(now_ns)
            self._read_result(block, status, alive)
            self._fire(status, now_ns)
            self._move_gate(now_ns)
            self._world.settle(now_ns)
        self._reset_faults(status, now_ns)

    def _move_belt(self, run: bool, now_ns: int) -> None:
        if run != self._belt_runs:
            self._belt_runs = run
            self._world.set_running(run, now_ns)

    def _look_at_eye(self, now_ns: int) -> None:
        while (edge := self._world.next_eye_edge()) is not None and edge[0] <= now_ns:
            physical = self._world.part_at_eye()
            self._world.pop_eye_edge()
            if not edge[1]:
                continue
            self._numbered += 1
            if physical is not None:
                physical.number = None  # until the station has said which of its parts this is
            self._parts.append(_Tracked(self._numbered, self._world.count_at(edge[0]), physical))

    def _fire(self, status: Status, now_ns: int) -> None:
        """The trigger's handshake, for the part that lies under the camera."""
        if self._control & Control.TRIGGER:
            if status & (Status.TRIGGER_ACK | Status.MISSED_TRIGGER):
                self._control &= ~Control.TRIGGER
            return
        due = next((part for part in self._parts if not part.triggered), None)
        if due is None or not status & Status.TRIGGER_READY or status & Status.TRIGGER_ACK:
            return
        at_ns = self._world.when(due.seen_count + self._camera_tick)
        if at_ns is None or now_ns < at_ns:
            return
        # What is triggered late shows something else: it is judged, and rejected whatever is said of it.
        due.triggered, due.late = True, now_ns - at_ns > _LATEST_NS
        self._wire_id = due.wire_id
        self._control |= Control.TRIGGER

    def _read_result(self, block: dict[str, Value], status: Status, alive: bool) -> None:
        """The result's handshake: read once, acknowledge, let go."""
        valid = bool(status & Status.RESULTS_VALID)
        if self._control & Control.RESULTS_ACK:
            if not valid:
                self._control &= ~Control.RESULTS_ACK
        elif valid:
            self._control |= Control.RESULTS_ACK
            part = next((part for part in self._parts if part.wire_id == block["result_part_id"]), None)
            if part is None:
                return
            part.passed = alive and not part.late and block["verdict"] == PlcVerdict.PASS
            if part.physical is not None:
                part.physical.number = (int(block["record_boot"]), int(block["record_number"]))

    def _move_gate(self, now_ns: int) -> None:
        count = self._world.count_at(now_ns)
        while self._parts and count > self._parts[0].seen_count + self._gate_tick + self._part_tick:
            self._parts.popleft()
        open_lane = any(
            part.passed and count >= part.seen_count + self._gate_tick - _EARLY_TICK for part in self._parts
        )
        if open_lane != self._energised:
            self._energised = open_lane
            self._world.set_gate(open_lane, now_ns)

    def _reset_faults(self, status: Status, now_ns: int) -> None:
        """What a person at the PLC's panel does: looks, then resets."""
        self._control = (self._control & ~Control.FAULT_RESET) | _RUN
        if not status & Status.FAULT:
            self._faulty_since_ns = None
        elif self._faulty_since_ns is None:
            self._faulty_since_ns = now_ns
        elif now_ns - self._faulty_since_ns > _RESET_NS:
            self._faulty_since_ns = None
            self._control |= Control.FAULT_RESET
