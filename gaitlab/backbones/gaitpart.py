"""GaitPart (Fan et al., "GaitPart: Temporal Part-based Model for Gait Recognition", CVPR 2020).

Focal convolutions frame by frame, strips as parts, and for each part with weights of its own a gate over short windows of time
(two micro-motion templates: 3 and 5 frames), then the maximum over time.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gaitlab.backbones.backbone import Backbone, BackboneConfig
from gaitlab.nn.frames import neighbours, pack, sizes_of, temporal_max
from gaitlab.nn.initial import initialise
from gaitlab.nn.plain import PlainLayers
from gaitlab.nn.pooling import horizontal_pyramid
from gaitlab.within import Count


@dataclass(frozen=True, kw_only=True)
class GaitPartConfig(BackboneConfig):
    """The defaults are the paper's for CASIA-B; OU-MVLP and GREW: channels=(32, 32, 64, 64, 128, 128, 256, 256),
    strips=(1, 1, 1, 1, 8, 8, 8, 8)."""

    channels: tuple[Count, ...] = (32, 32, 64, 64, 128, 128)
    """Width of each convolution."""
    strips: tuple[Count, ...] = (1, 1, 4, 4, 8, 8)
    """Horizontal strips that each convolution keeps apart."""
    pool_after: tuple[Count, ...] = (2, 4)
    """Convolutions, counted from 1, that a 2x2 max-pool follows."""
    bins: tuple[Count, ...] = (16,)
    """Strips of each scale of the pyramid."""
    squeeze: Count = 4
    """Factor by which the gates narrow the channels between their two convolutions."""

    def build(self) -> Backbone:
        return GaitPart(self)


class PartConv(nn.Module):
    """A convolution over time with weights of its own for each part, without bias: packed `f p c_in` -> `f p c_out`."""

    def __init__(self, parts: int, c_in: int, c_out: int, kernel: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([nn.init.xavier_uniform_(torch.empty(c_out, c_in, kernel)) for _ in range(parts)]))

    def forward(self, x: Tensor, sizes: list[int]) -> Tensor:
        seen = neighbours(x, sizes, self.weight.shape[3] // 2)  # k f p c
        rows = seen.permute(2, 1, 3, 0).flatten(2)  # p f (c k), the order of the weights
        return torch.bmm(rows, self.weight.flatten(2).transpose(1, 2)).transpose(0, 1)


class Gate(nn.Module):
    """Sigmoid of two convolutions over time, times average + maximum over a window; the average counts the zeros past a walk's ends."""

    def __init__(self, parts: int, channels: int, squeeze: int, kernel: int, window: int) -> None:
        super().__init__()
        self.reach = window // 2
        self.narrow = PartConv(parts, channels, channels // squeeze, 3)
        self.widen = PartConv(parts, channels // squeeze, channels, kernel)

    def forward(self, x: Tensor, sizes: list[int]) -> Tensor:
        gate = self.widen(F.leaky_relu_(self.narrow(x, sizes)), sizes).sigmoid()
        pooled = neighbours(x, sizes, self.reach).mean(0) + neighbours(x, sizes, self.reach, -torch.inf).amax(0)
        return gate * pooled


class GaitPart(Backbone):
    def __init__(self, config: GaitPartConfig) -> None:
        super().__init__()
        self.bins = config.bins
        self.parts, self.channels = sum(config.bins), config.channels[-1]
        self.layers = PlainLayers(config.in_channels, config.channels, config.strips, config.pool_after)
        self.gate3 = Gate(self.parts, self.channels, config.squeeze, kernel=1, window=3)
        self.gate5 = Gate(self.parts, self.channels, config.squeeze, kernel=3, window=5)
        initialise(self)

    def forward(self, clip: Tensor, lengths: Tensor) -> Tensor:
        sizes = sizes_of(clip, lengths)
        parts = horizontal_pyramid(self.layers(pack(clip, sizes)), self.bins)  # f p c
        return temporal_max(self.gate3(parts, sizes) + self.gate5(parts, sizes), sizes)
