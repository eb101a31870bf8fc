"""Gait energy images, principal components and linear discriminants (Han & Bhanu, TPAMI 2006), learnt from other people.

The classical recogniser of the field: what a network has to beat to show that it is worth its training.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gaitlab.data.store import Store
from gaitlab.evaluation.gei import gei
from gaitlab.types import Modality

COMPONENTS, DIRECTIONS, SHRINKAGE = 300, 60, 0.03
"""Our default. Best of 100-400, 40-100 and 0.01-0.5 when 100 of the generator's training people were learnt from and 100 others
ranked, same and cross view; so is the cosine (unit length), by 1-3 points across views."""

IMAGES = 4000
"""Training images at most; half as many cost 2 points, and 4000 take about 4 s."""


@dataclass(frozen=True)
class GeiLda:
    """A linear map. mean: float64 `[d]`. directions: float64 `[d, k]`, (shrunk) within-person variance 1 along each."""

    mean: np.ndarray
    directions: np.ndarray

    @classmethod
    def fit(
        cls,
        x: np.ndarray,
        labels: np.ndarray,
        *,
        components: int = COMPONENTS,
        directions: int = DIRECTIONS,
        shrinkage: float = SHRINKAGE,
    ) -> "GeiLda":
        """From images `[n, d]` of the people `labels` `[n]`.

        shrinkage: share of the mean within-person variance in every direction's, 0 to 1.
        """
        people, person = np.unique(labels, return_inverse=True)
        if len(people) < 2 or len(people) == len(x):
            raise ValueError(f"{len(x)} images of {len(people)} people: discriminants need two people or more, and two images of some")
        x = np.asarray(x, np.float64)
        mean = x.mean(0)
        x = x - mean
        basis = _principal(x, components)
        z = x @ basis
        sums = np.zeros((len(people), z.shape[1]))
        np.add.at(sums, person, z)
        number = np.bincount(person)[:, None]
        centres = sums / number
        within = z - centres[person]
        scatter = within.T @ within / len(z)
        scatter = (1 - shrinkage) * scatter + shrinkage * np.trace(scatter) / len(scatter) * np.eye(len(scatter))
        size, axes = np.linalg.eigh(scatter)
        white = axes / np.sqrt(np.maximum(size, size[-1] * 1e-9))
        between = (centres * np.sqrt(number)) @ white
        return cls(mean, basis @ white @ _principal(between, min(directions, len(people) - 1)))

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Embeddings float32 `[n, 1, k]` of length 1, from images `[n, 1, d]`: whatever the distance, it is the cosine's order."""
        z = (x - self.mean) @ self.directions
        return (z / np.maximum(np.linalg.norm(z, axis=-1, keepdims=True), 1e-12)).astype(np.float32)


@lru_cache(maxsize=2)
def fitted(store: Store, modalities: tuple[Modality, ...] = ("silhouette",)) -> GeiLda | None:
    """Fitted on images of the store's training people, of all `modalities` alike; None where they are fewer than two, or lack one.

    Of many walks a part is taken at random, always the same, for at most `IMAGES` images.
    """
    if not set(modalities) <= set(store.modalities):
        return None
    index = store.index
    usable = (index["split"] == "train") & (index["subject"] != "")
    for modality in modalities:
        usable &= index[f"{modality}_frames"] > 0
    rows = np.flatnonzero(usable.to_numpy())
    rows = np.sort(np.random.default_rng(0).permutation(rows)[: IMAGES // len(modalities)])
    labels = index["subject"].to_numpy()[rows]
    if len(rows) == 0 or not 2 <= len(np.unique(labels)) < len(rows):
        return None
    x = np.concatenate([gei(store, rows, modality=modality)[:, 0] for modality in modalities])
    return GeiLda.fit(x, np.tile(labels, len(modalities)))


def _principal(x: np.ndarray, number: int) -> np.ndarray:
    """float64 `[d, number]`, orthonormal: the directions in which rows `[n, d]` spread most, widest first, none without spread."""
    wide = x.shape[0] < x.shape[1]
    size, axes = np.linalg.eigh(x @ x.T if wide else x.T @ x)
    kept = np.flatnonzero(size > max(size[-1], 0) * 1e-10)[::-1][:number]
    return x.T @ axes[:, kept] / np.sqrt(size[kept]) if wide else axes[:, kept]
