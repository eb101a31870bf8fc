"""Distances between walks and where each probe's mates come in its ranking, tile by tile.

The full probe x gallery matrix never exists: a tile of probe rows against the whole gallery is computed, ranked and
forgotten. The gallery is sorted by subject, so a probe's mates are a run of columns. Where a mate comes in the ranking is
one more than the number of gallery walks of other subjects that are at most as far (a tie counts against the mate, so a
network that maps everybody to one point scores 0, not 100) plus the number of nearer mates: that needs the distances sorted,
but no order of walks.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gaitlab.evaluation.protocol import Distance

BUDGET = 32 << 20
"""Bytes that a tile of the distance matrix may take with its scratch space; few, so that it stays near the caches."""


def distances(probes: Tensor, gallery: Tensor, distance: Distance) -> Tensor:
    """float32 `[n, g]` from embeddings `[n, p, d]` and `[g, p, d]`."""
    return _comparison(gallery, distance)(probes)


@dataclass(frozen=True)
class Ranking:
    """How `n` probes ranked one gallery.

    place: int64 `[n]`, 0 where a mate came first; the number of walks ranked where there is none.
    ap, inp: float64 `[n]`, 0 to 1, NaN without a mate. AP is the mean, over mates, of the precision at the mate; INP (Ye et al.,
    TPAMI 2021) is mates / place of the last one, counted from 1.
    mates, ranked: int64 `[n]`, gallery walks of the probe's subject and of anybody, without those left out.
    positives, negatives: float32, distances of some pairs of the same and of different subjects.
    """

    place: np.ndarray
    ap: np.ndarray
    inp: np.ndarray
    mates: np.ndarray
    ranked: np.ndarray
    positives: np.ndarray
    negatives: np.ndarray


def rank(
    probes: Tensor,
    gallery: Tensor,
    probe_subject: np.ndarray,
    gallery_subject: np.ndarray,
    *,
    views: tuple[np.ndarray, np.ndarray] | None = None,
    distance: Distance = "euclidean",
    samples: int = 0,
    budget: int = BUDGET,
) -> Ranking:
    """Rank `gallery` `[g, p, d]` for each of `probes` `[n, p, d]`, on the device they are on.

    subjects: int `[n]` and `[g]`; a negative number is nobody, who has no mates.
    views: int `[n]` and `[g]`; given, gallery walks of the probe's own subject and view are left out of its ranking.
    samples: about how many distances of each kind are kept.
    """
    device, n, g = probes.device, len(probes), len(gallery)
    order = np.argsort(gallery_subject, kind="stable")
    subject = gallery_subject[order]
    first = np.searchsorted(subject, probe_subject, side="left")
    count = np.searchsorted(subject, probe_subject, side="right") - first
    count[probe_subject < 0] = 0
    widest = int(count.max(initial=0))
    column = first[:, None] + np.arange(widest)
    same = np.arange(widest) < count[:, None]
    column = np.where(same, column, 0)
    mate = same
    if views is not None:
        mate = same & (views[1][order][column] != views[0][:, None])
    mates = mate.sum(1)

    compare = _comparison(gallery[torch.from_numpy(order).to(device)], distance)
    step = max(1, budget // (12 * g))
    every = max(1, n * g // max(samples, 1))
    closer, positives, negatives = np.zeros((n, widest), np.int64), [], []
    for start in range(0, n, step):
        tile = slice(start, start + step)
        apart = compare(probes[tile])
        where = torch.from_numpy(column[tile]).to(device)
        to_mates = apart.gather(1, where).masked_fill_(~torch.from_numpy(mate[tile]).to(device), torch.inf).sort(1).values
        own = torch.from_numpy(same[tile]).to(device)
        apart[own.nonzero()[:, 0], where[own]] = torch.inf
        if samples:
            positives.append(to_mates[to_mates.isfinite()].cpu().numpy())
            negatives.append(_finite(apart.flatten()[::every]).cpu().numpy())
        closer[tile] = torch.searchsorted(_sorted(apart), to_mates, right=True).cpu().numpy()

    nth = np.arange(1, widest + 1)
    there = nth <= mates[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        ap = np.where(there, nth / (nth + closer), 0.0).sum(1) / mates
        last = np.take_along_axis(closer, np.maximum(mates - 1, 0)[:, None], 1)[:, 0] if widest else np.zeros(n)
        inp = mates / (mates + last)
    ranked = g - (count - mates)
    return Ranking(
        place=np.where(mates > 0, closer[:, 0] if widest else 0, ranked),
        ap=ap,
        inp=np.where(mates > 0, inp, np.nan),
        mates=mates,
        ranked=ranked,
        positives=_thin(positives, samples),
        negatives=_thin(negatives, samples),
    )


def _comparison(gallery: Tensor, distance: Distance) -> Callable[[Tensor], Tensor]:
    """Function of embeddings `[r, p, d]` that gives their float32 distances `[r, g]` to the gallery, prepared once."""
    gallery = gallery.float()
    if distance == "cosine":
        flat = _unit(gallery).flatten(1).T.contiguous()
        return lambda rows: torch.addmm(
            torch.ones((), device=rows.device), _unit(rows.float()).flatten(1), flat, alpha=-1 / rows.shape[1]
        )
    # |a - b|^2 = [-2a, |a|^2, 1] . [b, 1, |b|^2]: one matrix product a part
    norm = gallery.square().sum(2, keepdim=True)
    right = torch.cat([gallery, torch.ones_like(norm), norm], 2).permute(1, 2, 0).contiguous()

    def euclidean(rows: Tensor) -> Tensor:
        rows = rows.float()
        norm = rows.square().sum(2, keepdim=True)
        left = torch.cat([-2 * rows, norm, torch.ones_like(norm)], 2).transpose(0, 1)
        total = torch.zeros(len(rows), right.shape[2], device=rows.device)
        part = torch.empty_like(total)
        for a, b in zip(left, right, strict=True):
            torch.mm(a, b, out=part)
            total += part.relu_().sqrt_()
        return total.div_(len(right))

    return euclidean


def _unit(rows: Tensor) -> Tensor:
    return torch.nn.functional.normalize(rows.float(), dim=2)


def _sorted(apart: Tensor) -> Tensor:
    if apart.is_cuda:
        return apart.sort(1).values
    return torch.from_numpy(np.sort(apart.numpy(), axis=1))  # vectorised quicksort; torch's own takes 30 times as long


def _finite(values: Tensor) -> Tensor:
    return values[values.isfinite()]


def _thin(parts: list[np.ndarray], samples: int) -> np.ndarray:
    values = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    return values[:: max(1, -(-len(values) // max(samples, 1)))]
