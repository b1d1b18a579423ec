"""The pages of users and of the audit log.

What it is: forms over people.accounts, and pages of people.audit. What it is not: rules; whoever refuses says why.
Thread pool: a PIN takes a while to hash.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from inspector.errors import AccountError
from inspector.people import audit
from inspector.people.accounts import LEAST_LENGTH, Accounts, Role
from inspector.web.audited import actor_of
from inspector.web.login import ROLE_WORDS, start_session
from inspector.web.roles import require
from inspector.web.shell import render

pages = APIRouter(include_in_schema=False)
_ADMIN = [Depends(require(Role.ADMIN))]
_PAGE = 100
Name = Annotated[str, Form(max_length=64)]
Secret = Annotated[str, Form(max_length=128)]
RoleName = Annotated[str, Form(max_length=16)]


@pages.get("/users", dependencies=_ADMIN)
def users_page(request: Request) -> Response:
    """Who may log in."""
    return _users(request)


@pages.post("/users/add", dependencies=_ADMIN)
def add_user(
    request: Request, name: Name = "", role: RoleName = "", secret: Secret = "", again: Secret = ""
) -> Response:
    """A new account; whoever adds the first is logged in as it, since from then on the station is not open."""
    try:
        _check_twice(secret, again)
        account = _accounts(request).add(name, _role(role), secret, actor_of(request))
    except AccountError as why:
        return _users(request, str(why))
    answer = _back()
    if request.app.state.sessions.open_station:
        request.app.state.sessions.open_station = False
        start_session(request, answer, account.name, account.role)
    return answer


@pages.post("/users/role", dependencies=_ADMIN)
def set_role(
    request: Request, name: Name = "", role: RoleName = "", secret: Secret = "", again: Secret = ""
) -> Response:
    """Another role; the account's sessions end."""
    try:
        _check_twice(secret, again)
        _accounts(request).set_role(name, _role(role), secret, actor_of(request))
    except AccountError as why:
        return _users(request, str(why))
    request.app.state.sessions.close_all_of(name)
    return _back()


@pages.post("/users/secret", dependencies=_ADMIN)
def set_secret(request: Request, name: Name = "", secret: Secret = "", again: Secret = "") -> Response:
    """A new PIN or password, which unlocks too; the account's sessions end."""
    try:
        _check_twice(secret, again)
        _accounts(request).set_secret(name, secret, actor_of(request))
    except AccountError as why:
        return _users(request, str(why))
    request.app.state.sessions.close_all_of(name)
    return _back()


@pages.post("/users/remove", dependencies=_ADMIN)
def remove_user(request: Request, name: Name = "") -> Response:
    """Remove an account; its sessions end."""
    try:
        _accounts(request).remove(name, actor_of(request))
    except AccountError as why:
        return _users(request, str(why))
    request.app.state.sessions.close_all_of(name)
    return _back()


@pages.get("/audit", dependencies=[Depends(require(Role.QUALITY))])
def audit_page(
    request: Request,
    who: Annotated[str, Query(max_length=64)] = "",
    what: Annotated[str, Query(max_length=64)] = "",
    before: Annotated[int | None, Query(ge=1, le=(1 << 63) - 1)] = None,
) -> Response:
    """Who changed what, newest first."""
    store = request.app.state.web_store
    rows = audit.page(store, before, _PAGE, who, what)
    older = rows[-1].number if len(rows) == _PAGE else None
    context: dict[str, Any] = {"rows": rows, "older": older, "who_wanted": who, "what_wanted": what}
    return render(request, "audit.html", kinds=audit.kinds(store), shown=_shown, role_words=_role_words(), **context)


def _users(request: Request, trouble: str = "") -> Response:
    accounts = _accounts(request).all()
    context = {"accounts": accounts, "trouble": trouble, "least": LEAST_LENGTH, "role_words": ROLE_WORDS}
    return render(request, "users.html", 422 if trouble else 200, **context)


def _accounts(request: Request) -> Accounts:
    accounts: Accounts = request.app.state.accounts
    return accounts


def _role(name: str) -> Role:
    try:
        return Role[name.upper()]
    except KeyError:
        raise AccountError(f"role is {name!r}, wanted operator, quality, integrator or admin") from None


def _role_words() -> dict[str, str]:
    return {role.name.lower(): word for role, word in ROLE_WORDS.items()}


def _check_twice(secret: str, again: str) -> None:
    if secret != again:
        raise AccountError("the PIN or password was typed in two different ways")


def _shown(value: Any) -> str:
    """An old or new value of the log in one short line."""
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _back() -> RedirectResponse:
    return RedirectResponse("/users", status_code=303)
