"""The pose estimator: exact without noise, and with it wrong in the ways of real ones."""

import numpy as np
import pytest

from gaitlab.data.skeletons import JOINTS, unpack
from gaitlab.walkers import skeleton
from gaitlab.walkers.people import table, walk
from gaitlab.walkers.sensors.camera import Camera
from gaitlab.walkers.sensors.capsules import Capsules
from gaitlab.walkers.sensors.keypoints import CHAIN, JITTER, NECK, TOP, coco, keypoints

FRAMES = 400
SIDE, FRONT, BACK = (Camera(azimuth=azimuth) for azimuth in (90.0, 0.0, 180.0))
FAR_SIDE = [j for j, name in enumerate(JOINTS) if name.startswith("r_") and name[2:] in ("shoulder", "hip")]


@pytest.fixture(scope="module")
def joints() -> np.ndarray:
    """The average person on a treadmill `[t, 27, 3]` m."""
    return walk(table()["mean"], table()["bones"] * 1.6, 2 * np.pi * 0.9 * np.arange(FRAMES) / 25, 0.0)[0]


def seen(joints: np.ndarray, camera: Camera, strength: float, occluder: Capsules | None = None, seed: int = 0) -> np.ndarray:
    return unpack(keypoints(joints, camera, strength, np.random.default_rng(seed), occluder))


def test_the_joints_are_those_of_the_chain() -> None:
    assert [skeleton.JOINTS[j] for j in CHAIN] == list(JOINTS[5:])
    assert (skeleton.JOINTS[NECK], skeleton.JOINTS[TOP]) == ("neck2", "head_top")


def test_faces_are_where_faces_are(joints: np.ndarray) -> None:
    place = {name: coco(joints)[:, j] for j, name in enumerate(JOINTS)}
    middle = joints[:, skeleton.joint("neck2")]
    for name in JOINTS[:5]:
        assert (place[name][:, 2] > middle[:, 2]).all()
        assert (np.linalg.norm(place[name] - middle, axis=1) < 0.25).all()
    assert (place["nose"][:, 0] > place["l_ear"][:, 0] + 0.05).all()  # forward
    assert (place["l_eye"][:, 1] > place["r_eye"][:, 1]).all()  # left
    assert (place["l_ear"][:, 1] - place["r_ear"][:, 1]).mean() == pytest.approx(0.17, abs=0.05)


def test_without_noise_they_are_the_projected_joints(joints: np.ndarray) -> None:
    found = seen(joints, SIDE, 0.0)
    x, y, _ = SIDE.project(coco(joints))
    assert np.abs(found[..., 0] - (x * SIDE.focal + SIDE.width / 2)).max() <= 1 / 63
    assert np.abs(found[..., 1] - (y * SIDE.focal + SIDE.height / 2)).max() <= 1 / 63
    assert (found[..., 2] == 1).all()


def test_errors_have_the_size_and_the_memory_they_should(joints: np.ndarray) -> None:
    exact = seen(joints, FRONT, 0.0)
    found = seen(joints, FRONT, 1.0)
    tall = np.ptp(exact[..., 1], axis=1).mean()
    errors = np.where(found[..., 2:] > 0, found[..., :2] - exact[..., :2], np.nan)[:, :13]  # legs are confused at times
    average = np.sqrt(np.nanmean(np.nanmean(np.square(errors), (0, 2))))
    assert 0.6 * JITTER < average / tall < 1.8 * JITTER
    one = errors[:, 5, 0]
    both = np.isfinite(one[1:] * one[:-1])
    assert np.corrcoef(one[1:][both], one[:-1][both])[0, 1] == pytest.approx(0.7, abs=0.12)
    twice = seen(joints, FRONT, 2.0)
    assert np.nanstd(np.where(twice[..., 2] > 0, twice[..., 0] - exact[..., 0], np.nan)[:, 5]) > 1.6 * np.nanstd(one)
    distant = Camera(azimuth=0, distance=40.0)
    small = seen(joints, distant, 1.0)[:, 5, 0] - seen(joints, distant, 0.0)[:, 5, 0]
    assert np.std(small) / tall * 40 / 7 > 1.5 * np.nanstd(one) / tall


def test_the_far_side_is_worse_and_faces_hide_from_behind(joints: np.ndarray) -> None:
    score = seen(joints, SIDE, 1.0)[..., 2]
    near = [j - 1 for j in FAR_SIDE]
    assert score[:, near].mean() > 0.8
    assert score[:, FAR_SIDE].mean() < 0.55
    assert 0.02 < (score[:, FAR_SIDE] == 0).mean() < 0.12
    assert (score[:, near] == 0).mean() < 0.02
    assert seen(joints, BACK, 1.0)[:, :3, 2].mean() < 0.55
    assert seen(joints, FRONT, 1.0)[:, :3, 2].mean() > 0.8


def test_what_stands_before_the_legs_hides_them(joints: np.ndarray) -> None:
    bench = np.array([[-2.0, 1.5, 0.3], [2.0, 1.5, 0.3]])
    ends = np.broadcast_to(bench, (FRAMES, 1, 2, 3))
    occluder = Capsules(ends=ends, radii=np.array([[0.35, 0.35]]), parts=("bench",))
    open_score, score = (seen(joints, SIDE, 1.0, o)[..., 2] for o in (None, occluder))
    left_ankle, left_shoulder = JOINTS.index("l_ankle"), JOINTS.index("l_shoulder")
    assert score[:, left_ankle].mean() < 0.6 < open_score[:, left_ankle].mean()
    assert np.array_equal(score[:, left_shoulder], open_score[:, left_shoulder])
    behind = Capsules(ends=ends * (1, -1, 1), radii=occluder.radii, parts=("bench",))
    assert np.array_equal(seen(joints, SIDE, 1.0, behind)[..., 2], open_score)


def test_legs_are_confused_now_and_then(joints: np.ndarray) -> None:
    exact = seen(joints, SIDE, 0.0)
    left, right = JOINTS.index("l_ankle"), JOINTS.index("r_ankle")
    apart = np.abs(exact[:, left, 0] - exact[:, right, 0]) > 20
    shares = []
    for seed in range(8):
        found = seen(joints, SIDE, 1.0, seed=seed)
        crossed = np.abs(found[:, left, 0] - exact[:, right, 0]) < np.abs(found[:, left, 0] - exact[:, left, 0])
        shares.append(crossed[apart & (found[:, left, 2] > 0)].mean())
    assert 0.003 < np.mean(shares) < 0.04  # 0.004 beginnings a frame, 3.5 frames each


def test_the_generator_decides_everything(joints: np.ndarray) -> None:
    clip = joints[:35]
    first, again, other = (keypoints(clip, SIDE, 1.0, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(
        keypoints(clip[:1], SIDE, 0.0, np.random.default_rng(1))[0], keypoints(clip, SIDE, 0.0, np.random.default_rng(1))[0]
    )
    with pytest.raises(ValueError, match="0 or more; it is -1"):
        keypoints(clip, SIDE, -1.0, np.random.default_rng(1))
