"""GaitGL (Lin et al., "Gait Recognition via Effective Global-Local Feature Representation and Local Temporal Aggregation", ICCV 2021).

3D convolutions, each global one paired with a local one that keeps horizontal strips apart; a strided convolution over time in
between; rows of the last map as parts (generalised-mean pooling over the width).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gaitlab.backbones.backbone import Backbone, BackboneConfig
from gaitlab.nn.blocks import SpaceTimeConv
from gaitlab.nn.frames import across_time, pack, sizes_of, temporal_max
from gaitlab.nn.initial import initialise
from gaitlab.nn.pooling import rows_each
from gaitlab.nn.precise import at_least_float32
from gaitlab.within import Count, Natural, Positive

LEAST = 3
"""Frames that the temporal aggregation needs; a walk of one or two is repeated, end to end."""


@dataclass(frozen=True, kw_only=True)
class GaitGLConfig(BackboneConfig):
    """The defaults are the paper's for CASIA-B; OU-MVLP and GREW: stem=(32, 32), channels=(64, 64, 128, 128, 256, 256), pool_after=2,
    strips=2."""

    stem: tuple[Count, ...] = (32,)
    """Width of each convolution before the temporal aggregation."""
    channels: tuple[Count, ...] = (64, 128, 128)
    """Width of each global-local convolution; the last one stacks its global and local maps on top of each other."""
    pool_after: Natural = 1
    """Global-local convolutions before the 2x2 max-pool."""
    strips: Count = 8
    """Horizontal strips of the local convolutions."""
    height: Count = 64
    """Rows of the input, which are the parts of the output."""
    power: Positive = 6.5
    """Of the generalised mean, at the start; it is learnt."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.stem or not self.channels:
            raise ValueError(f"GaitGL has at least one convolution in stem and in channels; they are {self.stem} and {self.channels}")

    def build(self) -> Backbone:
        return GaitGL(self)


class TimeAggregation(nn.Conv3d):
    """3x1x1 convolution with stride 3 over time, without padding: a walk of t frames keeps t // 3."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, (3, 1, 1), stride=(3, 1, 1), bias=False)

    def forward(self, frames: Tensor, sizes: Sequence[int]) -> Tensor:  # type: ignore[override]
        if any(size % 3 for size in sizes):
            frames = torch.cat([walk[: size // 3 * 3] for walk, size in zip(frames.split(list(sizes)), sizes, strict=True)])
        triples = frames.unflatten(0, (-1, 3)).flatten(1, 2)
        return F.conv2d(triples, self.weight.permute(0, 2, 1, 3, 4).flatten(1, 2))


class GlobalLocal(nn.Module):
    """A convolution of the whole map and one of its strips, added after their leaky ReLUs, or stacked by height before one."""

    def __init__(self, c_in: int, c_out: int, strips: int, *, stack: bool) -> None:
        super().__init__()
        self.whole, self.local = SpaceTimeConv(c_in, c_out, 1), SpaceTimeConv(c_in, c_out, 1)
        self.strips, self.stack = strips, stack

    def forward(self, x: Tensor, sizes: Sequence[int]) -> Tensor:
        whole, local = self.whole(x, sizes), across_time(self._mix_strips, x, sizes)
        return F.leaky_relu_(torch.cat([whole, local], 2)) if self.stack else F.leaky_relu_(whole) + F.leaky_relu_(local)

    def _mix_strips(self, clips: Tensor) -> Tensor:
        """`b t c h w` -> the same; every strip is a clip of its own to the convolution."""
        apart = clips.unflatten(3, (self.strips, rows_each(clips, self.strips))).permute(0, 3, 1, 2, 4, 5).flatten(0, 1)
        out = self.local.mix(apart).unflatten(0, (len(clips), self.strips))
        return out.permute(0, 2, 3, 1, 4, 5).flatten(3, 4)


class GaitGL(Backbone):
    def __init__(self, config: GaitGLConfig) -> None:
        super().__init__()
        self.bins, self.parts, self.channels = (config.height,), config.height, config.channels[-1]
        self.pool_after = config.pool_after
        stem = zip((config.in_channels, *config.stem), config.stem, strict=False)
        self.stem = nn.ModuleList(SpaceTimeConv(a, b, 1) for a, b in stem)
        self.time = TimeAggregation(config.stem[-1])
        widths = list(zip((config.stem[-1], *config.channels), config.channels, strict=False))
        self.blocks = nn.ModuleList(GlobalLocal(a, b, config.strips, stack=i + 1 == len(widths)) for i, (a, b) in enumerate(widths))
        self.power = nn.Parameter(torch.tensor([config.power]))
        initialise(self)

    def forward(self, clip: Tensor, lengths: Tensor) -> Tensor:
        x, sizes = self._at_least(clip, sizes_of(clip, lengths))
        for conv in self.stem:
            x = F.leaky_relu_(conv(x, sizes))
        x = F.leaky_relu_(self.time(x, sizes))
        sizes = [size // 3 for size in sizes]
        for i, block in enumerate(self.blocks):
            x = block(x, sizes)
            if i + 1 == self.pool_after:
                x = F.max_pool2d(x, 2)
        maps = temporal_max(x, sizes)  # n c h w
        if maps.shape[2] != self.parts:
            raise ValueError(f"GaitGL was built for {self.parts} rows and got {maps.shape[2]}: set method.backbone.height {maps.shape[2]}")
        return self._generalised_mean(maps).transpose(1, 2)

    def _at_least(self, clip: Tensor, sizes: list[int]) -> tuple[Tensor, list[int]]:
        """Packed frames and lengths; walks of fewer than three frames repeated."""
        frames = pack(clip, sizes)
        if min(sizes) >= LEAST:
            return frames, sizes
        times = [-(-LEAST // size) for size in sizes]
        walks = [walk.repeat(k, 1, 1, 1) for walk, k in zip(frames.split(sizes), times, strict=True)]
        return torch.cat(walks), [k * size for k, size in zip(times, sizes, strict=True)]

    def _generalised_mean(self, maps: Tensor) -> Tensor:
        """`n c h w` -> `n c h`: (mean of x^p)^(1/p) over the width, x at least 1e-6 (Radenovic et al., TPAMI 2018); in float32."""
        with torch.autocast(maps.device.type, enabled=False):
            x = at_least_float32(maps).clamp(min=1e-6)
            most = x.detach().amax(3, keepdim=True)  # taken out, so that no power of a small number is 0
            return (x / most).pow(self.power).mean(3).pow(1 / self.power) * most.squeeze(3)
