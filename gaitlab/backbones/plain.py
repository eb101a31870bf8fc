"""Plain convolutions, maximum over time, horizontal pyramid: the field's simplest baseline, and SMPLGait without its 3D branch
(Zheng et al., "Gait Recognition in the Wild with Dense 3D Representations and A Benchmark", CVPR 2022)."""

from dataclasses import dataclass

from torch import Tensor

from gaitlab.backbones.backbone import Backbone, BackboneConfig
from gaitlab.nn.frames import pack, sizes_of, temporal_max
from gaitlab.nn.initial import initialise
from gaitlab.nn.plain import PlainLayers
from gaitlab.nn.pooling import horizontal_pyramid
from gaitlab.within import Count


@dataclass(frozen=True, kw_only=True)
class PlainConfig(BackboneConfig):
    """The defaults are those of SMPLGait's silhouette branch."""

    channels: tuple[Count, ...] = (64, 64, 128, 128, 256, 256)
    """Width of each convolution."""
    strips: tuple[Count, ...] = (1, 1, 1, 1, 1, 1)
    """Horizontal strips that each convolution keeps apart."""
    pool_after: tuple[Count, ...] = (2, 4)
    """Convolutions, counted from 1, that a 2x2 max-pool follows."""
    bins: tuple[Count, ...] = (16, 8, 4, 2, 1)
    """Strips of each scale of the pyramid."""

    def build(self) -> Backbone:
        return Plain(self)


class Plain(Backbone):
    def __init__(self, config: PlainConfig) -> None:
        super().__init__()
        self.bins = config.bins
        self.parts, self.channels = sum(config.bins), config.channels[-1]
        self.layers = PlainLayers(config.in_channels, config.channels, config.strips, config.pool_after)
        initialise(self)

    def forward(self, clip: Tensor, lengths: Tensor) -> Tensor:
        sizes = sizes_of(clip, lengths)
        maps = self.layers(pack(clip, sizes))
        return horizontal_pyramid(temporal_max(maps, sizes), self.bins)
