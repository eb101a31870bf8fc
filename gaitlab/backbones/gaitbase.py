"""GaitBase (Fan et al., "OpenGait: Revisiting Gait Recognition Toward Better Practicality", CVPR 2023).

A small ResNet per frame, maximum over time, horizontal strips. Three input channels make it LidarGait (Shen et al., CVPR 2023).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from gaitlab.backbones.backbone import Backbone, BackboneConfig
from gaitlab.nn.blocks import Block2D, Stage, Stem
from gaitlab.nn.frames import pack, sizes_of, temporal_max, temporal_mean
from gaitlab.nn.initial import initialise
from gaitlab.nn.pooling import horizontal_pyramid
from gaitlab.within import Count, Depth

SET_POOLING: Mapping[str, Callable[[Tensor, Sequence[int]], Tensor]] = {
    "max": temporal_max,
    "mean": temporal_mean,
    "max+mean": lambda frames, sizes: (temporal_max(frames, sizes) + temporal_mean(frames, sizes)) / 2,
}


@dataclass(frozen=True, kw_only=True)
class GaitBaseConfig(BackboneConfig):
    """The defaults are the paper's; 64x44 pixels in give maps of 16x11."""

    channels: tuple[Count, ...] = (64, 128, 256, 512)
    """Width of each stage; the stem has the first."""
    layers: tuple[Depth, ...] = (1, 1, 1, 1)
    """Blocks of each stage."""
    strides: tuple[Count, ...] = (1, 2, 2, 1)
    bins: tuple[Count, ...] = (16,)
    """Strips of each scale of the pyramid."""
    stem_stride: Count = 1
    """2 quarters the work of every layer (and the rows: use bins=(8,)); our reduced preset for CPUs."""
    set_pooling: Literal["max", "mean", "max+mean"] = "max"
    """What becomes of a walk's frames; max+mean, half of each, is ours: a maximum of many frames is larger than of the few in training."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not len(self.channels) == len(self.layers) == len(self.strides):
            raise ValueError(f"channels, layers and strides name one value per stage each: {self.channels}, {self.layers}, {self.strides}")

    def build(self) -> "GaitBase":
        return GaitBase(self)


class GaitBase(Backbone):
    def __init__(self, config: GaitBaseConfig) -> None:
        super().__init__()
        self.bins, self.set_pooling = config.bins, config.set_pooling
        self.parts, self.channels = sum(config.bins), config.channels[-1]
        self.stem = Stem(config.in_channels, config.channels[0], config.stem_stride)
        widths = zip((config.channels[0], *config.channels), config.channels, config.layers, config.strides, strict=False)
        self.stages = nn.ModuleList(Stage(Block2D, c_in, c_out, depth, stride) for c_in, c_out, depth, stride in widths)
        initialise(self)

    def forward(self, clip: Tensor, lengths: Tensor) -> Tensor:
        sizes = sizes_of(clip, lengths)
        x = self.stem(pack(clip, sizes))
        for stage in self.stages:
            x = stage(x, sizes)
        return horizontal_pyramid(SET_POOLING[self.set_pooling](x, sizes), self.bins)
