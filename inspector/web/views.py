"""The pages that everyone has: live, the list of all pages, view settings, and the page of components.

What it is: routes that answer HTML. What it is not: the API (routes). Thread pool and event loop.
"""

from __future__ import annotations

import asyncio
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from inspector.web.login import panel_names
from inspector.web.roles import Role, require
from inspector.web.said import for_script
from inspector.web.shell import DIAGONALS, THEMES, own_path, render, words_of
from inspector.web.words import LANGUAGES, PSEUDO

pages = APIRouter(include_in_schema=False)
_YEAR_S = 365 * 24 * 3600


@pages.get("/", dependencies=[Depends(require(Role.WATCH))])
async def live_page(request: Request) -> HTMLResponse:
    """The operator's page."""
    config = request.app.state.config
    scripts = ("said.js", "picture.js", "rejects.js", "commands.js", "pin.js", "live.js")
    names = await asyncio.to_thread(panel_names, request)
    context = {"yield_target": config.web.yield_target, "camera": config.camera.name, "names": names}
    return render(request, "live.html", scripts=scripts, said=for_script(words_of(request)), **context)


@pages.get("/more", dependencies=[Depends(require(Role.WATCH))])
async def more_page(request: Request) -> HTMLResponse:
    """All pages, and how this browser shows them."""
    return render(request, "more.html")


@pages.get("/components", dependencies=[Depends(require(Role.WATCH))])
async def components_page(request: Request) -> HTMLResponse:
    """Every component in every state, for developers and for the tests."""
    return render(request, "components.html")


@pages.post("/view", dependencies=[Depends(require(Role.WATCH))])
async def set_view(
    request: Request,
    lang: Annotated[str, Form(max_length=10)] = "",
    theme: Annotated[str, Form(max_length=10)] = "",
    panel: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Keep this browser's view settings, and go back to where it was."""
    known = {
        "lang": (lang, {*LANGUAGES, PSEUDO}),
        "theme": (theme, set(THEMES)),
        "panel": (panel, {str(diagonal) for diagonal in DIAGONALS}),
    }
    back = RedirectResponse(own_path(urlsplit(request.headers.get("referer", "")).path), status_code=303)
    for name, (given, allowed) in known.items():
        if given in allowed:
            back.set_cookie(name, given, max_age=_YEAR_S, httponly=True, samesite="lax")
    return back
