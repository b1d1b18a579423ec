"""What a part costs, measured: `inspector bench`.

What it is: the whole way of a part - the controller's bytes, binding, vision, model, decision, verdict, record
hand-over - against the bare model in the same process, with the same session, in turns, so that a noisy machine slows
both. What it is not: a soak or a test of threads. Main thread (the recorder's own thread runs beside it).
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from firmware_bridge import framing
from firmware_bridge.bridge import Bridge
from firmware_bridge.protocol import PROTOCOL, FromController, Ident, PartRow, Phase, Status, Verdict, Why, pack
from firmware_bridge.protocol import config_crc as crc_of
from inspector import station
from inspector.camera.folder import FolderCamera
from inspector.clock import SystemClock, perf_ns
from inspector.config import CameraConfig, StationConfig
from inspector.labels import picture_files
from inspector.line import Line
from inspector.passage import Passage
from inspector.sender import BridgeSender
from inspector.types import Frame, Inspection, Pixels

VISION = ("shrink", "locate", "health", "patch")
MODEL = ("model", "find")
"""The network, and the reading of its map into defects."""
_TURN = 10


class Conveyor:
    """Plays the controller: says, in its bytes, that a part was seen and triggered, and later what became of it."""

    def __init__(self, bridge: Bridge, passage: Passage, clock: SystemClock, crc: int) -> None:
        self._bridge = bridge
        self._passage = passage
        self._clock = clock
        self._start_ns = clock.now_ns()
        self._number = 0
        ident = Ident(PROTOCOL, 1, 0, 1_000_000, crc, 32, 0)
        self._say(ident)
        self.keep_time()

    def keep_time(self) -> None:
        """The exchange of lease and status, when it is due."""
        self._bridge.poll(self._clock.now_ns())
        self._bridge.take_output()
        now = self._micros()
        serial = self._bridge.last_serial
        self._say(Status(serial, 1, now, now // 100, self._number + 1, self._number + 1, 2, 0, 0, 0))

    def next_part(self) -> tuple[bytes, bytes, bytes]:
        """What the controller says of the next part: seen and triggered now, judged bad, passed."""
        self._number += 1
        return (
            self._row(Phase.TRIGGERED, Why.OPEN, Verdict.NONE),
            self._row(Phase.DECIDED, Why.JUDGED_BAD, Verdict.REJECT),
            self._row(Phase.DECIDED, Why.EARNED, Verdict.PASS),
        )

    def deliver(self, data: bytes) -> None:
        """Bytes arrive: what the bridge makes of them is heard."""
        for event in self._bridge.receive(data, self._clock.now_ns()):
            self._passage.hear(event)

    def _row(self, phase: Phase, why: Why, verdict: Verdict) -> bytes:
        now = self._micros()
        row = PartRow(1, self._number, phase, verdict, why, 0, now // 100, now, now, now // 100)
        return framing.encode(pack(row))

    def now_ns(self) -> int:
        """The station's clock."""
        return self._clock.now_ns()

    def _micros(self) -> int:
        return (self._clock.now_ns() - self._start_ns) // 1000

    def _say(self, message: FromController) -> None:
        self.deliver(framing.encode(pack(message)))


def bench(config: StationConfig, rounds: int, progress: Callable[[int], None]) -> dict[str, Any]:
    """The numbers of `inspector bench`: `rounds` turns of ten bare runs and ten parts each.

    `throughput_ratio` is the bare model's median time over the whole part's; `other_ms_median` is what a part costs
    beside vision and model; `stages` has median, 99th percentile and share of each.
    """
    clock = SystemClock()
    line = station.load_line(config, station.load_recipe_of(config))
    pictures = _pictures(config)
    with tempfile.TemporaryDirectory() as folder:
        private = config.model_copy(update={"folder": Path(folder), "record": config.record.model_copy(update=_HERE)})
        bare, whole, stages = _measure(private, clock, line, pictures, rounds, progress)
    other = np.array(whole) - np.array([sum(stage[name] for name in (*VISION, *MODEL)) for stage in stages])
    return {
        "throughput_ratio": round(float(np.median(bare) / np.median(whole)), 4),
        "other_ms_median": round(float(np.median(other)), 4),
        "bare_model_ms_median": round(float(np.median(bare)), 3),
        "part_ms_median": round(float(np.median(whole)), 3),
        "frame": list(pictures[0].shape),
        "patch": list(line.runner.buffer.shape),
        "threads": config.line.model_threads,
        "spinning": config.line.model_spinning,
        "stages": _table(stages, other, whole),
        "openvino_ms_median": _openvino(line, rounds),
    }


_HERE = {"store": "records.sqlite", "images": "images"}


def _measure(
    config: StationConfig,
    clock: SystemClock,
    line: Line,
    pictures: Sequence[Pixels],
    rounds: int,
    progress: Callable[[int], None],
) -> tuple[list[float], list[float], list[dict[str, float]]]:
    store = station.open_store(config, clock)
    recorder = station.make_recorder(config, store, threaded=True)
    settings = station.controller_settings(config.controller)
    bridge = Bridge(settings, config.controller.lease_ms)
    passage = station.make_passage(config, clock, line, BridgeSender(bridge, clock), recorder)
    conveyor = Conveyor(bridge, passage, clock, crc_of(settings.items()))
    judged: list[Inspection] = []
    passage.on_judged = lambda inspection, _frame: judged.append(inspection)
    bare: list[float] = []
    whole: list[float] = []
    stages: list[dict[str, float]] = []
    for turn in range(rounds + 1):
        for at in range(_TURN):
            frame = pictures[(turn * _TURN + at) % len(pictures)]
            part_ms = _one_part(conveyor, passage, frame, turn * _TURN + at, judged)
            if turn and "model" in judged[-1].stage_ms:
                whole.append(part_ms)
                stages.append(judged[-1].stage_ms)
        bare += [_one_bare(line) for _ in range(_TURN)] if turn else []
        conveyor.keep_time()
        progress(turn)
    recorder.close()
    store.close()
    return bare, whole, stages


def _one_part(conveyor: Conveyor, passage: Passage, pixels: Pixels, number: int, judged: list[Inspection]) -> float:
    exposed_at_ns = conveyor.now_ns()
    triggered, rejected, passed = conveyor.next_part()
    since_ns = perf_ns()
    conveyor.deliver(triggered)
    passage.take(Frame(frame_id=number, camera="bench", exposed_at_ns=exposed_at_ns, pixels=pixels))
    conveyor.deliver(passed if judged[-1].verdict.name == "PASS" else rejected)
    return (perf_ns() - since_ns) / 1e6


def _one_bare(line: Line) -> float:
    since_ns = perf_ns()
    line.runner.run(line.runner.buffer)
    return (perf_ns() - since_ns) / 1e6


def _pictures(config: StationConfig) -> list[Pixels]:
    folder, files = _source(config)
    camera = FolderCamera(CameraConfig(kind="folder"), folder, SystemClock())
    good = [file for file in files if "/good/" in f"/{file}"] or files
    return [camera.read(file) for file in good[:: max(1, len(good) // 12)][:12]]


def _source(config: StationConfig) -> tuple[Path, list[str]]:
    if config.simulation and config.simulation.pictures:
        folder = config.path(config.simulation.pictures[0])
    else:
        folder = config.path(config.camera.source)
    return folder, picture_files(folder)


def _table(
    stages: Sequence[dict[str, float]], other: np.ndarray[Any, Any], whole: Sequence[float]
) -> list[dict[str, Any]]:
    columns = {name: np.array([stage[name] for stage in stages]) for name in (*VISION, *MODEL)}
    total = float(np.sum(whole))
    return [
        {
            "stage": name,
            "median_ms": round(float(np.median(values)), 4),
            "p99_ms": round(float(np.percentile(values, 99)), 4),
            "share": round(float(values.sum()) / total, 4),
        }
        for name, values in {**columns, "other": other, "part": np.array(whole)}.items()
    ]


def _openvino(line: Line, rounds: int) -> float | None:
    """The same model in OpenVINO, for orientation, where it is installed."""
    if importlib.util.find_spec("openvino") is None:
        return None
    import openvino

    compiled = openvino.Core().compile_model(str(line.runner.path), "CPU")
    patch = line.runner.buffer[None]
    times = []
    for _ in range(rounds * _TURN):
        since_ns = perf_ns()
        compiled([patch])
        times.append((perf_ns() - since_ns) / 1e6)
    return round(float(np.median(times)), 3)
