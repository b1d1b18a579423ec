"""Where frames come from.

What it is: the contract of a camera (`base`), recorded pictures (`folder`), the simulated belt (`simulated`), what
OpenCV opens (`opencv`, `asked`), and what makes any of them trustworthy: `checks` on every frame, and `guard`, a thread
that reconnects. What it is not: any look at what a frame shows. The camera thread; in simulated time, the main thread.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from inspector.camera.asked import AskedCamera
from inspector.camera.base import Camera, CameraCounters, Scene, TriggeredCamera
from inspector.camera.checks import Checked, Finish, driven
from inspector.camera.folder import FolderCamera
from inspector.camera.guard import Guard
from inspector.camera.guard_limits import GuardLimits
from inspector.camera.opencv import OpenCvCamera
from inspector.camera.simulated import Draw, SimulatedCamera, no_faults
from inspector.clock import Clock
from inspector.config import CameraConfig
from inspector.errors import ConfigError

__all__ = ["Camera", "CameraCounters", "Guard", "Scene", "TriggeredCamera", "make_camera", "open_camera"]


def make_camera(
    config: CameraConfig, folder: Path, clock: Clock, scene: Scene | None = None, faults: Draw = no_faults
) -> Camera:
    """The bare camera that `config` names, not yet open. `folder` is where relative paths start.

    Raises ConfigError for a simulated camera without a scene, or a kind that needs a source and has none.
    """
    if config.kind == "folder":
        if not config.source:
            raise ConfigError("camera.source is empty, wanted a folder of pictures")
        return FolderCamera(config, (folder / config.source).resolve(), clock)
    if config.kind == "opencv":
        kind = AskedCamera if config.trigger_source == AskedCamera.trigger_source else OpenCvCamera
        return kind(config, folder, clock)
    if scene is None:
        raise ConfigError("camera.kind is 'simulated', but there is no [simulation] for it to look at")
    return SimulatedCamera(config, clock, scene, faults)


def open_camera(
    config: CameraConfig,
    folder: Path,
    clock: Clock,
    scene: Scene | None = None,
    *,
    faults: Draw = no_faults,
    threads: bool = True,
    finish: Finish | None = None,
) -> Guard | Checked:
    """The camera that `config` names, opened, with every frame checked: what the station uses.

    With `threads` it is guarded (see `guard`) and connects in the background; without, for simulated time, it is
    used directly and must be a twin. `finish` is done to every frame last (`flat_field`). Raises ConfigError, and
    CameraError for a bare camera without a trigger line.
    """
    sensor = config.kind != "folder"
    camera: Guard | Checked
    if threads:
        make = partial(make_camera, config, folder, clock, scene, faults)
        make()  # what is wrong with the configuration shows here
        free = config.kind == "opencv" and config.trigger_source != AskedCamera.trigger_source
        limits = GuardLimits(stall_ns=3_000_000 * config.frame_timeout_ms if free else None)
        camera = Guard(
            config.name, lambda: make_camera(config, folder, clock, scene, faults), clock, limits, sensor, finish
        )
    else:
        camera = Checked(driven(make_camera(config, folder, clock, scene, faults)), sensor, finish)
    camera.open()
    camera.arm()
    return camera
