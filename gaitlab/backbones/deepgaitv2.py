"""DeepGaitV2 (Fan et al., "Exploring Deep Models for Practical Gait Recognition", 2023).

A residual network whose first stage works frame by frame and whose later stages do as `mode` says: frame by frame (2d), with a
convolution over time in every block (p3d), or with 3x3x3 convolutions (3d). Two input channels make it SkeletonGait
(Fan et al., AAAI 2024).
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from gaitlab.backbones.backbone import Backbone, BackboneConfig
from gaitlab.nn.blocks import Block2D, Block3D, BlockP3D, Stage, Stem
from gaitlab.nn.frames import pack, sizes_of, temporal_max
from gaitlab.nn.initial import initialise
from gaitlab.nn.pooling import horizontal_pyramid
from gaitlab.within import Count, Depth

BLOCKS: dict[str, type[Block2D] | type[Block3D]] = {"2d": Block2D, "p3d": BlockP3D, "3d": Block3D}


@dataclass(frozen=True, kw_only=True)
class DeepGaitV2Config(BackboneConfig):
    """The defaults are the paper's for CASIA-B; Gait3D and GREW use layers=(1, 4, 4, 1)."""

    mode: Literal["2d", "p3d", "3d"] = "p3d"
    channels: tuple[Count, Count, Count, Count] = (64, 128, 256, 512)
    """Width of each stage; the stem has the first."""
    layers: tuple[Depth, Depth, Depth, Depth] = (1, 1, 1, 1)
    """Blocks of each stage."""
    bins: tuple[Count, ...] = (16,)
    """Strips of each scale of the pyramid."""
    stem_stride: Count = 1
    """2 quarters the work of every layer (and the rows: use bins=(8,)); our reduced preset for CPUs."""

    def build(self) -> Backbone:
        return DeepGaitV2(self)


class DeepGaitV2(Backbone):
    def __init__(self, config: DeepGaitV2Config) -> None:
        super().__init__()
        self.bins = config.bins
        self.parts, self.channels = sum(config.bins), config.channels[-1]
        a, b, c, d = config.channels
        block = BLOCKS[config.mode]
        self.stem = Stem(config.in_channels, a, config.stem_stride)
        self.stages = nn.ModuleList(
            [
                Stage(Block2D, a, a, config.layers[0], 1),
                Stage(block, a, b, config.layers[1], 2),
                Stage(block, b, c, config.layers[2], 2),
                Stage(block, c, d, config.layers[3], 1),
            ]
        )
        initialise(self)

    def forward(self, clip: Tensor, lengths: Tensor) -> Tensor:
        sizes = sizes_of(clip, lengths)
        x = self.stem(pack(clip, sizes))
        for stage in self.stages:
            x = stage(x, sizes)
        return horizontal_pyramid(temporal_max(x, sizes), self.bins)
