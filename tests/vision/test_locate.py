"""Where the part is: drawn parts with known truth, real parts under known turns, the sample pictures' labels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from inspector.errors import DatasetError, ImageError
from inspector.recipe import LocateLimits
from inspector.types import Pixels, Pose
from inspector.vision.locate import Locator
from inspector.vision.reference import Reference, patch_size, rectify, transform
from inspector.vision.teaching import teach_reference

from . import made


def away(one_deg: float, other_deg: float) -> float:
    return abs(math.remainder(one_deg - other_deg, 360))


@pytest.fixture(scope="module")
def reference() -> Reference:
    """Taught from parts that lay at any angle."""
    return teach_reference(made.good_brackets(24, 180))


@pytest.fixture(scope="module")
def locator(reference: Reference) -> Locator:
    return Locator(reference, LocateLimits())


def fixed_offset(poses: Sequence[Pose], truth: Sequence[tuple[float, float, float]]) -> tuple[np.ndarray, float]:
    """What the taught frame's origin and zero are in the drawing's frame: the drawing cannot know them."""
    turn = float(np.median([math.remainder(p.angle_deg - t[2], 360) for p, t in zip(poses, truth, strict=True)]))
    offsets = []
    for pose, (x, y, angle) in zip(poses, truth, strict=True):
        back = made.place(np.array([[pose.x_px - x, pose.y_px - y]]), 0, 0, -angle)
        offsets.append(back[0])
    return np.median(offsets, axis=0), turn


def errors(poses: Sequence[Pose], truth: Sequence[tuple[float, float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Place (px) and angle (degrees) errors of all poses."""
    offset, turn = fixed_offset(poses, truth)
    wanted = [made.place(offset[None], x, y, angle)[0] for x, y, angle in truth]
    place = [math.hypot(p.x_px - w[0], p.y_px - w[1]) for p, w in zip(poses, wanted, strict=True)]
    return np.array(place), np.array([away(p.angle_deg - turn, t[2]) for p, t in zip(poses, truth, strict=True)])


def test_a_part_at_any_angle_is_found_to_a_fraction_of_a_pixel(locator: Locator) -> None:
    random = np.random.default_rng(1)
    truth = [(320 + random.uniform(-60, 60), 240 + random.uniform(-40, 40), turn) for turn in range(-180, 180, 15)]
    found = [locator.locate(made.bracket(*pose, seed=at)) for at, pose in enumerate(truth)]
    assert all(len(poses) == 1 for poses in found)
    place, angle = errors([poses[0] for poses in found], truth)
    assert place.max() < 0.25
    assert angle.max() < 0.1
    assert all(-180 < poses[0].angle_deg <= 180 for poses in found)


@pytest.mark.parametrize("light", [0.6, 0.8, 1.3])
def test_the_lamp_may_change(locator: Locator, light: float) -> None:
    truth = [(300.0, 250.0, 33.0), (350.0, 230.0, -120.0)]
    found = [locator.locate(made.bracket(*pose, light=factor)) for pose in truth for factor in (1.0, light)]
    for usual, changed in zip(found[::2], found[1::2], strict=True):
        assert math.hypot(usual[0].x_px - changed[0].x_px, usual[0].y_px - changed[0].y_px) < 0.3
        assert away(usual[0].angle_deg, changed[0].angle_deg) < 0.15


def test_a_missing_end_or_a_burr_does_not_pull_the_pose(locator: Locator) -> None:
    truth = (310.0, 245.0, 40.0)
    usual = locator.locate(made.bracket(*truth))[0]
    broken = made.bracket(*truth, missing=True)
    burr = made.bracket(*truth)
    cv2.circle(burr, (330, 170), 22, (180, 180, 180), -1)
    stain = made.bracket(*truth)
    cv2.ellipse(stain, (300, 250), (35, 20), 20, 0, 360, (60, 60, 60), -1)
    for spoilt in (broken, burr, stain):
        pose = locator.locate(spoilt)[0]
        assert math.hypot(usual.x_px - pose.x_px, usual.y_px - pose.y_px) < 1.0
        assert away(usual.angle_deg, pose.angle_deg) < 0.3
        assert pose.score < usual.score


def test_two_parts_are_two_poses_best_first(locator: Locator) -> None:
    both = made.bracket(200, 120, 10, seed=1, scale=1.0)
    both = made.bracket(420, 350, -100, seed=2, onto=both)
    poses = locator.locate(both)
    assert len(poses) == 2
    assert poses[0].score >= poses[1].score > LocateLimits().second_part_score


def test_nothing_there_is_no_pose(locator: Locator) -> None:
    assert locator.locate(made.belt(3, 640, 480)) == ()


def test_another_thing_is_not_believed(locator: Locator) -> None:
    other = made.belt(4, 640, 480)
    cv2.circle(other, (320, 240), 110, (170, 170, 170), -1)
    poses = locator.locate(other)
    assert not poses or poses[0].score < 0.7
    assert Locator(locator.reference, LocateLimits(score_min=0.7)).locate(other) == ()


def test_grey_and_colour_give_the_same_pose(locator: Locator) -> None:
    colour = made.bracket(320, 240, 77)
    one, other = locator.locate(colour)[0], locator.locate(cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY))[0]
    assert math.hypot(one.x_px - other.x_px, one.y_px - other.y_px) < 0.1


def test_a_picture_too_small_to_hold_a_part_is_refused(locator: Locator) -> None:
    with pytest.raises(ImageError, match="wanted at least"):
        locator.locate(np.zeros((4, 4, 3), np.uint8))


# -- what is learned ----------------------------------------------------------------------------------------------


def test_it_is_learned_whether_the_pose_varies(reference: Reference) -> None:
    assert reference.pose_varies
    assert reference.has_angle
    assert reference.spread.angle_deg > 45
    still = teach_reference([made.bracket(320, 240, 5, seed=seed) for seed in range(8)])
    assert not still.pose_varies
    assert still.spread.x_px < 0.5
    assert still.spread.angle_deg < 0.2


def test_parts_that_lie_alike_keep_the_pictures_own_angle() -> None:
    taught = teach_reference(made.good_brackets(16, 6))
    assert taught.pose_varies
    assert 1 < taught.spread.angle_deg < 6
    assert away(Locator(taught, LocateLimits()).locate(made.bracket(320, 240, 0))[0].angle_deg, 0) < 6


def test_a_round_part_is_given_no_angle() -> None:
    random = np.random.default_rng(2)
    discs = [made.disc(320 + random.uniform(-20, 20), 240 + random.uniform(-20, 20), seed=at) for at in range(12)]
    taught = teach_reference(discs)
    assert taught.kind == "outline"
    assert not taught.has_angle
    pose = Locator(taught, LocateLimits()).locate(made.disc(331.5, 228.25, seed=99))[0]
    assert pose.angle_deg == 0
    assert math.hypot(pose.x_px - 331.5, pose.y_px - 228.25) < 0.5


def test_where_nothing_stands_out_the_pose_is_the_pictures_centre() -> None:
    random = np.random.default_rng(3)
    textures = [random.integers(60, 200, (300, 400), dtype=np.uint8) for _ in range(6)]
    taught = teach_reference(textures)
    assert taught.kind == "fixed"
    assert not taught.pose_varies
    (pose,) = Locator(taught, LocateLimits()).locate(textures[0])
    assert (pose.x_px, pose.y_px, pose.angle_deg, pose.score) == (199.5, 149.5, 0.0, 1.0)
    assert np.array_equal(rectify(textures[0], pose, taught, (400, 300)), textures[0])


def test_the_long_side_lies_across_and_fits_the_box(reference: Reference, locator: Locator) -> None:
    width, height = reference.box_wh
    assert 300 < width < 400
    assert 120 < height < 200
    picture = made.bracket(330, 235, 66)
    patch = rectify(picture, locator.locate(picture)[0], reference, patch_size(reference))
    grey = cv2.cvtColor(patch, cv2.COLOR_BGR2GRAY)
    ring = np.concatenate([grey[:3].ravel(), grey[-3:].ravel(), grey[:, :3].ravel(), grey[:, -3:].ravel()])
    assert np.percentile(ring, 99) < 80
    assert grey.mean() > 80


def test_too_few_pictures_are_refused() -> None:
    with pytest.raises(DatasetError, match="2 good pictures, wanted at least 3"):
        teach_reference(made.good_brackets(2, 10))


# -- geometry -----------------------------------------------------------------------------------------------------


def test_transform_and_rectify_agree_with_the_pose(reference: Reference) -> None:
    pose = Pose(x_px=300, y_px=200, angle_deg=90, score=1)
    matrix = transform(pose, reference, (640, 320))
    scale = min(640 / reference.box_wh[0], 320 / reference.box_wh[1])
    at = matrix @ (300, 200, 1)
    assert np.allclose(at, np.array([319.5, 159.5]) - np.array(reference.box_xy) * scale)
    # A part turned by 90 degrees counter-clockwise: what lies above its centre is its own right-hand side.
    assert np.allclose(matrix @ (300, 190, 1) - at, [10 * scale, 0])


def test_rectified_parts_fall_on_one_another(reference: Reference, locator: Locator) -> None:
    size = patch_size(reference)
    patches = []
    for at, turn in enumerate(range(0, 360, 36)):
        picture = made.bracket(320 + at, 240 - at, turn, seed=at)
        patches.append(cv2.cvtColor(rectify(picture, locator.locate(picture)[0], reference, size), cv2.COLOR_BGR2GRAY))
    assert np.stack(patches).astype(float).std(axis=0).mean() < 6


def test_the_patch_is_never_larger_than_the_part(reference: Reference) -> None:
    width, height = patch_size(reference)
    assert width % 32 == height % 32 == 0
    assert width <= reference.box_wh[0] + 32
    assert height <= reference.box_wh[1] + 32
    assert patch_size(reference, longest=160)[0] == 160


# -- real and rendered pictures ------------------------------------------------------------------------------------


def turned(picture: Pixels, turn_deg: float, pose: Pose) -> Pixels:
    """`picture` turned about the part, which comes to lie in the picture's middle."""
    matrix = cv2.getRotationMatrix2D((pose.x_px, pose.y_px), turn_deg, 1.0)
    matrix[:, 2] += np.array(picture.shape[1::-1]) / 2 - (pose.x_px, pose.y_px)
    size = picture.shape[1::-1]
    return cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[return-value]


def test_real_screws_are_found_at_any_angle_head_and_tip_told_apart() -> None:
    taught = teach_reference(made.real("screw/train/good", 8))
    assert (taught.kind, taught.has_angle, taught.pose_varies) == ("outline", True, True)
    locator = Locator(taught, LocateLimits())
    size = patch_size(taught)
    random = np.random.default_rng(5)
    patches, place, angle = [], [], []
    for defect in ("good", "manipulated_front", "scratch_head", "scratch_neck", "thread_side", "thread_top"):
        for picture in made.real(f"screw/test/{defect}", 5):
            pose = locator.locate(picture)[0]
            turn = random.uniform(-180, 180)
            again = locator.locate(turned(picture, turn, pose))[0]
            place.append(math.hypot(again.x_px - picture.shape[1] / 2, again.y_px - picture.shape[0] / 2))
            angle.append(away(again.angle_deg, pose.angle_deg + turn))
            patches.append(rectify(picture, pose, taught, size).astype(float))
    assert max(place) < 1.0
    assert max(angle) < 0.3
    mean = np.mean(patches, axis=0)
    alike = [np.corrcoef(patch.ravel(), mean.ravel())[0, 1] for patch in patches]
    flipped = [np.corrcoef(patch[:, ::-1].ravel(), mean.ravel())[0, 1] for patch in patches]
    assert min(alike) > 0.8 > max(flipped)


def test_a_real_bottle_is_round_and_does_not_move() -> None:
    taught = teach_reference(made.real("bottle/train/good", 10))
    assert (taught.kind, taught.has_angle, taught.pose_varies) == ("outline", False, False)
    locator = Locator(taught, LocateLimits())
    for picture in made.real("bottle/test/broken_large", 2):
        assert locator.locate(picture)[0].angle_deg == 0


@pytest.mark.parametrize("name", ["casting", "commutator", "magnetic_tile"])
def test_real_pictures_without_a_steady_outline_are_taken_as_they_are(name: str) -> None:
    assert teach_reference(made.real(f"{name}/train/good", 10)).kind == "fixed"


def test_the_sample_parts_are_found_where_their_labels_say() -> None:
    rows = made.sample_rows()
    taught = teach_reference([made.sample(row) for row in rows if row["file"].startswith("train/")])
    locator = Locator(taught, LocateLimits())
    judged = [row for row in rows if row["label"] != "awkward" or row["kind"] == "rotated_180"]
    judged = [row for at, row in enumerate(judged) if row["label"] != "good" or at % 3 == 0]
    # The labels' origin is the picture's corner, ours the middle of its first pixel.
    truth = [(float(row["pose_x_px"]) - 0.5, float(row["pose_y_px"]) - 0.5, float(row["angle_deg"])) for row in judged]
    found = [locator.locate(made.sample(row)) for row in judged]
    assert all(found), [row["file"] for row, poses in zip(judged, found, strict=True) if not poses]
    place, angle = errors([poses[0] for poses in found], truth)
    assert place.max() < 1.0
    assert angle.max() < 0.3
