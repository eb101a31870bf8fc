"""GaitSet (Chao et al., "GaitSet: Regarding Gait as a Set for Cross-View Gait Recognition", AAAI 2019).

Three blocks per frame; a second, global pipeline that starts from the first block's set maximum and takes in the others';
horizontal pyramids of both, main pipeline first. The order of the frames does not matter.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gaitlab.backbones.backbone import Backbone, BackboneConfig
from gaitlab.nn.frames import pack, sizes_of, temporal_max
from gaitlab.nn.initial import initialise
from gaitlab.nn.pooling import horizontal_pyramid
from gaitlab.within import Count


@dataclass(frozen=True, kw_only=True)
class GaitSetConfig(BackboneConfig):
    """The defaults are the paper's for CASIA-B; larger data sets use channels=(64, 128, 256)."""

    channels: tuple[Count, Count, Count] = (32, 64, 128)
    """Width of each block."""
    bins: tuple[Count, ...] = (16, 8, 4, 2, 1)
    """Strips of each scale of the pyramids."""

    def build(self) -> Backbone:
        return GaitSet(self)


class SetBlock(nn.Module):
    """Two convolutions without bias, each with a leaky ReLU, and a 2x2 max-pool (before the second ReLU, which commutes)."""

    def __init__(self, c_in: int, c_out: int, *, kernel: int = 3, pool: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2, bias=False)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
        self.pool = nn.MaxPool2d(2) if pool else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu_(self.pool(self.conv2(F.leaky_relu_(self.conv1(x)))))


class GaitSet(Backbone):
    def __init__(self, config: GaitSetConfig) -> None:
        super().__init__()
        self.bins = config.bins
        self.parts, self.channels = 2 * sum(config.bins), config.channels[-1]
        a, b, c = config.channels
        self.block1 = SetBlock(config.in_channels, a, kernel=5, pool=True)
        self.block2 = SetBlock(a, b, pool=True)
        self.block3 = SetBlock(b, c, pool=False)
        self.global2 = SetBlock(a, b, pool=True)
        self.global3 = SetBlock(b, c, pool=False)
        initialise(self)

    def forward(self, clip: Tensor, lengths: Tensor) -> Tensor:
        sizes = sizes_of(clip, lengths)
        x1 = self.block1(pack(clip, sizes))
        x2 = self.block2(x1)
        main = temporal_max(self.block3(x2), sizes)
        y = self.global2(temporal_max(x1, sizes)) + temporal_max(x2, sizes)
        y = self.global3(y) + main
        return torch.cat([horizontal_pyramid(main, self.bins), horizontal_pyramid(y, self.bins)], 1)
