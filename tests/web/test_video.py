"""What 30 pictures a second cost the web process, with one viewer and with ten, and how old a slow viewer's are.

The short tests compare with what packing one picture costs in the same run; the soak measures as the notes did.
"""

import asyncio
import contextlib
import datetime
import json
import statistics
import struct
import threading
import time

import cv2
import psutil
import pytest
from websockets.asyncio.client import connect

from inspector.clock import SystemClock
from inspector.link.server import LinkServer
from inspector.types import Verdict

from .fakes import WebProcess, make_config, make_event, make_picture, make_status

FPS = 30
SLOW_BYTES_PER_S = 1.5e6


class Video:
    """A line that shows a part thirty times a second; what it costs is not the web's."""

    def __init__(self, path):
        self.server = LinkServer(path, SystemClock())
        self.number = 0
        self._pictures = [make_picture(number) for number in range(8)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due += 1 / FPS
            self.number += 1
            event = make_event(self.number, Verdict.REJECT if self.number % 4 == 0 else Verdict.PASS)
            self.server.publish_part(event, self._pictures[self.number % 8])
            if self.number % 3 == 0:
                self.server.publish_status(make_status(self.number))

    def close(self):
        self._stop.set()
        self._thread.join()
        self.server.close()


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    folder = tmp_path_factory.mktemp("video")
    config = make_config(folder / "station")
    line = Video(folder / "line.sock")
    web = WebProcess(config.folder, folder / "line.sock")
    yield line, web
    web.close()
    line.close()


async def view(web, seen, bytes_per_s=None):
    """One viewer: takes and answers, at most so many bytes a second; notes each part and when it was there."""
    async with connect(web.url.replace("http", "ws") + "/api/v1/live", proxy=None, compression="deflate") as socket:
        while True:
            data = await socket.recv()
            if bytes_per_s:
                await asyncio.sleep(len(data) / bytes_per_s)
            (length,) = struct.unpack_from("<I", data)
            header = json.loads(data[4 : 4 + length])
            if header["kind"] == "part" and header["width"]:
                seen.append(
                    (int(header["part_id"]) & 0xFFFFFFFF, header["at_utc"], datetime.datetime.now(datetime.UTC))
                )
            await socket.send("a")


def watch(web, viewers, seconds, bytes_per_s=None):
    """Let viewers watch; what each saw, and the processor time of the web process meanwhile."""
    seen = [[] for _ in range(viewers)]
    process = psutil.Process(web.process.pid)

    async def session():
        tasks = [asyncio.create_task(view(web, one, bytes_per_s)) for one in seen]
        while not all(seen):
            await asyncio.sleep(0.05)
        for one in seen:
            one.clear()
        before = process.cpu_times()
        await asyncio.sleep(seconds)
        after = process.cpu_times()
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
        return after.user + after.system - before.user - before.system

    return seen, asyncio.run(session())


def packing_s():
    """Processor time of packing one picture as the web does."""
    picture = make_picture(1)
    before = time.thread_time()
    for _ in range(20):
        cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 80])
    return (time.thread_time() - before) / 20


def test_ten_viewers_cost_little_more_than_one_and_both_little_more_than_packing_the_pictures(video):
    _, web = video
    cost = {}
    for viewers in (1, 10):
        seen, used_s = watch(web, viewers, 3.0)
        shown = max(len(one) for one in seen)
        assert shown > 10
        assert min(len(one) for one in seen) > 0.5 * shown
        cost[viewers] = used_s / shown
    packing = packing_s()
    print({name: f"{1e3 * value:.1f} ms" for name, value in {**cost, "packing": packing}.items()})
    # Measured: 1.7 and 2.2 times. With the pictures zipped for each viewer ten of them need a whole core.
    assert cost[1] < 3 * packing
    assert cost[10] < 5 * packing


def test_a_slow_viewer_sees_fewer_parts_and_never_older_ones(video):
    line, web = video
    seen, behind = [], []

    async def session():
        task = asyncio.create_task(view(web, seen, SLOW_BYTES_PER_S))
        while len(seen) < 25:
            await asyncio.sleep(0.01)
            if seen:
                behind.append(line.number - seen[-1][0])
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(session())
    numbers = [number for number, *_ in seen]
    assert numbers == sorted(set(numbers))
    # 500 ms are 15 parts. Between two of its pictures the last one grows older; that counts as well.
    print(f"slow viewer: {statistics.median(behind)} parts behind, at most {max(behind)}")
    assert statistics.median(behind) <= 15


@pytest.mark.soak
def test_the_numbers_of_the_notes(video):
    """12 s each: share of a core with 0, 1 and 10 viewers, frames a second, age of what a slow viewer sees."""
    _, web = video
    table = {}
    for name, viewers, rate in [("1", 1, None), ("10", 10, None), ("slow", 1, SLOW_BYTES_PER_S)]:
        seen, used_s = watch(web, viewers, 12.0, rate)
        ages = [(now - datetime.datetime.fromisoformat(at)).total_seconds() * 1e3 for one in seen for _, at, now in one]
        fps = min(len(one) for one in seen) / 12
        table[name] = (100 * used_s / 12, fps, statistics.median(ages), max(ages))
    for name, (cpu, fps, age, oldest) in table.items():
        print(f"{name} viewer(s): {cpu:.1f} % of a core, {fps:.1f} a second, {age:.0f} ms old, at most {oldest:.0f} ms")
    assert table["1"][0] <= 25
    assert table["10"][0] <= 25
    assert table["slow"][2] < 500
