"""Learning rates and optimiser groups."""

import itertools

import pytest
import torch
from torch import nn

from gaitlab.experiment import OptimConfig
from gaitlab.method import Method
from gaitlab.training.optim import Optimisers, rate_factor


def test_milestones() -> None:
    config = OptimConfig(schedule="milestones", milestones=(3, 5), gamma=0.1)
    assert [rate_factor(config, s, 10) for s in range(7)] == pytest.approx([1, 1, 1, 0.1, 0.1, 0.01, 0.01])


def test_milestones_equal_torchs_scheduler() -> None:
    config = OptimConfig(lr=0.3, schedule="milestones", milestones=(2, 4), gamma=0.5)
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.3)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimiser, [2, 4], 0.5)
    for step in range(6):
        assert optimiser.param_groups[0]["lr"] == pytest.approx(0.3 * rate_factor(config, step, 6))
        optimiser.step()
        scheduler.step()


def test_cosine_with_warmup_rises_then_falls_to_zero() -> None:
    config = OptimConfig(schedule="cosine", warmup=4)
    factors = [rate_factor(config, s, 20) for s in range(21)]
    assert factors[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert all(a >= b for a, b in itertools.pairwise(factors[3:]))
    assert factors[20] == pytest.approx(0, abs=1e-12)


class TwoParts(Method):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.extra = nn.Linear(2, 2), nn.Linear(2, 2)

    def embed(self, batch):  # type: ignore[no-untyped-def]
        raise AssertionError("not called")

    def param_groups(self):  # type: ignore[no-untyped-def]
        return [
            {"params": list(self.body.parameters()), "lr_ratio": 0.1},
            {"params": list(self.extra.parameters()), "optimiser": "adamw", "lr": 1e-4},
        ]


def test_groups_have_their_own_rate_and_optimiser() -> None:
    optimisers = Optimisers(OptimConfig(lr=0.2, schedule="constant", warmup=2), TwoParts(), steps=10)
    assert [type(o).__name__ for o in optimisers.all] == ["SGD", "AdamW"]
    optimisers.set_rate(0)
    assert [o.param_groups[0]["lr"] for o in optimisers.all] == pytest.approx([0.01, 5e-5])


def test_a_state_of_other_groups_is_told() -> None:
    method = TwoParts()
    states = Optimisers(OptimConfig(), method, steps=10).state_dict()
    method.param_groups = lambda: [{"params": list(method.parameters())}]  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="--fresh trains anew"):
        Optimisers(OptimConfig(), method, steps=10).load_state_dict(states)


def test_a_group_may_be_without_decay() -> None:
    method = TwoParts()
    groups = list(method.param_groups())
    groups[1]["weight_decay"] = 0.0
    method.param_groups = lambda: groups  # type: ignore[method-assign]
    optimisers = Optimisers(OptimConfig(weight_decay=0.3), method, steps=10)
    assert [o.param_groups[0]["weight_decay"] for o in optimisers.all] == [0.3, 0.0]


def test_clip_norm() -> None:
    method = TwoParts()
    for p in method.parameters():
        p.grad = torch.full_like(p, 3.0)
    optimisers = Optimisers(OptimConfig(clip_norm=1.0), method, steps=1)
    before = optimisers.grad_norm()
    after = torch.linalg.vector_norm(torch.cat([p.grad.flatten() for p in method.parameters()]))  # type: ignore[union-attr]
    assert before == pytest.approx(3 * 12**0.5)
    assert after == pytest.approx(1.0, rel=1e-4)
