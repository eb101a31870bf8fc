"""SMPLGait (Zheng et al., "Gait Recognition in the Wild with Dense 3D Representations and A Benchmark", CVPR 2022).

Plain convolutions on silhouettes; the parameters of a body model (SMPL: 3 camera, 72 pose, 10 shape) become a matrix that
transforms each frame's map.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gaitlab.backbones.backbone import Backbone
from gaitlab.backbones.plain import PlainConfig
from gaitlab.nn.dropout import WalkDropout
from gaitlab.nn.frames import pack, sizes_of, temporal_max
from gaitlab.nn.initial import initialise
from gaitlab.nn.plain import PlainLayers
from gaitlab.nn.pooling import horizontal_pyramid
from gaitlab.types import Modality
from gaitlab.within import Count, PartShare

NUMBERS = 85
"""Of a frame's body: 3 camera, 72 pose, 10 shape."""


@dataclass(frozen=True, kw_only=True)
class SMPLGaitConfig(PlainConfig):
    """The defaults are the paper's for Gait3D."""

    companions: ClassVar[tuple[Modality, ...]] = ("smpl",)
    hidden: tuple[Count, Count] = (128, 256)
    """Widths of the first two layers of the body's branch."""
    side: Count = 16
    """Rows of the maps, which is the size of the matrix: 16 at 64 rows of input."""
    dropout: PartShare = 0.2

    def companion_channels(self) -> dict[str, int]:
        return {"smpl": NUMBERS}

    def build(self) -> Backbone:
        return SMPLGait(self)


class SMPLGait(Backbone):
    def __init__(self, config: SMPLGaitConfig) -> None:
        super().__init__()
        self.bins, self.side = config.bins, config.side
        self.parts, self.channels = sum(config.bins), config.channels[-1]
        self.layers = PlainLayers(config.in_channels, config.channels, config.strips, config.pool_after)
        a, b = config.hidden
        self.fc1, self.bn1 = nn.Linear(NUMBERS, a), nn.BatchNorm1d(a)
        self.fc2, self.bn2 = nn.Linear(a, b), nn.BatchNorm1d(b)
        self.fc3, self.bn3 = nn.Linear(b, config.side**2), nn.BatchNorm1d(config.side**2)
        self.dropout = WalkDropout(config.dropout)
        initialise(self)

    def forward(self, clip: Tensor, lengths: Tensor, body: Tensor) -> Tensor:  # type: ignore[override]
        """body: float `n t 85`, of the same frames."""
        sizes = sizes_of(clip, lengths)
        maps = self.layers(pack(clip, sizes))
        if maps.shape[2] != self.side or maps.shape[3] > self.side:
            raise ValueError(
                f"SMPLGait multiplies maps of {self.side} rows; these are {maps.shape[2]}x{maps.shape[3]}: give frames of 64 rows"
            )
        square = F.pad(maps, (0, self.side - maps.shape[3]))
        packed = torch.cat([walk[:size] for walk, size in zip(body, sizes, strict=True)])
        turned = square @ self._matrix(packed, sizes).unsqueeze(1)
        return horizontal_pyramid(temporal_max(turned, sizes), self.bins)

    def _matrix(self, body: Tensor, sizes: list[int]) -> Tensor:
        """Packed `f 85` -> `f side side`, the identity and what the body adds to it."""
        x = F.relu(self.bn1(self.fc1(body)))
        x = F.relu(self.bn2(self.dropout(self.fc2(x), sizes)))
        x = F.relu(self.bn3(self.dropout(self.fc3(x), sizes)))
        return x.unflatten(1, (self.side, self.side)) + torch.eye(self.side, dtype=x.dtype, device=x.device)
