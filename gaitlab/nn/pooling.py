"""Horizontal pyramid pooling (Fu et al., AAAI 2019): strips of a feature map become part features."""

from collections.abc import Sequence

import torch
from torch import Tensor


def horizontal_pyramid(maps: Tensor, bins: Sequence[int]) -> Tensor:
    """Maps `n c h w` -> mean + maximum of every horizontal strip, `n p c`; scales one after the other in the order of `bins`."""
    strips = [maps.unflatten(2, (count, rows_each(maps, count))).flatten(3) for count in bins]
    return torch.cat([strip.mean(3) + strip.max(3).values for strip in strips], 2).transpose(1, 2)


def rows_each(maps: Tensor, strips: int) -> int:
    """Rows of each of `strips` horizontal strips of maps `... h w`; ValueError where they cannot be equal."""
    height = maps.shape[-2]
    if height % strips:
        raise ValueError(f"{strips} strips do not divide a feature map of {height} rows; choose strips that do, or another input height")
    return height // strips
