"""Who may do what: five roles, each of which may do all that the ones before it may.

What it is: who a request comes from, and the dependency that every route and socket carries. What it is not: accounts
and PINs (people.accounts), or sessions (sessions). Event loop and its thread pool.

A person is known by a session cookie, a program by the station's bearer token. A station without any account is open
to its own machine: a browser there may do everything, so that `make run` needs no further step, until the first
account is made. What comes over the network, or through a proxy, only watches until then.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from starlette.exceptions import WebSocketException
from starlette.requests import HTTPConnection

from inspector.people.accounts import Role as Role
from inspector.web.errors import ApiError

COOKIE = "session"
_SAFE = {"GET", "HEAD", "OPTIONS"}
_OWN_MACHINE = {"127.0.0.1", "::1", "testclient"}
_PROXIED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


@dataclass(frozen=True, slots=True)
class Who:
    """Where a request comes from: a name for the audit log, a role, and how it was known."""

    name: str
    role: Role
    by: str = "nobody"  # nobody, session, token, open (the station has no accounts)


NOBODY = Who("", Role.WATCH)


def who_asks(connection: HTTPConnection, uses: bool = True) -> Who:
    """Who a request or socket comes from; a wrong bearer token raises ApiError, a dead session is nobody's.

    `uses`: it is a use of the session, which then lives on. What a page fetches by itself is none.
    """
    kind, _, given = connection.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and given.strip():
        if not hmac.compare_digest(given.strip().encode(), connection.app.state.token.encode()):
            raise ApiError("token_wrong", "this is not the token of this station")
        return Who("api", Role.INTEGRATOR, "token")
    if connection.app.state.sessions.open_station:
        return Who("open station", Role.ADMIN, "open") if _on_own_machine(connection) else NOBODY
    session = connection.app.state.sessions.find(connection.cookies.get(COOKIE, ""), uses)
    return NOBODY if session is None else Who(session.name, session.role, "session")


def require(role: Role) -> Callable[[HTTPConnection], Who]:
    """A dependency of a route or socket: who asks, if they are at least `role`.

    Raises ApiError: `token_missing` (a command of the API, asked by nobody), `forbidden`, or `origin_wrong` where a
    change does not come from this station's own pages.
    """

    def check(connection: HTTPConnection) -> Who:
        if connection.scope["type"] == "websocket":
            return _check_socket(connection, role)
        changes = connection.scope.get("method", "GET") not in _SAFE
        # What needs no login is fetched by pages themselves: a panel must not keep a PIN alive by showing pictures.
        who = who_asks(connection, uses=changes or role > Role.WATCH)
        if who.role < role:
            if who.by == "nobody" and connection.url.path.startswith("/api/v1/commands/"):
                raise ApiError("token_missing", "a command needs a login or the header 'Authorization: Bearer <token>'")
            raise ApiError("forbidden", f"this needs the role {role.name.lower()}, yours is {who.role.name.lower()}")
        if who.by != "token" and changes and not of_own_page(connection):
            raise ApiError("origin_wrong", "a change must come from a page of this station")
        connection.state.who = who
        return who

    check.role = role  # type: ignore[attr-defined]  # read by the test that walks the routes
    return check


def _check_socket(connection: HTTPConnection, role: Role) -> Who:
    """A socket is turned away with 403 before it is accepted."""
    try:
        who = who_asks(connection, uses=False)
    except ApiError as why:
        raise WebSocketException(1008, why.message) from why
    if who.role < role or ("origin" in connection.headers and not of_own_page(connection)):
        raise WebSocketException(1008, "not allowed")
    return who


def of_own_page(connection: HTTPConnection) -> bool:
    """Whether a browser says that a page of this very host asks."""
    origin = connection.headers.get("origin")
    return origin is not None and origin.partition("://")[2] == connection.headers.get("host")


def _on_own_machine(connection: HTTPConnection) -> bool:
    # A change without an origin is a program's, and a program has the token.
    if connection.scope.get("method", "GET") not in _SAFE and "origin" not in connection.headers:
        return False
    near = connection.client is not None and connection.client.host in _OWN_MACHINE
    return near and not any(name in connection.headers for name in _PROXIED)
