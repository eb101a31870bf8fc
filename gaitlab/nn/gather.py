"""Rows of every process, for losses that compare walks with each other."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def all_rows(x: Tensor) -> Tensor:
    """Rows `n ...` of this rank -> those of the global batch, `world * n ...`; differentiable. Identity in a single process.

    Rank r holds rows r::world of the global batch; the result is in the global order. Each rank computes the same loss of the
    same rows, so the backward sum over ranks and DDP's mean give just the gradient of one process: no factor of world size.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return x
    return _AllRows.apply(x)


def own_rows(n: int, device: torch.device) -> Tensor:
    """int64 `n`: where the n rows of this rank stand in `all_rows`."""
    if not (dist.is_available() and dist.is_initialized()):
        return torch.arange(n, device=device)
    return torch.arange(n, device=device) * dist.get_world_size() + dist.get_rank()


class _AllRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        parts = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, x.contiguous())
        return torch.stack(parts, 1).flatten(0, 1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        grad = grad.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(grad)
        return grad[dist.get_rank() :: dist.get_world_size()]
