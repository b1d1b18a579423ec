"""The station in real time: its threads, and the queue between them.

What it is: the camera thread and the line thread's loop, and the wiring to the bridge, recorder and link threads. What
it is not: what is done with an event or a frame (`passage`), or which parts are real (`station`). `run` is the line
thread; it is the main thread of the line process.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass

from firmware_bridge.events import Event
from firmware_bridge.plc.events import PlcEvent
from inspector.camera import Guard
from inspector.camera.base import CameraCounters
from inspector.clock import Clock
from inspector.config import StationConfig
from inspector.controllers import Controller
from inspector.errors import ConfigError
from inspector.line import Line
from inspector.link.server import Asked, LinkServer
from inspector.passage import Passage
from inspector.plc_controller import PlcServer
from inspector.plc_monitor import PlcMonitor
from inspector.plc_side import PlcSide
from inspector.recipe import find_recipe
from inspector.recipe_change import Changed, RecipeChange
from inspector.record.recorder import Recorder
from inspector.set_up import SetUp
from inspector.state import Cause, State
from inspector.telling import part_event, spread
from inspector.threads import CameraThread, Inbox
from inspector.types import Counts, Frame, Inspection, InspectionRecord, StationStatus, Verdict
from inspector.upkeep import Upkeep

_LOG = logging.getLogger(__name__)
_TICK_S = 0.05
_STATUS_NS = 100_000_000
_WINDOW = 500
_STANDS = "another recipe is taken while the belt stands; the station is {state}"


@dataclass(slots=True)
class Crew:
    """Everything that runs beside the line thread; built by `station`, started and ended by `Running`."""

    controller: Controller
    camera: Guard
    camera_counters: CameraCounters
    camera_thread: CameraThread
    recorder: Recorder
    link: LinkServer | None
    side: PlcSide | Upkeep
    plc_server: PlcServer | None = None
    plc_monitor: PlcMonitor | None = None


class Running:
    """See the module."""

    def __init__(
        self, config: StationConfig, clock: Clock, line: Line, passage: Passage, crew: Crew, inbox: Inbox
    ) -> None:
        self._config = config
        self._clock = clock
        self._line = line
        self._passage = passage
        self._crew = crew
        self._inbox = inbox
        self._next_status_ns = 0
        self._took_ms: deque[float] = deque(maxlen=_WINDOW)
        self._slack_ms: deque[float] = deque(maxlen=_WINDOW)
        self._autostart = config.station.autostart
        self._broken: BaseException | None = None
        self.stopping = threading.Event()
        self._change = RecipeChange()
        self._last_part_id: int | None = None
        self._without_picture = 0
        self.first_judged_ns: int | None = None
        self._set_up: SetUp | None = None
        if crew.link is not None:
            self._set_up = SetUp(config.camera, clock, crew.camera, crew.camera_thread, crew.link)
        self._on_closed = passage.on_closed
        self._on_judged = passage.on_judged
        passage.on_closed = self._closed
        passage.on_judged = self._judged

    @property
    def seen(self) -> int:
        """Parts that the station was told of."""
        return self._passage.seen

    def failed(self, why: BaseException) -> None:
        """A thread of the crew ended in a way nobody foresaw."""
        self._broken = why
        _LOG.error("a thread ended", exc_info=why)

    def run(self, parts: int | None = None) -> None:
        """Run until `stopping` is set, or until `parts` parts have their record; then end the crew in order."""
        crew = self._crew
        crew.controller.start()
        if crew.plc_server is not None:
            crew.plc_server.start()
        crew.camera_thread.start()
        try:
            while not self.stopping.is_set() and (parts is None or self._passage.records < parts):
                item = self._inbox.get(_TICK_S)
                if item is not None:
                    self._take(item)
                self._look_around()
        finally:
            self._end()

    def _take(self, item: Event | PlcEvent | Frame) -> None:
        if isinstance(item, Frame):
            self._passage.take(item)
        elif isinstance(item, PlcEvent):
            self._crew.side.hear(item, self._passage)
        else:
            frames = self._passage.hear(item)
            self._crew.side.heard(item)
            for frame in frames:
                self._passage.take(frame)

    def _look_around(self) -> None:
        self._crew.side.look(self._passage, self._line)
        now_ns = self._clock.now_ns()
        if now_ns < self._next_status_ns:
            return
        self._next_status_ns = now_ns + _STATUS_NS
        self._crew.controller.watch(self._passage)
        if (trouble := self._crew.controller.take_fired()) is not None:
            self._crew.side.fired(trouble, self._passage)
        self._watch_crew()
        # A trigger before the camera is there would be a part without a picture.
        if self._autostart and self._passage.state is State.IDLE and self._crew.camera.wait_connected(0.0):
            self._autostart = False
            self._passage.order(Cause.START)
        if self._set_up is not None:
            self._set_up.look(self._crew.side.left_s() is not None)
        if self._crew.link is not None:
            self._obey(self._crew.link)
            self._crew.link.publish_status(self.status())
            if self._crew.plc_monitor is not None and (report := self._crew.plc_monitor.look()) is not None:
                self._crew.link.publish_plc(report)

    def _watch_crew(self) -> None:
        passage, crew = self._passage, self._crew
        passage.offer()
        if self._broken is not None:
            passage.abort("thread_failed", trouble=f"{type(self._broken).__name__}: {self._broken}")
        if crew.recorder.failed and passage.state is not State.ABORTED:
            passage.abort("record_failed", trouble=crew.recorder.failed)
        passage.alarms.tell("camera_lost", crew.camera_thread.lost, trouble=crew.camera_thread.trouble)
        port_error = crew.controller.port_error
        passage.alarms.tell("port_gone", bool(port_error), trouble=port_error)
        plc_error = crew.plc_server.port_error if crew.plc_server is not None else ""
        passage.alarms.tell("plc_port", bool(plc_error), trouble=plc_error)

    def _obey(self, link: LinkServer) -> None:
        if (changed := self._change.done()) is not None:
            link.answer(changed.asked, self._take_over(changed))
        while (asked := link.next_command()) is not None:
            _LOG.info("%s asks for %s %s", asked.command.user or "somebody", asked.command.what, asked.command.argument)
            if asked.command.what == "recipe":
                refused = self._change.start(asked, self._load)
                if refused:
                    link.answer(asked, refused)
            else:
                link.answer(asked, self._do(asked))

    def _do(self, asked: Asked) -> str:
        what = asked.command.what
        if what == "ack":
            return self._passage.acknowledge(asked.command.argument)
        if what == "maintenance":
            return self._crew.side.command(asked.command.argument)
        if what == "camera" and self._set_up is not None:
            return self._set_up.command(asked.command.argument, self._crew.side.left_s() is not None)
        if what == "start" and self._crew.side.left_s() is not None:
            return "start is refused in maintenance: end it first"
        return self._passage.order(Cause(what)) or ""

    def take_line(self, line: Line) -> None:
        """Between two parts: judge by another line from here on."""
        _LOG.info("judges by recipe %s %s, model %s", line.recipe.id, line.recipe.revision, line.runner.model_sha[:12])
        self._line = line
        if line.recipe.id == self._passage.recipe_id:
            self._passage.inspect = line.inspect  # of two versions of one recipe, what lies on the belt is of the new
        else:
            self._passage.change_recipe(line.inspect, line.recipe.id)

    def _load(self, recipe_id: str) -> Line:
        """On the thread `recipe`: everything about the recipe is checked before the line hears of it."""
        folder = self._config.path(self._config.station.recipe).parent
        recipe = find_recipe(folder, recipe_id)
        if recipe.id != self._passage.recipe_id and self._passage.state is not State.IDLE:
            raise ConfigError(_STANDS.format(state=self._passage.state))
        return Line(recipe, self._config.line, self._line.calibration_id, self._line.plane, self._line.sorters)

    def _take_over(self, changed: Changed) -> str:
        """Between two parts: judge by what was loaded; the reason if it is refused, and the old one stays."""
        line = changed.line
        if line is None:
            return changed.trouble
        if line.recipe.id != self._passage.recipe_id and self._passage.state is not State.IDLE:
            return _STANDS.format(state=self._passage.state)
        self.take_line(line)
        return ""

    def _judged(self, inspection: Inspection, frame: Frame) -> None:
        self._on_judged(inspection, frame)
        self._crew.side.judged(inspection)
        self._last_part_id = inspection.part_id
        self._took_ms.append(sum(inspection.stage_ms.values()))
        if self.first_judged_ns is None:
            self.first_judged_ns = self._clock.now_ns()
        link = self._crew.link
        if link is not None:
            heat = self._line.heat(inspection.part_id) if link.watched else None
            event = part_event(inspection, self._counts(), self._clock.utc(), heat, link.watched)
            link.publish_part(event, frame.pixels)

    def _closed(self, record: InspectionRecord) -> None:
        self._on_closed(record)
        self._crew.side.closed(record)
        self._without_picture += record.inspection.frame_id is None
        if record.slack_ms is not None:
            self._slack_ms.append(record.slack_ms)

    def _counts(self) -> Counts:
        passage = self._passage
        return Counts(
            seen=passage.seen,
            passed=passage.counts[Verdict.PASS],
            rejected=passage.counts[Verdict.REJECT],
            not_inspected=passage.counts[Verdict.NOT_INSPECTED],
            open=passage.open_parts,
            records=passage.records,
            without_picture=self._without_picture,
        )

    def status(self) -> StationStatus:
        """The plain picture that the screens get."""
        passage, crew = self._passage, self._crew
        return StationStatus(
            station=self._config.station.name,
            state=str(passage.state),
            recipe_id=self._line.recipe.id,
            recipe_rev=self._line.recipe.revision,
            counts=self._counts(),
            alarms=passage.alarms.all(),
            latency_ms=spread(self._took_ms),
            slack_ms=spread(self._slack_ms),
            link=crew.controller.numbers(),
            queues={
                "frames": {"dropped": self._inbox.frames_dropped, "strays": passage.strays},
                "camera": {
                    "frames": crew.camera_counters.frames,
                    "lost": crew.camera_counters.lost,
                    "repeated": crew.camera_counters.repeated,
                    "gaps": crew.camera_counters.gaps,
                },
                "recorder": {
                    "waiting": crew.recorder.counters.waiting,
                    "written": crew.recorder.counters.written,
                    "pictures_dropped": crew.recorder.counters.pictures_dropped_queue
                    + crew.recorder.counters.pictures_dropped_disk,
                },
            },
            camera=crew.camera.settings(),
            last_part_id=self._last_part_id,
            at_utc=self._clock.utc(),
            camera_trouble=(crew.camera_thread.trouble or "lost") if crew.camera_thread.lost else "",
            preparing=self._change.loading,
            test_left_s=crew.side.left_s(),
        )

    def _end(self) -> None:
        crew = self._crew
        self._passage.order(Cause.STOP)
        crew.camera_thread.stop()
        crew.camera_thread.join(2.0)
        crew.controller.stop()
        while (item := self._inbox.get(0)) is not None:
            if not isinstance(item, Frame | PlcEvent):
                self._passage.hear(item)
        if crew.plc_server is not None:
            crew.plc_server.stop()
        crew.camera.close()
        crew.recorder.close()
        if crew.link is not None:
            crew.link.close()
