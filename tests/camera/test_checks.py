"""What no driver can be trusted to say of a frame."""

from __future__ import annotations

import numpy as np

from inspector.camera.base import CameraCounters
from inspector.camera.checks import FrameChecks
from inspector.types import Frame, FrameStatus


def frame(number: int, grey: int) -> Frame:
    return Frame(frame_id=number, camera="c", exposed_at_ns=number, pixels=np.full((32, 32), grey, np.uint8))


def test_a_frame_after_a_missing_one_is_not_judged() -> None:
    """Found by 10,000 parts: exposure 2 came late, and the driver handed out its buffer again as exposure 3."""
    checks = FrameChecks(CameraCounters())
    told = [checks.examine(frame(number, grey)).status for number, grey in ((1, 10), (3, 20), (4, 30))]
    assert told == [FrameStatus.OK, FrameStatus.INCOMPLETE, FrameStatus.OK]
    assert checks.counters.gaps == 1


def test_a_buffer_of_some_frames_ago_is_not_judged_again() -> None:
    """Found by 10,000 parts: the frame between was black, so the repeated one differed from the one before it."""
    checks = FrameChecks(CameraCounters())
    pixels = np.random.default_rng(1).integers(0, 255, (5, 32, 32), dtype=np.uint8)
    told = []
    for number, look in enumerate((0, 1, 2, 0, 3, 4), start=1):
        again = Frame(frame_id=number, camera="c", exposed_at_ns=number, pixels=pixels[look].copy())
        told.append(checks.examine(again).status is FrameStatus.OK)
    assert told == [True, True, True, False, True, True]
    assert checks.counters.repeated == 1


def test_black_frames_are_left_to_health() -> None:
    checks = FrameChecks(CameraCounters())
    told = [checks.examine(frame(number, grey)).status for number, grey in ((1, 0), (2, 9), (3, 0))]
    assert told == [FrameStatus.OK] * 3


def test_recorded_pictures_may_have_gaps() -> None:
    checks = FrameChecks(CameraCounters(), pixels=False)
    assert checks.examine(frame(1, 10)).status is FrameStatus.OK
    assert checks.examine(frame(3, 20)).status is FrameStatus.OK
