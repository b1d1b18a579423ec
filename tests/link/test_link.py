import asyncio
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import pytest

from inspector.clock import SimulatedClock, SystemClock
from inspector.errors import LinkError
from inspector.link.client import LinkClient
from inspector.link.messages import MAX_TO_WEB, Assembler, Command, Reply, Watch, encode
from inspector.link.preview import PreviewReader
from inspector.link.server import MAX_CLIENTS, MAX_COMMANDS, SLOW_NS, LinkServer
from inspector.types import StationStatus

from .made import make_event, make_pixels, make_status


@pytest.fixture
def path(tmp_path):
    return tmp_path / "line.sock"


@pytest.fixture
def clock():
    return SimulatedClock()


@pytest.fixture
def server(path, clock):
    made = LinkServer(path, clock)
    yield made
    made.close()
    assert made.failed is None


class Plain:
    """A client made of a socket and nothing else."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(str(path))
        self.assembler = Assembler(MAX_TO_WEB)
        self.pending = []

    def send(self, *messages):
        self.socket.sendall(b"".join(map(encode, messages)))

    def receive(self, wanted):
        """The next message for which `wanted` holds; None where the line has hung up."""
        while True:
            while self.pending:
                if wanted(message := self.pending.pop(0)):
                    return message
            data = self.socket.recv(1 << 16)
            if not data:
                return None
            self.pending = self.assembler.feed(data)

    def hung_up(self):
        try:
            while self.socket.recv(1 << 16):
                pass
        except ConnectionResetError:
            pass
        return True


def _until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "did not come about in 10 s"
        threading.Event().wait(0.005)


def _client_of(server, path):
    before = server.counters.accepted
    client = Plain(path)
    _until(lambda: server.counters.accepted > before)
    return client


def test_everyone_hears_status_and_parts_and_a_late_one_gets_the_status_only(server, path):
    early = _client_of(server, path)
    server.publish_status(make_status(1))
    server.publish_part(make_event(1), make_pixels())
    heard = [early.receive(lambda _: True), early.receive(lambda _: True)]
    assert sorted(heard, key=lambda m: type(m).__name__) == [make_event(1), make_status(1)]
    late = _client_of(server, path)
    assert late.receive(lambda _: True) == make_status(1)
    server.publish_status(make_status(2))
    assert late.receive(lambda _: True) == make_status(2)


def test_pictures_are_copied_only_while_someone_watches(server, path):
    client, reader = _client_of(server, path), PreviewReader()
    server.publish_part(make_event(1), make_pixels(1))
    assert client.receive(lambda _: True).preview is None
    assert server.counters.previews == 0
    client.send(Watch(on=True))
    _until(lambda: any(other.watch.on for other in [*server._clients]))
    server.publish_part(make_event(2), make_pixels(2))
    assert reader.read(client.receive(lambda _: True).preview)[0, 0, 0] == 2
    client.socket.close()
    _until(lambda: not server._clients)
    server.publish_part(make_event(3), make_pixels(3))
    other = _client_of(server, path)
    server.publish_part(make_event(4), make_pixels(4))
    assert other.receive(lambda message: message.part_id == make_event(4).part_id).preview is None
    assert server.counters.previews == 1
    reader.close()


def test_commands_are_asked_answered_and_bounded(server, path):
    client = _client_of(server, path)
    client.send(*[Command(id=number, what="start", user="ann") for number in range(MAX_COMMANDS + 1)])
    assert not client.receive(lambda message: message.id == MAX_COMMANDS).ok
    asked = server.next_command()
    assert (asked.command.what, asked.command.user) == ("start", "ann")
    server.answer(asked, "not while a part is open")
    assert client.receive(lambda _: True) == Reply(id=0, ok=False, error="not while a part is open")
    server.answer(server.next_command())
    assert client.receive(lambda _: True) == Reply(id=1, ok=True)
    left = [server.next_command() for _ in range(MAX_COMMANDS)]
    assert left[-3] is not None
    assert left[-2:] == [None, None]
    client.socket.close()
    _until(lambda: not server._clients)
    server.answer(left[0])  # whoever asked is gone: that is nobody's trouble
    server.publish_status(make_status())
    assert _client_of(server, path).receive(lambda _: True) is not None


@pytest.mark.parametrize(
    "garbage",
    [b"GET / HTTP/1.1\r\n\r\n", struct.pack("<I", 5) + b"hello", struct.pack("<I", 1 << 31), encode(make_status()) * 3],
)
def test_garbage_is_disconnected_and_the_others_do_not_notice(server, path, garbage):
    good, bad = _client_of(server, path), _client_of(server, path)
    bad.socket.sendall(garbage[:1])
    bad.socket.sendall(garbage[1:])
    if garbage[4:5] == b"{":
        assert server.counters.garbage == 0  # a message of the other direction means nothing here
    else:
        assert bad.hung_up()
        assert server.counters.garbage == 1
    server.publish_status(make_status(3))
    assert good.receive(lambda _: True) == make_status(3)


def test_half_a_message_harms_nobody_and_its_rest_is_understood(server, path):
    client, other = _client_of(server, path), _client_of(server, path)
    data = encode(Command(id=1, what="stop"))
    client.socket.sendall(data[:7])
    server.publish_status(make_status(1))
    assert other.receive(lambda _: True) == make_status(1)
    client.socket.sendall(data[7:])
    _until(lambda: server._asked)
    half = _client_of(server, path)
    half.socket.sendall(data[:7])
    half.socket.close()
    server.publish_status(make_status(2))
    assert other.receive(lambda _: True) == make_status(2)


STOPPED = """
import socket, sys, time
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
print("connected", flush=True)
while connection.recv(65536): pass
"""


def test_a_stopped_client_is_disconnected_and_the_others_get_everything(server, path, clock):
    process = subprocess.Popen([sys.executable, "-c", STOPPED, str(path)], stdout=subprocess.PIPE)
    process.stdout.readline()
    _until(lambda: server.counters.accepted == 1)
    process.send_signal(signal.SIGSTOP)
    good = _client_of(server, path)
    large = {"text": "x" * 100_000}
    for number in range(20):
        status = make_status(number)
        server.publish_status(StationStatus(**{**_fields(status), "link": large}))
        assert good.receive(lambda _: True).counts.seen == number
    assert server.counters.slow == 0
    clock.advance_to(SLOW_NS + 1)
    _until(lambda: server.counters.slow == 1)
    server.publish_status(make_status(99))
    assert good.receive(lambda _: True) == make_status(99)
    process.kill()
    process.wait()
    process.stdout.close()


def _fields(status):
    return {name: getattr(status, name) for name in status.__dataclass_fields__}


def test_fifty_clients_at_once_and_the_next_beyond_the_limit_is_turned_away(server, path):
    clients = [_client_of(server, path) for _ in range(MAX_CLIENTS)]
    server.publish_status(make_status(5))
    assert all(client.receive(lambda _: True) == make_status(5) for client in clients)
    assert Plain(path).hung_up()
    assert server.counters.refused == 1
    for client in clients:
        client.socket.close()
    _until(lambda: not server._clients)


def test_publishing_never_waits(server, path):
    _client_of(server, path).send(Watch(on=True))
    pixels = make_pixels(height=960, width=1280)
    taken = []
    for number in range(200):
        started = time.perf_counter()
        server.publish_part(make_event(number), pixels)
        taken.append(time.perf_counter() - started)
    copies = []
    for _ in range(50):
        started = time.perf_counter()
        pixels.copy()
        copies.append(time.perf_counter() - started)
    print(f"\npublish {sorted(taken)[100] * 1e6:.1f} us, one copy of the frame {sorted(copies)[25] * 1e6:.0f} us")
    assert sorted(taken)[100] < sorted(copies)[25]


@pytest.mark.usefixtures("server")
def test_only_one_line_serves_a_socket_and_a_dead_one_s_is_replaced(path, clock, tmp_path):
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(LinkError, match="another line serves"):
        LinkServer(path, clock)
    dead = tmp_path / "dead.sock"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(dead))
    left.close()
    again = LinkServer(dead, clock)
    again.close()
    assert not dead.exists()
    with pytest.raises(LinkError, match="cannot listen here"):
        LinkServer(tmp_path / ("x" * 200), clock)


def test_the_client_reconnects_to_a_new_line_watches_again_and_gets_its_answers(path, clock):
    async def session():
        client = LinkClient(path, SystemClock())
        running = asyncio.create_task(client.run())
        client.watch(True)
        with pytest.raises(LinkError, match="not connected"):
            await client.command("start", "", "ann")
        for number in (1, 2):
            server = await asyncio.to_thread(LinkServer, path, clock)
            await _until_async(lambda: client.connected)
            server.publish_status(make_status(number))
            await _until_async(lambda number=number: client.status == make_status(number))
            assert client.status_age_s() < 10
            await _until_async(lambda server=server: any(other.watch.on for other in [*server._clients]))
            server.publish_part(make_event(number), make_pixels(number))
            await _until_async(lambda: client.part is not None)
            assert PreviewReader().read(client.part.preview)[0, 0, 0] == number
            asking = asyncio.create_task(client.command("recipe", "hub", "ann"))
            await _until_async(lambda server=server: server._asked)
            server.answer(server.next_command(), "no such recipe")
            assert (await asking).error == "no such recipe"
            asking = asyncio.create_task(client.command("stop", "", "ann"))
            await _until_async(lambda server=server: server._asked)
            await asyncio.to_thread(server.close)
            with pytest.raises(LinkError, match="went away"):
                await asking
            await _until_async(lambda: not client.connected)
            assert client.part is None
        running.cancel()

    asyncio.run(asyncio.wait_for(session(), 30))


async def _until_async(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "did not come about in 10 s"
        await asyncio.sleep(0.005)


@pytest.mark.usefixtures("server")
def test_a_line_of_another_version_and_an_answer_that_never_comes(path):
    async def session():
        client = LinkClient(path, SystemClock())
        running = asyncio.create_task(client.run())
        await _until_async(lambda: client.connected)
        with pytest.raises(LinkError, match="did not answer 'start'"):
            await client.command("start", "", "", timeout_s=0.05)
        running.cancel()
        other = path.with_name("other.sock")
        body = json.dumps({"v": 9, "kind": "status"}).encode()

        async def serve(_reader, writer):
            writer.write(struct.pack("<I", len(body)) + body)

        foreign = await asyncio.start_unix_server(serve, str(other))
        client = LinkClient(other, SystemClock())
        running = asyncio.create_task(client.run())
        await _until_async(lambda: "version is 9" in client.trouble)
        assert client.status is None
        running.cancel()
        foreign.close()

    asyncio.run(asyncio.wait_for(session(), 30))


def test_the_line_outlives_any_number_of_killed_clients(server, path):
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", STOPPED, str(path)], stdout=subprocess.PIPE)
        process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    _until(lambda: server.counters.accepted == 3 and not server._clients)
    good = _client_of(server, path)
    server.publish_status(make_status(1))
    assert good.receive(lambda _: True) == make_status(1)
