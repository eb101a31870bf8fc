"""SkeletonGait++ (Fan et al., "SkeletonGait: Gait Recognition Using Skeleton Maps", AAAI 2024).

Silhouettes and skeleton maps through a stem and a first stage each, fused by attention, then DeepGaitV2's later stages (P3D).
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from gaitlab.backbones.backbone import Backbone, BackboneConfig
from gaitlab.nn.blocks import Block2D, BlockP3D, Stage, Stem
from gaitlab.nn.frames import pack, sizes_of, temporal_max
from gaitlab.nn.initial import initialise
from gaitlab.nn.pooling import horizontal_pyramid
from gaitlab.nn.syncnorm import FrameNorm
from gaitlab.types import Modality
from gaitlab.within import Count, Depth


@dataclass(frozen=True, kw_only=True)
class SkeletonGaitPPConfig(BackboneConfig):
    """The defaults are the paper's for CCPG and SUSTech1K; Gait3D and GREW use layers=(1, 4, 4, 1)."""

    companions: ClassVar[tuple[Modality, ...]] = ("skeleton",)
    map_channels: Count = 2
    """Channels of the skeleton maps: joints and limbs."""
    channels: tuple[Count, Count, Count, Count] = (64, 128, 256, 512)
    """Width of each stage; the stems have the first."""
    layers: tuple[Depth, Depth, Depth, Depth] = (1, 1, 1, 1)
    """Blocks of each stage."""
    squeeze: Count = 16
    """Factor by which the attention narrows a branch's channels."""
    bins: tuple[Count, ...] = (16,)
    """Strips of each scale of the pyramid."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels[0] % self.squeeze:
            raise ValueError(f"squeeze divides the stems' channels; {self.squeeze} does not divide {self.channels[0]}")

    def companion_channels(self) -> dict[str, int]:
        return {"skeleton": self.map_channels}

    def build(self) -> Backbone:
        return SkeletonGaitPP(self)


class AttentionFusion(nn.Module):
    """A weighted sum of two maps `f c h w`, the weights (a softmax for each pixel and channel) from both."""

    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__()
        narrow = channels // squeeze
        self.attend = nn.Sequential(
            nn.Conv2d(2 * channels, narrow, 1, bias=False),
            FrameNorm(narrow),
            nn.ReLU(inplace=True),
            nn.Conv2d(narrow, narrow, 3, padding=1, bias=False),
            FrameNorm(narrow),
            nn.ReLU(inplace=True),
            nn.Conv2d(narrow, 2 * channels, 1, bias=False),
        )

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        share = self.attend(torch.cat([first, second], 1)).unflatten(1, (2, -1)).softmax(1)
        return share[:, 0] * first + share[:, 1] * second


class SkeletonGaitPP(Backbone):
    def __init__(self, config: SkeletonGaitPPConfig) -> None:
        super().__init__()
        self.bins = config.bins
        self.parts, self.channels = sum(config.bins), config.channels[-1]
        a, b, c, d = config.channels
        self.silhouette_stem, self.map_stem = Stem(config.in_channels, a), Stem(config.map_channels, a)
        self.silhouette_stage, self.map_stage = (Stage(Block2D, a, a, config.layers[0], 1) for _ in range(2))
        self.fusion = AttentionFusion(a, config.squeeze)
        self.stages = nn.ModuleList(
            [
                Stage(BlockP3D, a, b, config.layers[1], 2),
                Stage(BlockP3D, b, c, config.layers[2], 2),
                Stage(BlockP3D, c, d, config.layers[3], 1),
            ]
        )
        initialise(self)

    def forward(self, clip: Tensor, lengths: Tensor, maps: Tensor) -> Tensor:  # type: ignore[override]
        """clip: silhouettes; maps: skeleton maps float `n t 2 h w` of the same frames, size and transforms."""
        if clip.shape[3:] != maps.shape[3:]:
            both = " and ".join("x".join(map(str, x.shape[3:])) for x in (clip, maps))
            raise ValueError(f"silhouettes and skeleton maps are of two sizes ({both}): --method.clip.width crops both, 44 of 64 columns")
        sizes = sizes_of(clip, lengths)
        silhouettes = self.silhouette_stage(self.silhouette_stem(pack(clip, sizes)), sizes)
        skeletons = self.map_stage(self.map_stem(pack(maps, sizes)), sizes)
        x = self.fusion(silhouettes, skeletons)
        for stage in self.stages:
            x = stage(x, sizes)
        return horizontal_pyramid(temporal_max(x, sizes), self.bins)
