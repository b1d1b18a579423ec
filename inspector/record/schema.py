"""The tables of the record store, and the steps by which an older store becomes a current one.

What it is: SQL that SQLite and PostgreSQL both understand, applied in order, each step in one transaction, noted
in `schema_step`. What it is not: the queries (reader, store). The thread that opens the store, at start-up.

A step is never changed once it has been released: a change of the schema is a new step, and the tables below
(which the queries use) follow it. A test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from inspector.errors import StoreTooNew

METADATA = sa.MetaData()
Statement = str | Mapping[str, str]

RECORD = sa.Table(
    "record",
    METADATA,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("part_id", sa.BigInteger(), nullable=False, unique=True),
    sa.Column("verdict", sa.Integer(), nullable=False),
    sa.Column("judged", sa.Integer(), nullable=False),
    sa.Column("outcome", sa.Integer(), nullable=False),
    sa.Column("outcome_reason", sa.Text(), nullable=False),
    sa.Column("outcome_tick", sa.BigInteger()),
    sa.Column("seen_at_utc", sa.Text(), nullable=False),
    sa.Column("seen_tick", sa.BigInteger(), nullable=False),
    sa.Column("due_tick", sa.BigInteger(), nullable=False),
    sa.Column("seen_at_ns", sa.BigInteger(), nullable=False),
    sa.Column("trigger_at_ns", sa.BigInteger()),
    sa.Column("frame_id", sa.BigInteger()),
    sa.Column("score", sa.Double()),
    sa.Column("slack_ms", sa.Double()),
    sa.Column("part_recipe_id", sa.Text(), nullable=False),
    sa.Column("recipe_id", sa.Text(), nullable=False),
    sa.Column("recipe_rev", sa.Text(), nullable=False),
    sa.Column("model_sha", sa.Text(), nullable=False),
    sa.Column("calibration_id", sa.Text(), nullable=False),
    sa.Column("pose", sa.JSON(none_as_null=True)),
    sa.Column("reasons", sa.JSON(), nullable=False),
    sa.Column("defects", sa.JSON(), nullable=False),
    sa.Column("stage_ms", sa.JSON(), nullable=False),
    sa.Column("image_path", sa.Text()),
    sa.Column("truth", sa.Text()),
    sa.Column("serial", sa.Text()),
    sa.Column("measurements", sa.JSON(none_as_null=True)),
    sa.Column("codes", sa.JSON(none_as_null=True)),
    sa.Column("plc_part", sa.BigInteger()),
)

RECORD_LABEL = sa.Table(
    "record_label",
    METADATA,
    sa.Column("label", sa.Text(), primary_key=True),
    sa.Column("record_id", sa.BigInteger(), primary_key=True),
)

IMAGE_REMOVAL = sa.Table(
    "image_removal",
    METADATA,
    sa.Column("part_id", sa.BigInteger(), primary_key=True, autoincrement=False),
    sa.Column("image_path", sa.Text(), nullable=False),
    sa.Column("removed_at_utc", sa.Text(), nullable=False),
    sa.Column("reason", sa.Text(), nullable=False),
)

CONFLICT = sa.Table(
    "conflict",
    METADATA,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("part_id", sa.BigInteger(), nullable=False),
    sa.Column("refused_at_utc", sa.Text(), nullable=False),
    sa.Column("refused", sa.JSON(), nullable=False),
)

# What was seen in each quarter of an hour, by recipe, verdict and class (label); label '' stands for all parts. Charts
# add up `parts`; a search looks only where `first_id` to `last_id` and the scores say that something may be.
QUARTER = sa.Table(
    "quarter",
    METADATA,
    sa.Column("starts_at_utc", sa.Text(), primary_key=True),
    sa.Column("recipe_id", sa.Text(), primary_key=True),
    sa.Column("verdict", sa.Integer(), primary_key=True),
    sa.Column("label", sa.Text(), primary_key=True),
    sa.Column("parts", sa.BigInteger(), nullable=False),
    sa.Column("first_id", sa.BigInteger(), nullable=False),
    sa.Column("last_id", sa.BigInteger(), nullable=False),
    sa.Column("score_min", sa.Double()),
    sa.Column("score_max", sa.Double()),
)

BOOKMARK = sa.Table(
    "bookmark",
    METADATA,
    sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("boot_id", sa.BigInteger(), nullable=False),
    sa.Column("next_log_index", sa.BigInteger(), nullable=False),
)

_QUARTER = """substr(seen_at_utc, 1, 14) || CASE WHEN substr(seen_at_utc, 15, 2) < '15' THEN '00'
    WHEN substr(seen_at_utc, 15, 2) < '30' THEN '15' WHEN substr(seen_at_utc, 15, 2) < '45' THEN '30' ELSE '45' END"""

# `{id}` is the type of a 64-bit primary key: only the exact word INTEGER is one in SQLite, and that is 32 bits in
# PostgreSQL.
# record_filter and record_verdict hold every column one may filter by, ordered by id: the worst filter reads a narrow
# index once instead of the wide rows.
STEPS: tuple[tuple[Statement, ...], ...] = (
    (
        """CREATE TABLE record (id {id} PRIMARY KEY, part_id BIGINT NOT NULL UNIQUE, verdict INTEGER NOT NULL,
        judged INTEGER NOT NULL,
        outcome INTEGER NOT NULL, outcome_reason TEXT NOT NULL, outcome_tick BIGINT, seen_at_utc TEXT NOT NULL,
        seen_tick BIGINT NOT NULL, due_tick BIGINT NOT NULL, seen_at_ns BIGINT NOT NULL, trigger_at_ns BIGINT,
        frame_id BIGINT, score DOUBLE PRECISION, slack_ms DOUBLE PRECISION, part_recipe_id TEXT NOT NULL,
        recipe_id TEXT NOT NULL, recipe_rev TEXT NOT NULL, model_sha TEXT NOT NULL, calibration_id TEXT NOT NULL,
        pose JSON, reasons JSON NOT NULL, defects JSON NOT NULL, stage_ms JSON NOT NULL, image_path TEXT,
        truth TEXT)""",
        "CREATE INDEX record_filter ON record (id, verdict, outcome, recipe_id, seen_at_utc, score)",
        "CREATE INDEX record_verdict ON record (verdict, id, recipe_id, seen_at_utc, score)",
        "CREATE INDEX record_seen_at ON record (seen_at_utc, id)",
        "CREATE TABLE record_label (label TEXT NOT NULL, record_id BIGINT NOT NULL, PRIMARY KEY (label, record_id))",
        """CREATE TABLE image_removal (part_id BIGINT PRIMARY KEY, image_path TEXT NOT NULL,
        removed_at_utc TEXT NOT NULL, reason TEXT NOT NULL)""",
        """CREATE TABLE conflict (id {id} PRIMARY KEY, part_id BIGINT NOT NULL, refused_at_utc TEXT NOT NULL,
        refused JSON NOT NULL)""",
        "CREATE TABLE bookmark (id INTEGER PRIMARY KEY, boot_id BIGINT NOT NULL, next_log_index BIGINT NOT NULL)",
    ),
    (
        "ALTER TABLE record ADD COLUMN serial TEXT",
        "ALTER TABLE record ADD COLUMN measurements JSON",
        "ALTER TABLE record ADD COLUMN codes JSON",
        "CREATE INDEX record_serial ON record (serial, id) WHERE serial IS NOT NULL",
    ),
    (
        """CREATE TABLE quarter (starts_at_utc TEXT NOT NULL, recipe_id TEXT NOT NULL, verdict INTEGER NOT NULL,
        label TEXT NOT NULL, parts BIGINT NOT NULL, first_id BIGINT NOT NULL, last_id BIGINT NOT NULL,
        score_min DOUBLE PRECISION, score_max DOUBLE PRECISION,
        PRIMARY KEY (starts_at_utc, recipe_id, verdict, label))""",
        # A part that was not passed and has no defect is of the class that its first reason says (see quarters).
        {
            "sqlite": """INSERT INTO record_label SELECT
            COALESCE(json_extract(reasons, '$[0].code'), lower(outcome_reason)), id
            FROM record WHERE verdict <> 1 AND CAST(defects AS TEXT) = '[]'""",
            "postgresql": """INSERT INTO record_label SELECT
            COALESCE(reasons -> 0 ->> 'code', lower(outcome_reason)), id
            FROM record WHERE verdict <> 1 AND CAST(defects AS TEXT) = '[]'""",
        },
        f"""INSERT INTO quarter SELECT {_QUARTER}, recipe_id, verdict, '', COUNT(*), MIN(id), MAX(id), MIN(score),
        MAX(score) FROM record GROUP BY 1, 2, 3""",
        f"""INSERT INTO quarter SELECT {_QUARTER}, recipe_id, verdict, label, COUNT(*), MIN(id), MAX(id), MIN(score),
        MAX(score) FROM record_label JOIN record ON record.id = record_label.record_id GROUP BY 1, 2, 3, 4""",
        "CREATE INDEX quarter_newest ON quarter (label, last_id)",
        "CREATE INDEX quarter_recipe ON quarter (recipe_id)",
        # What may be reviewed: a part with a picture, by its distance from the threshold.
        "CREATE INDEX record_review ON record (score, id, part_id, verdict) WHERE image_path IS NOT NULL",
        # A prefix is a range only where texts are compared by their bytes; SQLite does that anyway.
        {
            "sqlite": "DROP INDEX IF EXISTS record_serial_bytes",
            "postgresql": """CREATE INDEX record_serial_bytes ON record (serial COLLATE "C", id)
            WHERE serial IS NOT NULL""",
        },
    ),
    (
        "ALTER TABLE record ADD COLUMN plc_part BIGINT",
        "CREATE INDEX record_plc_part ON record (plc_part, id) WHERE plc_part IS NOT NULL",
    ),
)


def version(connection: sa.Connection, noted_in: str = "schema_step") -> int:
    """How many steps this store has taken, as the table `noted_in` says; 0 for an empty one."""
    if not sa.inspect(connection).has_table(noted_in):
        return 0
    return int(connection.execute(sa.text(f"SELECT COALESCE(MAX(step), 0) FROM {noted_in}")).scalar_one())


def check_version(connection: sa.Connection, name: str) -> int:
    """The store's version; raises StoreTooNew where it was written by a newer station than this."""
    return _known_version(connection, name, len(STEPS), "schema_step")


def migrate(connection: sa.Connection, name: str, now_utc: str) -> None:
    """Take the steps this store lacks, inside the caller's transaction; raises StoreTooNew."""
    take_steps(connection, name, now_utc, STEPS, "schema_step")


def take_steps(
    connection: sa.Connection, name: str, now_utc: str, steps: Sequence[Sequence[Statement]], noted_in: str
) -> None:
    """Take those of `steps` that the table `noted_in` does not list yet, inside the caller's transaction.

    A statement is SQL for both databases, or one for each dialect by its name. Raises StoreTooNew.
    """
    found = _known_version(connection, name, len(steps), noted_in)
    if found == 0:
        connection.execute(
            sa.text(f"CREATE TABLE IF NOT EXISTS {noted_in} (step INTEGER PRIMARY KEY, taken_at_utc TEXT NOT NULL)")
        )
    dialect = connection.dialect.name
    for step, statements in enumerate(steps[found:], start=found + 1):
        for statement in statements:
            sql = statement if isinstance(statement, str) else statement[dialect]
            connection.execute(sa.text(sql.replace("{id}", "INTEGER" if dialect == "sqlite" else "BIGINT")))
        connection.execute(
            sa.text(f"INSERT INTO {noted_in} (step, taken_at_utc) VALUES (:step, :at)"), {"step": step, "at": now_utc}
        )


def _known_version(connection: sa.Connection, name: str, newest: int, noted_in: str) -> int:
    found = version(connection, noted_in)
    if found > newest:
        raise StoreTooNew(f"{name}: schema version is {found}, wanted at most {newest}: update the station")
    return found
