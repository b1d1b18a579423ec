"""What the line's end of the link keeps of each who listens, and counts.

What it is: two records, and which bytes go next. What it is not: the socket's work (`server`). Thread: `link`.
"""

from __future__ import annotations

import socket
from collections import deque
from dataclasses import dataclass, field

from inspector.link.messages import Assembler, Watch


@dataclass(slots=True, eq=False)
class Client:
    """One connection; `slots` holds the newest of each kind that has not gone out."""

    connection: socket.socket
    assembler: Assembler
    sending: bytes = b""
    moved_at_ns: int = 0
    slots: dict[str, bytes] = field(default_factory=dict)
    replies: deque[bytes] = field(default_factory=deque)
    watch: Watch = field(default_factory=lambda: Watch(on=False))
    waits: bool = False  # for room in the socket


@dataclass(slots=True)
class LinkCounters:
    """What the link did since it was made."""

    accepted: int = 0
    refused: int = 0
    slow: int = 0
    garbage: int = 0
    previews: int = 0
    preview_failures: int = 0


def next_of(client: Client) -> bytes:
    """The message that goes next: answers first."""
    if client.replies:
        return client.replies.popleft()
    return client.slots.pop(next(iter(client.slots)))
