"""Results over MQTT: with the real broker, killed and started again under load."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from inspector.clock import SystemClock
from inspector.config import ConfigError, MqttConfig, parse
from inspector.record.reader import Reader
from inspector.record.store import Store
from inspector.types import Verdict
from inspector.web.app import create_app
from inspector.web.mqtt import BATCH, Bookmark, Publisher, ResultOut

from ..record.made import make_record
from .fakes import make_config, until

MOSQUITTO = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")


class Broker:
    """mosquitto on a port of its own, that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._settings = folder / "mosquitto.conf"
        self._settings.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 0\n"
        )
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen([MOSQUITTO, "-c", self._settings], stderr=subprocess.DEVNULL)
        until(self._answers, "the broker")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


class Listener:
    """Somebody else's client, that hears all there is."""

    def __init__(self, port: int) -> None:
        self.results: list[dict] = []
        self.states: list[tuple[str, bool]] = []
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self._client.reconnect_delay_set(0.05, 0.2)
        self.subscribed = threading.Event()
        # At QoS 0 it never writes, so that a broker killed on the other side cannot make it drop what it has received.
        self._client.on_connect = lambda client, *_: client.subscribe("plant/cell4/#", qos=0)
        self._client.on_subscribe = lambda *_: self.subscribed.set()
        self._client.on_disconnect = lambda *_: self.subscribed.clear()
        self._client.on_message = self._hear
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self.subscribed.wait(10)

    def _hear(self, _client, _data, message) -> None:
        document = json.loads(message.payload)
        if message.topic.endswith("/results"):
            self.results.append(document)
        else:
            self.states.append((document["state"], message.retain))

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class InItsOwnLoop:
    """A publisher as the web process runs it: a task of an event loop, here on a thread."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(publisher.run())
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
        self._loop.run_until_complete(self._loop.shutdown_default_executor())

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def broker(tmp_path):
    if MOSQUITTO is None:
        missing = "the program mosquitto is not installed"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
    started = Broker(tmp_path)
    yield started
    started.kill()


@pytest.fixture
def store(tmp_path):
    opened = Store.open(f"sqlite:///{tmp_path / 'records.sqlite'}", SystemClock())
    yield opened
    opened.close()


def fill(store: Store, first: int, last: int) -> None:
    parts = range(first, last + 1)
    store.write([make_record(part, Verdict.REJECT if part % 3 == 0 else Verdict.PASS) for part in parts])


def publisher(tmp_path: Path, port: int, gate=lambda: None, **more) -> Publisher:
    config = MqttConfig(host="127.0.0.1", port=port, topic="plant/cell4", bookmark="mqtt.json", **more)
    url = f"sqlite:///{tmp_path / 'records.sqlite'}"

    def reader() -> Reader:
        gate()
        return Reader.open(url)

    return Publisher(config, "Cell 4", tmp_path, reader)


def numbers(listener: Listener) -> list[int]:
    return [document["record"]["number"] for document in listener.results]


@pytest.mark.parametrize("results", [2_000, pytest.param(10_000, marks=pytest.mark.soak)])
def test_results_arrive_in_order_though_the_broker_is_killed(broker, store, tmp_path, results) -> None:
    Bookmark(tmp_path / "mqtt.json").save(0)
    fill(store, 1, results)
    listener = Listener(broker.port)

    def when_heard() -> None:
        # What a broker without a disk acknowledged and had not yet passed on, or acknowledged while nobody
        # listened, is lost in the broker; that loss is not what this tests.
        def caught_up() -> bool:
            heard = listener.results[-1]["record"]["number"] if listener.results else 0
            return listener.subscribed.is_set() and heard >= Bookmark(tmp_path / "mqtt.json").load()

        until(caught_up, "the listener", timeout_s=60)

    running = InItsOwnLoop(publisher(tmp_path, broker.port, when_heard))
    for share in (0.2, 0.5, 0.8):
        until(lambda share=share: len(listener.results) > share * results, f"{share:.0%}", timeout_s=120)
        broker.kill()
        until(lambda: not listener.subscribed.is_set(), "the listener's loss")
        broker.start()
        assert listener.subscribed.wait(20)
    until(lambda: len(set(numbers(listener))) == results, "all results", timeout_s=120)
    running.stop()
    listener.close()
    heard = numbers(listener)
    assert list(dict.fromkeys(heard)) == list(range(1, results + 1)), "distinct ones in order"
    assert len(heard) - results <= 3, "only what was on its way at a kill comes twice"
    assert Bookmark(tmp_path / "mqtt.json").load() == results
    record = ResultOut.model_validate(listener.results[2]).record
    assert (record.part_id, record.verdict, record.outcome.kind) == ("3", "REJECT", "FIRED")


def test_what_happened_while_the_broker_was_away_comes_afterwards(broker, store, tmp_path) -> None:
    Bookmark(tmp_path / "mqtt.json").save(0)
    broker.kill()
    running = InItsOwnLoop(publisher(tmp_path, broker.port))
    fill(store, 1, 3 * BATCH)
    until(lambda: "records wait in the store" in running.publisher.trouble, "the complaint")
    assert not running.publisher.connected
    broker.start()
    listener = Listener(broker.port)
    until(lambda: len(listener.results) == 3 * BATCH, "all results")
    assert numbers(listener) == list(range(1, 3 * BATCH + 1))
    assert running.publisher.connected
    assert running.publisher.trouble == ""
    running.stop()
    listener.close()


def test_status_is_retained_and_says_offline_at_the_end_and_after_a_death(broker, store, tmp_path) -> None:
    fill(store, 1, 1)
    running = InItsOwnLoop(publisher(tmp_path, broker.port))
    until(lambda: running.publisher.connected, "the connection")
    late = Listener(broker.port)
    until(lambda: late.states == [("online", True)], "the retained word")
    running.stop()
    until(lambda: late.states[1:] == [("offline", False)], "the goodbye")
    program = f"""
import asyncio
from pathlib import Path
from tests.web.test_mqtt import publisher
asyncio.run(publisher(Path({str(tmp_path)!r}), {broker.port}).run())
"""
    process = subprocess.Popen([os.sys.executable, "-c", program])
    try:
        until(lambda: late.states[2:] == [("online", False)], "the next life", timeout_s=40)
    finally:
        process.kill()
        process.wait()
    until(lambda: late.states[3:] == [("offline", False)], "the last will")
    late.close()


def test_switched_on_later_it_tells_what_is_new(broker, store, tmp_path) -> None:
    fill(store, 1, 50)
    listener = Listener(broker.port)
    running = InItsOwnLoop(publisher(tmp_path, broker.port))
    until(lambda: Bookmark(tmp_path / "mqtt.json").load() == 50, "the first bookmark")
    fill(store, 51, 52)
    until(lambda: numbers(listener) == [51, 52], "the new ones")
    running.stop()
    listener.close()


def test_a_new_store_is_told_from_its_beginning(broker, store, tmp_path) -> None:
    Bookmark(tmp_path / "mqtt.json").save(900)
    fill(store, 1, 4)
    listener = Listener(broker.port)
    running = InItsOwnLoop(publisher(tmp_path, broker.port))
    until(lambda: numbers(listener) == [1, 2, 3, 4], "the new store's records")
    running.stop()
    listener.close()


@pytest.mark.parametrize("text", ["", "{}", '{"published": "x"}', "[1]"])
def test_a_spoiled_bookmark_is_named(tmp_path, text) -> None:
    (tmp_path / "mqtt.json").write_text(text)
    with pytest.raises(ConfigError, match=r"mqtt\.json: is not the bookmark"):
        publisher(tmp_path, 1)


def test_a_missing_password_file_is_named(tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"password_file .*secret: cannot be read"):
        publisher(tmp_path, 1, user="u", password_file="secret")


@pytest.mark.parametrize("topic", ["", "/a", "a/", "a/#", "+/b"])
def test_a_topic_that_cannot_be_one_is_refused(tmp_path, topic) -> None:
    with pytest.raises(ConfigError, match="key 'topic'"):
        parse(MqttConfig, {"topic": topic}, tmp_path / "station.toml")


def test_the_station_publishes_only_where_it_is_told_to(tmp_path) -> None:
    config = make_config(tmp_path / "station")
    assert create_app(config, tmp_path / "line.sock").state.mqtt is None
    told = config.model_copy(update={"mqtt": MqttConfig(host="broker.plant")})
    assert create_app(told, tmp_path / "line.sock").state.mqtt is not None


def test_the_published_schema_is_the_one_in_the_docs() -> None:
    documented = Path(__file__).parents[2] / "docs" / "mqtt_result.schema.json"
    assert json.loads(documented.read_text()) == ResultOut.model_json_schema()
