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

BUDGET = 64 << 20
"""Bytes that a tile of the distance matrix may take with its scratch space; small stays near the caches, large has fewer calls."""


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
    nearest: float32 `[n]`, distance of the walk that came first; inf where none was ranked.
    to_mates: float32 `[n, w]`, distances to the mates, nearest first, then inf. to_others: float32 `[n, s]`, distances to some
    walks of other subjects (all of them where `samples` asks for as many as there are pairs), inf in between.
    """

    place: np.ndarray
    ap: np.ndarray
    inp: np.ndarray
    mates: np.ndarray
    ranked: np.ndarray
    nearest: np.ndarray
    to_mates: np.ndarray
    to_others: np.ndarray


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
    samples: about how many distances to other subjects are kept.
    """
    device, g = probes.device, len(gallery)
    order = np.argsort(gallery_subject, kind="stable")
    column, own = _own_columns(gallery_subject[order], probe_subject)
    mate = own if views is None else own & (views[1][order][column] != views[0][:, None])
    mates = mate.sum(1)

    compare = _comparison(gallery[torch.from_numpy(order).to(device)], distance)
    step = max(1, budget // (12 * g))
    each = min(g, -(-samples // max(1, len(probes))))
    closer, to_mates = np.empty(column.shape, np.int64), np.empty(column.shape, np.float32)
    nearest, to_others = np.empty(len(probes), np.float32), np.empty((len(probes), each), np.float32)
    for start in range(0, len(probes), step):
        tile = slice(start, start + step)
        apart = compare(probes[tile])
        own_column, own_here, mate_here = (torch.from_numpy(array[tile]).to(device) for array in (column, own, mate))
        mated = apart.gather(1, own_column).masked_fill_(~mate_here, torch.inf).sort(1).values
        apart[own_here.nonzero()[:, 0], own_column[own_here]] = torch.inf
        if each:
            some = torch.from_numpy(_scattered(start, len(apart), g, each)).to(device)
            to_others[tile] = apart.gather(1, some).cpu().numpy()
        others = _sorted(apart)
        closer[tile] = torch.searchsorted(others, mated, right=True).cpu().numpy()
        to_mates[tile] = mated.cpu().numpy()
        nearest[tile] = torch.minimum(mated[:, 0], others[:, 0]).cpu().numpy()

    nth = np.arange(1, column.shape[1] + 1)
    ap = np.where(nth <= mates[:, None], nth / (nth + closer), 0.0).sum(1)
    last = np.take_along_axis(closer, np.maximum(mates - 1, 0)[:, None], 1)[:, 0]
    ranked = g - (own.sum(1) - mates)
    return Ranking(
        place=np.where(mates > 0, closer[:, 0], ranked),
        ap=np.divide(ap, mates, out=np.full(len(mates), np.nan), where=mates > 0),
        inp=np.divide(mates, mates + last, out=np.full(len(mates), np.nan), where=mates > 0),
        mates=mates,
        ranked=ranked,
        nearest=nearest,
        to_mates=to_mates,
        to_others=to_others,
    )


def top(
    probes: Tensor, gallery: Tensor, k: int, *, distance: Distance = "euclidean", budget: int = BUDGET
) -> tuple[np.ndarray, np.ndarray]:
    """The `k` walks of `gallery` `[g, p, d]` nearest to each of `probes` `[n, p, d]`: rows of the gallery, int64 `[n, k]`, nearest
    first, and their distances, float32 `[n, k]`. Of walks equally far the one that comes first in the gallery comes first.
    """
    if not 1 <= k <= len(gallery):
        raise ValueError(f"the {k} nearest of a gallery of {len(gallery)} walks: ask for 1 to {len(gallery)}")
    compare = _comparison(gallery, distance)
    step = max(1, budget // (12 * len(gallery)))
    rows, apart = np.empty((len(probes), k), np.int64), np.empty((len(probes), k), np.float32)
    for start in range(0, len(probes), step):
        tile = slice(start, start + step)
        nearest, column = _smallest(compare(probes[tile]), k)
        rows[tile], apart[tile] = column.cpu().numpy(), nearest.cpu().numpy()
    return rows, apart


def _smallest(apart: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The `k` smallest of each row `[r, g]` in order, and their columns; equal ones by column."""
    column = apart.topk(k, largest=False, sorted=False).indices.sort(1).values
    value = apart.gather(1, column)
    tied = ((apart <= value.amax(1, keepdim=True)).sum(1) > k).nonzero()[:, 0]  # topk took some of the equally far, any of them
    column[tied] = apart[tied].sort(dim=1, stable=True).indices[:, :k].sort(1).values
    value, order = apart.gather(1, column).sort(dim=1, stable=True)
    return value, column.gather(1, order)


def _own_columns(gallery_subject: np.ndarray, probe_subject: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns of the sorted gallery that hold each probe's own subject, int `[n, w]`, and where they do, bool `[n, w]`."""
    first = np.searchsorted(gallery_subject, probe_subject, side="left")
    count = np.searchsorted(gallery_subject, probe_subject, side="right") - first
    count[probe_subject < 0] = 0
    nth = np.arange(max(1, count.max(initial=0)))
    own = nth < count[:, None]
    return np.where(own, first[:, None] + nth, 0), own


def _comparison(gallery: Tensor, distance: Distance) -> Callable[[Tensor], Tensor]:
    """Function of embeddings `[r, p, d]` that gives their float32 distances `[r, g]` to the gallery, prepared once.

    |a - b| = sqrt(|a|^2 + |b|^2 - 2 ab), a matrix product a part, summed in this order: the field's formula to the last bit, so
    near ties fall as they do elsewhere.
    """
    right = _by_part(gallery, distance)
    right_norm = gallery.float().square().sum(2).T

    def compare(rows: Tensor) -> Tensor:
        left = _by_part(rows, distance).transpose(1, 2)
        left_norm = rows.float().square().sum(2).T[..., None]
        total = torch.zeros(len(rows), right.shape[2], device=rows.device)
        if distance == "cosine":
            for a, b in zip(left, right, strict=True):
                total.addmm_(a, b)
            return total.div_(-len(right)).add_(1)
        part = torch.empty_like(total)
        for a, b, aa, bb in zip(left, right, left_norm, right_norm, strict=True):
            torch.add(aa, bb, out=part).addmm_(a, b, alpha=-2)
            total += part.relu_().sqrt_()
        return total.div_(len(right))

    return compare


def _by_part(rows: Tensor, distance: Distance) -> Tensor:
    """float32 `[p, d, n]`; of unit length over d for the cosine."""
    parts = rows.float().permute(1, 2, 0).contiguous()
    return torch.nn.functional.normalize(parts, dim=1) if distance == "cosine" else parts


def _sorted(apart: Tensor) -> Tensor:
    if apart.is_cuda:
        return apart.sort(1).values
    return torch.from_numpy(np.sort(apart.numpy(), axis=1))  # a vectorised quicksort; torch's sort takes 30 times as long


def _scattered(start: int, rows: int, columns: int, each: int) -> np.ndarray:
    """int `[rows, each]`: columns spread evenly over the matrix, other ones in each row; no column twice in one row."""
    row = np.arange(start, start + rows)[:, None]
    return (row * 7919 + np.arange(each) * max(1, columns // each)) % columns
