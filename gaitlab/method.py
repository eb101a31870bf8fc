"""A training method: named clips in, named losses out, and an embedding at test time.

A method never sees an optimiser, a loader, a logger or a path, and calls a collective only through `gaitlab.nn.gather`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gaitlab.config import Config
from gaitlab.rng import Rng
from gaitlab.types import AnyLook, Batch, ClipSpec, Losses, Modality


class Method(nn.Module, ABC):
    """Base of every training method. The loop calls the module itself (DDP hooks that call): `forward` is `losses`.

    Methods whose objective is a function of one embedding tensor and the labels override `encode` and `objective` and get
    `losses` and exact gradient accumulation (`training.accumulate`) for nothing; others override `losses`.
    """

    distance: Literal["euclidean", "cosine"] = "euclidean"
    """How embeddings are compared at test time unless the protocol says otherwise: euclidean | cosine."""

    def encode(self, batch: Batch, rng: Rng) -> Tensor:
        """Rows `n ...` on which alone the objective depends."""
        raise NotImplementedError(f"{type(self).__name__} has no encode/objective split, so it cannot accumulate gradients")

    def objective(self, encoded: Tensor, batch: Batch) -> Losses:
        """Losses of the encoded rows; `batch` gives the labels."""
        raise NotImplementedError(f"{type(self).__name__} has no encode/objective split, so it cannot accumulate gradients")

    def losses(self, batch: Batch, rng: Rng) -> Losses:
        """Training objective of one batch. All randomness comes from `rng`, which also knows the step's number."""
        return self.objective(self.encode(batch, rng), batch)

    @abstractmethod
    def embed(self, batch: Batch) -> Tensor:
        """Test-time embedding `n p d`, float32; every row equal to what the walk alone would give.

        The batch holds the clips of one of the config's `embeds`: one modality, unless the network takes several at once.
        """

    def forward(self, batch: Batch, rng: Rng) -> Losses:
        return self.losses(batch, rng)

    def look(self, batch: Batch, rng: Rng) -> Mapping[str, AnyLook]:
        """What there is to see of the training, by name; called without gradients and in evaluation mode, on one rank only.

        The batch is the same every time: walks of people set aside where there are some, whose labels are among themselves.
        """
        return {}

    def param_groups(self) -> Iterable[dict[str, Any]]:
        """Optimiser groups: dicts with `params` and, if wanted, `lr` or `lr_ratio` (times the experiment's rate), `weight_decay`, and
        `optimiser`."""
        return [{"params": [p for p in self.parameters() if p.requires_grad]}]


@dataclass(frozen=True, kw_only=True)
class MethodConfig(Config):
    """Base of the methods' configurations; a subclass is a frozen dataclass that can `build` its method."""

    def clips(self) -> dict[str, ClipSpec]:
        """Clips that training asks for, by role."""
        raise NotImplementedError

    def embeds(self) -> tuple[tuple[str, ...], ...]:
        """Sets of roles, each of which `embed` makes an embedding of: every clip by itself, unless a network takes several at once."""
        return tuple((role,) for role in self.clips())

    def test_clips(self, modality: Modality | None = None) -> dict[str, ClipSpec]:
        """Clips of one of `embeds`, by role, all that `embed` will see; whole walks unless a method knows better.

        modality: the set whose first clip is of this one, for tests across modalities; the first set if None. ValueError if there is none.
        """
        clips = self.clips()
        for roles in self.embeds():
            if modality in (None, clips[roles[0]].modality):
                leaders = {role: clips[role].follows for role in roles}
                return {role: replace(clips[role].whole(), follows=leader if leader in roles else None) for role, leader in leaders.items()}
        there = " and ".join(dict.fromkeys(" with ".join(clips[role].modality for role in roles) for roles in self.embeds()))
        raise ValueError(f"{type(self).__name__} embeds {there} only; a test asks it for {modality}")

    def channels(self) -> dict[str, int]:
        """Channels that the network takes of the clips, by role; a role left out takes any number."""
        return {}

    def targets(self) -> tuple[str, ...]:
        """Conditions that a batch's `target` numbers, for methods that tell them apart."""
        return ()

    def contrasts(self) -> bool:
        """Whether the losses compare what a batch holds, so that it takes two people (or walks, where those are drawn) or more."""
        return False

    def recogniser_path(self) -> tuple[str, ...]:
        """Fields that lead to the part that recognises, in the config and in the built network alike; (): the method is nothing else."""
        return ()

    def recogniser_config(self) -> "MethodConfig":
        """The config of that part: what a baseline trains by itself."""
        return reduce(getattr, self.recogniser_path(), self)

    def build(self, subjects: int) -> Method:
        """A freshly initialised method for `subjects` training identities."""
        raise NotImplementedError

    def blueprint(self, subjects: int) -> Method:
        """What `build` makes, without memory for its tensors: its parts and shapes only."""
        with torch.device("meta"):
            return self.build(subjects)
