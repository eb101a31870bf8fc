"""Batched transforms against one frame at a time, by hand or by OpenCV."""

import cv2
import numpy as np
import pytest
import torch

from gaitlab.data.augment import KERNELS, draw, finish, warp
from gaitlab.data.draws import generator
from gaitlab.types import Augment

H, W, KEPT = 64, 64, 44
EVERYTHING = Augment(affine=1, perspective=1, rotate=1, flip=1)


def soft_frame() -> np.ndarray:
    """A smooth float32 picture `[h, w]`, 0..255, dark at its edges, without symmetry."""
    y, x = np.mgrid[:H, :W]
    blobs = ((30, 28, 9, 200), (22, 38, 5, 55), (42, 24, 6, 90))
    return sum(a * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * s * s)) for cy, cx, s, a in blobs).clip(0, 255).astype(np.float32)


def corners_filled(moves: np.ndarray, affine: bool) -> np.ndarray:
    """OpenCV's map that takes inwards moved corners (shares of a side) to the frame's corners."""
    if affine:
        (x0, y0, x1, y1, x2, y2) = moves * 64
        inside = [(x0, y0), (W - x1, y1), (x2, H - y2)]
        return cv2.getAffineTransform(np.array(inside, np.float32), np.array([(0, 0), (W, 0), (0, H)], np.float32))
    a, b, c, d = moves * 64
    inside = [(a, 0), (W - b, 0), (c, H), (W - d, H)]
    return cv2.getPerspectiveTransform(np.array(inside, np.float32), np.array([(0, 0), (W, 0), (0, H), (W, H)], np.float32))


def one_after_the_other(frame: np.ndarray, augment: Augment, u: np.ndarray) -> np.ndarray:
    """The geometric transforms of one frame as separate OpenCV calls. u: the clip's 28 uniform numbers."""
    happens = dict(zip(vars(augment), u[:7] < np.array(list(vars(augment).values())), strict=True))
    moves = u[7:17] * 10 / 64
    if happens["affine"]:
        frame = cv2.warpAffine(frame, corners_filled(moves[4:], affine=True), (W, H))
    if happens["perspective"]:
        frame = cv2.warpPerspective(frame, corners_filled(moves[:4], affine=False), (W, H))
    frame = frame[:, 10:54]
    if happens["flip"]:
        frame = frame[:, ::-1].copy()
    if happens["rotate"]:
        turn = cv2.getRotationMatrix2D(((KEPT - 1) / 2, (H - 1) / 2), (2 * u[17] - 1) * 10, 1)
        frame = cv2.warpAffine(frame, turn, (KEPT, H))
    return frame


def transformed(frame: np.ndarray, augment: Augment, n: int, seed: int) -> np.ndarray:
    drawn = draw(n, augment, (H, W), KEPT, generator(seed, 0, 2))
    frames = torch.from_numpy(np.rint(frame).astype(np.uint8)).expand(n, 2, 1, H, W).contiguous()
    clips = frames[..., 10:54].contiguous()
    which = np.flatnonzero(drawn.warped)
    if len(which):
        warp(frames[which], drawn.source[which], clips, which)
    finish(clips, drawn)
    assert (clips[:, 0] == clips[:, 1]).all()
    return clips[:, 0, 0].numpy()


@pytest.mark.parametrize(
    "augment",
    [
        Augment(rotate=1),
        Augment(perspective=1),
        Augment(affine=1),
        Augment(flip=1),
        EVERYTHING,
        Augment(affine=0.5, perspective=0.5, rotate=0.5, flip=0.5),
    ],
)
def test_one_resampling_shows_what_the_transforms_one_after_the_other_show(augment: Augment) -> None:
    n, frame = 12, soft_frame()
    u = generator(3, 0, 2).random((n, 28))
    for got, numbers in zip(transformed(frame, augment, n, 3), u, strict=True):
        want = one_after_the_other(np.rint(frame), augment, numbers)
        inner = (slice(8, -8), slice(6, -6))  # a rotation after the crop brings in black, ours what was cut off
        assert abs(got[inner].astype(float) - want[inner]).mean() < 0.7
        assert abs(got[inner].astype(float) - want[inner]).max() < 4


def test_warp_is_bilinear_pixel_by_pixel() -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (3, 2, 2, 10, 8), dtype=np.uint8)
    source = np.eye(3) + rng.normal(0, [[0.2, 0.2, 3], [0.2, 0.2, 3], [0.004, 0.004, 0]], (3, 3, 3))
    out = torch.zeros(5, 2, 2, 10, 6, dtype=torch.uint8)
    warp(torch.from_numpy(frames), source, out, np.array([4, 0, 2]))
    assert (out[[1, 3]] == 0).all()
    for clip, to in enumerate((4, 0, 2)):
        for y in range(10):
            for x in range(6):
                px, py, scale = source[clip] @ (x, y, 1)
                px, py = px / scale, py / scale
                want = np.zeros((2, 2))
                for iy in range(10):
                    for ix in range(8):
                        want += max(0, 1 - abs(px - ix)) * max(0, 1 - abs(py - iy)) * frames[clip, :, :, iy, ix]
                assert abs(out[to, :, :, y, x].numpy() - want).max() < 0.52


def test_without_movement_a_warp_changes_nothing() -> None:
    frames = torch.randint(0, 256, (2, 3, 1, 64, 64), dtype=torch.uint8)
    out = torch.empty(2, 3, 1, 64, 44, dtype=torch.uint8)
    shift = np.array([[1.0, 0, 10], [0, 1, 0], [0, 0, 1]])
    warp(frames, np.stack([shift, shift]), out, np.arange(2))
    assert (out == frames[..., 10:54]).all()


def test_flip_alone_is_exact() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (H, W)).astype(np.float32)
    assert (transformed(frame, Augment(flip=1), 2, 0) == frame[None, :, 10:54][..., ::-1]).all()


def test_erased_boxes_have_their_area_and_shape_and_stay_inside() -> None:
    drawn = draw(2000, Augment(erase=1), (H, W), KEPT, generator(0, 0, 2))
    edges = np.array([[rows.start, rows.stop, columns.start, columns.stop] for rows, columns in map(drawn.box, range(2000))])
    tall, wide = edges[:, 1] - edges[:, 0], edges[:, 3] - edges[:, 2]
    assert [*edges.min(0)[::2], *edges.max(0)[1::2]] == [0, 0, H, KEPT]
    share = tall * wide / (H * KEPT)
    assert 0.04 < share.min() < 0.06
    assert 0.19 < share.max() < 0.22
    assert 0.25 < (tall / wide).min() < 0.4
    assert 2.8 < (tall / wide).max() < 3.8
    drawn = draw(6, Augment(erase=1), (H, W), KEPT, generator(0, 0, 2))
    for i, got in enumerate(transformed(np.full((H, W), 255, np.float32), Augment(erase=1), 6, 0)):
        want = np.full((H, KEPT), 255, np.uint8)
        want[drawn.box(i)] = 0
        assert (got == want).all()


def test_kernels_are_opencvs() -> None:
    shapes = (cv2.MORPH_RECT, cv2.MORPH_CROSS, cv2.MORPH_ELLIPSE)
    sizes = (((5, 3), (5, 5), (3, 5)), ((3, 3), (3, 5), (5, 3)), ((3, 3), (3, 5), (5, 3)))
    theirs = [cv2.getStructuringElement(shape, (w, h)) for shape, own in zip(shapes, sizes, strict=True) for h, w in own]
    assert [kernel.astype(int).tolist() for kernel in KERNELS] == [kernel.tolist() for kernel in theirs]


def test_part_dilation_is_opencvs_inside_its_band() -> None:
    frame = (np.random.default_rng(0).random((H, W)) > 0.97) * np.float32(255)
    drawn = draw(60, Augment(dilate=1), (H, W), KEPT, generator(0, 0, 2))
    bands = [drawn.dilated_rows(i) for i in range(60)]
    assert {id(drawn.kernel(i)) for i in range(60)} == {id(kernel) for kernel in KERNELS}
    assert {band.start for band in bands} == set(range(9, 21))
    assert {band.stop for band in bands} == set(range(39, 51))
    for i, got in enumerate(transformed(frame, Augment(dilate=1), 60, 0)):
        want = frame[:, 10:54].astype(np.uint8)
        want[bands[i]] = cv2.dilate(want[bands[i]].copy(), drawn.kernel(i).astype(np.uint8))
        assert (got == want).all()


def test_part_blur_is_a_gaussian_binarised_at_a_fifth_inside_its_band() -> None:
    frame = (np.random.default_rng(0).random((H, W)) > 0.8) * np.float32(255)
    drawn = draw(10, Augment(blur=1), (H, W), KEPT, generator(0, 0, 2))
    for i, got in enumerate(transformed(frame, Augment(blur=1), 10, 0)):
        want, band = frame[:, 10:54].astype(np.uint8), drawn.blurred_rows(i)
        want[band] = (cv2.GaussianBlur(want[band].astype(np.float32), (3, 3), 0) > 0.2 * 255) * 255
        assert (got == want).all()


def test_probabilities_are_kept_and_draws_are_independent() -> None:
    probabilities = Augment(affine=0.1, perspective=0.2, rotate=0.3, flip=0.5, erase=0.4, dilate=0.6, blur=0.7)
    drawn = draw(20_000, probabilities, (H, W), KEPT, generator(0, 0, 2))
    assert abs(drawn.warped.mean() - (1 - 0.9 * 0.8 * 0.7)) < 0.02
    assert abs(drawn.flip.mean() - 0.5 * 0.9 * 0.8 * 0.7) < 0.02
    for happens, share in ((drawn.erased, 0.4), (drawn.dilated, 0.6), (drawn.blurred, 0.7)):
        assert abs(happens.mean() - share) < 0.02
    assert abs(np.corrcoef(drawn.erased, drawn.dilated)[0, 1]) < 0.03


def test_a_part_of_the_clips_has_the_parameters_of_the_whole() -> None:
    whole = draw(8, EVERYTHING, (H, W), KEPT, generator(0, 5, 2))
    part = whole.of(slice(1, None, 2))
    assert (part.source == whole.source[1::2]).all()
    assert [part.box(i) for i in range(4)] == [whole.box(i) for i in range(1, 8, 2)]
