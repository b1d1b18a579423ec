"""Make the sample pictures: render every part, photograph it, write masks and labels.csv.

    python make.py --cache DIR [--small] [--samples 6] [--only-render | --only-write]

Renders go into the cache folder (about 8 MB each) and are not made again; the pictures are
written next to this folder. It needs the packages named in ../README.md; it is a
development extra and no part of the inspection station.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import belt
import camera
import cv2
import defects
import numpy as np
import part
import plan
from shapes import Field, noise

EXPOSURE = 0.0745
QUALITY = 76
HERE = Path(__file__).resolve().parent.parent
WIDTH, HEIGHT = 1280, 960


class Ready(NamedTuple):
    """One render prepared: belt, parts with their poses (x, y, deg), mask on the part's grid."""

    base: str
    belt: belt.BeltMaps
    parts: list[tuple[part.PartMaps, tuple[float, float, float]]]
    mask: Field | None


def poses(kind: str, base: str, rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """Centres (px) and angles (deg) of the parts in one render."""
    x, y = WIDTH / 2 + rng.uniform(-20, 20), HEIGHT / 2 + rng.uniform(-20, 20)
    deg = rng.uniform(-4, 4)
    if kind == "empty":
        return []
    if kind == "rotated_180":
        return [(x, y, 180 + deg)]
    if kind == "half_part":
        side = (-1, 1, 1)[int(base[-1])]
        return [(x + side * rng.uniform(480, 640), y, deg)]
    if kind == "two_parts":
        pair = [(335, 90), (942, -90)] if base[-1] == "0" else [(397, 0), (1182, 0)]
        return [(cx, y, turn + 0.4 * deg) for cx, turn in pair]
    return [(x, y, deg)]


def prepare(base: str, picture: plan.Picture) -> Ready:
    """Build belt and parts of one render."""
    rng = plan.rng_of("part", base)
    places = poses(picture.kind, base, rng)
    mask, parts = None, []
    if picture.label == "defect":
        maps, mask = defects.defective(picture.kind, picture.severity, int(base[-2:]) // 3, rng)
        parts = [(maps, places[0])]
    else:
        parts = [(part.build(rng), place) for place in places]
    return Ready(base, belt.build(rng), parts, mask)


def hose(rng: np.random.Generator) -> Field:
    """A cable lying across the picture, as a grid of points (mm)."""
    t = np.linspace(-130, 130, 220)
    x, y = t, 18 * np.sin(t / 45 + rng.uniform(0, 6)) + rng.uniform(-12, 12)
    a = np.linspace(0, 2 * np.pi, 40)
    radius = 4.2
    slope = np.gradient(y, t)
    nx, ny = -slope / np.hypot(1, slope), 1 / np.hypot(1, slope)
    return np.stack(
        [
            x[:, None] + radius * np.cos(a) * nx[:, None],
            y[:, None] + radius * np.cos(a) * ny[:, None],
            21.5 + radius * np.sin(a) + 0 * x[:, None],
        ],
        -1,
    )


def sheet(rng: np.random.Generator) -> Field:
    """A paper label that fell on the part, as a grid of points (mm)."""
    u, v = np.meshgrid(np.linspace(-32, 32, 60), np.linspace(-21, 21, 40))
    a = rng.uniform(-0.6, 0.6)
    x, y = u * np.cos(a) - v * np.sin(a) + rng.uniform(-15, 30), u * np.sin(a) + v * np.cos(a) + rng.uniform(-12, 12)
    return np.stack([x, y, 18.2 + 2.5 * (u / 32) ** 2 + 1.2 * (v / 21) ** 2], -1)


def render(ready: Ready, samples: int) -> tuple[Field, Field | None]:
    """Render one prepared scene; returns the linear picture and the mask in the picture."""
    import scene

    rng = plan.rng_of("lamp", ready.base)
    level = rng.uniform(0.94, 1.06)
    tilt, toward = rng.uniform(0, 0.05), rng.uniform(0, 2 * np.pi)
    ring = tuple(level * (1 + tilt * np.cos(np.radians(45 * k) - toward) + rng.normal(0, 0.015)) for k in range(8))
    stage = scene.Stage(ready.belt, scene.Lamp(ring, level * rng.uniform(0.85, 1.15), rng.uniform(0.9, 1.1)))
    for maps, place in ready.parts:
        stage.add(maps, scene.Pose(*place))
    if ready.base.startswith("hidden"):
        if ready.base.endswith("1"):
            stage.cover("sheet", sheet(rng), [0.75, 0.74, 0.70])
        else:
            stage.cover("hose", hose(rng), [0.03, 0.03, 0.035] if ready.base.endswith("0") else [0.03, 0.10, 0.30])
    linear = stage.shoot(samples, int(rng.integers(1 << 30)))
    mask = None if ready.mask is None else scene.project(ready.mask, scene.Pose(*ready.parts[0][1]))
    return linear, mask


def prefetch(todo: list[tuple[str, plan.Picture]]) -> Iterator[Ready]:
    """Prepare the next scene while the last one renders."""
    with ThreadPoolExecutor(1) as pool:
        waiting = [pool.submit(prepare, *job) for job in todo[:1]]
        for k in range(len(todo)):
            ready = waiting.pop().result()
            waiting += [pool.submit(prepare, *job) for job in todo[k + 1 : k + 2]]
            yield ready


def render_all(pictures: list[plan.Picture], cache: Path, samples: int) -> None:
    """Render what is not yet in the cache."""
    todo = [(b, p) for b, p in plan.bases(pictures).items() if not (cache / f"{b}.npz").exists()]
    for k, ready in enumerate(prefetch(todo)):
        start = time.perf_counter()
        linear, mask = render(ready, samples)
        masks = {} if mask is None else {"mask": (mask > 0.5).astype(np.uint8)}
        np.savez(
            cache / f"{ready.base}.tmp.npz",
            linear=linear.astype(np.float16),
            poses=np.array([p for _, p in ready.parts], np.float64),
            **masks,
        )
        (cache / f"{ready.base}.tmp.npz").rename(cache / f"{ready.base}.npz")
        print(f"{k + 1}/{len(todo)} {ready.base} {time.perf_counter() - start:.1f} s", flush=True)


def again(linear: Field, pose: Field, rng: np.random.Generator) -> tuple[Field, Field]:
    """The same part on the line once more: shifted, turned, with another film and lamp balance."""
    turn, shift = rng.uniform(-1.6, 1.6), rng.uniform(-9, 9, 2)
    matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), turn, 1.0)
    matrix[:, 2] += shift
    out = cv2.warpAffine(linear, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    film = cv2.resize(0.012 * noise(rng, 6) + 0.012 * noise(rng, 0.5), (WIDTH, HEIGHT))
    toward, tilt = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.04)
    yy, xx = np.mgrid[-0.75 : 0.75 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    ramp = rng.uniform(0.95, 1.05) * (1 + tilt * (xx * np.cos(toward) + yy * np.sin(toward)))
    place = matrix @ np.array([pose[0], pose[1], 1.0])
    factor = ((1 + film) * ramp)[..., None].astype(np.float32)
    return np.maximum(out, 0) * factor, np.array([*place, pose[2] + turn])


def shot_of(picture: plan.Picture) -> camera.Shot:
    """The camera's setting for one picture."""
    number = int(picture.file[-6:-4])
    if picture.kind == "blurred":
        return camera.Shot(EXPOSURE, blur=(3.2, 0.6, 5.0)[number], motion=(0, 26, 0)[number])
    if picture.kind == "over_exposed":
        return camera.Shot(EXPOSURE * (4.0, 8.0)[number])
    if picture.kind == "under_exposed":
        return camera.Shot(EXPOSURE * (0.09, 0.04)[number])
    return camera.Shot(EXPOSURE)


def photograph(picture: plan.Picture, cache: Path) -> list[str]:
    """Write one picture and its mask; returns its row of labels.csv."""
    rng = plan.rng_of("shot", picture.file)
    data = np.load(cache / f"{picture.base}.npz")
    linear, places = data["linear"].astype(np.float32), data["poses"]
    place = places[0] if len(places) else None
    if picture.copy and place is not None:
        linear, place = again(linear, place, rng)
    camera.save(HERE / picture.file, camera.expose(linear, shot_of(picture), rng), QUALITY)
    if "mask" in data:
        target = HERE / "ground_truth" / picture.kind / (Path(picture.file).stem + "_mask.png")
        target.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(target), data["mask"] * 255, [cv2.IMWRITE_PNG_BILEVEL, 1])
    pose = ["", "", ""] if place is None else [f"{place[0]:.2f}", f"{place[1]:.2f}", f"{place[2]:.3f}"]
    return [picture.file, picture.label, picture.kind, picture.severity, *pose, picture.expected]


def write_all(pictures: list[plan.Picture], cache: Path) -> None:
    """Write all pictures, masks and labels.csv."""
    rows = [photograph(picture, cache) for picture in pictures]
    with (HERE / "labels.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["file", "label", "kind", "severity", "pose_x_px", "pose_y_px", "angle_deg", "expected"])
        writer.writerows(rows)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Make the sample pictures.")
    parser.add_argument("--cache", type=Path, required=True, help="folder for the linear renders")
    parser.add_argument("--small", action="store_true", help="only the small first set")
    parser.add_argument("--samples", type=int, default=6, help="paths per pixel before denoising")
    step = parser.add_mutually_exclusive_group()
    step.add_argument("--only-render", action="store_true")
    step.add_argument("--only-write", action="store_true")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    pictures = plan.shots(options.small)
    if not options.only_write:
        render_all(pictures, options.cache, options.samples)
    if not options.only_render:
        write_all(pictures, options.cache)


if __name__ == "__main__":
    main()
