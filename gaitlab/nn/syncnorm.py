"""Batch norm with exact training statistics (Ioffe & Szegedy, ICML 2015): of long batches on the CPU, and over all ranks.

PyTorch's channels-last kernel for the CPU adds hundreds of thousands of float32 values one by one: statistics come out with
an error near 1e-3, which is why `FrameNorm` sums by frame and goes on in float64. Its SyncBatchNorm knows CUDA only, which is
why `synchronise` has one more branch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F


def synchronise(module: nn.Module) -> nn.Module:
    """Every batch norm inside `module` takes its training statistics from all ranks. Returns `module`; names stay as they are.

    Ranks may hold unequal numbers of rows or frames: statistics and gradients are those of one process with all of them.
    """
    if any(parameter.is_cuda for parameter in module.parameters()):
        return nn.SyncBatchNorm.convert_sync_batchnorm(module)
    for name, child in module.named_children():
        if isinstance(child, (nn.BatchNorm1d, nn.BatchNorm2d)):
            exact = ExactNorm(child.num_features, eps=child.eps, momentum=child.momentum)
            exact.synced = True
            exact.train(child.training)
            exact.weight, exact.bias = child.weight, child.bias
            exact.running_mean, exact.running_var, exact.num_batches_tracked = (
                child.running_mean,
                child.running_var,
                child.num_batches_tracked,
            )
            setattr(module, name, exact)
        else:
            synchronise(child)
    return module


@contextmanager
def statistics_at_rest(module: nn.Module) -> Iterator[None]:
    """Batch norm uses batch statistics but leaves its running ones alone."""
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._NormBase) and m.momentum is not None]
    momenta = [m.momentum for m in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


class ExactNorm(nn.BatchNorm2d):
    """Batch norm of `n c` or `n c h w` by the sums below."""

    synced = False

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in (2, 4):
            raise ValueError(f"batch norm takes `n c` or `n c h w`; got {tuple(input.shape)}")

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        self._check_input_dim(input)
        out, mean, variance, count = _Normalise.apply(input, self.weight, self.bias, self.eps, self.synced)
        with torch.no_grad():
            assert self.num_batches_tracked is not None
            assert self.momentum is not None
            assert self.running_mean is not None
            assert self.running_var is not None
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1).clamp(min=1)), self.momentum)
        return out


class FrameNorm(ExactNorm):
    """Batch norm of packed frames `f c h w`: exact sums on the CPU, PyTorch's kernel (exact there) on an accelerator."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) if input.device.type == "cpu" or self.synced else nn.BatchNorm2d.forward(self, input)


class _Normalise(torch.autograd.Function):
    """(x - mean) / sqrt(variance + eps) * weight + bias, with the mean and biased variance of all rows of all ranks."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, synced: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        shape = (1, -1, *[1] * (x.dim() - 2))
        count = torch.tensor([x.numel() / x.shape[1]], dtype=torch.float64, device=x.device)
        mean = _sums(x) / count
        squares = _sums((x - mean.to(weight.dtype).view(shape)).square_())
        if synced and dist.is_initialized() and dist.get_world_size() > 1:
            counts, means, parts = _every_rank(count, mean, squares)
            count = counts.sum(0)
            mean = (counts * means).sum(0) / count
            squares = (parts + counts * (means - mean).square()).sum(0)
        variance = squares / count
        scale = (variance + eps).rsqrt()
        mean, variance, scale, count = (value.to(weight.dtype) for value in (mean, variance, scale, count))
        ctx.save_for_backward(x, weight, mean, scale, count)
        ctx.synced, ctx.shape = synced, shape
        ctx.mark_non_differentiable(mean, variance, count)
        return F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps), mean, variance, count

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor, None, None]:
        x, weight, mean, scale, count = ctx.saved_tensors
        total = _sums(grad)
        along = _sums((x - mean.view(ctx.shape)).mul_(grad)) * scale
        d_weight, d_bias = along.to(weight.dtype), total.to(weight.dtype)
        if ctx.synced and dist.is_initialized() and dist.get_world_size() > 1:
            both = torch.stack([total, along])
            dist.all_reduce(both)
            total, along = both
        slope = weight * scale
        lean = -slope * scale * along / count
        level = -slope * total / count - lean * mean
        a, b, c = (value.to(weight.dtype).view(ctx.shape) for value in (slope, lean, level))
        return torch.addcmul(c, x, b).addcmul_(grad, a).to(x.dtype), d_weight, d_bias, None, None


def _sums(x: Tensor) -> Tensor:
    """Sum over everything but the channels, float64 `c`; within a frame in float32."""
    x = x.sum((2, 3), dtype=torch.promote_types(x.dtype, torch.float32)) if x.dim() == 4 else x
    return x.double().sum(0)


def _every_rank(count: Tensor, mean: Tensor, squares: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The ranks' `1`, `c`, `c` values as `world 1`, `world c`, `world c`."""
    own = torch.cat([count, mean, squares])
    parts = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, own)
    counts, means, squares = torch.stack(parts).split([1, len(mean), len(mean)], 1)
    return counts, means, squares
