"""Who is logged in: sessions by a random cookie, which end when nobody uses them.

What it is: a table in memory. What it is not: accounts (people.accounts), or anything that survives the web process:
after a restart people log in again, and the screens that only watch go on. Event loop and its thread pool.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from dataclasses import dataclass, replace

from inspector.clock import Clock
from inspector.web.roles import Role

# An operator's panel stands in the open: a PIN must not stay behind. Desks get a longer rest.
IDLE_S = {Role.OPERATOR: 120.0}
IDLE_ELSE_S = 900.0
LONGEST_S = 12 * 3600.0
MAX_SESSIONS = 200


@dataclass(frozen=True, slots=True)
class Session:
    """One login: whose, since when, and when it was last used (station's clock)."""

    name: str
    role: Role
    since_ns: int
    used_ns: int


class Sessions:
    """See the module. `open_station` is true while the station has no account at all."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._by_hash: dict[bytes, Session] = {}
        self.open_station = True

    def open(self, name: str, role: Role) -> str:
        """A new session; its cookie's value, of which only the hash is kept."""
        token = secrets.token_urlsafe(32)
        now_ns = self._clock.now_ns()
        with self._lock:
            self._by_hash = {key: one for key, one in self._by_hash.items() if not self._is_over(one, now_ns)}
            while len(self._by_hash) >= MAX_SESSIONS:
                del self._by_hash[min(self._by_hash, key=lambda key: self._by_hash[key].used_ns)]
            self._by_hash[_hash(token)] = Session(name, role, now_ns, now_ns)
        return token

    def find(self, token: str, uses: bool = True) -> Session | None:
        """The session of a cookie, None where there is none or it has ended; it lives on where this `uses` it."""
        key, now_ns = _hash(token), self._clock.now_ns()
        with self._lock:
            found = self._by_hash.get(key)
            if found is None:
                return None
            if self._is_over(found, now_ns):
                del self._by_hash[key]
                return None
            if uses:
                self._by_hash[key] = replace(found, used_ns=now_ns)
            return found

    def close(self, token: str) -> None:
        """Log out."""
        with self._lock:
            self._by_hash.pop(_hash(token), None)

    def close_all_of(self, name: str) -> None:
        """End every session of an account: it was changed or removed."""
        with self._lock:
            self._by_hash = {key: one for key, one in self._by_hash.items() if one.name != name}

    @staticmethod
    def _is_over(session: Session, now_ns: int) -> bool:
        idle_s = IDLE_S.get(session.role, IDLE_ELSE_S)
        return now_ns - session.used_ns > idle_s * 1e9 or now_ns - session.since_ns > LONGEST_S * 1e9


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
