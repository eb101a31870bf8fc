"""GaitSSB: the two directions by loop, what is frozen and how fast the rest learns, and that pretraining tells walks apart."""

import pytest
import torch
from torch.nn import functional as F

from gaitlab.backbones.gaitbase import GaitBaseConfig
from gaitlab.experiment import OptimConfig
from gaitlab.methods.gaitssb import GaitSSB, GaitSSBConfig, GaitSSBFinetune, GaitSSBFinetuneConfig
from gaitlab.rng import Rng
from gaitlab.training.optim import Optimisers
from gaitlab.types import Batch

BACKBONE = GaitBaseConfig(channels=(4, 6, 8, 8), stem_stride=2, bins=(4, 1))
RNG = Rng(0, 0, range(8))


def batch(n: int = 6, t: int = 3, seed: int = 0) -> Batch:
    """Two noisy looks at each of n still figures."""
    rng = torch.Generator().manual_seed(seed)
    figure = (torch.rand(n, 1, 1, 32, 22, generator=rng) > 0.5).float()
    clips = {role: (figure + 0.1 * torch.randn(n, t, 1, 32, 22, generator=rng)).clamp(0, 1) for role in ("query", "key", "gait")}
    return Batch(clips, dict.fromkeys(clips, torch.full((n,), t)), torch.arange(n) // 2, torch.arange(n))


def pretrained() -> GaitSSB:
    torch.manual_seed(0)
    return GaitSSBConfig(backbone=BACKBONE, hidden=8, embedding=8).build(0)


def test_both_directions_by_loop() -> None:
    model, seen = pretrained(), batch()
    losses = model(seen, RNG)
    torch.manual_seed(0)
    twin = pretrained()
    target = {r: twin.projector(twin.backbone(seen.clips[r], seen.lengths[r])) for r in ("query", "key")}
    predicted = {role: twin.predictor(z) for role, z in target.items()}
    for term, (rows, columns) in {"query_finds_key": ("query", "key"), "key_finds_query": ("key", "query")}.items():
        total = []
        for p in range(5):
            for i in range(6):
                cosines = torch.stack([F.cosine_similarity(predicted[rows][i, p], target[columns][j, p], dim=0) for j in range(6)])
                total.append(F.cross_entropy(16 * cosines, torch.tensor(i), label_smoothing=0.1))
        torch.testing.assert_close(losses.terms[term], torch.stack(total).mean(), rtol=1e-4, atol=1e-5)


def test_every_parameter_gets_a_gradient_and_targets_give_none() -> None:
    model = pretrained()
    model(batch(), RNG).total().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    predicted, target = torch.rand(3, 2, 4, requires_grad=True), torch.rand(3, 2, 4, requires_grad=True)
    model.cosines(predicted, target).sum().backward()
    assert target.grad is None


def test_pretraining_finds_walks_again() -> None:
    model, optimiser = pretrained(), None
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    first = float(model(batch(seed=0), RNG).watch["accuracy"])
    for step in range(60):
        losses = model(batch(seed=step % 4), RNG)
        optimiser.zero_grad()
        losses.total().backward()
        optimiser.step()
    model.eval()
    unseen = batch(seed=0)
    looks = [model.embed(Batch({"query": unseen.clips[r]}, unseen.lengths, unseen.subject, unseen.rows)) for r in ("query", "key")]
    torch.testing.assert_close(looks[0].norm(dim=2), torch.ones(6, 5))
    found = torch.einsum("npd,kpd->nk", *looks).argmax(1)
    assert (found == torch.arange(6)).float().mean() >= 5 / 6
    assert float(losses.watch["accuracy"]) > first


def finetuned(**changes: object) -> GaitSSBFinetune:
    torch.manual_seed(0)
    config = GaitSSBFinetuneConfig(backbone=BACKBONE, hidden=8, projection=8, embedding=6, **changes)  # type: ignore[arg-type]
    return config.build(3)


def test_finetuning_learns_at_the_rates_of_its_parts() -> None:
    model = finetuned(stage_lr=(0.0, 1e-3, 2e-3, 0.0))
    optimisers = Optimisers(OptimConfig(lr=0.1, milestones=(5,), gamma=0.01, least_lr=1e-4), model, 10)
    optimisers.set_rate(0)
    assert [group["lr"] for group in optimisers.all[0].param_groups] == pytest.approx([0.1, 1e-2, 1e-3, 2e-3])
    optimisers.set_rate(5)
    assert [group["lr"] for group in optimisers.all[0].param_groups] == pytest.approx([1e-3, 1e-4, 1e-4, 1e-4])
    model(batch(), RNG).total().backward()
    learning = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert not any(name.startswith(("backbone.stem", "backbone.stages.0", "backbone.stages.3")) for name in learning)
    assert len({id(p) for p in optimisers.parameters}) == len(learning)
    with pytest.raises(ValueError, match="a rate for each of the 4 stages"):
        finetuned(stage_lr=(0.1,))


def test_frozen_norms_keep_their_statistics() -> None:
    for freeze in (True, False):
        model = finetuned(freeze_norms=freeze).train()
        before = {name: value.clone() for name, value in model.named_buffers() if name.endswith("running_mean")}
        model(batch(), RNG)
        moved = [name for name, value in model.named_buffers() if name in before and not torch.equal(value, before[name])]
        assert bool(moved) is not freeze
