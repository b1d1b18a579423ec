"""Accounts: a name, a role, and a PIN or password; and what happens when it is wrong.

What it is: the rules and their tables. What it is not: sessions and pages (web). Any thread.

After FREE_TRIES wrong secrets in a row each further one must wait, twice as long each time; after LOCKED_AT none is
taken any more until an administrator gives a new one. A try counts before it is checked, so that many at once gain
nothing. The count survives a restart. What a secret consists of is for its role: see `check_secret`.
"""

from __future__ import annotations

import datetime
import enum
import re
from dataclasses import dataclass

import sqlalchemy as sa

from inspector.errors import AccountError
from inspector.people.audit import Actor, append
from inspector.people.hashing import hash_secret, matches
from inspector.people.schema import ACCOUNT
from inspector.people.store import WebStore

FREE_TRIES = 5
LOCKED_AT = 20
FIRST_WAIT_S = 5.0
LONGEST_WAIT_S = 300.0
MAX_ACCOUNTS = 200
_NAME = re.compile(r"\w[\w .\-]{0,30}\w|\w")
_RUNS = "01234567890123456789", "98765432109876543210"


class Role(enum.IntEnum):
    """Greater may do more. `WATCH` needs no login."""

    WATCH = 0
    OPERATOR = 1
    QUALITY = 2
    INTEGRATOR = 3
    ADMIN = 4


# An operator types on a pad with gloves; who may change the station types more.
LEAST_LENGTH = {Role.OPERATOR: 4, Role.QUALITY: 6, Role.INTEGRATOR: 8, Role.ADMIN: 8}
MAX_LENGTH = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person who may log in. `locked`: too many wrong secrets, only a new one helps."""

    name: str
    role: Role
    created_at_utc: str
    changed_at_utc: str
    wrong: int

    @property
    def locked(self) -> bool:
        """See the class."""
        return self.wrong >= LOCKED_AT


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What became of a try: the account, or None and why - `wrong`, `wait` (so many seconds), `locked`."""

    account: Account | None = None
    why: str = ""
    wait_s: float = 0.0


def check_secret(secret: str, role: Role) -> None:
    """Raises AccountError for a PIN or password that is too short for the role, too long, or a mere run of digits."""
    least = LEAST_LENGTH[role]
    if not least <= len(secret) <= MAX_LENGTH:
        raise AccountError(
            f"PIN or password has {len(secret)} characters, wanted {least} to {MAX_LENGTH} for the role "
            f"{role.name.lower()}"
        )
    if len(set(secret)) == 1 or any(secret in run for run in _RUNS):
        raise AccountError("PIN or password is one character again and again or a run like 1234: it is guessed at once")


class Accounts:
    """See the module. Every change is in the audit log, in the same transaction."""

    def __init__(self, store: WebStore) -> None:
        self._store = store
        self._nobodys_hash = ""

    def all(self) -> list[Account]:
        """Every account, by name."""
        with self._store.reading() as connection:
            return [_account(row) for row in connection.execute(sa.select(ACCOUNT).order_by(ACCOUNT.c.name))]

    def is_empty(self) -> bool:
        """Whether there is no account at all."""
        with self._store.reading() as connection:
            return connection.execute(sa.select(ACCOUNT.c.name).limit(1)).first() is None

    def add(self, name: str, role: Role, secret: str, actor: Actor) -> Account:
        """A new account. The first must be an administrator's, since a station with accounts is no longer open."""
        name = name.strip()
        if not _NAME.fullmatch(name):
            raise AccountError(
                f"name is {name!r}, wanted 1 to 32 letters, digits, spaces, dots or hyphens, the first and the last a "
                "letter or digit"
            )
        if role not in LEAST_LENGTH:
            raise AccountError(f"role is {role.name.lower()}, which needs no account")
        check_secret(secret, role)
        kept, now = hash_secret(secret), self._store.now_utc()
        with self._store.writing() as connection:
            taken = list(connection.execute(sa.select(ACCOUNT.c.name)).scalars())
            if any(one.lower() == name.lower() for one in taken):
                raise AccountError(f"there is an account {name!r} already")
            if not taken and role is not Role.ADMIN:
                raise AccountError("the first account must be an administrator's: nobody else could add more")
            if len(taken) >= MAX_ACCOUNTS:
                raise AccountError(f"there are {len(taken)} accounts, wanted at most {MAX_ACCOUNTS}")
            row = {"name": name, "role": int(role), "secret": kept, "created_at_utc": now, "changed_at_utc": now}
            connection.execute(sa.insert(ACCOUNT), row | {"wrong": 0, "wrong_at_utc": ""})
            append(connection, now, actor, "user.add", name, None, {"role": role.name.lower()})
        return Account(name=name, role=role, created_at_utc=now, changed_at_utc=now, wrong=0)

    def set_role(self, name: str, role: Role, secret: str, actor: Actor) -> None:
        """Another role; a greater one needs a new secret where the old may be too short for it (else empty)."""
        if role not in LEAST_LENGTH:
            raise AccountError(f"role is {role.name.lower()}, which needs no account")
        with self._store.writing() as connection:
            found = self._existing(connection, name)
            if found.role is Role.ADMIN and role is not Role.ADMIN:
                self._keep_an_admin(connection, name)
            changes: dict[str, object] = {"role": int(role), "changed_at_utc": self._store.now_utc()}
            if secret or LEAST_LENGTH[role] > LEAST_LENGTH[found.role]:
                check_secret(secret, role)
                changes |= {"secret": hash_secret(secret), "wrong": 0, "wrong_at_utc": ""}
            connection.execute(sa.update(ACCOUNT).where(ACCOUNT.c.name == name).values(changes))
            old, new = {"role": found.role.name.lower()}, {"role": role.name.lower()}
            append(connection, self._store.now_utc(), actor, "user.role", name, old, new)

    def set_secret(self, name: str, secret: str, actor: Actor) -> None:
        """A new PIN or password, which unlocks the account too. The log says that, never the secret."""
        with self._store.writing() as connection:
            found = self._existing(connection, name)
            check_secret(secret, found.role)
            now = self._store.now_utc()
            changes = {"secret": hash_secret(secret), "changed_at_utc": now, "wrong": 0, "wrong_at_utc": ""}
            connection.execute(sa.update(ACCOUNT).where(ACCOUNT.c.name == name).values(changes))
            append(connection, now, actor, "user.secret", name, {"locked": found.locked}, {"locked": False})

    def remove(self, name: str, actor: Actor) -> None:
        """Remove an account; never the last administrator's."""
        with self._store.writing() as connection:
            found = self._existing(connection, name)
            if found.role is Role.ADMIN:
                self._keep_an_admin(connection, name)
            connection.execute(sa.delete(ACCOUNT).where(ACCOUNT.c.name == name))
            now, old = self._store.now_utc(), {"role": found.role.name.lower()}
            append(connection, now, actor, "user.remove", name, old, None)

    def log_in(self, name: str, secret: str, address: str) -> Login:
        """Try a secret. Every try on an account is in the audit log; one on a name that nobody has is not."""
        now = self._store.now_utc()
        with self._store.writing() as connection:
            row = connection.execute(sa.select(ACCOUNT).where(sa.func.lower(ACCOUNT.c.name) == name.lower())).first()
            if row is not None:
                if row.wrong >= LOCKED_AT:
                    return Login(why="locked")
                if (wait_s := _still_to_wait_s(row.wrong, row.wrong_at_utc, now)) > 0:
                    return Login(why="wait", wait_s=wait_s)
                tried = {"wrong": row.wrong + 1, "wrong_at_utc": now}
                connection.execute(sa.update(ACCOUNT).where(ACCOUNT.c.name == row.name).values(tried))
        if row is None:
            # As slow as a name that exists.
            self._nobodys_hash = self._nobodys_hash or hash_secret("nobody's")
            matches(secret, self._nobodys_hash)
            return Login(why="wrong")
        right = matches(secret, row.secret)
        self._note_login(row, right, address)
        if right:
            return Login(account=_account(row))
        return Login(why="locked" if row.wrong + 1 >= LOCKED_AT else "wrong")

    def _note_login(self, row: sa.Row[tuple[object, ...]], right: bool, address: str) -> None:
        actor = Actor(name=row.name, role=Role(row.role).name.lower(), by="login", address=address)
        with self._store.writing() as connection:
            if right:
                # Only if the account is still what was checked: it may have been changed meanwhile.
                same = (ACCOUNT.c.name == row.name) & (ACCOUNT.c.secret == row.secret)
                connection.execute(sa.update(ACCOUNT).where(same).values(wrong=0, wrong_at_utc=""))
            what = "login" if right else "login.wrong"
            append(connection, self._store.now_utc(), actor, what, row.name, None, {"wrong": row.wrong + (not right)})

    @staticmethod
    def _existing(connection: sa.Connection, name: str) -> Account:
        row = connection.execute(sa.select(ACCOUNT).where(ACCOUNT.c.name == name)).first()
        if row is None:
            raise AccountError(f"there is no account {name!r}")
        return _account(row)

    @staticmethod
    def _keep_an_admin(connection: sa.Connection, name: str) -> None:
        others = (ACCOUNT.c.role == int(Role.ADMIN)) & (ACCOUNT.c.name != name)
        if connection.execute(sa.select(ACCOUNT.c.name).where(others).limit(1)).first() is None:
            raise AccountError(f"{name!r} is the last administrator: make another one first")


def _account(row: sa.Row[tuple[object, ...]]) -> Account:
    return Account(
        name=row.name,
        role=Role(row.role),
        created_at_utc=row.created_at_utc,
        changed_at_utc=row.changed_at_utc,
        wrong=row.wrong,
    )


def _still_to_wait_s(wrong: int, wrong_at_utc: str, now_utc: str) -> float:
    """Seconds before another try is taken; none where the wall clock was set back, which nobody can do from a page."""
    if wrong < FREE_TRIES:
        return 0.0
    wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** (wrong - FREE_TRIES))
    since = datetime.datetime.fromisoformat(now_utc) - datetime.datetime.fromisoformat(wrong_at_utc)
    return 0.0 if since.total_seconds() < 0 else wait_s - since.total_seconds()
