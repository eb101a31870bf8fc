"""Dropout whose masks belong to walks: on any number of workers a walk loses the same numbers."""

import torch
import torch.distributed as dist
from torch import Tensor, nn


class WalkDropout(nn.Module):
    """Dropout of packed frames. torch's global generator, which stands alike on all ranks, gives each walk of the global batch a seed."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor, sizes: list[int]) -> Tensor:
        """x: `f d`, the frames of walks of these sizes one after the other."""
        if not self.training or self.p == 0:
            return x
        spread = dist.is_available() and dist.is_initialized()
        rank, world = (dist.get_rank(), dist.get_world_size()) if spread else (0, 1)
        seeds = torch.randint(2**62, (world * len(sizes),))[rank::world].tolist()
        generator = torch.Generator(x.device)
        drawn = [
            torch.rand(size, x.shape[1], generator=generator.manual_seed(seed), device=x.device)
            for size, seed in zip(sizes, seeds, strict=True)
        ]
        return x * (torch.cat(drawn) >= self.p) / (1 - self.p)
