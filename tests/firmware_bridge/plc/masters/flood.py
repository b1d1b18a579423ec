"""20 clients that connect, read, exchange, send noise and leave as fast as they can: `flood.py PORT SECONDS`."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
import threading
import time

READ = struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, 100, 80)
EXCHANGE = struct.pack(">HHHBBHHHHB20x", 2, 0, 31, 1, 23, 100, 80, 0, 10, 20)


def flood(port: int, until: float, number: int) -> None:
    request = (READ, EXCHANGE, READ * 5, os.urandom(64))[number % 4]
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.5) as line:
            for _ in range(200):
                line.sendall(request)
                if not line.recv(4096):
                    break


def main() -> None:
    port, until = int(sys.argv[1]), time.monotonic() + float(sys.argv[2])
    threads = [threading.Thread(target=flood, args=(port, until, number)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


main()
