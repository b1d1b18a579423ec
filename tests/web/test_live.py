"""The live channel and the web process as a whole: real sockets, real processes, no browser."""

import asyncio
import contextlib
import json
import signal
import statistics
import struct
import threading
import time
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from inspector.clock import SystemClock
from inspector.link.client import LinkClient
from inspector.types import Verdict
from inspector.web.live import LiveHub

from .fakes import FakeLine, WebProcess, counts_after, fill_store, make_config, make_event, until


@pytest.fixture
def station(tmp_path):
    config = make_config(tmp_path / "station")
    fill_store(config)
    line = FakeLine(tmp_path / "line.sock")
    web = WebProcess(config.folder, tmp_path / "line.sock")
    yield line, web
    web.close()
    line.close()
    assert line.server.failed is None


def _viewer(web, **more):
    return connect(web.url.replace("http", "ws") + "/api/v1/live", proxy=None, **more)


def _unpack(data):
    (length,) = struct.unpack_from("<I", data)
    return json.loads(data[4 : 4 + length]), data[4 + length :]


def _next(viewer, kind, wanted=lambda _: True):
    while True:
        header, jpeg = _unpack(viewer.recv(timeout=15))
        viewer.send("a")
        if header["kind"] == kind and wanted(header):
            return header, jpeg


def test_picture_verdict_and_counts_of_one_part_are_one_message(station):
    line, web = station
    line.parts = lambda number: make_event(number, Verdict.REJECT)
    with _viewer(web) as viewer:
        header, jpeg = _next(viewer, "part", lambda header: header["width"])
        number = int(header["part_id"]) - (1 << 32)
        assert header["counts"]["seen"] == counts_after(number).seen == number
        assert (header["verdict"], header["boxes"]) == ("REJECT", [[500, 300, 180, 90, "scratch", 2.5]])
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape == (header["height"], header["width"], 3) == (960, 1280, 3)


def test_pictures_are_only_made_while_someone_watches(station):
    line, web = station
    line.parts = make_event
    until(lambda: line.number > 5)
    assert line.server.counters.previews == 0
    with _viewer(web) as viewer:
        _next(viewer, "part", lambda header: header["width"])
    until(lambda: not any(client.watch.on for client in [*line.server._clients]))
    before = line.server.counters.previews
    after = line.number + 5
    until(lambda: line.number > after)
    assert line.server.counters.previews <= before + 1


def test_a_viewer_that_does_not_answer_gets_two_and_then_the_newest(station):
    line, web = station
    with _viewer(web) as viewer:
        line.parts = make_event
        first = [_unpack(viewer.recv(timeout=15))[0] for _ in range(2)]
        target = line.number + 10
        until(lambda: line.number > target)
        with pytest.raises(TimeoutError):
            viewer.recv(timeout=0.3)
        viewer.send("a")
        header, _ = _unpack(viewer.recv(timeout=15))
        assert header["kind"] == "part"
        assert int(header["part_id"]) - (1 << 32) > target
        assert {message["kind"] for message in first} <= {"status", "part"}


def test_many_viewers_and_the_line_does_not_notice(station):
    line, web = station
    line.parts = make_event
    with contextlib.ExitStack() as stack:
        viewers = [stack.enter_context(_viewer(web, max_queue=None)) for _ in range(50)]
        for viewer in viewers:
            _next(viewer, "part", lambda header: header["width"])
        # 50 viewers are one client of the line.
        assert len(line.server._clients) == 1
        assert line.server.counters.slow == 0


def test_a_line_that_goes_is_told_at_once_and_its_return_too(station, tmp_path):
    line, web = station
    line.parts = make_event
    with _viewer(web) as viewer:
        _next(viewer, "part")
        line.close()
        header, _ = _next(viewer, "status", lambda header: not header["line"]["connected"])
        assert header["line"]["trouble"]
        again = FakeLine(tmp_path / "line.sock")
        again.parts = make_event
        _next(viewer, "part", lambda header: header["width"])
        again.close()


def test_after_a_pause_of_the_process_no_old_part_is_shown(station):
    line, web = station
    line.parts = make_event
    with _viewer(web) as viewer:
        _next(viewer, "part")
        web.signal(signal.SIGSTOP)
        _next_or_nothing(viewer)
        started = line.number
        until(lambda: line.number > started + 32)  # ten a second: 3 s and more
        stopped_at = line.number
        web.signal(signal.SIGCONT)
        header, _ = _next(viewer, "part")
        assert int(header["part_id"]) - (1 << 32) >= stopped_at


def _next_or_nothing(viewer):
    with contextlib.suppress(TimeoutError):
        while True:
            viewer.recv(timeout=0.3)
            viewer.send("a")


def _drain(viewer):
    while True:
        viewer.recv(timeout=15)


def test_a_stopped_web_is_dropped_by_the_line_and_comes_back(station):
    line, web = station
    line.parts = make_event
    with _viewer(web):
        until(lambda: line.server.counters.previews > 1)
        web.signal(signal.SIGSTOP)
        taken = []
        for _ in range(50):
            started = time.perf_counter()
            line.server.publish_part(make_event(line.number), None)
            taken.append(time.perf_counter() - started)
        web.signal(signal.SIGCONT)
    assert statistics.median(taken) < 0.001
    until(lambda: httpx.get(web.url + "/api/v1/status").json()["line"]["connected"])


def test_other_origins_and_garbage_are_refused(station):
    _, web = station
    with pytest.raises(InvalidStatus):
        _viewer(web, origin="http://evil.example")
    with _viewer(web, origin=web.url) as viewer:
        viewer.send(b"x" * (1 << 17))  # beyond what a viewer may say
        with pytest.raises(ConnectionClosed):
            _drain(viewer)
    with _viewer(web) as viewer:
        assert _next(viewer, "status")


def test_fifty_clients_of_the_api_are_all_answered(station):
    _, web = station
    codes, taken = [], []

    def ask():
        with httpx.Client(base_url=web.url) as client:
            for _ in range(4):
                started = time.perf_counter()
                codes.append(client.get("/api/v1/records", params={"limit": 10}).status_code)
                taken.append(time.perf_counter() - started)

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"\n50 clients: median {statistics.median(taken) * 1e3:.0f} ms an answer")
    assert codes == [200] * 200


def test_the_process_ends_on_sigterm_with_viewers_connected(station):
    _, web = station
    with _viewer(web):
        web.signal(signal.SIGTERM)
        assert web.process.wait(timeout=15) in (0, -signal.SIGTERM)


def test_the_hub_ends_when_it_is_told_to_even_while_something_comes():
    async def session():
        for _ in range(200):
            hub = LiveHub(LinkClient(Path("nowhere.sock"), SystemClock()))
            running = asyncio.create_task(hub.run())
            await asyncio.sleep(0)
            hub._heard.set()
            await asyncio.sleep(0)
            running.cancel()
            async with asyncio.timeout(10):
                await asyncio.wait([running])

    asyncio.run(session())
