"""A store of a great many records, made in the database's own language: one by one they would take minutes."""

import contextlib
import json
import sqlite3
from datetime import UTC, datetime

from inspector.clock import SimulatedClock
from inspector.record import schema
from inspector.record.rows import row_of
from inspector.record.store import Store
from inspector.types import Measurement, Verdict

from .made import make_record

# 20 parts a minute: a million of them are 35 days, which end at END.
STEP_S = 3
END = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CLASSES = ("scratch", "dent", "stain", "crack", "burr")


def newest_at(total):
    """When the newest of `total` parts was seen."""
    return END.timestamp() - STEP_S if total else None


def fill(path, total, *, measured=False):
    """Make the store at `path` with parts 1 to `total`: every 20th a reject, every 1000th not inspected."""
    url = f"sqlite:///{path}"
    every, schema.STEPS = schema.STEPS, schema.STEPS[:2]
    try:
        Store.open(url, SimulatedClock()).close()
    finally:
        schema.STEPS = every
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -200000")
        for statement in _statements(total, measured):
            connection.execute(*statement)
        connection.commit()
    # The steps that the store lacks are taken now, as they are on a station that is updated.
    Store.open(url, SimulatedClock()).close()
    return url


def _statements(total, measured):
    template = row_of(1, make_record(1, Verdict.PASS))
    del template["plc_part"]  # a column of a later step
    if measured:
        bore = {"name": "bore", "value": 0.0, "unit": "mm", "low": 19.9, "high": 20.1, "uncertainty": 0.02}
        template["measurements"] = [bore | {"text": "", "shapes": []}]
        assert Measurement(**(bore | {"value": 20.0})).ok
    own = (
        "id",
        "part_id",
        "verdict",
        "judged",
        "score",
        "seen_at_utc",
        "recipe_id",
        "serial",
        "image_path",
        "defects",
        "reasons",
        "outcome",
    )
    names = [name for name in template if name not in own]
    values = [
        json.dumps(template[name]) if isinstance(template[name], dict | list) else template[name] for name in names
    ]
    kind = (
        "CASE (i / 20) % 9 "
        + " ".join(f"WHEN {i} THEN '{name}'" for i, name in enumerate(CLASSES))
        + " ELSE 'scratch' END"
    )
    defect = (
        "json_array(json_object('label', " + kind + ", 'score', 1.5, 'threshold', 1.0, "
        "'box_px', json_array(100 + (i * 37) % 900, 80 + (i * 53) % 700, 60, 40), 'area_mm2', NULL))"
    )
    yield (
        f"""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {total})
        INSERT INTO record (id, part_id, verdict, judged, outcome, score, seen_at_utc, recipe_id, serial, image_path,
        defects, reasons, {", ".join(names)})
        SELECT i, i + 4294967296, v, v, CASE v WHEN 1 THEN 2 ELSE 1 END,
        CASE v WHEN 3 THEN NULL WHEN 2 THEN 1.0 + (i * 7 % 997) / 500.0 ELSE (i * 7 % 997) / 1000.0 END,
        strftime('%Y-%m-%dT%H:%M:%S.000Z', {int(END.timestamp())} - ({total} - i + 1) * {STEP_S}, 'unixepoch'),
        CASE WHEN i % 300000 < 250000 THEN 'bracket' ELSE 'hub' END, printf('SN%09d', i),
        CASE WHEN v <> 1 OR i % 20 = 1 THEN strftime('%Y-%m-%d/', {int(END.timestamp())} - ({total} - i + 1) * {STEP_S},
        'unixepoch') || printf('%016x.jpg', i + 4294967296) END,
        CASE v WHEN 2 THEN {defect} ELSE '[]' END,
        CASE v WHEN 3 THEN '[{{"code": "no_part", "value": null, "limit": null, "text": ""}}]' WHEN 2 THEN
        '[{{"code": "score", "value": 1.5, "limit": 1.0, "text": ""}}]' ELSE '[]' END, {", ".join("?" * len(names))}
        FROM (SELECT i, CASE WHEN i % 1000 = 0 THEN 3 WHEN i % 20 = 0 THEN 2 ELSE 1 END AS v FROM n)""",
        values,
    )
    yield ("INSERT INTO record_label SELECT json_extract(defects, '$[0].label'), id FROM record WHERE verdict = 2",)
