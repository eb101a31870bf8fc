"""The recognisers of before networks, as embedders: gait energy images, and their discriminants (Han and Bhanu, TPAMI 2006)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gaitlab.data.clips import walk_frames
from gaitlab.data.store import Store
from gaitlab.evaluation.embedder import Distance
from gaitlab.evaluation.gei import gei
from gaitlab.evaluation.lda import GeiLda, fitted
from gaitlab.evaluation.protocol import AnyProtocol, rows_of
from gaitlab.types import Modality


@dataclass(frozen=True)
class EnergyImages:
    """An embedder. learnt: the discriminants that are embedded instead of the images themselves."""

    learnt: GeiLda | None = None
    distance: Distance = "euclidean"

    @property
    def name(self) -> str:
        return "GEI + LDA" if self.learnt else "GEI"

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    def embed(self, store: Store, rows: np.ndarray, modality: Modality | None) -> np.ndarray:
        images = gei(store, rows, modality=modality or "silhouette")
        return self.learnt.transform(images) if self.learnt else images


def classical(store: Store, protocol: AnyProtocol, learn_from: Sequence[Store] = ()) -> list[EnergyImages]:
    """Those that fit the walks of `protocol`: silhouettes unless it says otherwise; none where walks lack them.

    learn_from: where discriminants are learnt if `store` has no training people; without any there are no discriminants.
    """
    sides = protocol.sides(store.index)
    rows = rows_of(sides)
    modalities = tuple(dict.fromkeys(modality or "silhouette" for modality, _ in sides))
    if not all(m in ("silhouette", "range") and m in store.modalities and (walk_frames(store, m)[rows] > 0).all() for m in modalities):
        return []
    learnt = next((found for teachers in (store, *learn_from) if (found := fitted(teachers, modalities))), None)
    if learnt is None or len(learnt.mean) != gei(store, rows[:1], modality=modalities[0]).shape[2]:
        return [EnergyImages()]
    return [EnergyImages(), EnergyImages(learnt)]
