import dataclasses

import numpy as np
import pytest
import torch

from gaitlab.evaluation.embedder import Distance
from gaitlab.evaluation.rerank import Rerank, reranking
from gaitlab.evaluation.retrieval import distances


def people(walks: int, seed: int = 0, each: int = 4) -> torch.Tensor:
    """Walks of people who look somewhat alike, `[n, 2, 6]`; neighbourhoods of all sizes."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((-(-walks // each), 2, 6))
    return torch.from_numpy((centres[np.arange(walks) // each] + 0.6 * rng.standard_normal((walks, 2, 6))).astype(np.float32))


def by_sets(probes: torch.Tensor, gallery: torch.Tensor, how: Rerank, distance: Distance) -> np.ndarray:
    """The definition, walk by walk."""
    every, q = torch.cat([probes, gallery]), len(probes)
    apart = distances(every, every, distance).numpy().astype(np.float64)
    apart /= apart.max(1, keepdims=True)
    order = [list(map(int, np.argsort(row, kind="stable"))) for row in apart]
    n = len(order)

    def mutual(i: int, k: int) -> set[int]:
        return {j for j in order[i][: k + 1] if i in order[j][: k + 1]}

    weight = np.zeros((n, n))
    for i in range(n):
        core = mutual(i, how.k1)
        joined = set(core)
        for j in core:
            theirs = mutual(j, round(how.k1 / 2))
            if len(theirs & core) > 2 / 3 * len(theirs):
                joined |= theirs
        for j in joined:
            weight[i, j] = np.exp(-apart[i, j])
        weight[i] /= weight[i].sum()
    mean = np.array([np.mean([weight[j] for j in order[i][: how.k2]], axis=0) for i in range(n)])
    final = np.empty((q, n - q))
    for i in range(q):
        for j in range(q, n):
            shared = sum(min(a, b) for a, b in zip(mean[i], mean[j], strict=True))
            final[i, j - q] = (1 - how.weight) * (1 - shared / (2 - shared)) + how.weight * apart[i, j]
    return final


@pytest.mark.parametrize(
    ("how", "distance"),
    [
        (Rerank(), "euclidean"),
        (Rerank(), "cosine"),
        (Rerank(k1=11, k2=1, weight=0.1), "euclidean"),
        (Rerank(k1=5, k2=9, weight=0.0), "euclidean"),  # half of 5, and more averaged than compared
        (Rerank(k1=1, k2=2, weight=0.5), "euclidean"),
    ],
)
def test_against_the_definition(how: Rerank, distance: Distance) -> None:
    probes, gallery = people(23), people(41, seed=0)[5:]
    slow = by_sets(probes, gallery, how, distance)
    np.testing.assert_allclose(reranking(probes, gallery, how, distance=distance)(slice(None)).numpy(), slow, atol=3e-6)
    small = reranking(probes, gallery, how, distance=distance, budget=3000)  # a tile is a few rows
    np.testing.assert_allclose(np.concatenate([small(slice(0, 9)).numpy(), small(slice(9, 40)).numpy()]), slow, atol=3e-6)


def test_all_weight_on_the_usual_distance_keeps_the_ranking() -> None:
    probes, gallery = people(12), people(30, seed=0)[12:]
    final = reranking(probes, gallery, Rerank(weight=1.0))(slice(None)).numpy()
    np.testing.assert_array_equal(final.argsort(1), distances(probes, gallery, "euclidean").numpy().argsort(1))


def test_neighbours_help_where_one_walk_misleads() -> None:
    """A probe nearer to a stranger than to its own person, whose other walks lie between the two."""
    own = torch.tensor([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    stranger = torch.tensor([-0.9, -1.0, -1.1, -1.2, -1.3, -1.4])
    gallery = torch.cat([own[-1:], stranger])[:, None, None]
    probes = own[:-1, None, None]
    assert distances(probes[:1], gallery, "euclidean").argmin() == 1
    assert reranking(probes, gallery, Rerank(k1=5, k2=2))(slice(0, 1)).argmin() == 0


def test_more_neighbours_than_walks_and_equal_walks() -> None:
    few = people(3)
    assert torch.isfinite(reranking(few[:1], few[1:], Rerank(k1=20))(slice(None))).all()
    same = torch.ones(6, 1, 2)
    final = reranking(same[:2], same[2:], Rerank(k1=2))(slice(None))
    assert torch.isfinite(final).all()


@pytest.mark.parametrize("wrong", [{"k1": 0}, {"k2": 0}, {"weight": 1.5}])
def test_settings_that_mean_nothing(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"Rerank\.\w+ is (1 or more|0 to 1)"):
        dataclasses.replace(Rerank(), **wrong)  # type: ignore[arg-type]
