"""A listening Unix-domain socket: its file, its mode, and what to do with one that is there already.

What it is: one function. What it is not: the serving (server). The thread that opens the link, at start-up.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from inspector.errors import LinkError

BACKLOG = 64


def listen(path: Path) -> socket.socket:
    """A listening socket at `path`, mode 0600; what a killed line left there is removed, a living one is respected."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_socket():
            _refuse_living(path)
            path.unlink()
        old_mask = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(old_mask)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as why:
        listener.close()
        raise LinkError(f"{path}: cannot listen here: {why}") from why
    except LinkError:
        listener.close()
        raise
    return listener


def _refuse_living(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return
    raise LinkError(f"{path}: another line serves this socket")
