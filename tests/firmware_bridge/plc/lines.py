"""Two pseudo-terminals joined end to end: a serial cable."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import threading
import tty
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass
class Cable:
    """The two ends' device names; `through` may change or drop what goes from the first to the second."""

    plc: str
    station: str
    through: Callable[[bytes], bytes] = lambda data: data


@contextlib.contextmanager
def serial_cable() -> Iterator[Cable]:
    one, plc = pty.openpty()
    two, station = pty.openpty()
    for end in (plc, station):
        tty.setraw(end)
    cable = Cable(os.ttyname(plc), os.ttyname(station))
    ending = threading.Event()

    def carry() -> None:
        while not ending.is_set():
            ready, _, _ = select.select([one, two], [], [], 0.05)
            for end in ready:
                data = os.read(end, 4096)
                if end == one:
                    data = cable.through(data)
                os.write(two if end == one else one, data)

    thread = threading.Thread(target=carry, daemon=True)
    thread.start()
    try:
        yield cable
    finally:
        ending.set()
        thread.join()
        for end in (one, two, plc, station):
            os.close(end)
