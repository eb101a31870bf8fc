"""What a recognition network promises: clips in, part features out, walks independent of each other."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from gaitlab.config import Config
from gaitlab.types import Modality
from gaitlab.within import Count


class Backbone(nn.Module, ABC):
    """Clips -> part features. In eval mode a walk's features are those it has alone, whatever else is in the batch."""

    parts: int
    channels: int
    bins: tuple[int, ...]
    """Strips of each scale of the pyramid; the first `bins[0]` parts are strips from top to bottom."""

    @abstractmethod
    def forward(self, clip: Tensor, lengths: Tensor) -> Tensor:
        """clip `n t c h w`, values in [0, 1], padded behind `lengths` `n` -> `n p c` (`parts` x `channels`).

        A network with companions takes their clips, which show the same frames, behind these two.
        """


@dataclass(frozen=True, kw_only=True)
class BackboneConfig(Config):
    """Base of the networks' configurations."""

    companions: ClassVar[tuple[Modality, ...]] = ()
    """Modalities that the network takes besides the clip's own, of the same frames."""
    in_channels: Count = 1
    """Channels of a clip's frames."""

    def companion_channels(self) -> dict[str, int]:
        """Channels of the companions' frames, by modality."""
        return {}

    def build(self) -> Backbone:
        """The network, freshly initialised."""
        raise NotImplementedError
