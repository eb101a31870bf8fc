"""Horizontal pyramid pooling (Fu et al., AAAI 2019): strips of a feature map become part features."""

from collections.abc import Sequence

import torch
from torch import Tensor


def horizontal_pyramid(maps: Tensor, bins: Sequence[int]) -> Tensor:
    """Maps `n c h w` -> mean + maximum of every horizontal strip, `n p c`; scales one after the other in the order of `bins`."""
    height = maps.shape[2]
    for count in bins:
        if height % count:
            raise ValueError(f"{count} strips do not divide a feature map of {height} rows; choose bins that do, or another input height")
    strips = [maps.flatten(2).unflatten(2, (count, -1)) for count in bins]
    return torch.cat([strip.mean(3) + strip.max(3).values for strip in strips], 2).transpose(1, 2)
