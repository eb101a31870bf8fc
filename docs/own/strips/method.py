"""A method of our own: every part of a walk is drawn to its subject's centre, and away from the others' (a softmax of distances)."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gaitlab.backbones.backbone import BackboneConfig
from gaitlab.method import Method, MethodConfig
from gaitlab.rng import Rng
from gaitlab.types import Batch, ClipSpec, Losses
from gaitlab.within import Weight
from strips.backbone import StripsConfig


@dataclass(frozen=True, kw_only=True)
class CentresConfig(MethodConfig):
    """noise: standard deviation of what is added to the features in training, so that centres keep their distance."""

    backbone: BackboneConfig = field(default_factory=StripsConfig)
    clip: ClipSpec = field(default_factory=ClipSpec)
    noise: Weight = 0.1

    def clips(self) -> dict[str, ClipSpec]:
        return {"gait": self.clip}

    def channels(self) -> dict[str, int]:
        return {"gait": self.backbone.in_channels}

    def build(self, subjects: int) -> "Centres":
        return Centres(self, subjects)


class Centres(Method):
    def __init__(self, config: CentresConfig, subjects: int) -> None:
        super().__init__()
        self.config = config
        self.backbone = config.backbone.build()
        self.centres = nn.Parameter(torch.randn(self.backbone.parts, subjects, self.backbone.channels))

    def losses(self, batch: Batch, rng: Rng) -> Losses:
        x = self.embed(batch)
        x = x + self.config.noise * rng.normal("noise", *x.shape[1:])  # a draw has a name; it is the same on one GPU and on eight
        logits = -torch.cdist(x.transpose(0, 1), self.centres).transpose(0, 1)  # n p k
        identity = F.cross_entropy(logits.flatten(0, 1), batch.subject.repeat_interleave(logits.shape[1]))
        return Losses(terms={"identity": identity}, watch={"accuracy": (logits.argmax(2) == batch.subject[:, None]).float().mean()})

    def embed(self, batch: Batch) -> Tensor:
        return self.backbone(batch.clips["gait"], batch.lengths["gait"]).float()
