"""Packed joints, and maps against slow ones: whole squares of 128 pixels in float64, cropped and resized by OpenCV."""

import cv2
import numpy as np
import pytest
import torch

from gaitlab.data.skeletons import HEIGHT, JOINTS, LIMBS, PACKED, SIGMA, SQUARE, SUPPORT, imputed, maps, pack, unpack

STANDING = np.array(
    [(0, 10), (3, 7), (-3, 7), (6, 9), (-6, 9), (18, 30), (-18, 30), (23, 57), (-24, 56), (22, 80), (-27, 79), (11, 84), (-11, 84),
     (14, 124), (-9, 120), (20, 160), (-16, 156)]
)  # fmt: skip
"""Pixels of a picture on which the person is 153 tall."""


def people(n: int, t: int, seed: int = 0) -> np.ndarray:
    """Joints float64 `[n, t, 17, 3]`: the standing person, shaken, somewhere on the picture at some size; all are detected."""
    rng = np.random.default_rng(seed)
    place = STANDING + rng.normal(0, 6, (n, t, 17, 2))
    place = place * rng.uniform(0.3, 2, (n, t, 1, 1)) + rng.uniform(50, 600, (n, t, 1, 2))
    return np.concatenate([place, rng.uniform(0.05, 1, (n, t, 17, 1))], -1)


def clip(joints: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(joints.astype(np.float32))


def slow_values(joints: np.ndarray, samples: int) -> np.ndarray:
    """One frame `[17, 3]`, some joints perhaps with score 0 -> float64 `[2, samples, samples]`, 0..1: the maps at the middles of
    the pixels when the figure's window has so many rows and columns; 0 samples: at the square's own 128, cropped."""
    xy, score = joints[:, :2], joints[:, 2]
    seen = score > 0
    hips = xy[[j for j in (11, 12) if seen[j]]].mean(0)
    place = (xy - hips) * HEIGHT / np.ptp(xy[seen, 1]) + SQUARE / 2
    top, bottom = max(0, int(np.floor(place[seen, 1].min() - SUPPORT))), min(SQUARE, int(np.ceil(place[seen, 1].max() + SUPPORT)))
    half = -(-(bottom - top) // 2)
    rows, columns = (samples, samples) if samples else (bottom - top, 2 * half)
    x = SQUARE / 2 - half + (np.arange(columns) + 0.5) * 2 * half / columns
    y = top + (np.arange(rows) + 0.5) * (bottom - top) / rows
    pixel = np.stack(np.meshgrid(x, y), -1)
    out = np.zeros((2, rows, columns))
    for j in range(17):
        out[0] = np.maximum(out[0], score[j] * np.exp(-np.square(pixel - place[j]).sum(-1) / (2 * SIGMA**2)))
    for a, b in LIMBS:
        d = place[b] - place[a]
        along = np.clip((pixel - place[a]) @ d / max(d @ d, 1e-9), 0, 1)
        distance = np.square(pixel - place[a] - along[..., None] * d).sum(-1)
        out[1] = np.maximum(out[1], min(score[a], score[b]) * np.exp(-distance / (2 * SIGMA**2)))
    return out


def differences(joints: np.ndarray) -> list[np.ndarray]:
    """Fast maps of frames `[n, t, 17, 3]` less those of a loop over joints, limbs and pixels, each `[2, 64, 64]`."""
    fast = maps(clip(joints)).flatten(0, 1).numpy()
    return [own - 255 * slow_values(frame, 64) for own, frame in zip(fast, joints.reshape(-1, 17, 3), strict=True)]


def test_maps_are_the_slow_ones() -> None:
    assert maps(clip(people(2, 12))).shape == (2, 12, 2, 64, 64)
    assert maps(clip(people(2, 12))).dtype == torch.uint8
    assert max(np.abs(one).max() for one in differences(people(2, 12))) < 1


def test_maps_are_those_of_128_pixels_cropped_and_resized() -> None:
    joints = people(1, 12)
    for own, frame in zip(maps(clip(joints))[0].numpy(), joints[0], strict=True):
        area = np.stack([cv2.resize(channel, (64, 64), interpolation=cv2.INTER_AREA) for channel in slow_values(frame, 0)])
        difference = np.abs(own - 255 * area)
        assert difference.mean() < 0.5
        assert difference.max() < 10  # where two Gaussians meet


def test_undetected_joints_of_a_single_frame_are_not_drawn() -> None:
    for missing in ([9], [0, 15], [11], [12, 13, 14]):
        some = people(1, 1)
        some[0, 0, missing] = 0
        assert np.abs(differences(some)).max() < 1


def test_a_crop_is_columns_of_the_whole_map_and_frames_do_not_matter_to_each_other() -> None:
    joints = clip(people(3, 50))
    whole = maps(joints)
    assert torch.equal(maps(joints, slice(10, 54)), whole[..., 10:54])
    assert torch.equal(maps(joints[1:2, 30:37]), whole[1:2, 30:37])


def test_the_size_and_the_place_on_the_picture_do_not_matter() -> None:
    joints = people(1, 5)
    moved = joints.copy()
    moved[..., :2] = moved[..., :2] * 0.7 + 100
    assert (maps(clip(joints)).int() - maps(clip(moved)).int()).abs().max() <= 1


def test_nobody_is_black_and_one_joint_is_no_accident() -> None:
    joints = np.zeros((1, 3, 17, 3))
    joints[0, 1, 0] = (100, 100, 0.8)
    black, lonely, also_black = maps(clip(joints))[0]
    assert not black.any()
    assert not also_black.any()
    assert lonely[0].max() > 190
    assert not lonely[1].any()


def test_missing_joints_come_from_the_nearest_frames_that_have_them() -> None:
    rng = np.random.default_rng(1)
    place, score = rng.normal(0, 1, (3, 9, 17, 2)), rng.uniform(0.1, 1, (3, 9, 17))
    score[rng.random(score.shape) < 0.4] = 0
    score[1, :, 4] = 0
    score[2, 3:6] = 0
    got_place, got_score = (x.numpy() for x in imputed(torch.from_numpy(place), torch.from_numpy(score)))
    for i, t, j in np.ndindex(3, 9, 17):
        before = [f for f in range(t + 1) if score[i, f, j] > 0][-1:]
        after = [f for f in range(t, 9) if score[i, f, j] > 0][:1]
        if not score[i, t].any():
            assert got_score[i, t, j] == 0
        elif near := before + after:
            assert got_score[i, t, j] == pytest.approx(score[i, near, j].mean())
            assert got_place[i, t, j] == pytest.approx(place[i, near, j].mean(0))
        else:
            assert got_score[i, t, j] == 0
    kept = score > 0
    assert np.array_equal(got_score[kept], score[kept])
    assert np.array_equal(got_place[kept], place[kept])


def test_packed_joints_come_back() -> None:
    joints = people(1, 40)[0]
    joints[3, 5, 0] = -200.3
    packed = pack(joints)
    assert packed.shape == (40, *PACKED)
    assert packed.dtype == np.uint8
    back = unpack(packed)
    assert back.dtype == np.float32
    assert np.abs(back[..., :2] - joints[..., :2]).max() <= 1 / 64
    assert np.abs(back[..., 2] - joints[..., 2]).max() <= 1 / 65535
    assert np.array_equal(pack(back), packed)
    assert torch.equal(unpack(torch.from_numpy(packed)[None]), torch.from_numpy(back)[None])
    by_hand = 256 * int(packed[7, 1, 4, 0]) + int(packed[7, 1, 4, 1])  # y of the right ear
    assert JOINTS[4] == "r_ear"
    assert by_hand / 32 - 512 == back[7, 4, 1]


def test_what_is_not_detected_or_too_far_out_is_packed_as_nothing() -> None:
    joints = people(1, 1)[0]
    joints[0, 0, 2], joints[0, 1, 0], joints[0, 2, 1], joints[0, 3, 0] = 0, -513, 1536, np.nan
    packed = pack(joints)
    assert not packed[0, :, :4].any()
    assert (unpack(packed)[0, :, 2] == 0).tolist() == [True] * 4 + [False] * 13


@pytest.mark.gpu
def test_a_gpu_draws_the_same() -> None:
    joints = people(4, 30)
    joints[np.random.default_rng(0).random(joints.shape[:3]) < 0.1] = 0
    here, there = maps(clip(joints)), maps(clip(joints).cuda()).cpu()
    assert (here.int() - there.int()).abs().max() <= 1
