"""Gradient accumulation that keeps the exact P x K batch in the losses (gradient caching, Gao et al. 2021, arXiv 2101.06983).

Pass 1 encodes the parts of the batch without a graph. The objective then sees all rows at once and gives the gradient of
each row. Pass 2 encodes every part again with a graph and pushes that row gradient through it. Memory is that of one part.
The result is the gradient of the whole batch except that batch norm inside the encoder sees a part at a time.
"""

from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from gaitlab.method import Method
from gaitlab.nn.syncnorm import statistics_at_rest
from gaitlab.rng import Rng
from gaitlab.types import Batch, Losses


class CachedMethod(nn.Module):
    """What DDP wraps when gradients are accumulated: its call is one part of pass 2 (the last part brings the objective)."""

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = method

    def forward(self, part: Batch, rng: Rng, cotangent: Tensor, rows: Tensor | None, batch: Batch) -> Tensor:
        """Scalar whose gradient is the part's share of the batch's; `rows` (detached) only with the last part."""
        loss = (self.method.encode(part, rng).float() * cotangent).sum()
        return loss if rows is None else loss + self.method.objective(rows, batch).total()


def backward(module: nn.Module, batch: Batch, rng: Rng, parts: int, autocast: torch.autocast, scale: float) -> Losses:
    """Accumulate `scale` times the gradient of the whole batch, computed in `parts` parts; returns the (detached) losses."""
    cached: CachedMethod = module.module if isinstance(module, DistributedDataParallel) else module  # type: ignore[assignment]
    size = -(-len(batch) // parts)
    spans = [(start, min(start + size, len(batch))) for start in range(0, len(batch), size)]
    seeds = torch.randint(2**62, (len(spans),)).tolist()  # of torch's global generator (dropout), so that both passes draw the same

    with autocast, statistics_at_rest(cached.method):
        with torch.no_grad():
            encoded = []
            for span, seed in zip(spans, seeds, strict=True):
                torch.manual_seed(seed)
                encoded.append(cached.method.encode(batch.part(*span), rng.part(*span)).float())
        rows = torch.cat(encoded).requires_grad_()
        losses = cached.method.objective(rows, batch)
        (cotangent,) = torch.autograd.grad(losses.total(), rows)

    for (start, stop), seed in zip(spans, seeds, strict=True):
        last = stop == len(batch)
        torch.manual_seed(seed)
        waiting = module.no_sync() if isinstance(module, DistributedDataParallel) and not last else nullcontext()
        with waiting:
            with autocast:
                loss = module(batch.part(start, stop), rng.part(start, stop), cotangent[start:stop], rows.detach() if last else None, batch)
            (scale * loss).backward()
    return Losses({k: v.detach() for k, v in losses.terms.items()}, losses.watch)
