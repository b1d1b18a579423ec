"""Log in and out, and what someone sees who may not do what they asked for.

What it is: the login page and its part that every panel page has in place, sessions by cookie, and errors as pages
where a person asked. What it is not: the check of a PIN (people.accounts) or of a role (roles). Thread pool: a PIN
takes a while to check.
"""

from __future__ import annotations

import threading
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field

from inspector.errors import StoreError
from inspector.people.accounts import Accounts, Login
from inspector.web.errors import ApiError
from inspector.web.roles import COOKIE, Role, require, who_asks
from inspector.web.schemas import error_answers
from inspector.web.sessions import Sessions
from inspector.web.shell import own_path, render, words_of
from inspector.web.words import Words, mark

pages = APIRouter(include_in_schema=False)
api = APIRouter(
    prefix="/api/v1",
    tags=["session"],
    dependencies=[Depends(require(Role.WATCH))],
    responses=error_answers("invalid", "token_wrong", "origin_wrong"),
)
# A hash takes a core for a while and 16 MiB: one at a time, and a few may wait.
MAX_AT_ONCE = 4
_places = threading.BoundedSemaphore(MAX_AT_ONCE)
_one = threading.Lock()
PIN_SCRIPTS = ("pin.js",)
ROLE_WORDS = {
    Role.WATCH: mark("watch"),
    Role.OPERATOR: mark("operator"),
    Role.QUALITY: mark("quality"),
    Role.INTEGRATOR: mark("integrator"),
    Role.ADMIN: mark("administrator"),
}


class LoginIn(BaseModel):
    """Who logs in."""

    name: str = Field(min_length=1, max_length=64)
    secret: str = Field(min_length=1, max_length=128, description="PIN or password.")


class SessionOut(BaseModel):
    """Who this browser is logged in as."""

    name: str = Field(description="Empty: nobody is logged in.")
    role: str
    by: str = Field(description="session, token, open (the station has no users yet) or nobody.")


@api.get("/session")
async def session(request: Request) -> SessionOut:
    """Who asks. Asking does not keep a session alive."""
    who = who_asks(request, uses=False)
    return SessionOut(name=who.name, role=who.role.name.lower(), by=who.by)


@api.post("/login", responses=error_answers("login_refused", "busy", "store_unavailable"))
def login(request: Request, response: Response, given: LoginIn) -> SessionOut:
    """Log this browser in; its cookie lasts until it is not used for a while."""
    found = try_login(request, given.name, given.secret)
    if found.account is None:
        raise ApiError("login_refused", login_trouble(found, words_of(request)), {"wait_s": found.wait_s})
    start_session(request, response, found.account.name, found.account.role)
    return SessionOut(name=found.account.name, role=found.account.role.name.lower(), by="session")


@api.post("/logout")
def logout(request: Request, response: Response) -> SessionOut:
    """End this browser's session."""
    request.app.state.sessions.close(request.cookies.get(COOKIE, ""))
    response.delete_cookie(COOKIE, httponly=True, samesite="lax")
    return SessionOut(name="", role=Role.WATCH.name.lower(), by="nobody")


@pages.get("/login", dependencies=[Depends(require(Role.WATCH))])
def login_page(request: Request, then: str = "/") -> Response:
    """Names to tap, and a pad for the PIN."""
    open_if_empty(request)
    return render(
        request, "login.html", scripts=PIN_SCRIPTS, then=own_path(then), trouble="", names=panel_names(request)
    )


@pages.post("/login", dependencies=[Depends(require(Role.WATCH))])
def login_form(
    request: Request,
    name: Annotated[str, Form(max_length=64)] = "",
    secret: Annotated[str, Form(max_length=128)] = "",
    then: Annotated[str, Form(max_length=400)] = "/",
) -> Response:
    """The page's form: back to where the person wanted to be, or the page again with what was wrong."""
    found = try_login(request, name.strip(), secret)
    if found.account is None:
        trouble = login_trouble(found, words_of(request))
        context = {"then": own_path(then), "trouble": trouble, "names": panel_names(request)}
        return render(request, "login.html", 403, scripts=PIN_SCRIPTS, **context)
    answer = RedirectResponse(own_path(then), status_code=303)
    start_session(request, answer, found.account.name, found.account.role)
    return answer


@pages.post("/logout", dependencies=[Depends(require(Role.WATCH))])
def logout_form(request: Request) -> Response:
    """The bar's button."""
    request.app.state.sessions.close(request.cookies.get(COOKIE, ""))
    answer = RedirectResponse("/", status_code=303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="lax")
    return answer


def try_login(request: Request, name: str, secret: str) -> Login:
    """Check a PIN or password, one at a time; raises ApiError `busy` where too many want to, StoreError."""
    if not _places.acquire(blocking=False):
        raise ApiError("busy", "too many people log in at once: try again in a moment")
    try:
        with _one:
            accounts: Accounts = request.app.state.accounts
            address = request.client.host if request.client is not None else ""
            return accounts.log_in(name, secret, address)
    finally:
        _places.release()


def start_session(request: Request, response: Response, name: str, role: Role) -> None:
    """A session for this browser; the one it had ends."""
    sessions: Sessions = request.app.state.sessions
    sessions.close(request.cookies.get(COOKIE, ""))
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, sessions.open(name, role), httponly=True, samesite="lax", secure=secure)


def login_trouble(found: Login, _: Words) -> str:
    """Why a login was refused, in words."""
    if found.why == "locked":
        return _("Too many wrong tries: locked. An administrator must set a new PIN.")
    if found.why == "wait":
        return _("Too many wrong tries: wait {seconds} s.", seconds=int(found.wait_s) + 1)
    return _("Wrong name or PIN.")


def panel_names(request: Request) -> list[str]:
    """The names to tap on a panel: operators and quality; the others type theirs."""
    try:
        return [one.name for one in request.app.state.accounts.all() if one.role <= Role.QUALITY]
    except StoreError:
        return []


def open_if_empty(request: Request) -> None:
    """Open a station that could not be asked for its accounts when the web started, and has none."""
    if request.app.state.accounts_unread:
        request.app.state.sessions.open_station = request.app.state.accounts.is_empty()
        request.app.state.accounts_unread = False


def error_page(request: Request, code: str, message: str, status: int) -> Response:
    """An error as a page, for a person; where a role lacks, with the login in its place."""
    asked = request.url.path if request.method in ("GET", "HEAD") else urlsplit(request.headers.get("referer", "")).path
    context: dict[str, Any] = {"code": code, "message": message, "then": own_path(asked)}
    lacks_role = code in ("forbidden", "token_missing")
    context |= {"lacks_role": lacks_role, "names": panel_names(request) if lacks_role else []}
    return render(request, "error.html", status, scripts=PIN_SCRIPTS, **context)
