"""A training method: named clips in, named losses out, and an embedding at test time.

A method never sees an optimiser, a loader, a logger or a path, and calls a collective only through `gaitlab.nn.gather`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gaitlab.config import Config
from gaitlab.types import Batch, ClipSpec, Look, Losses, Modality


class Method(nn.Module, ABC):
    """Base of every training method. The loop calls the module itself (DDP hooks that call): `forward` is `losses`.

    Methods whose objective is a function of one embedding tensor and the labels override `encode` and `objective` and get
    `losses` and exact gradient accumulation (`training.accumulate`) for nothing; others override `losses`.
    """

    distance: Literal["euclidean", "cosine"] = "euclidean"
    """How embeddings are compared at test time unless the protocol says otherwise: euclidean | cosine."""

    def encode(self, batch: Batch, rng: torch.Generator) -> Tensor:
        """Rows `n ...` on which alone the objective depends."""
        raise NotImplementedError(f"{type(self).__name__} has no encode/objective split, so it cannot accumulate gradients")

    def objective(self, encoded: Tensor, batch: Batch) -> Losses:
        """Losses of the encoded rows; `batch` gives the labels."""
        raise NotImplementedError(f"{type(self).__name__} has no encode/objective split, so it cannot accumulate gradients")

    def losses(self, batch: Batch, rng: torch.Generator) -> Losses:
        """Training objective of one batch. All randomness comes from `rng` (on the batch's device)."""
        return self.objective(self.encode(batch, rng), batch)

    @abstractmethod
    def embed(self, batch: Batch) -> Tensor:
        """Test-time embedding `n p d`, float32; every row equal to what the walk alone would give."""

    def forward(self, batch: Batch, rng: torch.Generator) -> Losses:
        return self.losses(batch, rng)

    def look(self, batch: Batch, rng: torch.Generator) -> Mapping[str, Look]:
        """What there is to see of the training, by name; called without gradients and in evaluation mode, on one rank only."""
        return {}

    def param_groups(self) -> Iterable[dict[str, Any]]:
        """Optimiser groups: dicts with `params` and, if wanted, `lr` or `lr_ratio` (times the experiment's rate), and `optimiser`."""
        return [{"params": [p for p in self.parameters() if p.requires_grad]}]


@dataclass(frozen=True, kw_only=True)
class MethodConfig(Config):
    """Base of the methods' configurations; a subclass is a frozen dataclass that can `build` its method."""

    def clips(self) -> dict[str, ClipSpec]:
        """Clips that training asks for, by role."""
        raise NotImplementedError

    def test_clips(self, modality: Modality | None = None) -> dict[str, ClipSpec]:
        """Clips that `embed` asks for, by role; whole walks unless a method knows better.

        modality: only those of this one, for tests across modalities; ValueError if the method embeds others only.
        """
        clips = {role: spec.whole() for role, spec in self.clips().items()}
        asked = {role: spec for role, spec in clips.items() if modality in (None, spec.modality)}
        if not asked:
            there = " and ".join(dict.fromkeys(spec.modality for spec in clips.values()))
            raise ValueError(f"{type(self).__name__} embeds {there} only; a test asks it for {modality}")
        return asked

    def channels(self) -> dict[str, int]:
        """Channels that the network takes of the clips, by role; a role left out takes any number."""
        return {}

    def targets(self) -> tuple[str, ...]:
        """Conditions that a batch's `target` numbers, for methods that tell them apart."""
        return ()

    def recogniser_path(self) -> tuple[str, ...]:
        """Fields that lead to the part that recognises, in the config and in the built network alike; (): the method is nothing else."""
        return ()

    def recogniser_config(self) -> "MethodConfig":
        """The config of that part: what a baseline trains by itself."""
        return reduce(getattr, self.recogniser_path(), self)

    def build(self, subjects: int) -> Method:
        """A freshly initialised method for `subjects` training identities."""
        raise NotImplementedError
