"""The scene for the Mitsuba 3 renderer: belt, parts, ring lamp and telecentric camera.

`Stage` collects belt and parts and renders one linear picture by path tracing (llvm_ad_rgb),
then denoises it. One unit is one millimetre, z = 0 is the belt. The camera is orthographic
(a telecentric lens), so part and picture are related by one exact similarity (`to_pixels`).
Not run by itself; imported by make.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import belt as belt_module
import cv2
import mitsuba as mi
import numpy as np
from denoise import denoise
from part import PartMaps
from shapes import HALF_X, HALF_Y, PITCH, Field

mi.set_variant("llvm_ad_rgb")

WIDTH, HEIGHT = 1280, 960
SCALE = 6.4  # px per mm
STRIDE = 2  # texels per mesh cell
MARGIN = 44  # px around the part that are rendered with full quality


@dataclass(frozen=True)
class Pose:
    """Where a part lies: centre in picture px (y down) and angle (counter-clockwise as seen)."""

    x: float
    y: float
    deg: float


@dataclass(frozen=True)
class Lamp:
    """State of the lighting for one picture: eight ring segments, a bar lamp and the hall."""

    ring: tuple[float, ...] = (1.0,) * 8
    bar: float = 1.0
    hall: float = 1.0


def to_pixels(pose: Pose) -> Field:
    """2 x 3 matrix from the part's map (col, row) to the picture (x, y)."""
    c, s = np.cos(np.radians(pose.deg)), np.sin(np.radians(pose.deg))
    turn = np.array([[c, -s], [-s, -c]]) * SCALE * PITCH  # picture y points down
    origin = np.array([-HALF_X + PITCH / 2, -HALF_Y + PITCH / 2]) / PITCH
    return np.column_stack([turn, turn @ origin + (pose.x - 0.5, pose.y - 0.5)]).astype(np.float32)


def project(values: Field, pose: Pose) -> Field:
    """Bring a map of the part into the picture."""
    return cv2.warpAffine(values.astype(np.float32), to_pixels(pose), (WIDTH, HEIGHT), flags=cv2.INTER_AREA)


def bitmap(values: Field) -> dict[str, Any]:
    """A texture from an array, row 0 at v = 0."""
    values = values[..., None] if values.ndim == 2 else values
    return {
        "type": "bitmap",
        "bitmap": mi.Bitmap(np.ascontiguousarray(values, np.float32)),
        "raw": True,
        "wrap_mode": "clamp",
    }


def surface(albedo: Field, rough: Field, metal: Field | float, bump: Field) -> dict[str, Any]:
    """A principled surface driven by maps laid on from above."""
    inner = {
        "type": "principled",
        "base_color": bitmap(np.clip(albedo, 0, 0.98)),
        "roughness": bitmap(np.clip(rough, 0.05, 1)),
        "specular": 0.5,
        "metallic": bitmap(np.clip(metal, 0, 1)) if isinstance(metal, np.ndarray) else metal,
    }
    return {"type": "bumpmap", "height": bitmap(bump), "scale": 1.0, "bsdf": inner}


def grid_normals(points: Field) -> Field:
    """Unit normals of a rows x columns x 3 grid of points."""
    n = np.cross(np.gradient(points, axis=1), np.gradient(points, axis=0))
    return n / (np.linalg.norm(n, axis=-1, keepdims=True) + 1e-12)


def grid_mesh(name: str, points: Field, keep: Field, uv: Field, bsdf: dict[str, Any], pose: Pose) -> mi.Mesh:
    """A smooth mesh from a grid of points; keep selects the cells. The pose places it."""
    index = np.arange(points.shape[0] * points.shape[1]).reshape(points.shape[:2])
    quads = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], -1)[keep]
    used, faces = np.unique(np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]), return_inverse=True)
    c, s = np.cos(np.radians(pose.deg)), np.sin(np.radians(pose.deg))
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    shift = ((pose.x - WIDTH / 2) / SCALE, -(pose.y - HEIGHT / 2) / SCALE, 0)
    properties = mi.Properties()
    properties["bsdf"] = mi.load_dict(bsdf)
    mesh = mi.Mesh(
        name, len(used), faces.size // 3, has_vertex_normals=True, has_vertex_texcoords=True, props=properties
    )
    data = mi.traverse(mesh)
    data["vertex_positions"] = (points.reshape(-1, 3)[used] @ turn.T + shift).astype(np.float32).ravel()
    data["vertex_normals"] = (grid_normals(points).reshape(-1, 3)[used] @ turn.T).astype(np.float32).ravel()
    data["vertex_texcoords"] = uv.reshape(-1, 2)[used].astype(np.float32).ravel()
    data["faces"] = faces.astype(np.uint32).ravel()
    data.update()
    return mesh


def panel(place: tuple[float, float, float], size: tuple[float, float], radiance: list[float]) -> dict[str, Any]:
    """A rectangular lamp (half sides in mm) at a place, looking at the middle of the belt."""
    transform = mi.ScalarTransform4f()
    aim = transform.look_at(list(place), [0, 0, 5], [0, 0, 1]) @ transform.scale([*size, 1])
    return {
        "type": "rectangle",
        "to_world": aim,
        "light": {"type": "area", "radiance": {"type": "rgb", "value": radiance}},
    }


def lamps(lamp: Lamp) -> dict[str, Any]:
    """Ring lamp of eight segments round the lens, one long bar, and the dim hall around."""
    out: dict[str, Any] = {}
    for k, weight in enumerate(lamp.ring):
        a = np.radians(45 * k + 22.5)
        place = (120 * np.cos(a), 120 * np.sin(a), 300.0)
        out[f"ring{k}"] = panel(place, (42, 20), [100 * weight, 98.5 * weight, 96 * weight])
    bar = 42 * lamp.bar
    out["bar"] = panel((-60.0, 330.0, 170.0), (200, 16), [0.96 * bar, 0.98 * bar, bar])
    hall = 0.75 * lamp.hall
    out["hall"] = {"type": "constant", "radiance": {"type": "rgb", "value": [0.93 * hall, 0.97 * hall, hall]}}
    return out


class Stage:
    """Belt and parts of one picture, with the guides for the denoiser."""

    def __init__(self, belt: belt_module.BeltMaps, lamp: Lamp) -> None:
        transform = mi.ScalarTransform4f()
        half = belt_module.SIDE / 2
        self.content: dict[str, Any] = {"type": "scene", **lamps(lamp)}
        self.content["belt"] = {
            "type": "rectangle",
            "to_world": transform.scale([half, half, 1]),
            "bsdf": surface(belt.albedo, belt.rough, 0.0, belt.bump),
        }
        k = SCALE * belt_module.PITCH
        matrix = np.array([[k, 0, WIDTH / 2 - half * SCALE], [0, -k, HEIGHT / 2 + half * SCALE]], np.float32)
        self.albedo = cv2.warpAffine(belt.albedo, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_AREA)
        self.occupied = np.zeros((HEIGHT, WIDTH), bool)
        gy, gx = np.gradient(belt.bump, belt_module.PITCH)
        normal = np.stack([-gx, -gy, np.ones_like(gx)], -1).astype(np.float32)
        self.normal = cv2.warpAffine(normal, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_AREA)

    def add(self, maps: PartMaps, pose: Pose) -> None:
        """Put one part on the belt."""
        z = maps.z[::STRIDE, ::STRIDE]
        x = -HALF_X + PITCH / 2 + np.arange(z.shape[1]) * PITCH * STRIDE
        y = -HALF_Y + PITCH / 2 + np.arange(z.shape[0]) * PITCH * STRIDE
        points = np.stack([*np.meshgrid(x, y), z], -1)
        uv = np.stack([points[..., 0] / (2 * HALF_X) + 0.5, points[..., 1] / (2 * HALF_Y) + 0.5], -1)
        solid = np.maximum.reduce([z[:-1, :-1], z[1:, :-1], z[:-1, 1:], z[1:, 1:]]) > -2.9
        name = f"part{len(self.content)}"
        bsdf = surface(maps.albedo, maps.rough, maps.metal, maps.bump)
        self.content[name] = grid_mesh(name, points, solid, uv, bsdf, pose)
        for k, strip in enumerate(maps.strips):
            cells = np.ones((strip.points.shape[0] - 1, strip.points.shape[1] - 1), bool)
            metal = {
                "type": "twosided",
                "bsdf": {
                    "type": "principled",
                    "metallic": 1.0,
                    "roughness": 0.36,
                    "base_color": {"type": "rgb", "value": [0.78, 0.78, 0.78]},
                },
            }
            self.content[f"{name}s{k}"] = grid_mesh(name, strip.points, cells, strip.points[..., :2], metal, pose)
        self.guide(maps, pose)

    def cover(self, name: str, points: Field, colour: list[float]) -> None:
        """Lay a foreign thing (a sheet of points, picture centre at the origin) over the scene."""
        cells = np.ones((points.shape[0] - 1, points.shape[1] - 1), bool)
        plain = {"type": "principled", "roughness": 0.5, "base_color": {"type": "rgb", "value": colour}}
        pose = Pose(WIDTH / 2, HEIGHT / 2, 0)
        self.occupied[:] = True
        self.content[name] = grid_mesh(name, points, cells, points[..., :2], {"type": "twosided", "bsdf": plain}, pose)

    def guide(self, maps: PartMaps, pose: Pose) -> None:
        """Bring the part's colour and normals into the denoiser's guides."""
        gy, gx = np.gradient(np.maximum(maps.z, 0) + maps.bump, PITCH)
        normal = np.stack([-gx, -gy, np.ones_like(gx)], -1)
        normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
        cover = project(np.clip(maps.z + 0.5, 0, 1), pose)[..., None]
        self.occupied |= cover[..., 0] > 0
        self.albedo = self.albedo * (1 - cover) + project(maps.albedo, pose) * cover
        self.normal = self.normal * (1 - cover) + project(normal, pose) * cover

    def sensor(self, samples: int, box: tuple[int, int, int, int]) -> mi.Sensor:
        """The telecentric camera, reading only the pixels of box (x, y, width, height)."""
        transform = mi.ScalarTransform4f()
        half = WIDTH / SCALE / 2
        aim = transform.look_at([0, 0, 150], [0, 0, 0], [0, 1, 0]) @ transform.scale([half, half, 1])
        film = {
            "type": "hdrfilm",
            "width": WIDTH,
            "height": HEIGHT,
            "pixel_format": "rgb",
            "rfilter": {"type": "box"},
            "crop_offset_x": box[0],
            "crop_offset_y": box[1],
            "crop_width": box[2],
            "crop_height": box[3],
        }
        return mi.load_dict(
            {
                "type": "orthographic",
                "to_world": aim,
                "film": film,
                "sampler": {"type": "independent", "sample_count": samples},
            }
        )

    def box(self) -> tuple[int, int, int, int]:
        """The pixels around everything that lies on the belt (x, y, width, height)."""
        rows, cols = np.nonzero(self.occupied)
        if not len(rows):
            return 0, 0, 0, 0
        x, y = max(0, cols.min() - MARGIN), max(0, rows.min() - MARGIN)
        return int(x), int(y), int(min(WIDTH, cols.max() + MARGIN) - x), int(min(HEIGHT, rows.max() + MARGIN) - y)

    def bare_belt(self, scene: mi.Scene, samples: int, seed: int) -> Field:
        """The empty belt: its light is smooth, so it is filtered apart from the belt's colour."""
        noisy = np.array(mi.render(scene, sensor=self.sensor(samples, (0, 0, WIDTH, HEIGHT)), seed=seed), np.float32)
        light = cv2.GaussianBlur(noisy / (self.albedo + 0.01), (0, 0), 7)
        return light * (self.albedo + 0.01)

    def shoot(self, samples: int, seed: int) -> Field:
        """Render and denoise; returns the linear picture, top row first, RGB."""
        self.content["integrator"] = {"type": "path", "max_depth": 3}
        scene = mi.load_dict(self.content)
        out = self.bare_belt(scene, 2, seed)
        x, y, width, height = self.box()
        if width == 0:
            return out
        part = np.array(mi.render(scene, sensor=self.sensor(samples, (x, y, width, height)), seed=seed + 1), np.float32)
        area = (slice(y, y + height), slice(x, x + width))
        clean = denoise(part, np.clip(self.albedo[area], 0, 1), self.normal[area])
        feather = np.zeros((HEIGHT, WIDTH), np.float32)
        pad = MARGIN // 2
        feather[
            max(0, y + pad * (y > 0)) : y + height - pad * (y + height < HEIGHT),
            max(0, x + pad * (x > 0)) : x + width - pad * (x + width < WIDTH),
        ] = 1
        feather = cv2.GaussianBlur(feather, (0, 0), pad / 3)[area][..., None]
        out[area] = out[area] * (1 - feather) + clean * feather
        return out
