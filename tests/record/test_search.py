"""Finding records: every answer is that of reading all records, and the roll-up is what the records add up to."""

import contextlib
import random
from dataclasses import replace

import pytest
import sqlalchemy as sa

from inspector.clock import SimulatedClock
from inspector.record import schema, search
from inspector.record.asked import DayTimes, Search
from inspector.record.quarters import classes_of, quarter_of
from inspector.record.rows import row_of
from inspector.record.search import count, newer, page
from inspector.record.store import Store
from inspector.types import Verdict

from .made import make_record
from .test_store import url  # noqa: F401 - a fixture

CLOCK = SimulatedClock()
DAY = "2026-03-01"


def _records(total, seed=5):
    """Records of some hours; the clock jumps back once, some have no score, some serials end in odd characters."""
    rng = random.Random(seed)
    made = []
    for number in range(total):
        minute = (number * 3) % (23 * 60) if number < total * 3 // 4 else (number - total // 2) * 3 % (23 * 60)
        verdict = rng.choices([Verdict.PASS, Verdict.REJECT, Verdict.NOT_INSPECTED], [8, 2, 1])[0]
        record = make_record(
            number + 1,
            verdict,
            label=rng.choice(["dent", "scratch"]),
            score=None if verdict is Verdict.NOT_INSPECTED else round(rng.random() * 2, 3),
            seen=f"{DAY}T{minute // 60:02d}:{minute % 60:02d}:{rng.randrange(60):02d}.{rng.randrange(1000):03d}Z",
            recipe_id=rng.choice(["bracket", "hub"]),
        )
        serial = rng.choice(["SN-{:04d}", "件{:04d}", "sn-{:04d}", "x\U0010ffff{:04d}", ""]).format(number)
        part = replace(record.part, plc_part=number % 40 if number % 3 else None)  # it counts anew now and then
        made.append(replace(record, part=part, inspection=replace(record.inspection, serial=serial)))
    return made


@pytest.fixture
def filled(url):  # noqa: F811
    records = _records(400)
    with contextlib.closing(Store.open(url, CLOCK)) as store:
        for start in range(0, 400, 7):
            store.write(records[start : start + 7])
        yield store.reader, [row_of(number, record) for number, record in enumerate(records, start=1)], store


def _passes(row, which):
    of_day = row["seen_at_utc"][11:16]
    times = which.times is None or any(
        one.since_utc <= row["seen_at_utc"] < one.before_utc
        and (
            one.from_utc <= of_day < one.until_utc
            if one.from_utc < one.until_utc
            else of_day >= one.from_utc or of_day < one.until_utc
        )
        for one in which.times
    )
    return (
        times
        and (not which.verdicts or row["verdict"] in which.verdicts)
        and which.recipe_id in (None, row["recipe_id"])
        and (which.label is None or which.label in classes_of(row))
        and (which.score_min is None or (row["score"] is not None and row["score"] >= which.score_min))
        and (which.score_max is None or (row["score"] is not None and row["score"] <= which.score_max))
        and (which.since_utc is None or row["seen_at_utc"] >= which.since_utc)
        and (which.until_utc is None or row["seen_at_utc"] < which.until_utc)
        and (which.serial_prefix is None or (row["serial"] or "").startswith(which.serial_prefix))
        and which.plc_part in (None, row["plc_part"])
    )


def _searches():
    rng = random.Random(3)
    night = DayTimes(since_utc=f"{DAY}T02:00", before_utc=f"{DAY}T22:00", from_utc="20:15", until_utc="04:30")
    noon = DayTimes(since_utc=f"{DAY}T00:00", before_utc=f"{DAY}T23:00", from_utc="11:00", until_utc="13:00")
    yield Search()
    yield Search(times=())
    yield Search(label="nothing")
    yield Search(label="score")
    yield Search(plc_part=3)
    yield Search(plc_part=77)
    for _ in range(40):
        yield Search(
            verdicts=rng.choice([(), (Verdict.REJECT, Verdict.NOT_INSPECTED), (Verdict.PASS,), tuple(Verdict)]),
            recipe_id=rng.choice([None, None, "hub"]),
            label=rng.choice([None, None, None, "dent"]),
            score_min=rng.choice([None, None, 0.95, 1.9, 5.0]),
            score_max=rng.choice([None, None, 1.05]),
            since_utc=rng.choice([None, f"{DAY}T03:15:00.000Z", f"{DAY}T03:16:10.500Z"]),
            until_utc=rng.choice([None, f"{DAY}T14:30:00.000Z", f"{DAY}T14:29:59.999Z"]),
            serial_prefix=rng.choice([None, None, None, "SN-0", "件", "x\U0010ffff", "zz"]),
            plc_part=rng.choice([None, None, None, None, 3, 77]),
            times=rng.choice([None, None, (night,), (noon,), (night, noon)]),
        )


@pytest.mark.parametrize(("chunk", "few"), [(1, 0), (40, search.FEW_SERIALS)])
def test_every_search_finds_what_reading_all_records_finds(filled, monkeypatch, chunk, few):
    reader, rows, _ = filled
    monkeypatch.setattr(search, "FIRST_CHUNK", chunk)
    monkeypatch.setattr(search, "GAP", chunk)
    monkeypatch.setattr(search, "ZONES", 7)
    monkeypatch.setattr(search, "FEW_SERIALS", few)
    for which in _searches():
        wanted = [row["id"] for row in reversed(rows) if _passes(row, which)]
        found, before = [], None
        while True:
            some = page(reader, which, before, 23)
            found += some.numbers
            before = some.next_before
            if before is None:
                break
        assert found == wanted, which
        assert count(reader, which) == search.Count(len(wanted)), which
        if wanted:
            middle = wanted[len(wanted) // 2]
            assert newer(reader, which, middle, 2) == tuple(sorted(n for n in wanted if n > middle)[:2])


def test_a_search_that_looked_at_enough_says_so_and_goes_on_from_there(filled, monkeypatch):
    monkeypatch.setattr(search, "FIRST_CHUNK", 20)
    reader, rows, _ = filled
    which = Search(score_min=1.0001, score_max=1.0002)
    some, asked = page(reader, which, None, 50, budget=40), 0
    while some.next_before is not None:
        assert (some.numbers, some.looked_back) == ((), True)
        some, asked = page(reader, which, some.next_before, 50, budget=40), asked + 1
    assert 2 < asked < 100
    assert count(reader, Search(score_min=0.0), budget=60).at_least
    assert count(reader, Search(score_min=0.0), cap=5) == search.Count(5, at_least=True)
    assert len(rows) == 400


def test_the_roll_up_is_what_the_records_add_up_to(filled):
    _, rows, store = filled
    wanted = {}
    for row in rows:
        for label in ["", *classes_of(row)]:
            key = (quarter_of(row["seen_at_utc"]), row["recipe_id"], row["verdict"], label)
            wanted.setdefault(key, []).append(row)
    with store._engine.connect() as connection:
        found = connection.execute(sa.select(schema.QUARTER)).mappings().all()
    assert len(found) == len(wanted)
    for sums in found:
        mine = wanted[sums["starts_at_utc"], sums["recipe_id"], sums["verdict"], sums["label"]]
        scores = [row["score"] for row in mine if row["score"] is not None]
        assert sums["parts"] == len(mine)
        assert (sums["first_id"], sums["last_id"]) == (mine[0]["id"], mine[-1]["id"])
        assert (sums["score_min"], sums["score_max"]) == (min(scores, default=None), max(scores, default=None))


def test_an_older_store_gets_the_same_roll_up_and_classes(filled, url):  # noqa: F811
    _, _, store = filled
    tables = [schema.QUARTER, schema.RECORD_LABEL]

    def everything():
        with store._engine.connect() as connection:
            return [sorted(map(tuple, connection.execute(sa.select(table)).all()), key=str) for table in tables]

    written = everything()
    with store._engine.begin() as connection:  # as a store of two steps has it
        connection.execute(sa.text("DROP TABLE quarter"))
        for index in ("record_review", "record_serial_bytes", "record_plc_part"):
            connection.execute(sa.text(f"DROP INDEX IF EXISTS {index}"))
        with_defect = sa.select(schema.RECORD.c.id).where(sa.cast(schema.RECORD.c.defects, sa.Text) != "[]")
        connection.execute(sa.delete(schema.RECORD_LABEL).where(schema.RECORD_LABEL.c.record_id.not_in(with_defect)))
        connection.execute(sa.text("ALTER TABLE record DROP COLUMN plc_part"))
        connection.execute(sa.text("DELETE FROM schema_step WHERE step >= 3"))
    store.close()
    with contextlib.closing(Store.open(url, CLOCK)) as store:
        assert everything() == written


def test_the_class_of_a_part_without_a_defect_is_why_it_was_not_passed():
    late = make_record(1, Verdict.NOT_INSPECTED)
    assert classes_of(row_of(1, late)) == ["score"]
    silent = replace(late, inspection=replace(late.inspection, reasons=()))
    assert classes_of(row_of(1, silent)) == ["told"]
    assert classes_of(row_of(1, make_record(1, Verdict.PASS))) == []
