"""Crop and centre, against the peer's figures and against a version that a child could follow."""

import time

import cv2
import numpy as np

from gaitlab.data.frames import align


def slow(frame: np.ndarray, size: int) -> np.ndarray | None:
    if int(frame.astype(int).sum()) <= 10_000:
        return None
    filled = [y for y in range(frame.shape[0]) if frame[y].max() > 0]
    body = frame[filled[0] : filled[-1] + 1]
    body = cv2.resize(body, (int(body.shape[1] * size / body.shape[0]), size), interpolation=cv2.INTER_CUBIC)
    total, so_far, centre = int(body.astype(int).sum()), 0, 0
    for x in range(body.shape[1]):
        so_far += int(body[:, x].astype(int).sum())
        if so_far > total / 2:
            centre = x
            break
    out = np.zeros((size, size), np.uint8)
    for x in range(size):
        if 0 <= centre - size // 2 + x < body.shape[1]:
            out[:, x] = body[:, centre - size // 2 + x]
    return out


def test_equal_to_the_slow_twin() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        h, w = (int(n) for n in rng.integers(40, 200, 2))
        frame = np.zeros((h, w), np.uint8)
        for _ in range(4):  # boxes, some of which touch the edges
            y, x = rng.integers(0, h - 10), rng.integers(0, w - 5)
            frame[y : y + int(rng.integers(5, h)), x : x + int(rng.integers(3, w))] = rng.integers(50, 256)
        ours, twin = align(frame), slow(frame, 64)
        assert ours is not None
        assert twin is not None
        assert np.array_equal(ours, twin)


def test_frames_that_show_nobody_are_none() -> None:
    frame = np.zeros((100, 80), np.uint8)
    assert align(frame) is None
    frame.flat[:100] = 100
    assert align(frame) is None, "a sum of 10,000 is not enough"
    frame.flat[0] = 101
    assert align(frame) is not None


def test_a_sliver_has_no_width() -> None:
    assert align(np.full((400, 3), 255, np.uint8)) is None


def test_area_interpolation_differs_and_stays_centred() -> None:
    frame = np.zeros((300, 200), np.uint8)
    cv2.ellipse(frame, (60, 150), (30, 120), 0, 0, 360, 255, -1)
    cubic, area = align(frame), align(frame, interpolation="area")
    assert cubic is not None
    assert area is not None
    assert not np.array_equal(cubic, area)
    assert abs(int(area[:, :32].sum()) - int(area[:, 32:].sum())) < 0.1 * int(area.sum())


def test_frames_per_second() -> None:
    frame = np.zeros((240, 320), np.uint8)
    cv2.ellipse(frame, (160, 120), (30, 80), 0, 0, 360, 255, -1)
    start = time.perf_counter()
    for _ in range(200):
        align(frame)
    assert 200 / (time.perf_counter() - start) > 500
