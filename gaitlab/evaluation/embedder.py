"""Whatever turns walks into embeddings, as a protocol sees it: a trained network, or a baseline without one."""

from typing import Literal, Protocol

import numpy as np
import torch

from gaitlab.data.store import Store
from gaitlab.types import Modality

Distance = Literal["euclidean", "cosine"]
"""How two walks are compared: mean over parts of the Euclidean distance, or 1 - mean over parts of the cosine."""


class Embedder(Protocol):
    """What a test asks of a network."""

    @property
    def name(self) -> str:
        """Its row in a table."""
        ...

    @property
    def distance(self) -> Distance:
        """How its embeddings are compared where the protocol leaves it open."""
        ...

    @property
    def device(self) -> torch.device:
        """Where they are compared."""
        ...

    def embed(self, store: Store, rows: np.ndarray, modality: Modality | None) -> np.ndarray:
        """Embeddings float32 `[n, p, d]` of the store's `rows`, in their order, from clips of `modality` (None: its own); on every rank."""
        ...
