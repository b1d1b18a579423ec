"""From judged part to stored record: a queue, a thread, one commit for many.

What it is: the only caller of the store's writing end while the line runs. What it is not: a place that may lose a
record; a picture may be lost, counted, a record never.

Thread: `recorder` (or the caller's own, `threaded=False`, for a run in simulated time: the same code without a
queue). `put` is called by one thread, `failed` and `counters` may be read by any.

When full: a picture goes only along while fewer than PICTURES wait (passes may take half of these places), else it
is dropped and counted. When 256 records wait, or the store refuses, `failed` says why and the station goes to
Aborted: no part is judged unrecorded. What waits is kept and tried again, once a second, until `close`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from inspector.clock import perf_ns
from inspector.errors import StoreError
from inspector.record.images import ImageFolder
from inspector.record.store import Store
from inspector.types import Bookmark, Frame, InspectionRecord, Verdict

PICTURES = 16
BATCH = 32
LINGER_S = 0.05
RETRY_S = 1.0


@dataclass(slots=True)
class RecorderCounters:
    """What the recorder did since it was made; all only grow, save `waiting`."""

    written: int = 0
    conflicts: int = 0
    waiting: int = 0
    pictures_written: int = 0
    pictures_dropped_queue: int = 0
    pictures_dropped_disk: int = 0
    heat_maps_dropped: int = 0
    store_failures: int = 0


@dataclass(slots=True)
class _Item:
    record: InspectionRecord
    frame: Frame | None
    bookmark: Bookmark | None


@dataclass(slots=True)
class _Waiting:
    items: deque[_Item] = field(default_factory=deque)
    pictures: int = 0


class Recorder:
    """Takes records, keeps their order, commits them in batches, and says what has been committed.

    `on_commit` is called on the recorder's thread with the newest bookmark after its records are safe: then, and
    not before, the controller may forget them.
    """

    def __init__(
        self,
        store: Store,
        images: ImageFolder,
        *,
        limit: int = 256,
        keep_every_nth_pass: int = 20,
        on_commit: Callable[[Bookmark], None] | None = None,
        threaded: bool = True,
    ) -> None:
        self._store = store
        self._images = images
        self._limit = limit
        self._nth = keep_every_nth_pass
        self._on_commit = on_commit
        self._passes = 0
        self._waiting = _Waiting()
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._stopping = False
        self.failed: str | None = None
        self.counters = RecorderCounters()
        self.last_commit_ms = 0.0
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True) if threaded else None
        if self._thread is not None:
            self._thread.start()

    def put(self, record: InspectionRecord, frame: Frame | None = None, bookmark: Bookmark | None = None) -> bool:
        """Hand over the record of one part, without waiting; False (and `failed`) where it cannot be taken.

        What was not taken must be offered again before any later record, or a later bookmark would skip it: the
        controller's log is the queue behind this queue.

        `bookmark` is the place in the controller's log after this record's outcome, None for an outcome that is
        not from the log. Without a thread it returns when a full batch has been committed, see `flush`.
        """
        with self._lock:
            if self._stopping or len(self._waiting.items) >= self._limit:
                self.failed = self.failed or f"{len(self._waiting.items)} records wait to be stored"
                return False
            self._waiting.items.append(_Item(record, self._accept_picture(record, frame), bookmark))
            self.counters.waiting = len(self._waiting.items)
        if self._thread is None and self.counters.waiting >= BATCH:
            self.flush()
        return True

    def flush(self) -> bool:
        """Commit what waits, on the caller's thread (only without a thread of its own); False where it failed."""
        while self._thread is None and self._waiting.items:
            if not self._commit():
                return False
        return self.failed is None

    def close(self, timeout_s: float = 10.0) -> int:
        """Commit what waits and stop; how many records could not be stored (they stand in the controller's log)."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is None:
            self.flush()
        else:
            self._thread.join(timeout_s)
        return len(self._waiting.items)

    def _accept_picture(self, record: InspectionRecord, frame: Frame | None) -> Frame | None:
        passed = record.verdict is Verdict.PASS
        self._passes += passed
        if frame is None or (passed and self._passes % self._nth):
            return None
        places = PICTURES // 2 if passed else PICTURES
        if self._waiting.pictures >= places:
            self.counters.pictures_dropped_queue += 1
            return None
        self._waiting.pictures += 1
        return frame

    def _run(self) -> None:
        try:
            while self._wait_for_work():
                if not self._commit() and not self._wait_to_retry():
                    return
        except Exception as why:  # noqa: BLE001 - the outermost line of this thread
            self.failed = f"recorder: {type(why).__name__}: {why}"

    def _wait_for_work(self) -> bool:
        """Let records gather for one commit; False where none wait and none will come.

        `put` wakes nobody: it would cost the line thread as much as all else that it does to hand over a record.
        """
        with self._changed:
            while not self._changed.wait_for(lambda: self._stopping, LINGER_S):
                if self._waiting.items:
                    break
            return bool(self._waiting.items)

    def _wait_to_retry(self) -> bool:
        with self._changed:
            return not self._changed.wait_for(lambda: self._stopping, RETRY_S)

    def _commit(self) -> bool:
        """Store the oldest batch. Its items stay in the queue until they are safe."""
        with self._changed:
            batch = [self._waiting.items[place] for place in range(min(BATCH, len(self._waiting.items)))]
        for item in batch:
            self._keep_picture(item)
        bookmark = next((item.bookmark for item in reversed(batch) if item.bookmark is not None), None)
        started_ns = perf_ns()
        try:
            written = self._store.write([item.record for item in batch], bookmark)
        except StoreError as why:
            self.counters.store_failures += 1
            self.failed = str(why)
            return False
        self.last_commit_ms = (perf_ns() - started_ns) / 1e6
        self.counters.written += written.added
        self.counters.conflicts += written.conflicts
        self._forget(len(batch))
        if bookmark is not None and self._on_commit is not None:
            self._on_commit(bookmark)
        return True

    def _forget(self, stored: int) -> None:
        with self._changed:
            for _ in range(stored):
                self._waiting.items.popleft()
            self.counters.waiting = len(self._waiting.items)
            self.failed = None  # it was full or refused, and is no longer; the station's Aborted stays until a reset

    def _keep_picture(self, item: _Item) -> None:
        if item.frame is None:
            return
        try:
            path = self._images.keep(item.record, item.frame.pixels)
        except (OSError, StoreError):
            path = None
        if path is None:
            self.counters.pictures_dropped_disk += 1
        else:
            self.counters.pictures_written += 1
            item.record = replace(item.record, image_path=path)
        self.counters.heat_maps_dropped = self._images.heat_maps_dropped
        item.frame = None
        with self._changed:
            self._waiting.pictures -= 1
