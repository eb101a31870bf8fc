"""Heads on part features `n p c`: one linear map per part, and the BN neck with its cosine classifier."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class PartLinear(nn.Module):
    """A matrix of its own for every part, no bias: `n p c_in` -> `n p c_out`."""

    def __init__(self, parts: int, c_in: int, c_out: int) -> None:
        super().__init__()
        # Xavier over the whole stack, as the field's recipes were tuned with (far smaller than Xavier of each matrix).
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(parts, c_in, c_out)))

    def forward(self, x: Tensor) -> Tensor:
        return torch.bmm(x.transpose(0, 1), self.weight).transpose(0, 1)


class BNNeck(nn.Module):
    """Batch norm between the embedding (for the triplet loss) and a cosine classifier (Luo et al., CVPRW 2019), part by part.

    `n p c` -> `normalised` features `n p c` -> `cosines` to the class centres `n p k`; float32, also inside autocast.
    """

    def __init__(self, parts: int, channels: int, subjects: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels * parts)  # index = channel * parts + part
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(parts, channels, subjects)))

    def normalised(self, x: Tensor) -> Tensor:
        n, p, c = x.shape
        with torch.autocast(x.device.type, enabled=False):
            x = x.to(torch.promote_types(x.dtype, torch.float32))
            flat = self.norm(x.transpose(1, 2).reshape(n, c * p))
            return F.normalize(flat.view(n, c, p), dim=1).transpose(1, 2)

    def cosines(self, normalised: Tensor) -> Tensor:
        with torch.autocast(normalised.device.type, enabled=False):
            return torch.bmm(normalised.transpose(0, 1), F.normalize(self.weight, dim=1)).transpose(0, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.normalised(x)
        return features, self.cosines(features)
