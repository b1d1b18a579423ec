"""The web application, put together: routes, live channel, page, and one error shape.

What it is: the app factory and what the routes find on `app.state`. What it is not: a server (server). Main thread;
then the event loop.

Nothing leaves the host: FastAPI's own documentation pages load from elsewhere and are off, and a content security
policy holds the page to its own origin.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inspector.clock import Clock, SystemClock
from inspector.config import StationConfig
from inspector.errors import StoreError
from inspector.link.client import LinkClient
from inspector.people.accounts import Accounts
from inspector.people.store import WebStore
from inspector.record.reader import Reader, store_url
from inspector.web import (
    camera_routes,
    charts,
    controller_routes,
    defects,
    errors,
    export,
    io_pages,
    login,
    plc_routes,
    review,
    routes,
    users,
    views,
    work_pages,
)
from inspector.web.auth import station_token
from inspector.web.live import LiveHub
from inspector.web.mqtt import Publisher
from inspector.web.plc_orders import PlcOrders
from inspector.web.sessions import Sessions
from inspector.web.shell import STATIC, STATIC_PATH, Shell

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    ),
    (b"x-content-type-options", b"nosniff"),
    # Not `no-referrer`: browsers then say "Origin: null" for a form, and a change must say where it comes from.
    (b"referrer-policy", b"same-origin"),
]
# Under their hash files never change; under a plain name a browser asks each time whether its copy is still the one.
_KEEP = (b"cache-control", b"public, max-age=31536000, immutable")
_REVALIDATE = (b"cache-control", b"no-cache")
_DESCRIPTION = """
The station's API. Reading needs no token; commands need `Authorization: Bearer <token>`, the token in the station's
token file. Every error is `{"error": {"code", "message", "detail"}}`. Part ids are strings of decimal digits. The live
channel is the WebSocket `/api/v1/live`. docs/api.md says more.
"""


class StoreDoor:
    """Opens the store to read when it is first asked for: the web may be up before the line has made it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._reader: Reader | None = None
        self._lock = threading.Lock()

    def reader(self) -> Reader:
        """The read side; raises StoreError while there is none."""
        with self._lock:
            if self._reader is None:
                self._reader = Reader.open(self._url)
            return self._reader

    def close(self) -> None:
        """Give it back."""
        if self._reader is not None:
            self._reader.close()


def create_app(config: StationConfig, link_path: Path, clock: Clock | None = None) -> FastAPI:
    """The app of a station; raises ConfigError where its token file cannot be used."""
    app = FastAPI(
        title="Open inspection station",
        version="1",
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        lifespan=_lifespan,
    )
    app.state.config = config
    app.state.token = station_token(config.path(config.web.token_file))
    clock = clock or SystemClock()
    app.state.clock = clock
    app.state.sessions = Sessions(clock)
    _open_people(app, config, clock)
    app.state.shell = Shell()
    app.state.client = LinkClient(link_path, clock)
    app.state.store = StoreDoor(store_url(config.record.store, config.folder))
    app.state.images = config.path(config.record.images)
    app.state.mqtt = None
    if config.mqtt.host:
        app.state.mqtt = Publisher(config.mqtt, config.station.name, config.folder, app.state.store.reader)
    errors.install(app)
    app.state.error_page = login.error_page
    for router in (
        routes.read,
        routes.commands,
        routes.other,
        plc_routes.api,
        controller_routes.api,
        camera_routes.api,
        login.api,
        views.pages,
        login.pages,
        users.pages,
        defects.pages,
        defects.api,
        export.pages,
        charts.pages,
        review.pages,
        io_pages.pages,
    ):
        app.include_router(router)
    work_pages.mount(app, config, clock)
    # Pages and pictures are small or packed already; what a cold panel loads is scripts and style sheets.
    files = GZipMiddleware(StaticFiles(directory=STATIC), minimum_size=500, compresslevel=6)
    app.mount(STATIC_PATH, files)
    app.mount("/static", files)
    app.add_middleware(_Door, own_hosts=LOOPBACK if config.web.host in LOOPBACK else ())
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.hub = LiveHub(app.state.client)
    orders = PlcOrders(app.state.client, app.state.web_store)
    tasks = [asyncio.create_task(one.run()) for one in (app.state.client, app.state.hub, orders)]
    if app.state.mqtt is not None:
        tasks.append(asyncio.create_task(app.state.mqtt.run()))
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    app.state.store.close()
    app.state.web_store.close()


def _open_people(app: FastAPI, config: StationConfig, clock: Clock) -> None:
    """The web's own database. Where it cannot be had the screens still watch, and nobody is let in."""
    app.state.web_store = WebStore(store_url(config.web.store, config.folder), clock)
    app.state.accounts = Accounts(app.state.web_store)
    app.state.accounts_unread = True
    app.state.sessions.open_station = False
    with contextlib.suppress(StoreError):
        app.state.sessions.open_station = app.state.accounts.is_empty()
        app.state.accounts_unread = False


class _Door:
    """Adds the safety headers, and turns away requests under a foreign host name (DNS rebinding).

    Plain ASGI, since a middleware of the framework's own kind would copy every answer.
    """

    def __init__(self, app: ASGIApp, own_hosts: tuple[str, ...]) -> None:
        self._app = app
        self._own_hosts = own_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        kept = [_KEEP] if path.startswith(f"{STATIC_PATH}/") else [_REVALIDATE] if path.startswith("/static/") else []

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                # What is not there today may be there tomorrow.
                more = [*_HEADERS, *(kept if message["status"] in (200, 304) else [])]
                own = {name for name, _ in message["headers"]}
                # A page may bring a stricter policy of its own: two of them would have to agree.
                message["headers"] = [*message["headers"], *(pair for pair in more if pair[0] not in own)]
            await send(message)

        if scope["type"] in ("http", "websocket") and not self._is_own(scope):
            await self._turn_away(scope, receive, send)
            return
        await self._app(scope, receive, send_with_headers)

    def _is_own(self, scope: Scope) -> bool:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        name = host[1:].partition("]")[0] if host.startswith("[") else host.rpartition(":")[0] or host
        return not self._own_hosts or name in self._own_hosts

    @staticmethod
    async def _turn_away(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        answer: Any = errors.error_response("bad_request", "this host name is not this station's")
        await answer(scope, receive, send)
