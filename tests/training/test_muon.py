"""Muon against torch's own, which takes matrices only, and what it is for: filters and one matrix a part."""

import pytest
import torch
from torch import nn

from gaitlab.experiment import OptimConfig
from gaitlab.method import Method
from gaitlab.nn.heads import PartLinear
from gaitlab.training.muon import Muon, orthogonal
from gaitlab.training.optim import Optimisers


@pytest.mark.parametrize("shape", [(8, 8), (6, 40), (40, 6), (3, 6, 10), (3, 10, 6)])
def test_all_directions_of_a_step_are_about_as_long(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    made = orthogonal(x)
    assert made.shape == shape
    assert ((torch.linalg.svdvals(made) > 0.5) & (torch.linalg.svdvals(made) < 1.3)).all()
    u, _, v = torch.linalg.svd(x, full_matrices=False)
    assert nn.functional.cosine_similarity(made.flatten(), (u @ v).flatten(), dim=0) > 0.97


def test_steps_of_a_matrix_are_torchs() -> None:
    torch.manual_seed(0)
    ours, theirs = (nn.Parameter(torch.ones(12, 30)) for _ in range(2))
    options = {"lr": 0.02, "momentum": 0.95, "weight_decay": 0.1}
    optimisers = Muon([{"params": [ours]}], **options), torch.optim.Muon([theirs], adjust_lr_fn="match_rms_adamw", **options)
    for _ in range(5):
        ours.grad = torch.randn(12, 30)
        theirs.grad = ours.grad.clone()
        for optimiser in optimisers:
            optimiser.step()
    assert (ours - 1).abs().mean() > 0.01
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-3)  # torch's products are in bfloat16


def test_filters_are_one_matrix_and_parts_are_many() -> None:
    torch.manual_seed(0)
    filters, parts = nn.Parameter(torch.zeros(4, 3, 2, 2)), nn.Parameter(torch.zeros(5, 6, 7))
    filters.grad, parts.grad = torch.randn(4, 3, 2, 2), torch.randn(5, 6, 7)
    Muon([{"params": [filters], "filters": True}, {"params": [parts]}], lr=1.0, momentum=0.0).step()
    torch.testing.assert_close(filters.data, -0.2 * 12**0.5 * orthogonal(filters.grad.flatten(1)).view(4, 3, 2, 2))
    for part, gradient in zip(parts.data, parts.grad, strict=True):
        torch.testing.assert_close(part, -0.2 * 7**0.5 * orthogonal(gradient))


class Both(Method):
    def __init__(self) -> None:
        super().__init__()
        self.along, self.norm, self.head = nn.Conv1d(4, 8, 3), nn.BatchNorm1d(8), PartLinear(3, 8, 5)

    def embed(self, batch):  # type: ignore[no-untyped-def]
        raise AssertionError("not called")


def test_what_is_no_matrix_is_adamws_and_a_state_comes_back() -> None:
    method = Both()
    optimisers = Optimisers(OptimConfig(name="muon", lr=0.01, weight_decay=0.2, schedule="constant"), method, steps=10)
    muon, adamw = optimisers.all
    assert [group["filters"] for group in muon.param_groups] == [True, False]
    assert [{id(p) for p in group["params"]} for group in muon.param_groups] == [{id(method.along.weight)}, {id(method.head.weight)}]
    assert {id(p) for p in adamw.param_groups[0]["params"]} == {id(method.along.bias), *map(id, method.norm.parameters())}
    assert {group["weight_decay"] for optimiser in optimisers.all for group in optimiser.param_groups} == {0.2}
    for parameter in method.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimisers.set_rate(0)
    for optimiser in optimisers.all:
        optimiser.step()
    again = Optimisers(OptimConfig(name="muon", lr=0.01, weight_decay=0.2, schedule="constant"), method, steps=10)
    again.load_state_dict(optimisers.state_dict())
    assert torch.equal(again.all[0].state[method.head.weight]["momentum"], muon.state[method.head.weight]["momentum"])
