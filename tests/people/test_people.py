"""Accounts, wrong PINs and the audit log, on both databases."""

import datetime
import sqlite3
import threading

import pytest
import sqlalchemy as sa

from inspector.clock import SimulatedClock
from inspector.errors import AccountError, StoreError, StoreTooNew
from inspector.people import accounts as rules
from inspector.people import audit, hashing, schema
from inspector.people.accounts import FREE_TRIES, LOCKED_AT, Accounts, Role, check_secret
from inspector.people.audit import Actor
from inspector.people.store import WebStore

ADMIN = Actor(name="root", role="admin", by="session", address="10.0.0.7")


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch):
    monkeypatch.setattr(hashing, "LOG2_N", 4)


@pytest.fixture
def clock():
    return SimulatedClock()


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, tmp_path, clock):
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/web.sqlite"
    else:
        url = request.getfixturevalue("postgres_url")
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            for table in ("account", "audit", "said", "reviewed", "web_step"):
                connection.execute(sa.text(f"DROP TABLE IF EXISTS {table} CASCADE"))
            connection.execute(sa.text("DROP FUNCTION IF EXISTS audit_append_only"))
        engine.dispose()
    store = WebStore(url, clock)
    yield store
    store.close()


@pytest.fixture
def accounts(store):
    return Accounts(store)


def advance(clock, seconds):
    clock.advance_to(clock.now_ns() + int(seconds * 1e9))


def test_an_account_is_made_changed_and_removed_and_the_log_says_all_but_secrets(accounts, store):
    assert accounts.is_empty()
    accounts.add("Ann", Role.ADMIN, "a long password", ADMIN)
    accounts.add("Bo", Role.OPERATOR, "4711", ADMIN)
    accounts.set_role("Bo", Role.QUALITY, "471147", ADMIN)
    accounts.set_secret("Bo", "815815", ADMIN)
    accounts.remove("Bo", ADMIN)
    assert [(one.name, one.role) for one in accounts.all()] == [("Ann", Role.ADMIN)]
    rows = audit.page(store)
    assert [(row.what, row.target, row.old, row.new) for row in rows] == [
        ("user.remove", "Bo", {"role": "quality"}, None),
        ("user.secret", "Bo", {"locked": False}, {"locked": False}),
        ("user.role", "Bo", {"role": "operator"}, {"role": "quality"}),
        ("user.add", "Bo", None, {"role": "operator"}),
        ("user.add", "Ann", None, {"role": "admin"}),
    ]
    assert all(row.actor == ADMIN and row.at_utc == "2026-01-01T00:00:00.000Z" for row in rows)
    assert [row.number for row in audit.page(store, before=rows[1].number, limit=2)] == [rows[2].number, rows[3].number]
    assert [row.what for row in audit.page(store, what="user.role")] == ["user.role"]
    assert audit.page(store, who="nobody") == []
    assert audit.kinds(store) == ["user.add", "user.remove", "user.role", "user.secret"]
    with store.reading() as connection:
        assert "a long password" not in str(list(connection.execute(sa.text("SELECT * FROM account"))))


def test_what_an_account_may_not_be(accounts):
    with pytest.raises(AccountError, match="must be an administrator's"):
        accounts.add("Bo", Role.OPERATOR, "4711", ADMIN)
    accounts.add("Ann", Role.ADMIN, "a long password", ADMIN)
    for name in ("", " ", "a" * 33, "-x", "<b>", "a\nb", "x/y"):
        with pytest.raises(AccountError, match="name is"):
            accounts.add(name, Role.OPERATOR, "4711", ADMIN)
    with pytest.raises(AccountError, match="already"):
        accounts.add("aNN", Role.OPERATOR, "4711", ADMIN)
    with pytest.raises(AccountError, match="needs no account"):
        accounts.add("Bo", Role.WATCH, "4711", ADMIN)
    for change in (lambda: accounts.remove("Ann", ADMIN), lambda: accounts.set_role("Ann", Role.QUALITY, "", ADMIN)):
        with pytest.raises(AccountError, match="last administrator"):
            change()
    with pytest.raises(AccountError, match="no account"):
        accounts.remove("Bo", ADMIN)
    accounts.add("Bo", Role.OPERATOR, "4711", ADMIN)
    with pytest.raises(AccountError, match="wanted 8 to"):
        accounts.set_role("Bo", Role.ADMIN, "", ADMIN)  # the old PIN has four digits
    assert [one.role for one in accounts.all()] == [Role.ADMIN, Role.OPERATOR]


@pytest.mark.parametrize("secret", ["471", "1234", "4321", "9012", "7777", "x" * 129])
def test_a_pin_that_is_guessed_at_once_is_refused(secret):
    with pytest.raises(AccountError):
        check_secret(secret, Role.OPERATOR)
    check_secret("4711", Role.OPERATOR)


def test_a_right_pin_lets_in_and_a_wrong_one_does_not(accounts, store):
    accounts.add("Ann", Role.ADMIN, "a long password", ADMIN)
    assert accounts.log_in("ann", "a long password", "10.0.0.9").account.name == "Ann"
    assert accounts.log_in("Ann", "A long password", "10.0.0.9").why == "wrong"
    assert accounts.log_in("Eve", "a long password", "10.0.0.9").why == "wrong"
    assert [(row.what, row.actor.address) for row in audit.page(store)][:2] == [
        ("login.wrong", "10.0.0.9"),
        ("login", "10.0.0.9"),
    ]


def test_twenty_wrong_pins_lock_and_each_after_the_fifth_waits_longer(accounts, clock):
    accounts.add("Ann", Role.ADMIN, "a long password", ADMIN)
    waits, wrong = [], 0
    while wrong < LOCKED_AT:
        found = accounts.log_in("Ann", "nonsense", "")
        if found.why == "wait":
            waits.append(found.wait_s)
            # Neither a wrong nor a right one counts, or is even checked, while it waits.
            assert accounts.log_in("Ann", "a long password", "").why == "wait"
            advance(clock, found.wait_s)
            continue
        wrong += 1
        assert found.why == ("locked" if wrong == LOCKED_AT else "wrong")
    assert waits == [min(300.0, 5.0 * 2**n) for n in range(LOCKED_AT - FREE_TRIES)]
    advance(clock, 365 * 86400)
    assert accounts.log_in("Ann", "a long password", "").why == "locked"
    assert accounts.all()[0].locked
    accounts.set_secret("Ann", "another password", ADMIN)
    assert accounts.log_in("Ann", "another password", "").account is not None


def test_the_count_of_wrong_ones_survives_a_restart_and_a_right_one_ends_it(accounts, store, clock):
    accounts.add("Ann", Role.ADMIN, "a long password", ADMIN)
    for _ in range(FREE_TRIES):
        assert accounts.log_in("Ann", "nonsense", "").why == "wrong"
    again = Accounts(store)
    assert again.log_in("Ann", "nonsense", "").why == "wait"
    advance(clock, 5)
    assert again.log_in("Ann", "a long password", "").account is not None
    assert again.log_in("Ann", "nonsense", "").why == "wrong"


def test_a_hundred_wrong_pins_at_once_gain_no_more_tries_than_one_after_the_other(accounts, monkeypatch):
    accounts.add("Ann", Role.ADMIN, "a long password", ADMIN)
    checked = []
    real = rules.matches
    monkeypatch.setattr(rules, "matches", lambda secret, kept: checked.append(secret) or real(secret, kept))
    threads = [threading.Thread(target=accounts.log_in, args=("Ann", str(n), "")) for n in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(checked) == FREE_TRIES


def test_a_clock_that_was_set_back_locks_nobody_out(accounts, clock, monkeypatch):
    accounts.add("Ann", Role.ADMIN, "a long password", ADMIN)
    advance(clock, 86400)
    for _ in range(FREE_TRIES + 1):
        accounts.log_in("Ann", "nonsense", "")
    monkeypatch.setattr(clock, "_start", clock._start - datetime.timedelta(days=2))
    assert accounts.log_in("Ann", "a long password", "").account is not None


def test_the_database_itself_refuses_to_change_the_audit_log(accounts, store):
    accounts.add("Ann", Role.ADMIN, "a long password", ADMIN)
    attempts = ["UPDATE audit SET who = 'x'", "DELETE FROM audit"]
    with store.reading() as connection:
        sqlite = connection.dialect.name == "sqlite"
    attempts += ["REPLACE INTO audit SELECT * FROM audit"] if sqlite else ["TRUNCATE audit"]
    for attempt in attempts:
        with pytest.raises(StoreError, match="append-only"), store.writing() as connection:
            connection.execute(sa.text(attempt))
    assert [row.actor.name for row in audit.page(store)] == ["root"]


def test_a_change_is_undone_where_the_log_cannot_be_written(accounts, monkeypatch):
    def broken(*_):
        raise sa.exc.SQLAlchemyError("disk is full")

    monkeypatch.setattr(rules, "append", broken)
    with pytest.raises(StoreError, match="disk is full"):
        accounts.add("Ann", Role.ADMIN, "a long password", ADMIN)
    assert accounts.is_empty()


def test_the_tables_are_what_the_steps_make(store):
    with store.reading() as connection:
        found = sa.inspect(connection)
        for table in schema.METADATA.tables.values():
            assert {column["name"] for column in found.get_columns(table.name)} == {c.name for c in table.columns}


def test_a_newer_database_is_refused_and_a_lost_one_comes_back(tmp_path, clock):
    store = WebStore(f"sqlite:///{tmp_path}/deep/web.sqlite", clock)
    assert Accounts(store).is_empty()
    store.close()
    assert (tmp_path / "deep/web.sqlite").stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(tmp_path / "deep/web.sqlite") as connection:
        connection.execute("INSERT INTO web_step VALUES (99, '')")
    with pytest.raises(StoreTooNew, match="schema version is 99"):
        Accounts(store).is_empty()
    with sqlite3.connect(tmp_path / "deep/web.sqlite") as connection:
        connection.execute("DELETE FROM web_step WHERE step = 99")
    assert Accounts(store).is_empty()


def test_a_hash_says_how_it_was_made_and_the_real_one_is_slow_enough(monkeypatch):
    monkeypatch.setattr(hashing, "LOG2_N", 14)
    kept = hashing.hash_secret("4711")
    assert kept.startswith("scrypt$14$8$5$")
    assert kept != hashing.hash_secret("4711")
    assert hashing.matches("4711", kept)
    assert not hashing.matches("4712", kept)
    with pytest.raises(ValueError, match="kind"):
        hashing.matches("4711", "md5$1$1$1$00$00")
