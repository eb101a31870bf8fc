"""Supervised recognition: part-wise triplet loss on the embedding, and, behind a BN neck, identity classification.

GaitSet trains with the triplet loss alone (`neck=False`); GaitBase, DeepGaitV2 and their kin with both
(Fan et al., "OpenGait", CVPR 2023).
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from gaitlab.backbones.backbone import BackboneConfig
from gaitlab.backbones.gaitbase import GaitBaseConfig
from gaitlab.losses.identity import part_cross_entropy
from gaitlab.losses.triplet import SelfDistance, part_triplet
from gaitlab.method import Method, MethodConfig
from gaitlab.nn.gather import all_rows
from gaitlab.nn.heads import BNNeck, PartLinear
from gaitlab.types import Batch, ClipSpec, Losses, Modality

Feature = Literal["raw", "normalised"]
"""raw: the embedding before batch norm; normalised: the BN neck's output, of length 1."""


@dataclass(frozen=True, kw_only=True)
class SupervisedConfig(MethodConfig):
    """Network, clip and losses; the defaults are GaitBase's."""

    backbone: BackboneConfig = field(default_factory=GaitBaseConfig)
    clip: ClipSpec = field(default_factory=ClipSpec)
    embedding: int = 256
    """Channels of each part's embedding."""
    neck: bool = True
    """BN neck and identity loss; without it the triplet loss trains alone."""
    margin: float = 0.2
    triplet_weight: float = 1.0
    identity_weight: float = 1.0
    scale: float = 16.0
    """Factor of the cosines before the softmax."""
    smoothing: float = 0.1
    triplet_on: Feature = "raw"
    embed_from: Feature = "raw"
    self_distance: SelfDistance = "zero"
    """rounded: the reference implementation's numbers, digit for digit (what `interop.opengait` sets)."""

    def __post_init__(self) -> None:
        if not self.neck and "normalised" in (self.triplet_on, self.embed_from):
            raise ValueError("triplet_on and embed_from take 'normalised' only with neck=True: the BN neck is what normalises")

    def clips(self) -> dict[str, ClipSpec]:
        return {"gait": self.clip}

    def test_clips(self, modality: Modality | None = None) -> dict[str, ClipSpec]:
        return {"gait": replace(self.clip.whole(), modality=modality or self.clip.modality)}

    def channels(self) -> dict[str, int]:
        return {"gait": self.backbone.in_channels}

    def build(self, subjects: int) -> "Supervised":
        return Supervised(self, subjects)


class Supervised(Method):
    """Backbone, one linear map per part, and the neck."""

    def __init__(self, config: SupervisedConfig, subjects: int) -> None:
        super().__init__()
        self.config = config
        self.backbone = config.backbone.build()
        self.head = PartLinear(self.backbone.parts, self.backbone.channels, config.embedding)
        self.neck = BNNeck(self.backbone.parts, config.embedding, subjects) if config.neck else None

    def encode(self, batch: Batch, rng: torch.Generator) -> Tensor:
        """Embeddings before batch norm, `n p d`."""
        return self._raw(batch)

    def objective(self, encoded: Tensor, batch: Batch) -> Losses:
        config = self.config
        features, cosines = (encoded, None) if self.neck is None else self.neck(encoded)
        compared = encoded if config.triplet_on == "raw" else features
        triplet = part_triplet(all_rows(compared), all_rows(batch.subject), margin=config.margin, self_distance=config.self_distance)
        terms = {"triplet": config.triplet_weight * triplet.loss}
        watch = {"active_triplets": triplet.share, "distance": triplet.distance.mean()}
        if cosines is not None:
            identity = part_cross_entropy(cosines, batch.subject, scale=config.scale, smoothing=config.smoothing)
            terms["identity"] = config.identity_weight * identity
            watch["accuracy"] = (cosines.detach().argmax(2) == batch.subject[:, None]).float().mean()
        return Losses(terms, watch)

    def embed(self, batch: Batch) -> Tensor:
        raw = self._raw(batch).float()
        return raw if self.config.embed_from == "raw" or self.neck is None else self.neck.normalised(raw)

    def _raw(self, batch: Batch) -> Tensor:
        return self.head(self.backbone(batch.clips["gait"], batch.lengths["gait"]))
