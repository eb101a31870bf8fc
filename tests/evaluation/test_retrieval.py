"""The tiled ranking against a loop that sorts."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields

import numpy as np
import pytest
import torch

from gaitlab.evaluation import retrieval
from gaitlab.evaluation.embedder import Distance
from gaitlab.evaluation.retrieval import Ranking, distances, rank, top


def slow_distance(a: np.ndarray, b: np.ndarray, distance: Distance) -> float:
    """Two walks `[p, d]`, in float64."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    if distance == "euclidean":
        return float(np.mean([np.linalg.norm(x - y) for x, y in zip(a, b, strict=True)]))
    return float(1 - np.mean([x @ y / np.linalg.norm(x) / np.linalg.norm(y) for x, y in zip(a, b, strict=True)]))


def slow_rank(apart: np.ndarray, probe: int, gallery: np.ndarray, left_out: np.ndarray) -> tuple[int, float, float, int, int]:
    """One probe's distances, in a sorted list where ties go against the mates: place, AP, INP, mates, ranked."""
    order = sorted((d, subject == probe >= 0) for d, subject, out in zip(apart, gallery, left_out, strict=True) if not out)
    hits = [i for i, (_, mate) in enumerate(order) if mate]
    if not hits:
        return len(order), np.nan, np.nan, 0, len(order)
    precision = [(n + 1) / (i + 1) for n, i in enumerate(hits)]
    return hits[0], float(np.mean(precision)), len(hits) / (hits[-1] + 1), len(hits), len(order)


def cloud(n: int, seed: int, *, parts: int = 3, channels: int = 5) -> torch.Tensor:
    return torch.randn(n, parts, channels, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_distances_against_a_double_loop(distance: Distance) -> None:
    a, b = cloud(7, 0), cloud(11, 1)
    slow = [[slow_distance(x, y, distance) for y in b.numpy()] for x in a.numpy()]
    np.testing.assert_allclose(distances(a, b, distance).numpy(), slow, rtol=2e-6, atol=2e-6)


def test_equal_walks_are_at_distance_nought_or_nearly() -> None:
    a = 100 * cloud(4, 0)
    assert distances(a, a, "euclidean").diagonal().abs().max() < 0.1  # sqrt of what float32 leaves of |a|^2 ~ 5e4
    assert distances(a, a, "cosine").diagonal().abs().max() < 1e-6


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize("views", [False, True])
@pytest.mark.parametrize("budget", [1, 30_000, 1 << 30])
@pytest.mark.parametrize("few", [0, 3, 100])
def test_rank_against_a_sorting_loop(distance: Distance, views: bool, budget: int, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any tile size, counted or sorted, unlabelled walks (-1), subjects without mates, mates left out by view."""
    monkeypatch.setattr(retrieval, "FEW", few)
    rng = np.random.default_rng(5)
    probes, gallery = cloud(40, 2), cloud(61, 3)
    probe_subject, gallery_subject = rng.integers(-1, 12, 40), rng.integers(-1, 10, 61)
    probe_view, gallery_view = rng.integers(0, 3, 40), rng.integers(0, 3, 61)
    ranking = rank(
        probes, gallery, probe_subject, gallery_subject,
        views=(probe_view, gallery_view) if views else None, distance=distance, budget=budget,
    )  # fmt: skip
    apart = distances(probes, gallery, distance).numpy()
    for i, subject in enumerate(probe_subject):
        own = (gallery_subject == subject) & (subject >= 0)
        left_out = own & (gallery_view == probe_view[i]) if views else np.zeros(61, dtype=bool)
        place, ap, inp, mates, ranked = slow_rank(apart[i], int(subject), gallery_subject, left_out)
        assert (ranking.place[i], ranking.mates[i], ranking.ranked[i]) == (place, mates, ranked)
        np.testing.assert_allclose((ranking.ap[i], ranking.inp[i]), (ap, inp), rtol=1e-12)


def test_a_hand_made_ranking() -> None:
    """Gallery on a line at 1..6; the mates are 2nd, 3rd and 6th."""
    gallery = torch.arange(1.0, 7)[:, None, None]
    ranking = rank(torch.zeros(1, 1, 1), gallery, np.array([7]), np.array([1, 7, 7, 2, 3, 7]))
    assert ranking.place.tolist() == [1]
    assert ranking.ap[0] == pytest.approx((1 / 2 + 2 / 3 + 3 / 6) / 3)
    assert ranking.inp[0] == pytest.approx(3 / 6)


def test_a_tie_counts_against_the_mate() -> None:
    """Everybody at one point: no credit for the order of rows."""
    one = torch.ones(6, 2, 3)
    subject = np.array([0, 0, 1, 1, 2, 2])
    ranking = rank(one, one, subject, subject)
    assert ranking.place.tolist() == [4] * 6
    np.testing.assert_allclose(ranking.ap, (1 / 5 + 2 / 6) / 2)


def test_the_order_of_the_gallery_says_nothing() -> None:
    rng = np.random.default_rng(0)
    probes, gallery, shuffle = cloud(30, 0), cloud(50, 1), rng.permutation(50)
    a, b = rng.integers(0, 9, 30), rng.integers(0, 9, 50)
    one, two = rank(probes, gallery, a, b), rank(probes, gallery[shuffle], a, b[shuffle])
    np.testing.assert_array_equal(one.place, two.place)
    np.testing.assert_array_equal(one.ap, two.ap)


def test_distances_that_are_kept() -> None:
    """Mates in order, the nearest walk, and an even sample of the others, or all of them."""
    rng = np.random.default_rng(0)
    probes, gallery = cloud(50, 0), cloud(40, 1)
    a, b = rng.integers(0, 6, 50), rng.integers(0, 6, 40)
    apart = distances(probes, gallery, "euclidean").numpy()
    some = rank(probes, gallery, a, b, samples=100, budget=5000)
    every = rank(probes, gallery, a, b, samples=10**6, budget=5000)
    assert rank(probes, gallery, a, b).to_others.shape == (50, 0)
    assert some.to_others.shape == (50, 2)
    for i in range(50):
        mates = np.sort(apart[i, b == a[i]])
        np.testing.assert_allclose(some.to_mates[i][: len(mates)], mates, atol=1e-6)
        assert np.isinf(some.to_mates[i][len(mates) :]).all()
        assert some.nearest[i] == pytest.approx(apart[i].min(), abs=1e-6)
        others = np.sort(apart[i, b != a[i]])
        np.testing.assert_allclose(np.sort(every.to_others[i])[: len(others)], others, atol=1e-6)
        kept = some.to_others[i][np.isfinite(some.to_others[i])]
        assert np.abs(kept[:, None] - others).min(1, initial=9).max(initial=0) < 1e-6
    sample = some.to_others[np.isfinite(some.to_others)]
    others = apart[a[:, None] != b]
    assert abs(sample.mean() - others.mean()) < 0.3 * others.std()


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize("budget", [1, 30_000, 1 << 30])
def test_the_nearest_against_a_stable_sort(distance: Distance, budget: int) -> None:
    """Any tile size; every other gallery walk is there twice, and once five times, so ties fall on both sides of k."""
    probes, gallery = cloud(40, 2), cloud(61, 3)
    gallery[1::2] = gallery[:-1:2]
    gallery[30:35] = gallery[3]
    apart = distances(probes, gallery, distance).numpy()
    order = np.argsort(apart, axis=1, kind="stable")
    for k in (1, 2, 3, 20, 61):
        rows, nearest = top(probes, gallery, k, distance=distance, budget=budget)
        assert (rows.dtype, nearest.dtype) == (np.int64, np.float32)
        np.testing.assert_array_equal(rows, order[:, :k])
        np.testing.assert_allclose(nearest, np.take_along_axis(apart, order[:, :k], 1), rtol=1e-6)


def test_the_nearest_of_equally_far_walks_are_the_first() -> None:
    rows, nearest = top(torch.zeros(2, 1, 1), torch.ones(500, 1, 1), 20)
    np.testing.assert_array_equal(rows, [np.arange(20)] * 2)
    np.testing.assert_array_equal(nearest, np.ones((2, 20)))


@pytest.mark.parametrize("k", [0, 6])
def test_more_than_there_are_cannot_be_nearest(k: int) -> None:
    with pytest.raises(ValueError, match="ask for 1 to 5"):
        top(cloud(2, 0), cloud(5, 1), k)


def alike(one: Ranking, two: Ranking) -> None:
    """Near the last bit: products of small matrices differ there with their shape."""
    for field in fields(Ranking):
        np.testing.assert_allclose(getattr(one, field.name), getattr(two, field.name), rtol=2e-6, err_msg=field.name)


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_blocks_tiles_and_threads_change_nothing(distance: Distance, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the number of threads is afterwards what it was."""
    rng = np.random.default_rng(1)
    probes, gallery = cloud(90, 0), cloud(70, 1)
    a, b = rng.integers(-1, 9, 90), rng.integers(-1, 9, 70)
    whole = rank(probes, gallery, a, b, distance=distance, samples=500)
    apart = distances(probes, gallery, distance)
    monkeypatch.setattr(retrieval, "BLOCK", 64)
    monkeypatch.setattr(retrieval, "ROWS", 8)
    alike(whole, rank(probes, gallery, a, b, distance=distance, samples=500))
    with torch.inference_mode():
        torch.testing.assert_close(distances(probes, gallery, distance), apart, rtol=2e-6, atol=2e-6)
    assert torch.get_num_threads() == threads


@pytest.mark.usefixtures("threads")
def test_what_goes_wrong_in_a_tile_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "ROWS", 8)
    with pytest.raises(RuntimeError):
        distances(cloud(90, 0), cloud(70, 1, channels=4), "euclidean")


@pytest.mark.gpu
def test_rank_on_a_gpu() -> None:
    rng = np.random.default_rng(1)
    probes, gallery = cloud(90, 0), cloud(70, 1)
    a, b = rng.integers(-1, 9, 90), rng.integers(-1, 9, 70)
    here, there = (rank(probes.to(device), gallery.to(device), a, b) for device in ("cpu", "cuda"))
    np.testing.assert_array_equal(here.place, there.place)
    np.testing.assert_allclose(here.ap, there.ap)
    np.testing.assert_array_equal(*(top(probes.to(device), gallery.to(device), 5)[0] for device in ("cpu", "cuda")))


def test_no_probes() -> None:
    ranking = rank(cloud(0, 0), cloud(5, 1), np.zeros(0, np.int64), np.arange(5), samples=10)
    assert len(ranking.place) == len(ranking.to_mates) == 0


TALL = """
import resource, numpy as np, torch
from gaitlab.evaluation.retrieval import BUDGET, rank, top
torch.set_num_threads(2)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
probes, gallery = torch.randn(60_000, 2, 8), torch.randn(2_000, 2, 8)
a, b = np.arange(60_000) % 500, np.arange(2_000) % 500
rank(probes[:2000], gallery[:50], a[:2000], b[:50], samples=100)
top(probes[:2000], gallery[:50], 5)
before = peak()
rank(probes, gallery, a, b, samples=20_000)
top(probes, gallery, 20)
print(peak() - before - BUDGET)
"""


def test_memory_is_what_the_budget_says() -> None:
    """480 MB of distances in the budget, 16 MB of results and what the allocator and the libraries keep for themselves."""
    done = subprocess.run([sys.executable, "-c", TALL], check=True, capture_output=True, text=True)
    assert int(done.stdout) < 64 << 20
