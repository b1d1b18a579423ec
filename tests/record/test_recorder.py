import contextlib
import statistics
import threading
import time

import pytest

from inspector.clock import SimulatedClock
from inspector.errors import StoreError
from inspector.record.images import ImageFolder, write_durably
from inspector.record.recorder import BATCH, PICTURES, Recorder
from inspector.record.store import Store
from inspector.types import Bookmark, Verdict

from .made import make_frame, make_record


class Gate:
    """A store whose writes wait for a permit, or fail: the disk of a test."""

    def __init__(self, store):
        self.store = store
        self.permits = threading.Semaphore(0)
        self.entered = threading.Event()
        self.broken = False

    def write(self, records, bookmark):
        self.entered.set()
        assert self.permits.acquire(timeout=10)
        if self.broken:
            raise StoreError("records.sqlite: database or disk is full")
        return self.store.write(records, bookmark)

    def open(self):
        self.permits.release(10_000)


@pytest.fixture
def store(tmp_path):
    with contextlib.closing(Store.open(f"sqlite:///{tmp_path}/r.sqlite", SimulatedClock())) as opened:
        yield opened


def _images(tmp_path, store, write=write_durably):
    return ImageFolder(tmp_path / "images", budget_mb=10, min_free_mb=1, note=store.note_removals, write=write)


def _until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "did not come about in 10 s"
        threading.Event().wait(0.005)


@pytest.mark.parametrize("threaded", [True, False])
def test_everything_put_is_stored_in_order_and_the_bookmark_follows(tmp_path, store, threaded):
    marks = []

    def committed(mark):
        # The promise of the callback: what it names is already in the store, and so is the mark.
        assert store.bookmark() == mark
        assert store.has(range(mark.first_open)) == set(range(mark.first_open))
        marks.append(mark.first_open)

    recorder = Recorder(store, _images(tmp_path, store), limit=1000, on_commit=committed, threaded=threaded)
    for part in range(100):
        assert recorder.put(make_record(part), None, Bookmark(boot=1, first_open=part + 1))
    assert recorder.close() == 0
    assert marks[-1] == 100
    assert marks == sorted(marks)
    assert [stored.record.part.part_id for stored in store.reader.records(limit=200)] == list(range(99, -1, -1))
    assert (recorder.failed, recorder.counters.written) == (None, 100)
    assert not recorder.put(make_record(101))


def test_without_a_thread_a_full_batch_is_committed_at_once_and_flush_does_the_rest(tmp_path, store):
    recorder = Recorder(store, _images(tmp_path, store), threaded=False)
    for part in range(BATCH + 3):
        recorder.put(make_record(part))
    assert len(store.has(range(100))) == BATCH
    assert recorder.flush()
    assert len(store.has(range(100))) == BATCH + 3


def test_pictures_of_all_rejects_and_not_inspected_and_of_every_nth_pass(tmp_path, store):
    recorder = Recorder(store, _images(tmp_path, store), keep_every_nth_pass=4, threaded=False)
    verdicts = [Verdict.PASS] * 8 + [Verdict.REJECT, Verdict.NOT_INSPECTED]
    for part, verdict in enumerate(verdicts):
        recorder.put(make_record(part, verdict), make_frame(part))
    recorder.close()
    kept = {part: store.reader.record(part).record.image_path for part in range(10)}
    assert [part for part, path in kept.items() if path] == [3, 7, 8, 9]
    assert all((tmp_path / "images" / path).is_file() for path in kept.values() if path)


def test_a_slow_disk_costs_pictures_first_passes_before_rejects_and_no_record(tmp_path, store):
    gate = Gate(store)
    recorder = Recorder(gate, _images(tmp_path, store), keep_every_nth_pass=1)
    recorder.put(make_record(0))
    assert gate.entered.wait(10)
    for part in range(1, 41):
        assert recorder.put(make_record(part), make_frame(part))
    assert recorder.counters.pictures_dropped_queue == 40 - PICTURES // 2
    for part in range(41, 81):
        assert recorder.put(make_record(part, Verdict.REJECT), make_frame(part))
    assert recorder.counters.pictures_dropped_queue == 80 - PICTURES
    gate.open()
    assert recorder.close() == 0
    assert (recorder.counters.written, recorder.counters.pictures_written) == (81, PICTURES)
    assert store.has(range(81)) == set(range(81))


def test_a_full_queue_refuses_and_says_so_until_it_has_drained(tmp_path, store):
    gate = Gate(store)
    recorder = Recorder(gate, _images(tmp_path, store), limit=5)
    assert [recorder.put(make_record(part)) for part in range(6)] == [True] * 5 + [False]
    assert recorder.failed == "5 records wait to be stored"
    gate.open()
    _until(lambda: recorder.failed is None)
    assert recorder.put(make_record(5))
    assert recorder.close() == 0
    assert store.has(range(6)) == set(range(6))


def test_a_store_that_refuses_fails_the_recorder_keeps_the_records_and_does_not_move_the_bookmark(tmp_path, store):
    gate, marks = Gate(store), []
    gate.open()
    gate.broken = True
    recorder = Recorder(gate, _images(tmp_path, store), on_commit=marks.append)
    recorder.put(make_record(1, Verdict.REJECT), make_frame(1), Bookmark(boot=1, first_open=1))
    _until(lambda: recorder.failed)
    assert "disk is full" in recorder.failed
    assert (marks, store.bookmark(), recorder.counters.waiting) == ([], None, 1)
    gate.broken = False  # somebody made room: it goes on by itself, with the same record and its picture
    _until(lambda: recorder.failed is None)
    assert recorder.close() == 0
    assert store.reader.record(1).record.image_path is not None
    assert marks == [store.bookmark()]


def test_what_cannot_be_stored_at_the_end_is_told(tmp_path, store):
    gate = Gate(store)
    gate.open()
    gate.broken = True
    recorder = Recorder(gate, _images(tmp_path, store))
    recorder.put(make_record(1))
    _until(lambda: recorder.failed)
    assert recorder.close() == 1


def test_a_full_disk_costs_the_picture_and_not_the_record(tmp_path, store):
    def full(_path, _data):
        raise OSError(28, "No space left on device")

    recorder = Recorder(store, _images(tmp_path, store, write=full), threaded=False)
    assert recorder.put(make_record(1, Verdict.REJECT), make_frame(1))
    assert recorder.close() == 0
    assert recorder.counters.pictures_dropped_disk == 1
    assert store.reader.record(1).record.image_path is None


def test_a_second_record_of_a_part_is_counted(tmp_path, store):
    recorder = Recorder(store, _images(tmp_path, store), threaded=False)
    recorder.put(make_record(1))
    recorder.put(make_record(1, Verdict.REJECT))
    recorder.close()
    assert (recorder.counters.written, recorder.counters.conflicts) == (1, 1)


def test_an_error_nobody_thought_of_ends_in_failed(tmp_path, store):
    def surprise(_mark):
        raise RuntimeError("surprise")

    recorder = Recorder(store, _images(tmp_path, store), on_commit=surprise)
    recorder.put(make_record(1), None, Bookmark(boot=1, first_open=1))
    _until(lambda: recorder.failed)
    assert recorder.failed == "recorder: RuntimeError: surprise"


def test_handing_over_costs_a_small_part_of_storing(tmp_path, store):
    recorder = Recorder(store, _images(tmp_path, store), limit=10_000)
    records = [make_record(part) for part in range(2000)]
    puts = []
    started = time.perf_counter()
    for record in records:
        before = time.perf_counter()
        recorder.put(record)
        puts.append(time.perf_counter() - before)
    recorder.close()
    whole = (time.perf_counter() - started) / len(records)
    put = statistics.median(puts)
    print(
        f"\nput {put * 1e6:.1f} us, stored {whole * 1e6:.0f} us a record, last commit {recorder.last_commit_ms:.1f} ms"
    )
    assert put < whole / 3
