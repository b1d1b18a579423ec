import contextlib
import json
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from inspector.clock import SimulatedClock
from inspector.errors import StoreBusy, StoreError, StoreTooNew
from inspector.record import schema
from inspector.record.reader import Reader, RecordFilter, store_url
from inspector.record.rows import record_of, row_of
from inspector.record.store import ImageRemoval, Store
from inspector.types import Bookmark, CodeRead, Inspection, Measurement, OutcomeKind, Verdict

from .made import make_record

CLOCK = SimulatedClock()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/records.sqlite"
        return
    server = request.getfixturevalue("postgres_url")
    engine = sa.create_engine(server)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))
    engine.dispose()
    yield server


@pytest.fixture
def store(url):
    with contextlib.closing(Store.open(url, CLOCK)) as opened:
        yield opened


@pytest.mark.parametrize("part_id", [1, (3 << 32) | 5, (1 << 64) - 1])
def test_a_record_comes_back_as_it_was_written(store, part_id):
    record = make_record(part_id, Verdict.REJECT, image_path="2026-03-01/x.jpg")
    assert store.write([record]).added == 1
    assert store.reader.record(part_id).record == record
    assert store.reader.record(part_id + 2) is None


def test_numpy_and_unfinite_numbers_do_not_stop_a_record(store):
    inspection = Inspection(
        part_id=1,
        frame_id=None,
        verdict=Verdict.NOT_INSPECTED,
        score=float("nan"),
        stage_ms={"model": np.float32(1.5), "locate": float("inf")},
    )
    store.write([make_record(1, Verdict.NOT_INSPECTED, inspection=inspection)])
    read = store.reader.record(1).record.inspection
    assert (read.score, read.stage_ms, read.pose) == (None, {"model": 1.5, "locate": None}, None)


def test_a_second_record_of_a_part_is_counted_and_never_replaces_the_first(store):
    first, second = make_record(5, Verdict.REJECT), make_record(5, Verdict.PASS)
    written = store.write([first, second, make_record(6)])
    assert (written.added, written.conflicts) == (2, 1)
    assert (store.write([second]).added, store.reader.conflicts()) == (0, 2)
    assert store.reader.record(5).record == first
    with store._engine.connect() as connection:
        refused = connection.execute(sa.select(schema.CONFLICT.c.refused)).scalars().first()
    assert refused["verdict"] == Verdict.PASS


def test_bookmark_and_known_parts(store):
    assert store.bookmark() is None
    store.write([make_record(1)], Bookmark(boot=2**32 - 1, first_open=4))
    store.write([make_record(2)])
    assert store.bookmark() == Bookmark(boot=2**32 - 1, first_open=4)
    assert store.has(range(2000)) == {1, 2}


def test_filters_pages_and_counts(store):
    verdicts = [Verdict.PASS, Verdict.REJECT, Verdict.NOT_INSPECTED]
    records = [
        make_record(
            100 + number,
            verdicts[number % 3],
            label="dent" if number % 2 else "scratch",
            score=number / 10,
            seen=f"2026-03-01T10:00:{number:02d}.000Z",
            recipe_id="bracket" if number < 15 else "hub",
        )
        for number in range(30)
    ]
    store.write(records)

    def found(before=None, limit=50, **which):
        return [
            stored.record.part.part_id - 100 for stored in store.reader.records(RecordFilter(**which), before, limit)
        ]

    assert found() == list(range(29, -1, -1))
    assert found(verdict=Verdict.REJECT, label="dent") == [25, 19, 13, 7, 1]
    assert found(recipe_id="hub", verdict=Verdict.PASS) == [27, 24, 21, 18, 15]
    assert found(score_min=2.75, score_max=2.8) == [28]
    assert found(since_utc="2026-03-01T10:00:28.000Z") == [29, 28]
    assert found(until_utc="2026-03-01T10:00:01.000Z") == [0]
    pages, before = [], None
    while page := store.reader.records(RecordFilter(verdict=Verdict.PASS), before, 4):
        pages += [stored.record.part.part_id - 100 for stored in page]
        before = page[-1].number
    assert pages == found(verdict=Verdict.PASS)
    assert store.reader.counts()[Verdict.REJECT, OutcomeKind.FIRED] == 10
    assert sum(store.reader.counts("2026-03-01T10:00:27.000Z").values()) == 3


def test_a_removed_picture_is_told_with_time_and_reason(store):
    store.write([make_record(1, image_path="a.jpg"), make_record(2, image_path="b.jpg")])
    store.note_removals([ImageRemoval(1, "a.jpg", "disk budget")])
    store.note_removals([ImageRemoval(1, "a.jpg", "disk budget")])
    gone, kept = store.reader.record(1), store.reader.record(2)
    assert (gone.record.image_path, gone.image_removed_reason) == ("a.jpg", "disk budget")
    assert (gone.image_removed_at_utc, kept.image_removed_at_utc) == (CLOCK.utc(), None)


def test_a_second_station_on_the_same_store_is_refused(store, url):
    with pytest.raises(StoreBusy, match="another station"):
        Store.open(url, CLOCK)
    store.close()
    Store.open(url, CLOCK).close()


def test_a_newer_store_is_refused_by_both_sides(store, url):
    with store._engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO schema_step (step, taken_at_utc) VALUES (99, '')"))
    store.close()
    for open_it in (lambda: Store.open(url, CLOCK), lambda: Reader.open(url)):
        with pytest.raises(StoreTooNew, match="version is 99, wanted at most 4"):
            open_it()


def test_the_steps_make_the_tables_that_the_queries_use(store):
    with store._engine.connect() as connection:
        seen = sa.inspect(connection)
        for table in schema.METADATA.sorted_tables:
            columns = {column["name"]: column["nullable"] for column in seen.get_columns(table.name)}
            wanted = {column.name: column.nullable for column in table.columns}
            assert columns.keys() == wanted.keys(), table.name
            assert all(columns[name] == wanted[name] for name in wanted if not table.columns[name].primary_key)


def test_an_older_store_takes_the_steps_it_lacks_and_keeps_its_records(store, url, monkeypatch):
    store.write([make_record(1)])
    store.close()
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, ("CREATE TABLE later (id INTEGER)",)))
    with contextlib.closing(Store.open(url, CLOCK)) as opened, opened._engine.connect() as connection:
        assert schema.version(connection) == len(schema.STEPS)
        assert sa.inspect(connection).has_table("later")
        assert opened.has([1]) == {1}


def test_a_store_of_the_first_step_becomes_a_current_one(url, monkeypatch):
    with monkeypatch.context() as before:
        before.setattr(schema, "STEPS", schema.STEPS[:1])
        Store.open(url, CLOCK).close()
    with pytest.raises(StoreError, match="schema version is 1, wanted 4"):
        Reader.open(url)
    with contextlib.closing(Store.open(url, CLOCK)) as opened:
        opened.write([make_record(1)])
        assert opened.has([1]) == {1}
    with contextlib.closing(Reader.open(url)) as reader:
        assert reader.record(1).record.inspection.measurements == ()


def test_measurements_codes_and_serial_come_back(store):
    measured = Measurement(
        name="bore", value=20.01, unit="mm", low=19.9, high=20.1, uncertainty=0.02, shapes=(("circle", 1.5, 2.5, 3.5),)
    )
    missed = Measurement(name="pitch", value=None, unit="mm", low=1.0, high=2.0, text="line 'a': no edge")
    code = CodeRead(name="dmc", content="SN-17", symbology="DataMatrix", polygon_px=(1.0, 2.0, 3.0, 4.0))
    record = make_record(1)
    inspection = replace(record.inspection, measurements=(measured, missed), codes=(code,), serial="SN-17")
    store.write([replace(record, inspection=inspection), make_record(2)])
    assert store.reader.record(1).record.inspection == inspection
    assert [one.number for one in store.reader.records(RecordFilter(serial="SN-17"))] == [1]
    assert store.reader.records(RecordFilter(serial="SN-18")) == []


def test_the_number_of_the_plc_comes_back_and_may_come_again(store):
    def made(number, plc_part):
        record = make_record(number)
        return replace(record, part=replace(record.part, plc_part=plc_part))

    store.write([made(1, 0xFFFFFFFF), made(2, None), made(3, 5), made(4, 5)])
    assert [store.reader.record(number).record.part.plc_part for number in (1, 2, 3)] == [0xFFFFFFFF, None, 5]
    assert [one.number for one in store.reader.records(RecordFilter(plc_part=5))] == [4, 3]
    assert store.reader.records(RecordFilter(plc_part=6)) == []


def test_a_step_that_fails_leaves_the_store_as_it_was(store, url, monkeypatch):
    store.close()
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, ("CREATE TABLE later (id INTEGER)", "NONSENSE")))
    with pytest.raises(StoreError, match="NONSENSE"):
        Store.open(url, CLOCK)
    monkeypatch.undo()
    with contextlib.closing(Store.open(url, CLOCK)) as opened, opened._engine.connect() as connection:
        assert schema.version(connection) == len(schema.STEPS)
        assert not sa.inspect(connection).has_table("later")


def test_a_failed_write_leaves_nothing(store):
    broken = make_record(2)
    object.__setattr__(broken, "seen_at_utc", None)
    with pytest.raises(StoreError, match="seen_at_utc"):
        store.write([make_record(1), broken], Bookmark(boot=1, first_open=9))
    assert (store.has([1, 2]), store.bookmark()) == (set(), None)


def test_what_is_not_a_store(tmp_path):
    path = tmp_path / "records.sqlite"
    with pytest.raises(StoreError, match="no such store"):
        Reader.open(f"sqlite:///{path}")
    path.write_bytes(b"this is not a database at all" * 100)
    for open_it in (lambda: Store.open(f"sqlite:///{path}", CLOCK), lambda: Reader.open(f"sqlite:///{path}")):
        with pytest.raises(StoreError, match=r"records\.sqlite: file is not a database"):
            open_it()
    with pytest.raises(StoreError, match="wanted sqlite or postgresql"):
        Store.open("mysql://user@host/name", CLOCK)
    with pytest.raises(StoreError, match="is not a database URL"):
        Store.open("::", CLOCK)
    with pytest.raises(StoreError, match="cannot be opened to write"):
        Store.open(f"sqlite:///{path}/below/records.sqlite", CLOCK)


def test_a_damaged_store_says_so(tmp_path):
    path = tmp_path / "records.sqlite"
    with contextlib.closing(Store.open(f"sqlite:///{path}", CLOCK)) as store:
        store.write([make_record(number) for number in range(500)])
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xaa" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"records\.sqlite: (database disk image is malformed|malformed)"):
        Store.open(f"sqlite:///{path}", CLOCK).write([make_record(501)])


def test_store_url_starts_at_the_station_file(tmp_path):
    assert store_url("data/r.sqlite", tmp_path) == f"sqlite:///{tmp_path}/data/r.sqlite"
    assert store_url("postgresql+psycopg://h/d", tmp_path) == "postgresql+psycopg://h/d"


def test_reader_cannot_write(tmp_path):
    url = f"sqlite:///{tmp_path}/r.sqlite"
    with contextlib.closing(Store.open(url, CLOCK)) as store:
        store.write([make_record(1)])
    reader = Reader.open(url)
    with pytest.raises(sa.exc.OperationalError, match="readonly"), reader._engine.begin() as connection:
        connection.execute(sa.delete(schema.RECORD))
    reader.close()


WRITER = """
import sys
from inspector.clock import SystemClock
from inspector.types import Bookmark
from inspector.record.store import Store
from made import make_record
store = Store.open(sys.argv[1], SystemClock())
mark = store.bookmark()
part = mark.first_open if mark else 0
while True:
    batch = [make_record(part + i) for i in range(7)]
    part += 7
    store.write(batch, Bookmark(boot=1, first_open=part))
    print(part, flush=True)
"""


def test_after_kill_9_records_and_bookmark_agree(url):
    here = Path(__file__).parent
    acknowledged = 0
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, url],
            stdout=subprocess.PIPE,
            cwd=here,
        )
        for _ in range(20):
            acknowledged = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        with contextlib.closing(_reopen(url)) as store:
            mark = store.bookmark()
            assert mark.first_open >= acknowledged
            assert store.has(range(mark.first_open + 50)) == set(range(mark.first_open))
            assert store.reader.conflicts() == 0


def _reopen(url):
    # A server notices the death of its client a moment later; a file's lock dies with the process.
    for _ in range(100):
        try:
            return Store.open(url, CLOCK)
        except StoreBusy:
            assert url.startswith("postgresql")
            time.sleep(0.05)
    raise AssertionError("the killed writer's lock stayed")


def test_a_reader_opens_the_store_that_a_killed_writer_left(tmp_path):
    url = f"sqlite:///{tmp_path}/r.sqlite"
    here = Path(__file__).parent
    process = subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, cwd=here)
    acknowledged = int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()
    (tmp_path / "r.sqlite-shm").unlink(missing_ok=True)
    reader = Reader.open(url)
    assert sum(reader.counts().values()) >= acknowledged
    reader.close()


def _fill(path, total):
    """A large store, through the database's own language: making 200,000 records one by one would take a minute."""
    Store.open(f"sqlite:///{path}", CLOCK).close()
    row = row_of(1, make_record(1, Verdict.PASS))
    names = [name for name in row if name not in ("id", "part_id", "verdict", "score", "seen_at_utc")]
    values = [json.dumps(row[name]) if isinstance(row[name], (dict, list)) else row[name] for name in names]
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(
            f"""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {total})
            INSERT INTO record (id, part_id, verdict, score, seen_at_utc, {", ".join(names)})
            SELECT i, i, CASE WHEN i % 1000 = 0 THEN 3 WHEN i % 20 = 0 THEN 2 ELSE 1 END, (i % 997) / 500.0,
            strftime('%Y-%m-%dT%H:%M:%S.000Z', 1770000000 + i, 'unixepoch'), {", ".join("?" * len(names))} FROM n""",
            values,
        )
        connection.execute("INSERT INTO record_label SELECT 'dent', id FROM record WHERE verdict = 2")
        connection.commit()


def _least_s(work):
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)  # others use this machine as well


def test_paging_costs_the_same_anywhere_and_any_filter_is_far_from_a_full_scan(tmp_path):
    path = tmp_path / "r.sqlite"
    total = 200_000
    _fill(path, total)
    reader = Reader.open(f"sqlite:///{path}")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        scan = _least_s(lambda: connection.execute("SELECT SUM(LENGTH(stage_ms) + slack_ms) FROM record").fetchall())
    first = _least_s(lambda: reader.records(limit=50))
    assert len(reader.records(before=total // 2, limit=50)) == 50
    assert _least_s(lambda: reader.records(before=total // 2, limit=50)) < 3 * first
    worst = {
        "rare verdict": RecordFilter(verdict=Verdict.NOT_INSPECTED),
        "label": RecordFilter(label="dent"),
        "no such label": RecordFilter(label="nothing"),
        "rare score": RecordFilter(score_min=1.993),
        "impossible score": RecordFilter(score_min=9.0),
        "old time": RecordFilter(until_utc="2026-02-02T05:00:00.000Z"),
        "no such recipe": RecordFilter(recipe_id="nothing"),
        "rare of all": RecordFilter(verdict=Verdict.REJECT, label="dent", score_min=1.9, recipe_id="bracket"),
    }
    taken = {name: _least_s(lambda which=which: reader.records(which)) for name, which in worst.items()}
    print(f"\nfull scan {scan * 1e3:.1f} ms, first page {first * 1e3:.2f} ms")
    print(
        "\n".join(
            f"{name:20s} {seconds * 1e3:7.2f} ms  {seconds / scan:.2f} of a scan" for name, seconds in taken.items()
        )
    )
    assert all(seconds < scan for seconds in taken.values()), taken
    reader.close()


def test_row_and_back_is_the_identity():
    record = make_record((1 << 63) + 1, Verdict.REJECT)
    assert record_of(row_of(1, record)) == record
