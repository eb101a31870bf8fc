"""GaitSSB (Fan et al., "Learning Gait Representation From Massive Unlabelled Walking Videos: A Benchmark", T-PAMI 2023).

Pretraining: two augmented clips of a walk find each other among all walks of the batch, part by part, without labels (a projector
and a predictor as in SimSiam, Chen & He, CVPR 2021). Fine-tuning: a head on the projector and the triplet loss, the body learning
slowly or not at all.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gaitlab.backbones.gaitbase import GaitBase, GaitBaseConfig
from gaitlab.losses.identity import part_cross_entropy
from gaitlab.losses.triplet import SelfDistance, part_triplet
from gaitlab.method import Method, MethodConfig
from gaitlab.nn.gather import all_rows, own_rows
from gaitlab.nn.heads import PartLinear, part_norm
from gaitlab.nn.precise import at_least_float32
from gaitlab.rng import Rng
from gaitlab.types import Augment, Batch, ClipSpec, Losses
from gaitlab.within import Count, PartShare, Positive, Weight

PYRAMID = GaitBaseConfig(bins=(16, 8, 4, 2, 1))


class Projection(nn.Module):
    """Two linear maps a part with batch norm and ReLU between them, and batch norm behind them if `last_norm`: `n p c` -> `n p d`."""

    def __init__(self, parts: int, c_in: int, hidden: int, c_out: int, *, last_norm: bool) -> None:
        super().__init__()
        self.fc1, self.bn1 = PartLinear(parts, c_in, hidden), nn.BatchNorm1d(hidden * parts)
        self.fc2, self.bn2 = PartLinear(parts, hidden, c_out), nn.BatchNorm1d(c_out * parts) if last_norm else None

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc2(F.relu(part_norm(self.bn1, self.fc1(x))))
        return x if self.bn2 is None else part_norm(self.bn2, x)


# -- pretraining -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class GaitSSBConfig(MethodConfig):
    """The paper's settings; a batch is of walks, whoever they are of (`data.draw` walks)."""

    backbone: GaitBaseConfig = PYRAMID
    clip: ClipSpec = field(
        default_factory=lambda: ClipSpec(
            frames=16, order="ordered", augment=Augment(affine=0.2, perspective=0.2, flip=0.5, dilate=0.2, blur=0.2)
        )
    )
    """Of either of the two clips."""
    hidden: Count = 512
    """Channels between the two linear maps of projector and predictor."""
    embedding: Count = 512
    """Channels of each part's embedding."""
    scale: Positive = 16.0
    """Factor of the cosines before the softmax."""
    smoothing: PartShare = 0.1

    def clips(self) -> dict[str, ClipSpec]:
        return {"query": self.clip, "key": self.clip}

    def embeds(self) -> tuple[tuple[str, ...], ...]:
        return (("query",),)

    def channels(self) -> dict[str, int]:
        return dict.fromkeys(self.clips(), self.backbone.in_channels)

    def contrasts(self) -> bool:
        return True

    def build(self, subjects: int) -> "GaitSSB":
        return GaitSSB(self)


class GaitSSB(Method):
    """Backbone, projector, predictor."""

    distance = "cosine"

    def __init__(self, config: GaitSSBConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = config.backbone.build()
        parts = self.backbone.parts
        self.projector = Projection(parts, self.backbone.channels, config.hidden, config.embedding, last_norm=True)
        self.predictor = Projection(parts, config.embedding, config.hidden, config.embedding, last_norm=False)

    def losses(self, batch: Batch, rng: Rng) -> Losses:
        (query, query_target), (key, key_target) = (self._both(batch, role) for role in ("query", "key"))
        forward, backward = self.cosines(query, key_target), self.cosines(key, query_target)
        own = own_rows(len(batch), query.device)
        scale, smoothing = self.config.scale, self.config.smoothing
        return Losses(
            terms={
                "query_finds_key": part_cross_entropy(forward, own, scale=scale, smoothing=smoothing),
                "key_finds_query": part_cross_entropy(backward, own, scale=scale, smoothing=smoothing),
            },
            watch={"accuracy": (forward.detach().argmax(2) == own[:, None]).float().mean()},
        )

    def cosines(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Predictions `n p d` against the targets `n p d` of all walks of all ranks: `n p k`; the targets get no gradient."""
        predicted, target = (F.normalize(at_least_float32(x), dim=2) for x in (predicted, target.detach()))
        with torch.autocast(predicted.device.type, enabled=False):
            return torch.einsum("npd,kpd->npk", predicted, all_rows(target))

    def embed(self, batch: Batch) -> Tensor:
        return F.normalize(self._both(batch, "query")[0].float(), dim=2)

    def _both(self, batch: Batch, role: str) -> tuple[Tensor, Tensor]:
        """Predictor's and projector's output, `n p d`."""
        target = self.projector(self.backbone(batch.clips[role], batch.lengths[role]))
        return self.predictor(target), target


# -- fine-tuning -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class GaitSSBFinetuneConfig(MethodConfig):
    """The paper's settings for CASIA-B; the head learns at the experiment's rate."""

    backbone: GaitBaseConfig = PYRAMID
    clip: ClipSpec = field(default_factory=ClipSpec)
    hidden: Count = 512
    """Channels between the two linear maps of the projector."""
    projection: Count = 512
    """Channels of the projector's output."""
    embedding: Count = 512
    """Channels of each part's embedding."""
    margin: Weight = 0.3
    stage_lr: tuple[Weight, ...] = (0.0, 1e-3, 1e-3, 1e-3)
    """Learning rate of each stage; 0 freezes it. The stem is frozen."""
    projector_lr: Weight = 1e-2
    freeze_norms: bool = True
    """Batch norm keeps the statistics of the pretraining."""
    self_distance: SelfDistance = "zero"

    def clips(self) -> dict[str, ClipSpec]:
        return {"gait": self.clip}

    def channels(self) -> dict[str, int]:
        return {"gait": self.backbone.in_channels}

    def contrasts(self) -> bool:
        return True

    def build(self, subjects: int) -> "GaitSSBFinetune":
        return GaitSSBFinetune(self)


class GaitSSBFinetune(Method):
    """Backbone, projector, and a head of unit columns on the projector's unit output."""

    backbone: GaitBase

    def __init__(self, config: GaitSSBFinetuneConfig) -> None:
        super().__init__()
        if len(config.stage_lr) != len(config.backbone.channels):
            raise ValueError(f"stage_lr names a rate for each of the {len(config.backbone.channels)} stages; it is {config.stage_lr}")
        self.config = config
        self.backbone = config.backbone.build()
        parts = self.backbone.parts
        self.projector = Projection(parts, self.backbone.channels, config.hidden, config.projection, last_norm=True)
        self.head = PartLinear(parts, config.projection, config.embedding, unit=True)
        frozen = [self.backbone.stem, *(stage for stage, lr in zip(self.backbone.stages, config.stage_lr, strict=True) if not lr)]
        for module in frozen:
            module.requires_grad_(False)

    def train(self, mode: bool = True) -> "GaitSSBFinetune":
        super().train(mode)
        if self.config.freeze_norms:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._NormBase):
                    module.eval()
        return self

    def encode(self, batch: Batch, rng: Rng) -> Tensor:
        return self._embeddings(batch)

    def _embeddings(self, batch: Batch) -> Tensor:
        """`n p d`."""
        projected = self.projector(self.backbone(batch.clips["gait"], batch.lengths["gait"]))
        return self.head(F.normalize(projected, dim=2))

    def objective(self, encoded: Tensor, batch: Batch) -> Losses:
        config = self.config
        triplet = part_triplet(all_rows(encoded), all_rows(batch.subject), margin=config.margin, self_distance=config.self_distance)
        return Losses({"triplet": triplet.loss}, {"active_triplets": triplet.share, "distance": triplet.distance.mean()})

    def embed(self, batch: Batch) -> Tensor:
        return self._embeddings(batch).float()

    def param_groups(self) -> Iterable[dict[str, Any]]:
        stages = zip(self.backbone.stages, self.config.stage_lr, strict=True)
        yield {"params": self.head.parameters()}
        yield {"params": self.projector.parameters(), "lr": self.config.projector_lr}
        yield from ({"params": stage.parameters(), "lr": lr} for stage, lr in stages if lr)
