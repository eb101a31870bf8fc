"""Losses against double loops, at their edges, and inside autocast."""

import pytest
import torch

from gaitlab.losses.identity import part_cross_entropy
from gaitlab.losses.triplet import Comparison, Mining, part_distances, part_triplet

BALANCED = torch.tensor([0, 0, 1, 1, 2, 2])
UNEVEN = torch.tensor([0, 0, 0, 1, 2, 2, -1])


def triplets_by_loop(z: torch.Tensor, subject: torch.Tensor, margin: float) -> tuple[torch.Tensor, list[int], list[float], int]:
    """Loss, terms above zero and largest term per part, number of all terms."""
    losses, active, hardest, total = [], [], [], 0
    n = len(z)
    for p in range(z.shape[1]):
        terms = []
        for a in range(n):
            for b in range(n):
                for c in range(n):
                    if min(subject[a], subject[b], subject[c]) >= 0 and subject[a] == subject[b] != subject[c]:
                        near = torch.linalg.vector_norm(z[a, p] - z[b, p]) if a != b else z.new_zeros(())
                        terms.append((near - torch.linalg.vector_norm(z[a, p] - z[c, p]) + margin).clamp(min=0))
        total = len(terms)
        above = [term for term in terms if term > 0]
        losses.append(torch.stack(above).mean() if above else z.new_zeros(()))
        active.append(len(above))
        hardest.append(max((float(term.detach()) for term in terms), default=0.0))
    return torch.stack(losses).mean(), active, hardest, total


@pytest.mark.parametrize("subject", [BALANCED, UNEVEN])
@pytest.mark.parametrize("margin", [0.2, 2.0])
def test_triplet_by_loop(subject: torch.Tensor, margin: float) -> None:
    z = torch.randn(len(subject), 3, 4, dtype=torch.float64, requires_grad=True)
    ours = part_triplet(z, subject, margin=margin)
    loss, active, hardest, total = triplets_by_loop(z, subject, margin)
    torch.testing.assert_close(ours.loss, loss)
    assert ours.active.tolist() == active
    torch.testing.assert_close(ours.hardest, torch.tensor(hardest, dtype=torch.float64))
    assert float(ours.share) == pytest.approx(sum(active) / (total * 3))
    torch.testing.assert_close(*(torch.autograd.grad(value, z)[0] for value in (ours.loss, loss)))


@pytest.mark.parametrize("subject", [BALANCED, UNEVEN])
@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize("mining", ["all", "hard"])
def test_both_minings_of_both_distances_by_loop(subject: torch.Tensor, distance: Comparison, mining: Mining) -> None:
    z = torch.randn(len(subject), 2, 4, dtype=torch.float64, requires_grad=True)
    ours = part_triplet(z, subject, margin=0.5, mining=mining, distance=distance)

    def apart(a: int, b: int, p: int) -> torch.Tensor:
        if a == b:
            return z.new_zeros(())
        if distance == "euclidean":
            return torch.linalg.vector_norm(z[a, p] - z[b, p])
        return 1 - torch.nn.functional.cosine_similarity(z[a, p], z[b, p], dim=0)

    means = []
    for p in range(z.shape[1]):
        terms = []
        for a in range(len(z)):
            near = [apart(a, b, p) for b in range(len(z)) if subject[a] == subject[b] >= 0]
            far = [apart(a, c, p) for c in range(len(z)) if subject[a] != subject[c] and min(subject[a], subject[c]) >= 0]
            pairs = [(x, y) for x in near for y in far]
            if mining == "hard" and pairs:
                pairs = [(torch.stack(near).amax(), torch.stack(far).amin())]
            terms += [x - y + 0.5 for x, y in pairs]
        above = [term for term in terms if term > 0]
        means.append(torch.stack(above).mean() if above else z.new_zeros(()))
        assert ours.active[p] == len(above)
        assert ours.per_part[p] == pytest.approx(float(means[-1].detach()))
    loss = torch.stack(means).mean()
    torch.testing.assert_close(ours.loss, loss)
    torch.testing.assert_close(*(torch.autograd.grad(value, z)[0] for value in (ours.loss, loss)))


@pytest.mark.parametrize("mining", ["all", "hard"])
@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_collapsed_embeddings_have_a_finite_gradient(distance: Comparison, mining: Mining) -> None:
    z = torch.ones(6, 2, 4, requires_grad=True)
    result = part_triplet(z, BALANCED, mining=mining, distance=distance)
    result.loss.backward()
    assert float(result.loss.detach()) == pytest.approx(0.2)
    assert z.grad is not None
    assert z.grad.isfinite().all()


def test_distances() -> None:
    z = torch.randn(5, 3, 8)
    exact = torch.cdist(z.transpose(0, 1), z.transpose(0, 1), compute_mode="donot_use_mm_for_euclid_dist")
    torch.testing.assert_close(part_distances(z), exact)
    torch.testing.assert_close(part_distances(z, self_distance="rounded"), exact, atol=1e-2, rtol=1e-4)
    far = part_distances(z + 1000)  # a common shift costs nothing
    torch.testing.assert_close(far, exact, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("subject", [[0, 0, 0], [-1, -1, -1], [0, -1, -1], [0, 0, -1]])
@pytest.mark.parametrize("mining", ["all", "hard"])
def test_no_valid_triplet_is_zero_with_a_finite_gradient(subject: list[int], mining: Mining) -> None:
    z = torch.ones(3, 2, 4, requires_grad=True)
    result = part_triplet(z, torch.tensor(subject), mining=mining)
    result.loss.backward()
    assert result.loss == 0
    assert all(torch.isfinite(value).all() for value in result)
    assert torch.equal(z.grad, torch.zeros_like(z))  # type: ignore[arg-type]


def test_equal_walks_of_different_subjects_have_a_finite_gradient() -> None:
    z = torch.ones(4, 2, 4, requires_grad=True)
    result = part_triplet(z, torch.tensor([0, 0, 1, 1]), margin=0.2)
    result.loss.backward()
    assert float(result.loss.detach()) == pytest.approx(0.2)
    assert z.grad is not None
    assert z.grad.isfinite().all()


def test_losses_stay_float32_inside_autocast() -> None:
    z = torch.randn(6, 3, 16) * 50
    logits = torch.rand(6, 3, 5)
    expected = part_triplet(z, BALANCED).loss, part_cross_entropy(logits, BALANCED)
    with torch.autocast("cpu", torch.bfloat16):
        inside = part_triplet(z, BALANCED).loss, part_cross_entropy(logits, BALANCED)
    for a, b in zip(inside, expected, strict=True):
        assert a.dtype == torch.float32
        torch.testing.assert_close(a, b)


def test_identity_by_loop() -> None:
    logits, scale, smoothing = torch.randn(7, 3, 4, requires_grad=True), 16.0, 0.1
    terms = []
    for i, label in enumerate(UNEVEN.tolist()):
        for p in range(3):
            if label >= 0:
                target = torch.full((4,), smoothing / 4)
                target[label] += 1 - smoothing
                terms.append(-(target * torch.log_softmax(scale * logits[i, p], 0)).sum())
    torch.testing.assert_close(part_cross_entropy(logits, UNEVEN, scale=scale, smoothing=smoothing), torch.stack(terms).mean())
    nobody = part_cross_entropy(logits, torch.full((7,), -1))
    nobody.backward()
    assert nobody == 0
    assert logits.grad is not None
    assert logits.grad.abs().sum() == 0
