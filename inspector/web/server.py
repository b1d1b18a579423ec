"""The web process: bind, serve, end.

What it is: uvicorn with the settings this station needs. What it is not: the app (app). Main thread.

`ws_per_message_deflate` is off because zipping JPEGs costs a core for ten viewers and gains nothing.
"""

from __future__ import annotations

import logging
import socket
import sys
from pathlib import Path

import uvicorn

from inspector.config import StationConfig, WebConfig
from inspector.errors import ConfigError
from inspector.web.app import create_app


def serve(config: StationConfig, link_path: Path) -> None:
    """Serve until SIGINT or SIGTERM; raises ConfigError where the address or the token file cannot be used."""
    app = create_app(config, link_path)
    with _bind(config.web) as listener:
        host, port = listener.getsockname()[:2]
        print(f"web: http://{f'[{host}]' if ':' in host else host}:{port}/", file=sys.stderr, flush=True)
        settings = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            ws_per_message_deflate=False,
            ws_max_size=1 << 16,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        # Its own handlers write to standard error; the station's log is the root's.
        logging.getLogger("uvicorn").propagate = True
        uvicorn.Server(settings).run(sockets=[listener])


def _bind(web: WebConfig) -> socket.socket:
    try:
        family = socket.getaddrinfo(web.host, web.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    except OSError as why:
        raise ConfigError(f"[web] host is {web.host!r}: {why}") from why
    try:
        listener.bind((web.host, web.port))
        # From here on a browser that follows the printed address waits instead of being refused.
        listener.listen(128)
    except OSError as why:
        listener.close()
        raise ConfigError(f"[web] cannot listen on {web.host} port {web.port}: {why.strerror}") from why
    return listener
