"""Twins, clocks and a server to hang cameras on: what the camera tests share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.clock import SimulatedClock
from inspector.types import Pixels

MS = 1_000_000


def picture(number: int, width: int = 64, height: int = 48) -> Pixels:
    """A picture that no other number has."""
    pixels = np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)
    pixels[:8, :8] = number % 256
    return pixels


class NumberedScene:
    """A new picture at every look."""

    def __init__(self) -> None:
        self.looks = 0

    def picture_at(self, at_ns: int) -> tuple[Pixels, str]:
        self.looks += 1
        return picture(self.looks), f"part{self.looks}@{at_ns}"


class MjpegServer:
    """Motion JPEG over HTTP on the loopback, as network cameras do it; it can be told to stall or to die."""

    def __init__(self) -> None:
        self.stalled = threading.Event()
        self.dead = threading.Event()
        self.frames = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                while not outer.dead.is_set():
                    if outer.stalled.is_set():
                        outer.dead.wait(0.02)
                        continue
                    outer.frames += 1
                    jpeg = cv2.imencode(".jpg", picture(outer.frames))[1].tobytes()
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    try:
                        self.wfile.write(head.encode() + jpeg + b"\r\n")
                    except OSError:
                        return
                    outer.dead.wait(0.01)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/stream"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.dead.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
def mjpeg() -> Iterator[MjpegServer]:
    server = MjpegServer()
    yield server
    server.close()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Six pictures in a labelled tree."""
    for number, place in enumerate(["good/b.png", "good/a.png", "scratch/c.png", "dent/d.png", "e.bmp", "good/f.png"]):
        file = tmp_path / "pictures" / place
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), picture(number))
    return tmp_path / "pictures"


@pytest.fixture
def write_video(tmp_path: Path) -> Callable[[int], Path]:
    """A video file of so many different pictures."""

    def write(frames: int) -> Path:
        path = tmp_path / "film.avi"
        film = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
        assert film.isOpened()
        for number in range(frames):
            film.write(picture(number))
        film.release()
        return path

    return write
