"""Gradients of a batch computed in parts are those of the whole batch."""

import numpy as np
import pytest
import torch

from gaitlab.backbones.gaitset import GaitSetConfig
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.rng import Rng
from gaitlab.training import accumulate
from gaitlab.training.loop import step_rng
from gaitlab.types import Batch, ClipSpec

CPU = torch.device("cpu")
N = 12


def batch(n: int = N) -> Batch:
    rng = torch.Generator().manual_seed(3)
    clips = torch.rand(n, 3, 1, 64, 44, generator=rng)
    return Batch({"gait": clips}, {"gait": torch.full((n,), 3)}, torch.arange(n) // 3, torch.arange(n))


@pytest.mark.parametrize("parts", [2, 5, 12])
@pytest.mark.parametrize("neck", [False, True])
def test_parts_give_the_gradient_of_the_whole(parts: int, neck: bool) -> None:
    torch.manual_seed(0)
    config = SupervisedConfig(backbone=GaitSetConfig(channels=(4, 4, 8)), clip=ClipSpec(), neck=neck, embedding=8)
    method = config.build(4).train()
    off = torch.autocast("cpu", enabled=False)

    whole = method(batch(), step_rng(0, 0, range(N), CPU))
    whole.total().backward()
    expected = {name: p.grad.clone() for name, p in method.named_parameters() if p.grad is not None}
    statistics = {name: b.clone() for name, b in method.named_buffers()}
    method.zero_grad()
    for name, b in method.named_buffers():
        b.fill_(1) if name.endswith("running_var") else b.zero_()

    losses = accumulate.backward(accumulate.CachedMethod(method), batch(), step_rng(0, 0, range(N), CPU), parts, off, scale=1.0)

    assert float(losses.total()) == pytest.approx(float(whole.total().detach()), rel=1e-5)
    for name, p in method.named_parameters():
        assert p.grad is not None
        scale = float(expected[name].abs().max())  # float32 sums in another order
        np.testing.assert_allclose(p.grad.numpy(), expected[name].numpy(), rtol=0, atol=5e-5 * scale, err_msg=name)
    for name, b in method.named_buffers():
        if not name.endswith("num_batches_tracked"):
            np.testing.assert_allclose(b.numpy(), statistics[name].numpy(), rtol=1e-5, atol=1e-7, err_msg=name)


def test_a_method_without_the_split_says_so() -> None:
    from gaitlab.method import Method

    class Whole(Method):
        def losses(self, batch, rng):  # type: ignore[no-untyped-def]
            raise AssertionError("not called")

        def embed(self, batch):  # type: ignore[no-untyped-def]
            raise AssertionError("not called")

    with pytest.raises(NotImplementedError, match="cannot accumulate"):
        accumulate.backward(
            accumulate.CachedMethod(Whole()), batch(4), step_rng(0, 0, range(4), CPU), 2, torch.autocast("cpu", enabled=False), 1.0
        )


def test_both_passes_draw_the_same() -> None:
    from torch.nn import functional as F

    from gaitlab.method import Method
    from gaitlab.types import Losses

    class Dropped(Method):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.seen = torch.nn.Parameter(torch.ones(64)), list[torch.Tensor]()

        def encode(self, batch: Batch, rng: Rng) -> torch.Tensor:
            rows = F.dropout(batch.clips["gait"].mean((1, 2, 4)) * self.weight, 0.5)
            rows = rows + rng.uniform("noise", *rows.shape[1:])
            self.seen.append(rows.detach())
            return rows

        def objective(self, encoded: torch.Tensor, batch: Batch) -> Losses:
            return Losses({"norm": encoded.square().mean()})

        def embed(self, batch: Batch) -> torch.Tensor:
            raise AssertionError("not called")

    method, off = Dropped(), torch.autocast("cpu", enabled=False)
    accumulate.backward(accumulate.CachedMethod(method), batch(), step_rng(0, 0, range(N), CPU), 3, off, scale=1.0)
    for first, second in zip(method.seen[:3], method.seen[3:], strict=True):
        assert torch.equal(first, second)
