"""A backbone of our own: two convolutions, then the mean of every horizontal strip over all frames."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gaitlab.backbones.backbone import Backbone, BackboneConfig
from gaitlab.nn.frames import pack, sizes_of
from gaitlab.within import Count


@dataclass(frozen=True, kw_only=True)
class StripsConfig(BackboneConfig):
    """channels: of the maps. strips: horizontal ones, each a part."""

    channels: Count = 16
    strips: Count = 8

    def build(self) -> "Strips":
        return Strips(self)


class Strips(Backbone):
    def __init__(self, config: StripsConfig) -> None:
        super().__init__()
        self.parts, self.channels = config.strips, config.channels
        self.bins = (config.strips,)
        self.first = nn.Conv2d(config.in_channels, config.channels, 5, stride=2, padding=2)
        self.second = nn.Conv2d(config.channels, config.channels, 3, stride=2, padding=1)

    def forward(self, clip: Tensor, lengths: Tensor) -> Tensor:  # type: ignore[override]
        """Clips `n t c h w` -> parts `n p c`; frames behind a walk's length do not count."""
        sizes = sizes_of(clip, lengths)
        maps = F.relu(self.second(F.relu(self.first(pack(clip, sizes)))))
        strips = F.adaptive_avg_pool2d(maps, (self.parts, 1)).squeeze(3).transpose(1, 2)  # f p c
        return torch.stack([walk.mean(0) for walk in strips.split(sizes)])
