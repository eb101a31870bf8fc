"""Supervised recognition: part-wise triplet loss on the embedding, and, behind a neck, classification of identities.

GaitSet and GaitPart train with the triplet loss alone (`neck="none"`); GaitBase, DeepGaitV2 and their kin with both
(Fan et al., "OpenGait", CVPR 2023). With `classes` the classifier tells conditions apart instead of people: ScoNet
(Zhou et al., "Gait Patterns as Biomarkers", MICCAI 2024).
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from gaitlab.backbones.backbone import BackboneConfig
from gaitlab.backbones.gaitbase import GaitBaseConfig
from gaitlab.losses.identity import part_cross_entropy
from gaitlab.losses.triplet import Comparison, Mining, SelfDistance, part_triplet
from gaitlab.method import Method, MethodConfig
from gaitlab.nn.frames import snippets
from gaitlab.nn.gather import all_rows
from gaitlab.nn.heads import BNNeck, PartLinear, SharedNeck
from gaitlab.rng import Rng
from gaitlab.types import VECTORS, Batch, ClipSpec, Losses, Modality
from gaitlab.within import Count, PartShare, Positive, Weight

Feature = Literal["raw", "normalised", "logits"]
"""raw: the embedding before batch norm; normalised: the neck's feature; logits: the classifier's output, `n p k`."""

NECKS: dict[str, type[BNNeck] | type[SharedNeck]] = {"bnneck": BNNeck, "shared": SharedNeck}


@dataclass(frozen=True, kw_only=True)
class SupervisedConfig(MethodConfig):
    """Network, clip and losses; the defaults are GaitBase's."""

    backbone: BackboneConfig = field(default_factory=GaitBaseConfig)
    clip: ClipSpec = field(default_factory=ClipSpec)
    embedding: Count = 256
    """Channels of each part's embedding."""
    neck: Literal["bnneck", "shared", "none"] = "bnneck"
    """bnneck: batch norm, unit length, cosines to class centres; shared: GaitGL's; none: the triplet loss trains alone."""
    classes: tuple[str, ...] = ()
    """Conditions that are told apart instead of identities."""
    margin: Weight = 0.2
    mining: Mining = "all"
    compared_by: Comparison = "euclidean"
    """Distance inside the triplet loss."""
    triplet_weight: Weight = 1.0
    identity_weight: Weight = 1.0
    scale: Positive = 16.0
    """Factor of the logits before the softmax."""
    smoothing: PartShare = 0.1
    triplet_on: Literal["raw", "normalised"] = "raw"
    embed_from: Feature = "raw"
    snippet: Count | None = None
    """A test walk's features are the mean over snippets of about so many frames, every k-th each; a maximum over time then sees as many as
    in training. None: the walk at once."""
    self_distance: SelfDistance = "zero"
    """rounded: the reference implementation's numbers, digit for digit (what `interop.opengait` sets)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.neck == "none" and (self.triplet_on, self.embed_from) != ("raw", "raw"):
            raise ValueError("triplet_on and embed_from take 'normalised' and 'logits' only with a neck: neck 'bnneck' or 'shared'")
        if self.snippet is not None and self.backbone.companions:
            raise ValueError("SupervisedConfig.snippet is for networks with one input; None takes walks at once")
        if self.classes and self.neck == "none":
            raise ValueError("classes need a classifier: neck 'bnneck' or 'shared'")

    def clips(self) -> dict[str, ClipSpec]:
        return {"gait": self.clip} | {
            other: replace(self.clip, modality=other, follows="gait", width=None if other in VECTORS else self.clip.width)
            for other in self.backbone.companions
        }

    def embeds(self) -> tuple[tuple[str, ...], ...]:
        return (("gait", *self.backbone.companions),)

    def test_clips(self, modality: Modality | None = None) -> dict[str, ClipSpec]:
        """A network without companions embeds any modality whose frames have its number of channels."""
        if self.backbone.companions:
            return super().test_clips(modality)
        return {"gait": replace(self.clip.whole(), modality=modality or self.clip.modality)}

    def channels(self) -> dict[str, int]:
        return {"gait": self.backbone.in_channels, **self.backbone.companion_channels()}

    def targets(self) -> tuple[str, ...]:
        return self.classes

    def contrasts(self) -> bool:
        return self.triplet_weight > 0

    def build(self, subjects: int) -> "Supervised":
        return Supervised(self, subjects)


class Supervised(Method):
    """Backbone, one linear map per part, and the neck."""

    neck: BNNeck | SharedNeck | None

    def __init__(self, config: SupervisedConfig, subjects: int) -> None:
        super().__init__()
        self.config = config
        self.backbone = config.backbone.build()
        self.head = PartLinear(self.backbone.parts, self.backbone.channels, config.embedding)
        neck = NECKS.get(config.neck)
        self.neck = neck(self.backbone.parts, config.embedding, len(config.classes) or subjects) if neck else None

    def encode(self, batch: Batch, rng: Rng) -> Tensor:
        """Embeddings before batch norm, `n p d`."""
        return self.head(self.features(batch))

    def objective(self, encoded: Tensor, batch: Batch) -> Losses:
        config = self.config
        features, logits = (encoded, None) if self.neck is None else self.neck(encoded)
        triplet = part_triplet(
            all_rows(encoded if config.triplet_on == "raw" else features), all_rows(batch.subject),
            margin=config.margin, mining=config.mining, distance=config.compared_by, self_distance=config.self_distance,
        )  # fmt: skip
        terms = {"triplet": config.triplet_weight * triplet.loss}
        watch = {"active_triplets": triplet.share, "distance": triplet.distance.mean()}
        if logits is not None:
            label = self._label(batch)
            identity = part_cross_entropy(logits, label, scale=config.scale, smoothing=config.smoothing)
            terms["identity"] = config.identity_weight * identity
            watch["accuracy"] = (logits.detach().argmax(2) == label[:, None]).float().mean()
        return Losses(terms, watch)

    def embed(self, batch: Batch) -> Tensor:
        features = self.features(batch) if self.config.snippet is None else self._over_snippets(batch, self.config.snippet)
        raw = self.head(features).float()
        if self.neck is None or self.config.embed_from == "raw":
            return raw
        normalised = self.neck.normalised(raw)
        return normalised if self.config.embed_from == "normalised" else self.neck.logits(normalised)

    def _label(self, batch: Batch) -> Tensor:
        if not self.config.classes:
            return batch.subject
        if batch.target is None:
            raise ValueError(f"a batch for {', '.join(self.config.classes)} needs its target")
        return batch.target

    def _over_snippets(self, batch: Batch, frames: int) -> Tensor:
        clips, lengths, counts = snippets(batch.clips["gait"], batch.lengths["gait"], frames)
        return torch.stack([walk.mean(0) for walk in self.backbone(clips, lengths).split(counts)])

    def features(self, batch: Batch) -> Tensor:
        """Part features before the head, `n p c`."""
        companions = [batch.clips[role] for role in self.config.backbone.companions]
        return self.backbone(batch.clips["gait"], batch.lengths["gait"], *companions)
