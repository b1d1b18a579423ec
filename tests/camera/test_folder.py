"""The folder camera: order, labels by path, and pictures that are none."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.camera.folder import TRANSFER_NS, FolderCamera
from inspector.clock import SimulatedClock
from inspector.config import CameraConfig
from inspector.errors import CameraError, CameraLost, DatasetError, FrameTimeout
from inspector.types import Frame

IN_ORDER = ["dent/d.png", "e.bmp", "good/a.png", "good/b.png", "good/f.png", "scratch/c.png"]


def opened(folder: Path, clock: SimulatedClock, **keys: object) -> FolderCamera:
    camera = FolderCamera(CameraConfig(name="cam", kind="folder", **keys), folder, clock)  # type: ignore[arg-type]
    camera.open()
    camera.arm()
    return camera


def shots(camera: FolderCamera, clock: SimulatedClock, count: int) -> list[Frame]:
    frames = []
    for _ in range(count):
        camera.trigger(clock.now_ns())
        clock.advance_to(clock.now_ns() + TRANSFER_NS)
        frames.append(camera.next_frame(0))
    return frames


def test_sorted_and_from_the_start_again(pictures: Path, clock: SimulatedClock) -> None:
    frames = shots(opened(pictures, clock), clock, 8)
    assert [frame.source for frame in frames] == [*IN_ORDER, *IN_ORDER[:2]]
    assert np.array_equal(frames[0].pixels, cv2.imread(str(pictures / "dent/d.png")))


def test_a_shuffle_follows_from_its_seed(pictures: Path, clock: SimulatedClock) -> None:
    once, again, other = (
        [frame.source for frame in shots(opened(pictures, clock, shuffle_seed=seed), clock, 6)] for seed in (5, 5, 6)
    )
    assert once == again
    assert sorted(once) == IN_ORDER
    assert other != once


def test_masks_are_not_pictures(pictures: Path, clock: SimulatedClock) -> None:
    (pictures / "ground_truth").mkdir()
    (pictures / "ground_truth" / "a_mask.png").write_bytes((pictures / "e.bmp").read_bytes())
    assert {frame.source for frame in shots(opened(pictures, clock), clock, 7)} == set(IN_ORDER)


def test_each_trigger_is_one_frame_with_its_time(pictures: Path, clock: SimulatedClock) -> None:
    camera = opened(pictures, clock, trigger_delay_us=20)
    for at_ns in (1000, 2000, 3000):
        camera.trigger(at_ns)
    assert camera.next_ready_ns() == 1000 + 20_000 + TRANSFER_NS
    clock.advance_to(2000 + 20_000 + TRANSFER_NS)
    assert [camera.next_frame(0).exposed_at_ns for _ in range(2)] == [21_000, 22_000]
    with pytest.raises(FrameTimeout, match="cam"):
        camera.next_frame(0)
    clock.advance_to(10**9)
    assert camera.next_frame(0).frame_id == 3
    assert camera.next_ready_ns() is None


def test_grey_on_request(pictures: Path, clock: SimulatedClock) -> None:
    assert shots(opened(pictures, clock, pixel_format="Mono8"), clock, 1)[0].pixels.shape == (48, 64)


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_a_picture_that_does_not_decode_is_one_lost_exposure(
    pictures: Path, clock: SimulatedClock, content: bytes
) -> None:
    (pictures / "e.bmp").write_bytes(content)
    camera = opened(pictures, clock)
    assert shots(camera, clock, 1)[0].frame_id == 1
    with pytest.raises(CameraError, match=r"cam.*e\.bmp") as caught:
        shots(camera, clock, 1)
    assert not isinstance(caught.value, FrameTimeout | CameraLost)
    assert camera.counters.bad == 1
    assert shots(camera, clock, 1)[0].frame_id == 3


def test_a_truncated_jpeg_does_not_pass_for_a_picture_of_another_size(pictures: Path, clock: SimulatedClock) -> None:
    cv2.imwrite(str(pictures / "e.bmp"), np.zeros((20, 30, 3), np.uint8))
    camera = opened(pictures, clock, width=64, height=48)
    shots(camera, clock, 1)
    with pytest.raises(CameraError, match=r"e\.bmp: is 30 x 20, wanted 64 x 48"):
        shots(camera, clock, 1)


def test_a_picture_that_was_removed_is_named(pictures: Path, clock: SimulatedClock) -> None:
    camera = opened(pictures, clock)
    (pictures / "dent/d.png").unlink()
    with pytest.raises(CameraError, match=r"d\.png: No such file"):
        shots(camera, clock, 1)


def test_a_folder_without_pictures_is_refused(tmp_path: Path, clock: SimulatedClock) -> None:
    with pytest.raises(DatasetError, match="no pictures"):
        FolderCamera(CameraConfig(kind="folder"), tmp_path, clock).open()
    with pytest.raises(DatasetError, match="no such folder"):
        FolderCamera(CameraConfig(kind="folder"), tmp_path / "gone", clock).open()


def test_a_trigger_before_open_is_lost_as_on_a_real_line(pictures: Path, clock: SimulatedClock) -> None:
    camera = FolderCamera(CameraConfig(kind="folder"), pictures, clock)
    camera.trigger(0)
    camera.open()
    assert camera.next_ready_ns() is None


def test_opening_an_open_camera_loses_nothing(pictures: Path, clock: SimulatedClock) -> None:
    camera = opened(pictures, clock)
    camera.trigger(0)
    camera.open()
    clock.advance_to(TRANSFER_NS)
    assert camera.next_frame(0).frame_id == 1
