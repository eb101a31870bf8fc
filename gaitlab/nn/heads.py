"""Heads on part features `n p c`: one linear map per part, and two necks, batch norm with a classifier behind it."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gaitlab.nn.precise import at_least_float32


class PartLinear(nn.Module):
    """A matrix of its own for every part, no bias: `n p c_in` -> `n p c_out`; unit: its columns count with length 1."""

    def __init__(self, parts: int, c_in: int, c_out: int, *, unit: bool = False) -> None:
        super().__init__()
        self.unit = unit
        # Xavier over the whole stack, as the field's recipes were tuned with (far smaller than Xavier of each matrix).
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(parts, c_in, c_out)))

    def forward(self, x: Tensor) -> Tensor:
        weight = F.normalize(self.weight, dim=1) if self.unit else self.weight
        return torch.bmm(x.transpose(0, 1), weight).transpose(0, 1)


def part_norm(norm: nn.Module, x: Tensor) -> Tensor:
    """`norm`, a BatchNorm1d of c * p features (index = channel * parts + part), of `n p c`; float32, also inside autocast."""
    n, p, c = x.shape
    with torch.autocast(x.device.type, enabled=False):
        x = at_least_float32(x)
        return norm(x.transpose(1, 2).reshape(n, c * p)).view(n, c, p).transpose(1, 2)


class BNNeck(nn.Module):
    """Batch norm between the embedding (for the triplet loss) and a cosine classifier (Luo et al., CVPRW 2019), part by part.

    `n p c` -> `normalised` features `n p c`, of length 1 -> `logits` `n p k`, cosines to the class centres; float32, also inside autocast.
    """

    def __init__(self, parts: int, channels: int, subjects: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels * parts)  # index = channel * parts + part
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(parts, channels, subjects)))

    def normalised(self, x: Tensor) -> Tensor:
        return F.normalize(part_norm(self.norm, x), dim=2)

    def logits(self, normalised: Tensor) -> Tensor:
        with torch.autocast(normalised.device.type, enabled=False):
            return torch.bmm(normalised.transpose(0, 1), F.normalize(self.weight, dim=1)).transpose(0, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.normalised(x)
        return features, self.logits(features)


class SharedNeck(nn.Module):
    """GaitGL's neck (Lin et al., ICCV 2021): one batch norm of the channels for all parts, and a linear classifier for each part.

    `n p c` -> `normalised` features `n p c` (no unit length) -> `logits` `n p k`; float32, also inside autocast.
    """

    def __init__(self, parts: int, channels: int, subjects: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels)
        self.classify = PartLinear(parts, channels, subjects)

    def normalised(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return self.norm(at_least_float32(x).flatten(0, 1)).view(x.shape)

    def logits(self, normalised: Tensor) -> Tensor:
        with torch.autocast(normalised.device.type, enabled=False):
            return self.classify(normalised)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.normalised(x)
        return features, self.logits(features)
