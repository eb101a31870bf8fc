"""Outlines against a distance to the hull, noise that does what it says, cameras that cannot be."""

from dataclasses import replace

import numpy as np
import pytest

from gaitlab.data.frames import align
from gaitlab.walkers.sensors.camera import CLEAN, Camera, Noise, raw_masks, silhouettes
from gaitlab.walkers.sensors.capsules import Capsules
from tests.walkers.bodies import body


def covered(camera: Camera, one: Capsules, t: int) -> np.ndarray:
    """bool `[height, width]`: pixels whose middle lies in the hull of the two discs of a capsule: some disc between them holds it."""
    x, y, depth = camera.project(one.ends[t])
    x, y, r = x * camera.focal + camera.width / 2, y * camera.focal + camera.height / 2, one.radii / depth * camera.focal
    rows, columns = np.mgrid[: camera.height, : camera.width] + 0.5
    seen = np.zeros(rows.shape, bool)
    for c in range(x.shape[0]):
        for share in np.linspace(0, 1, 1500):
            cx, cy, cr = (side[c, 0] * (1 - share) + side[c, 1] * share for side in (x, y, r))
            seen |= (rows - cy) ** 2 + (columns - cx) ** 2 < cr**2
    return seen


def test_masks_are_the_hulls_of_discs() -> None:
    camera, people = Camera(azimuth=50, focal=150, width=120, height=80), body()
    masks = raw_masks(people, camera, CLEAN, np.random.default_rng(0))
    for t in range(2):
        slow = covered(camera, people, t)
        rows, columns = np.flatnonzero(slow.any(1)), np.flatnonzero(slow.any(0))
        fast = masks[t] > 0
        assert fast.any(1).sum() == len(rows)
        assert fast.any(0).sum() == len(columns)
        top, left = np.flatnonzero(fast.any(1))[0], np.flatnonzero(fast.any(0))[0]
        cut = fast[top : top + len(rows), left : left + len(columns)]
        assert (cut != slow[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]).sum() <= 2


def test_a_silhouette_is_the_pretreated_mask_of_the_whole_picture() -> None:
    camera, people = Camera(azimuth=120), body(1)
    fast = silhouettes(people, camera, CLEAN, np.random.default_rng(0))
    for t in range(len(fast)):
        slow = align(np.pad(np.uint8(255) * covered(camera, people, t), ((0, 0), (2000, 2000)))) > 127
        shifted = [np.roll(fast[t] > 0, shift, 1) for shift in (-1, 0, 1)]  # the middle column may be a near tie
        assert max((one & slow).sum() / (one | slow).sum() for one in shifted) > 0.95


def test_noise_grows_with_its_strength_and_zero_changes_nothing() -> None:
    people = body(2, frames=40)
    clean = silhouettes(people, Camera(), CLEAN, np.random.default_rng(0))
    assert (silhouettes(people, Camera(), Noise().scaled(0), np.random.default_rng(5)) == clean).all()
    changed = [(silhouettes(people, Camera(), Noise().scaled(s), np.random.default_rng(1)) != clean).mean() for s in (0.5, 1, 3)]
    assert 0 < changed[0] < changed[1] < changed[2] < 0.3
    again = silhouettes(people, Camera(), Noise(), np.random.default_rng(1))
    assert (again == silhouettes(people, Camera(), Noise(), np.random.default_rng(1))).all()


def test_limbs_are_lost_for_a_few_frames_and_darkness_takes_them_for_long() -> None:
    people = body(3, frames=30)
    clean = silhouettes(people, Camera(), CLEAN, np.random.default_rng(0))

    def changed(**noise: float) -> list[int]:
        seeds = range(12)
        lossy = [silhouettes(people, Camera(), replace(CLEAN, **noise), np.random.default_rng(seed)) for seed in seeds]
        return [int((clean != frames).any((1, 2)).sum()) for frames in lossy]

    few, long = changed(limb=1.0), changed(dark=1.0)
    assert 0 < max(few) <= 6
    assert min(long) > 10


def test_an_umbrella_is_often_no_part_of_the_person() -> None:
    people = body(3, frames=2)
    named = replace(people, parts=("umbrella", *people.parts[1:]))
    whole, without = (silhouettes(named, Camera(), replace(CLEAN, thing=share), np.random.default_rng(0)) for share in (0.0, 1.0))
    assert (whole == silhouettes(people, Camera(), CLEAN, np.random.default_rng(0))).all()
    assert (whole != without).any()


def test_an_occluder_hides_and_an_invisible_person_is_black() -> None:
    people = body(4)
    wall = Capsules(np.tile(np.array([[[[0.0, 1.5, -3.0], [0.0, 1.5, 0.9]]]]), (3, 1, 1, 1)), np.array([[0.8, 0.8]]), ("wall",))
    free, hidden = (raw_masks(people, Camera(), CLEAN, np.random.default_rng(0), occluder=o) for o in (None, wall))
    assert ((hidden > 0) <= (free > 0)).all()
    assert 0 < (hidden > 0).sum() < (free > 0).sum()
    behind = Capsules(wall.ends * np.array([1, -1, 1]), wall.radii, wall.parts)
    assert (raw_masks(people, Camera(), CLEAN, np.random.default_rng(0), occluder=behind) == free).all()
    high = Capsules(wall.ends + np.array([0, 0, 3.0]), wall.radii, wall.parts)
    both = Capsules(np.concatenate([wall.ends, high.ends], 1), np.concatenate([wall.radii, high.radii]), ("wall", "wall"))
    assert not silhouettes(people, Camera(), CLEAN, np.random.default_rng(0), occluder=both).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"distance": 1.0}, "2 m or more"),
        ({"distance": float("nan")}, "2 m or more"),
        ({"azimuth": float("nan")}, "azimuth .* are numbers"),
        ({"elevation": 95.0}, "between -80 and 80"),
        ({"focal": 0.0}, "above 0"),
    ],
)
def test_impossible_cameras_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Camera(**change)


def test_a_body_at_the_camera_is_refused() -> None:
    people = body()
    near = Capsules(people.ends + np.array([0.0, 7.0, 0.0]), people.radii, people.parts)
    with pytest.raises(ValueError, match="move the camera away"):
        silhouettes(near, Camera(), CLEAN, np.random.default_rng(0))


def test_noise_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="hole is a share"):
        Noise(hole=1.5)
    with pytest.raises(ValueError, match="blot"):
        Noise(blot=0.0)
