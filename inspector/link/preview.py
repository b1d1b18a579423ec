"""The picture of the last part, from the line to the web, through shared memory.

What it is: a file in the machine's memory file system, mapped by both, with two slots that are written in turn.
What it is not: a queue; who reads late reads a newer picture or none. Writer: the line's link thread. Reader: the
web's. Neither waits for the other, and either may be killed at any moment.

Each slot is guarded by a sequence lock: its number is set to 0 before the pixels are written and to the new number
after, and a reader believes a copy only if it found the wanted number before and after copying. A slot stays
untouched for a whole frame after it was written, so that a torn read takes a reader slower than the belt.

Why a mapped file and not `multiprocessing.shared_memory`: that registers each user with a tracker process which
removes the segment when any of them ends (until Python 3.13), and it leaves the segment behind after kill -9. Here
the name follows from the socket's path, so the next start replaces what the last one left.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import struct
import tempfile
from pathlib import Path

import numpy as np

from inspector.link.messages import PreviewRef
from inspector.types import Pixels

MEMORY = Path("/dev/shm")
SLOTS = 2
_MAGIC = 0x4F495350
_HEAD = struct.Struct("<II")  # magic, bytes of a slot's pixels
_SLOT = struct.Struct("<QIIII")  # number, height, width, channels, 0; whose picture it is stands in the event
_NUMBER = struct.Struct("<Q")
_ALIGN = 64


def segment_path(link_path: Path) -> Path:
    """Where the shared memory of the line that serves `link_path` lies."""
    name = hashlib.sha256(str(link_path.resolve()).encode()).hexdigest()[:16]
    return (MEMORY if MEMORY.is_dir() else Path(tempfile.gettempdir())) / f"inspector-{name}"


class PreviewWriter:
    """The line's end. Takes no memory until the first picture is written."""

    def __init__(self, link_path: Path) -> None:
        """Remove what a killed line has left."""
        self.path = segment_path(link_path)
        self.path.unlink(missing_ok=True)
        self._memory: mmap.mmap | None = None
        self._room = 0
        self._number = 0

    def write(self, pixels: Pixels) -> PreviewRef:
        """Copy a picture, (H, W) or (H, W, 3) uint8, into the older slot. Raises OSError where memory is short."""
        memory = self._memory
        if memory is None or pixels.nbytes > self._room:
            memory = self._make(pixels.nbytes)
        self._number += 1
        at = _slot_at(self._number, self._room)
        _NUMBER.pack_into(memory, at, 0)
        channels = pixels.shape[2] if pixels.ndim == 3 else 1
        _SLOT.pack_into(memory, at, 0, pixels.shape[0], pixels.shape[1], channels, 0)
        target = np.frombuffer(memory, np.uint8, pixels.nbytes, at + _ALIGN)
        np.copyto(target, pixels.reshape(-1))
        del target  # a view left behind would keep the mapping from being closed
        _NUMBER.pack_into(memory, at, self._number)
        return PreviewRef(path=str(self.path), number=self._number)

    def close(self) -> None:
        """Give the memory back; a reader that holds it keeps its last pictures until it lets go."""
        if self._memory is not None:
            self._memory.close()
            self._memory = None
            self.path.unlink(missing_ok=True)

    def _make(self, room: int) -> mmap.mmap:
        self.close()
        self._room = -(-room // _ALIGN) * _ALIGN
        size = _slot_at(SLOTS, self._room) + SLOTS * (_ALIGN + self._room)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)  # a full memory is an error here, not a SIGBUS later
            self._memory = mmap.mmap(descriptor, size)
        except OSError:
            self.path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        _HEAD.pack_into(self._memory, 0, _MAGIC, self._room)
        return self._memory


class PreviewReader:
    """The web's end. Follows the line to a new segment when it was restarted or its pictures grew."""

    def __init__(self) -> None:
        self._memory: mmap.mmap | None = None
        self._identity: tuple[int, int] | None = None

    def read(self, ref: PreviewRef) -> Pixels | None:
        """A copy of the picture, or None where it has been written over or is not there (any more)."""
        with contextlib.suppress(OSError, ValueError, struct.error):
            memory = self._map(Path(ref.path))
            magic, room = _HEAD.unpack_from(memory, 0)
            at = _slot_at(ref.number, room)
            number, height, width, channels, _ = _SLOT.unpack_from(memory, at)
            size = height * width * channels
            if magic != _MAGIC or number == 0 or number != ref.number or size > room:
                return None  # 0: it is being written
            pixels = np.frombuffer(memory, np.uint8, size, at + _ALIGN).copy()
            if _NUMBER.unpack_from(memory, at)[0] == ref.number:
                return pixels.reshape((height, width) if channels == 1 else (height, width, channels))
        return None

    def close(self) -> None:
        """Let go of the memory."""
        if self._memory is not None:
            self._memory.close()
            self._memory = None
            self._identity = None

    def _map(self, path: Path) -> mmap.mmap:
        found = path.stat()
        identity = (found.st_dev, found.st_ino)
        if self._memory is None or identity != self._identity:
            self.close()
            with open(path, "rb") as handle:
                self._memory = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
            self._identity = identity
        return self._memory


def _slot_at(number: int, room: int) -> int:
    return _ALIGN + (number % SLOTS) * (_ALIGN + room)
