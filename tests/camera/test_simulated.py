"""The simulated camera's faults, one by one, and that they follow from the seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from inspector.camera.checks import Checked
from inspector.camera.simulated import (
    AWAY_NS,
    LATE_NS,
    TRANSFER_NS,
    CameraFault,
    SimulatedCamera,
    no_faults,
    seeded_faults,
)
from inspector.clock import SimulatedClock
from inspector.config import CameraConfig, FaultConfig
from inspector.errors import CameraLost, FrameTimeout
from inspector.types import FrameStatus

from .conftest import NumberedScene, picture

MS = 1_000_000
Draw = Callable[[], frozenset[CameraFault]]


def script(*steps: CameraFault | None) -> Draw:
    """One fault, or None, for each exposure in turn; then none."""
    left = list(steps)

    def draw() -> frozenset[CameraFault]:
        step = left.pop(0) if left else None
        return frozenset() if step is None else frozenset({step})

    return draw


def opened(clock: SimulatedClock, faults: Draw = no_faults) -> SimulatedCamera:
    camera = SimulatedCamera(CameraConfig(name="cam"), clock, NumberedScene(), faults)
    camera.open()
    camera.arm()
    return camera


def shoot(camera: SimulatedCamera | Checked, clock: SimulatedClock, count: int) -> None:
    for _ in range(count):
        camera.trigger(clock.now_ns())
        clock.advance_to(clock.now_ns() + 100 * MS)


def test_it_shows_the_scene_at_the_trigger(clock: SimulatedClock) -> None:
    camera = opened(clock)
    clock.advance_to(7 * MS)
    camera.trigger(7 * MS)
    assert camera.next_ready_ns() == 7 * MS + TRANSFER_NS
    clock.advance_to(7 * MS + TRANSFER_NS)
    frame = camera.next_frame(0)
    assert (frame.frame_id, frame.exposed_at_ns, frame.source) == (1, 7 * MS, "part1@7000000")
    assert np.array_equal(frame.pixels, picture(1))


def test_a_lost_frame_leaves_a_gap(clock: SimulatedClock) -> None:
    camera = Checked(opened(clock, script(None, CameraFault.LOST, None)))
    shoot(camera, clock, 3)
    assert [camera.next_frame(0).frame_id for _ in range(2)] == [1, 3]
    assert camera.counters.gaps == 1
    with pytest.raises(FrameTimeout):
        camera.next_frame(0)


def test_a_repeated_frame_has_a_new_id_and_the_old_pixels_and_is_found_out(clock: SimulatedClock) -> None:
    camera = Checked(opened(clock, script(None, CameraFault.REPEATED, None)))
    shoot(camera, clock, 3)
    first, second, third = (camera.next_frame(0) for _ in range(3))
    assert second.frame_id == 2
    assert second.exposed_at_ns != first.exposed_at_ns
    assert np.array_equal(first.pixels, second.pixels)
    assert second.source == first.source
    assert [frame.status for frame in (first, second, third)] == [
        FrameStatus.OK,
        FrameStatus.INCOMPLETE,
        FrameStatus.OK,
    ]
    assert camera.counters.repeated == 1


def test_one_changed_pixel_of_the_rows_looked_at_is_not_a_repeat(clock: SimulatedClock) -> None:
    class Nearly:
        looks = 0

        def picture_at(self, _at_ns: int) -> tuple[np.ndarray, str]:
            self.looks += 1
            pixels = picture(0)
            pixels[16, 5, 0] = self.looks
            return pixels, ""

    inner = SimulatedCamera(CameraConfig(name="cam"), clock, Nearly())
    camera = Checked(inner)
    camera.open()
    shoot(camera, clock, 2)
    assert [camera.next_frame(0).status for _ in range(2)] == [FrameStatus.OK, FrameStatus.OK]


def test_a_late_frame_keeps_its_exposure_time(clock: SimulatedClock) -> None:
    camera = opened(clock, script(CameraFault.LATE))
    camera.trigger(0)
    camera.trigger(10 * MS)
    clock.advance_to(10 * MS + TRANSFER_NS)
    assert camera.next_frame(0).frame_id == 2
    ready_ns = camera.next_ready_ns()
    assert ready_ns is not None
    assert LATE_NS[0] <= ready_ns - TRANSFER_NS <= LATE_NS[1]
    clock.advance_to(ready_ns)
    late = camera.next_frame(0)
    assert (late.frame_id, late.exposed_at_ns) == (1, 0)


def test_a_black_frame_says_it_is_well(clock: SimulatedClock) -> None:
    camera = opened(clock, script(CameraFault.BLACK))
    shoot(camera, clock, 1)
    frame = camera.next_frame(0)
    assert frame.pixels.max() == 0
    assert frame.status is FrameStatus.OK


def test_an_incomplete_frame_says_so(clock: SimulatedClock) -> None:
    camera = Checked(opened(clock, script(CameraFault.INCOMPLETE)))
    shoot(camera, clock, 1)
    frame = camera.next_frame(0)
    assert frame.status is FrameStatus.INCOMPLETE
    assert frame.pixels[-1].max() == 0
    assert frame.pixels[0].max() > 0
    assert camera.counters.incomplete == 1


def test_unplugging_loses_what_was_on_its_way_until_it_is_opened_again(clock: SimulatedClock) -> None:
    camera = opened(clock, script(None, CameraFault.UNPLUGGED, None))
    camera.trigger(0)
    camera.trigger(0)
    assert camera.next_ready_ns() == 0
    with pytest.raises(CameraLost, match=r"cam.*unplugged"):
        camera.next_frame(0)
    assert camera.next_ready_ns() is None
    camera.trigger(0)
    with pytest.raises(CameraLost):
        camera.next_frame(0)
    with pytest.raises(CameraLost, match="unplugged"):
        camera.open()
    clock.advance_to(AWAY_NS)
    camera.open()
    shoot(camera, clock, 1)
    assert camera.next_frame(0).frame_id == 3


def test_faults_follow_from_the_seed_and_come_as_often_as_told() -> None:
    config = FaultConfig(frame_lost=0.2, frame_black=0.05)
    drawn = [[draw() for _ in range(4000)] for draw in (seeded_faults(config, 3), seeded_faults(config, 3))]
    assert drawn[0] == drawn[1]
    assert drawn[0] != [seeded_faults(config, 4)() for _ in range(4000)]
    share = {fault: sum(fault in faults for faults in drawn[0]) / 4000 for fault in CameraFault}
    assert share[CameraFault.LOST] == pytest.approx(0.2, abs=0.03)
    assert share[CameraFault.BLACK] == pytest.approx(0.05, abs=0.015)
    assert share[CameraFault.UNPLUGGED] == 0


def test_exposure_and_gain_make_the_scene_as_much_brighter(clock: SimulatedClock) -> None:
    camera = opened(clock)
    assert (camera.settings()["exposure_time_us"], camera.settings()["gain_db"]) == ("5000", "0")
    camera.adjust(CameraConfig(name="cam", exposure_time_us=2500))
    shoot(camera, clock, 1)
    assert np.abs(camera.next_frame(0).pixels - picture(1) / 2).max() <= 0.5
    camera.adjust(CameraConfig(name="cam", exposure_time_us=2500, gain_db=12.0))
    shoot(camera, clock, 1)
    assert np.abs(camera.next_frame(0).pixels - np.minimum(255, picture(2) * 0.5 * 10**0.6)).max() <= 0.51
    assert (camera.settings()["exposure_time_us"], camera.settings()["gain_db"]) == ("2500", "12")
    camera.close()
    camera.open()
    shoot(camera, clock, 1)
    assert camera.next_frame(0).pixels.max() == 255, "as before it was closed"
