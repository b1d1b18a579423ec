import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from inspector.link.messages import PreviewRef
from inspector.link.preview import PreviewReader, PreviewWriter, segment_path

from .made import make_pixels


@pytest.fixture
def writer(tmp_path):
    made = PreviewWriter(tmp_path / "line.sock")
    yield made
    made.close()


def test_pictures_come_out_as_they_went_in(writer):
    reader = PreviewReader()
    rng = np.random.default_rng(1)
    for shape in [(48, 64, 3), (48, 64), (960, 1280, 3), (10, 10)]:
        pixels = rng.integers(0, 256, shape, np.uint8)
        read = reader.read(writer.write(pixels))
        assert read.shape == shape
        assert (read == pixels).all()
    reader.close()


def test_an_overwritten_picture_is_none_and_not_another_one(writer):
    reader = PreviewReader()
    refs = [writer.write(make_pixels(value)) for value in range(4)]
    assert [None if (read := reader.read(ref)) is None else read[0, 0, 0] for ref in refs] == [None, None, 2, 3]
    reader.close()


def test_the_mark_of_a_slot_that_is_being_written_is_no_picture(writer):
    reader = PreviewReader()
    ref = writer.write(make_pixels())
    assert reader.read(ref) is not None
    assert reader.read(PreviewRef(path=ref.path, number=0)) is None
    reader.close()


def test_nothing_is_there_before_the_first_and_after_close(tmp_path):
    writer, reader = PreviewWriter(tmp_path / "line.sock"), PreviewReader()
    assert not writer.path.exists()
    ref = writer.write(make_pixels())
    assert writer.path.stat().st_mode & 0o777 == 0o600
    writer.close()
    assert not writer.path.exists()
    assert reader.read(ref) is None
    assert reader.read(PreviewRef(path="/", number=1)) is None
    assert reader.read(PreviewRef(path=__file__, number=1)) is None


WRITER = """
import sys
from pathlib import Path
import numpy as np
from inspector.link.preview import PreviewWriter
writer = PreviewWriter(Path(sys.argv[1]))
value = 0
while True:
    value = (value + 1) % 256
    ref = writer.write(np.full((480, 640, 3), value, np.uint8))
    if ref.number == 2: print("writing", flush=True)
"""

READER = """
import sys, time
from inspector.link.messages import PreviewRef
from inspector.link.preview import PreviewReader
reader = PreviewReader()
assert reader.read(PreviewRef(path=sys.argv[1], number=1)) is not None
print("mapped", flush=True)
time.sleep(60)
"""


def _start(script, argument):
    return subprocess.Popen([sys.executable, "-c", script, str(argument)], stdout=subprocess.PIPE, text=True)


def _newest(path):
    """The number in the fresher of the two slots, read past the lock: what an event would have named just now."""
    data = path.read_bytes()
    room = int.from_bytes(data[4:8], "little")
    return max(int.from_bytes(data[at : at + 8], "little") for at in (64, 128 + room))


def test_a_picture_is_never_torn_however_fast_it_is_written_and_a_killed_writer_is_replaced(tmp_path):
    link = tmp_path / "line.sock"
    process, reader, read = _start(WRITER, link), PreviewReader(), {True: 0, False: 0}
    try:
        process.stdout.readline()
        deadline = time.monotonic() + 30
        while read[True] < 20 and time.monotonic() < deadline:
            number = _newest(segment_path(link))
            pixels = reader.read(PreviewRef(path=str(segment_path(link)), number=number))
            read[pixels is not None] += 1
            assert pixels is None or pixels.min() == pixels.max() == number % 256
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    print(f"\nwhole {read[True]}, written over meanwhile {read[False]}")
    assert read[True] >= 20
    assert segment_path(link).exists()  # left behind, and the next line's
    writer = PreviewWriter(link)
    assert not writer.path.exists()
    ref = writer.write(make_pixels(9))
    assert reader.read(ref)[0, 0, 0] == 9
    writer.close()
    reader.close()


def test_a_reader_that_dies_takes_nothing_with_it_and_leaves_no_tracker(writer):
    ref = writer.write(make_pixels(5))
    process = _start(READER, writer.path)
    assert process.stdout.readline() == "mapped\n"
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    assert children.strip() == ""
    process.kill()
    process.wait()
    process.stdout.close()
    reader = PreviewReader()
    assert reader.read(ref) is not None
    reader.close()


def test_writing_costs_about_one_copy(writer):
    pixels = make_pixels(height=960, width=1280)
    target = np.empty_like(pixels)

    def median_s(work):
        taken = []
        for _ in range(60):
            started = time.perf_counter()
            work()
            taken.append(time.perf_counter() - started)
        return statistics.median(taken[10:])

    copy, write = median_s(lambda: np.copyto(target, pixels)), median_s(lambda: writer.write(pixels))
    print(f"\none copy {copy * 1e3:.3f} ms, preview write {write * 1e3:.3f} ms")
    assert write < 3 * copy + 0.0005


def test_full_memory_is_an_error_and_leaves_no_file(writer, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space"):
        writer.write(make_pixels())
    assert not writer.path.exists()
