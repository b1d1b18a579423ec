"""The token with which programs command the station.

What it is: the token file, made at the first start with mode 0600. What it is not: users, or the check (roles). Main
thread.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from inspector.errors import ConfigError


def station_token(path: Path) -> str:
    """The token in `path`, which is made if it is not there.

    Raises ConfigError where it cannot be read or made, is empty, or can be read by others.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _existing_token(path)
    except OSError as why:
        raise ConfigError(f"{path}: the token file cannot be made: {why.strerror}") from why
    with open(descriptor, "w", encoding="ascii") as handle:
        token = secrets.token_urlsafe(32)
        handle.write(token + "\n")
    return token


def _existing_token(path: Path) -> str:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as why:
        raise ConfigError(f"{path}: the token file cannot be read: {why}") from why
    if mode & 0o077:
        raise ConfigError(f"{path}: mode of the token file is {mode:03o}, wanted 600: others can read it")
    if len(token) < 16:
        raise ConfigError(f"{path}: the token has {len(token)} characters, wanted at least 16: delete it for a new one")
    return token
