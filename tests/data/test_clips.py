"""Frame sampling against a loop over walks that says what each rule means."""

import numpy as np
import pytest

from gaitlab.data.clips import frame_numbers
from gaitlab.data.draws import generator
from gaitlab.types import ClipSpec

WALKS = np.array([1, 2, 5, 29, 30, 31, 34, 60, 200])


def legal(numbers: list[int], walk: int, spec: ClipSpec) -> bool:
    """Could this be a clip of a walk `walk` frames long? Decided one walk at a time, by looking for a way to make it."""
    n = len(numbers)
    if spec.order == "unordered":
        return all(0 <= i < walk for i in numbers) and (walk < n or len(set(numbers)) == n)
    window = n + (spec.skip if spec.order == "ordered" else 0)
    tiled = list(range(walk)) * (-(-window // walk) if walk < window else 1)
    for start in range(len(tiled) - window + 1):
        inside = tiled[start : start + window]
        if spec.order == "consecutive":
            if inside == numbers:
                return True
            continue
        at = iter(inside)
        if all(number in at for number in numbers):
            return True
    return False


@pytest.mark.parametrize("order", ["unordered", "ordered", "consecutive"])
@pytest.mark.parametrize("frames", [30, 1, (10, 50), (3, 5)])
def test_clips_follow_their_rule(order: str, frames: int | tuple[int, int]) -> None:
    spec = ClipSpec(frames=frames, order=order)  # type: ignore[arg-type]
    low, high = (frames, frames) if isinstance(frames, int) else frames
    for step in range(10):
        numbers, lengths = frame_numbers(WALKS, spec, generator(0, step, 1))
        assert numbers.dtype == lengths.dtype == np.int64
        assert numbers.shape == (len(WALKS), lengths.max())
        assert ((lengths >= low) & (lengths <= high)).all()
        for walk, row, length in zip(WALKS, numbers.tolist(), lengths, strict=True):
            assert row[length:] == [-1] * (len(row) - length)
            assert legal(row[:length], int(walk), spec), (walk, row)


def test_the_slow_rule_itself_refuses_wrong_clips() -> None:
    assert not legal([0, 1, 3], 60, ClipSpec(order="consecutive"))
    assert not legal([0, 1, 9], 60, ClipSpec(order="ordered", skip=4))
    assert not legal([4, 4, 5], 60, ClipSpec(order="unordered"))
    assert legal([3, 4, 0, 1, 2, 3, 4], 5, ClipSpec(order="consecutive"))


def test_unfixed_lengths_cover_their_range_evenly() -> None:
    _, lengths = frame_numbers(np.full(20_000, 60), ClipSpec(frames=(10, 13)), generator(0, 0, 1))
    assert abs(np.bincount(lengths)[10:] / 20_000 - 0.25).max() < 0.015


def test_windows_start_anywhere() -> None:
    numbers, _ = frame_numbers(np.full(20_000, 12), ClipSpec(frames=10, order="consecutive"), generator(0, 0, 1))
    assert abs(np.bincount(numbers[:, 0]) / 20_000 - 1 / 3).max() < 0.015


def test_unordered_frames_come_in_random_order() -> None:
    numbers, _ = frame_numbers(np.full(4000, 30), ClipSpec(frames=30), generator(0, 0, 1))
    assert abs(numbers.mean(0) - 14.5).max() < 0.7


@pytest.mark.parametrize("order", ["unordered", "ordered", "consecutive"])
def test_whole_walks_come_in_order_up_to_the_limit(order: str) -> None:
    spec = ClipSpec(frames=None, order=order, limit=50)  # type: ignore[arg-type]
    numbers, lengths = frame_numbers(WALKS, spec, generator(0, 0, 1))
    assert lengths.tolist() == [1, 2, 5, 29, 30, 31, 34, 50, 50]
    for row, length in zip(numbers, lengths, strict=True):
        assert row.tolist() == [*range(length), *[-1] * (50 - length)]
