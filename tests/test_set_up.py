"""Setting the camera up: it runs freely for who looks, in maintenance only; exposure and gain are tried and kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from inspector.camera import Guard, open_camera
from inspector.clock import SystemClock
from inspector.config import CameraConfig, load_station
from inspector.errors import ConfigError
from inspector.exposure import Exposure
from inspector.link.messages import Assembler, CameraPicture, Message, Watch, encode
from inspector.link.preview import PreviewReader
from inspector.link.server import LinkServer
from inspector.set_up import SetUp
from inspector.threads import CameraThread, Inbox
from inspector.types import Pixels

from .link.test_link import Plain

FILE = """# Line 4, second cabinet
[station]
name = "Cell 4"

[camera]   # the one above the belt
kind = "simulated"
gain_db = 1.5  # a dark corner
"""


class Grey:
    """A scene that never changes."""

    def picture_at(self, at_ns: int) -> tuple[Pixels, str]:
        return np.full((48, 64, 3), 60, np.uint8), f"at {at_ns}"


class Bench:
    """A camera with its threads, a link, and who looks."""

    def __init__(self, path: Path, config: CameraConfig) -> None:
        clock = SystemClock()
        camera = open_camera(config, path.parent, clock, Grey())
        assert isinstance(camera, Guard)
        assert camera.wait_connected(10)
        self.camera, self.inbox, self.broken = camera, Inbox(2), []
        self.thread = CameraThread(camera, self.inbox, self.broken.append)
        self.link = LinkServer(path, clock)
        self.set_up = SetUp(config, clock, camera, self.thread, self.link)
        self.thread.start()
        self.viewer, self.reader = Plain(path), PreviewReader()

    def look(self, on: bool) -> None:
        self.viewer.send(Watch(on=True, camera=on))
        for _ in range(1000):
            if self.link.wants_camera == on:
                return
            time.sleep(0.01)
        raise AssertionError("the link did not hear it")

    def grey(self) -> int:
        """What the next picture shows."""
        while True:
            told = self.viewer.receive(lambda message: isinstance(message, CameraPicture))
            assert isinstance(told, CameraPicture)
            assert told.preview is not None
            pixels = self.reader.read(told.preview)
            if pixels is not None:
                return int(pixels.mean())

    def close(self) -> None:
        self.thread.stop()
        self.thread.join(5)
        self.camera.close()
        self.link.close()
        assert self.broken == []


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "line.sock", CameraConfig(name="cam"))
    yield made
    made.close()


def test_it_runs_freely_for_who_looks_in_maintenance_and_no_frame_comes_to_the_line(bench: Bench) -> None:
    bench.look(True)
    bench.set_up.look(False)
    assert not bench.thread.free
    bench.set_up.look(True)
    assert [bench.grey() for _ in range(8)] == [60] * 8, "the same picture again and again is no fault here"
    bench.set_up.look(False)
    assert not bench.thread.free
    bench.set_up.look(True)
    bench.look(False)
    bench.set_up.look(True)
    assert not bench.thread.free, "who looked has gone"
    assert bench.inbox.get(0) is None
    assert bench.camera.counters.lost == bench.camera.counters.repeated == 0


def test_frames_of_parts_come_to_the_line_again_afterwards(bench: Bench) -> None:
    bench.look(True)
    bench.set_up.look(True)
    bench.grey()
    bench.set_up.look(False)
    for _ in range(1000):
        if not bench.camera.free:
            break
        time.sleep(0.01)
    at_ns = bench.camera.trigger(SystemClock().now_ns())
    frame = bench.inbox.get(10)
    assert frame is not None
    assert frame.exposed_at_ns == at_ns  # type: ignore[union-attr]


def test_exposure_is_seen_at_once_and_refused_out_of_maintenance(bench: Bench) -> None:
    bench.look(True)
    bench.set_up.look(True)
    assert bench.grey() == 60
    assert "begin it first" in bench.set_up.command(Exposure(10_000, 0.0).words, maintenance=False)
    assert bench.set_up.command(Exposure(10_000, 0.0).words, maintenance=True) == ""
    assert any(bench.grey() == 120 for _ in range(50))
    assert bench.camera.settings()["exposure_time_us"] == "10000"
    assert bench.set_up.command("bright please", maintenance=True) != ""


def test_recorded_pictures_are_not_used_up_and_have_no_exposure(tmp_path: Path) -> None:
    import cv2

    cv2.imwrite(str(tmp_path / "a.png"), np.full((48, 64, 3), 60, np.uint8))
    made = Bench(tmp_path / "line.sock", CameraConfig(name="cam", kind="folder", source="."))
    try:
        made.look(True)
        made.set_up.look(True)
        assert not made.thread.free
        assert "neither exposure nor gain" in made.set_up.command(Exposure(700, 0.0).words, maintenance=True)
    finally:
        made.close()


def test_only_who_looks_at_the_camera_gets_its_pictures(tmp_path: Path) -> None:
    link = LinkServer(tmp_path / "line.sock", SystemClock())
    one, other = Plain(tmp_path / "line.sock"), Plain(tmp_path / "line.sock")
    try:
        one.send(Watch(on=True))
        other.send(Watch(on=False, camera=True))
        for _ in range(1000):
            if link.wants_camera and link.watched:
                break
            time.sleep(0.01)
        link.publish_camera("2026-03-01T10:00:00.000Z", np.zeros((4, 4), np.uint8))
        seen = other.receive(lambda message: isinstance(message, CameraPicture))
        assert seen is not None
        assert seen.preview is not None
        one.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            one.receive(lambda message: isinstance(message, CameraPicture))
    finally:
        link.close()


def test_the_words_and_the_message_come_back_as_they_were() -> None:
    assert Exposure.of(Exposure(12_500, 3.5).words) == Exposure(12_500, 3.5)
    told: Message = CameraPicture(at_utc="2026-03-01T10:00:00.000Z")
    assert Assembler(1000).feed(encode(told)) == [told]


def test_what_is_kept_changes_two_lines_of_the_station_file(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_text(FILE)
    Exposure(2500, 6.0).keep(path)
    camera = load_station(path).camera
    assert (camera.exposure_time_us, camera.gain_db, camera.kind) == (2500, 6.0, "simulated")
    kept = path.read_text()
    for line in ("# Line 4, second cabinet", "[camera]   # the one above the belt", "gain_db = 6.0  # a dark corner"):
        assert line in kept.splitlines(), kept
    assert set(kept.splitlines()) - set(FILE.splitlines()) == {
        "gain_db = 6.0  # a dark corner",
        "exposure_time_us = 2500",
    }
    path.write_text('[station]\nname = "no camera table"\n')
    Exposure(2500, 6.0).keep(path)
    assert load_station(path).camera.gain_db == 6.0


@pytest.mark.parametrize("content", ["[camera\n", "[camera]\nexposure = 3\n", None])
def test_a_station_file_that_could_not_be_read_is_left_as_it_is(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "station.toml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=r"station\.toml"):
        Exposure(2500, 6.0).keep(path)
    assert not path.exists() if content is None else path.read_text() == content
