"""Re-ranking by k-reciprocal neighbours (Zhong et al., CVPR 2017): walks are close if their neighbourhoods in probes and gallery overlap.

Distances are the usual ones (not squared), divided by the largest of the walk they are from. A walk's neighbourhood is the nearest k1
walks and itself, as far as they have it among theirs, too; joined are the neighbourhoods by k1 / 2 of its members that overlap
with it by more than two thirds. Its walks weigh exp(-distance), 1 in sum, and weights are averaged over the k2 nearest walks. The
final distance is (1 - weight) * Jaccard distance of the weights + weight * usual distance.

Memory for n = probes + gallery: a tile of the distances (`budget`), n * k1 * (k1 + 4) / 2 numbers for neighbourhoods and, of their
averages, the positive ones alone. The n x n matrix never exists; its rows are computed twice, the probes' a third time.
Shapes: `n` walks, `k` = k1 + 1 and `h` = k1 / 2 + 1 nearest walks, the walk itself among them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gaitlab.config import Config
from gaitlab.evaluation.embedder import Distance
from gaitlab.evaluation.retrieval import BUDGET, distances
from gaitlab.within import Count, Share


@dataclass(frozen=True, kw_only=True)
class Rerank(Config):
    """How far neighbourhoods reach, and the share of the usual distance in the final one."""

    k1: Count = 6
    k2: Count = 6
    weight: Share = 0.3


def reranking(
    probes: Tensor, gallery: Tensor, how: Rerank, *, distance: Distance = "euclidean", budget: int = BUDGET
) -> Callable[[slice], Tensor]:
    """Function of a slice of the probes that gives their final distances, float32 `[r, g]`, to the gallery.

    probes, gallery: `[q, p, d]` and `[g, p, d]`; all of both count as neighbours, so a distance depends on which walks are there.
    """
    walks, q, g = torch.cat([probes, gallery]), len(probes), len(gallery)
    near, farthest = _nearest(walks, max(how.k1 + 1, how.k2), distance, budget)
    members = _neighbourhoods(near[:, : how.k1 + 1], round(how.k1 / 2) + 1, budget)
    row, column, weight = _averaged(members, _weights(walks, members, farthest, distance, budget), near[:, : how.k2], budget)

    first = np.searchsorted(row, np.arange(q + 1))
    by_column = np.argsort(column[first[q] :], kind="stable") + first[q]
    holder, held = row[by_column] - q, weight[by_column]
    start = np.searchsorted(column[by_column], np.arange(len(walks) + 1))

    def final(asked: slice) -> Tensor:
        begin, end, _ = asked.indices(q)
        own = np.arange(first[begin], first[end])
        count = np.diff(start)[column[own]]
        mine = np.repeat(own, count)
        other = np.repeat(start[column[own]], count) + _counted(count)
        cell = (row[mine] - begin) * g + holder[other]
        shared = np.bincount(cell, np.minimum(weight[mine], held[other]), (end - begin) * g).reshape(-1, g)
        usual = distances(probes[begin:end], gallery, distance) / farthest[begin:end, None]
        jaccard = torch.from_numpy((1 - shared / (2 - shared)).astype(np.float32)).to(usual.device)
        return usual.mul_(how.weight).add_(jaccard, alpha=1 - how.weight)

    return final


def _nearest(walks: Tensor, most: int, distance: Distance, budget: int) -> tuple[np.ndarray, Tensor]:
    """int64 `[n, most]`, the nearest walks, nearest first, and float32 `[n]`, the distance of the farthest (tiny where all are one)."""
    n = len(walks)
    near, farthest = np.empty((n, min(most, n)), np.int64), torch.empty(n, device=walks.device)
    for tile in _tiles(n, 12 * n, budget):
        apart = distances(walks[tile], walks, distance)
        farthest[tile] = apart.amax(1)
        near[tile] = apart.topk(near.shape[1], largest=False).indices.cpu().numpy()
    return near, farthest.clamp_(min=torch.finfo(torch.float32).tiny)


def _reciprocal(near: np.ndarray, budget: int) -> np.ndarray:
    """bool `[n, k]`: whether the walk is among the nearest of its neighbour."""
    n, k = near.shape
    mutual = np.empty((n, k), dtype=bool)
    for tile in _tiles(n, 9 * k * k, budget):
        mutual[tile] = (near[near[tile]] == np.arange(n)[tile, None, None]).any(2)
    return mutual


def _neighbourhoods(near: np.ndarray, h: int, budget: int) -> np.ndarray:
    """int64 `[n, k + k * h]`: the walks in each one's neighbourhood, each once, the other places -1. near: `[n, k]`."""
    n, k = near.shape
    h = min(h, k)
    mutual = _reciprocal(near, budget)
    half, half_mutual = near[:, :h], _reciprocal(near[:, :h], budget)
    out = np.empty((n, k + k * h), np.int64)
    for tile in _tiles(n, k * h * (k + 16), budget):
        core, there = near[tile], mutual[tile]
        theirs, are_theirs = half[core], half_mutual[core]  # r k h
        shared = (theirs[..., None] == np.where(there, core, -1)[:, None, None]).any(3) & are_theirs
        joined = there & (3 * shared.sum(2) > 2 * are_theirs.sum(2))
        further = np.where(are_theirs & joined[..., None], theirs, -1)
        found = np.sort(np.concatenate([np.where(there, core, -1), further.reshape(len(core), -1)], 1), axis=1)
        found[:, 1:][found[:, 1:] == found[:, :-1]] = -1
        out[tile] = found
    return out


def _weights(walks: Tensor, members: np.ndarray, farthest: Tensor, distance: Distance, budget: int) -> np.ndarray:
    """float32 like `members`: exp(-distance / farthest), 1 in sum over each row; 0 where nobody is."""
    out = np.empty(members.shape, np.float32)
    for tile in _tiles(len(walks), 12 * len(walks), budget):
        column = torch.from_numpy(members[tile]).to(walks.device)
        apart = distances(walks[tile], walks, distance).gather(1, column.clamp(min=0))
        weight = (-apart / farthest[tile, None]).exp_().masked_fill_(column < 0, 0)
        out[tile] = weight.div_(weight.sum(1, keepdim=True)).cpu().numpy()
    return out


def _averaged(members: np.ndarray, weight: np.ndarray, over: np.ndarray, budget: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, column and value of the positive entries, in that order, of each walk's mean weights over the walks `over` `[n, k2]`."""
    n, rows, columns, values = len(members), [], [], []
    for tile in _tiles(n, 48 * over.shape[1] * members.shape[1], budget):
        column = members[over[tile]].reshape(len(over[tile]), -1)
        r, c = np.nonzero(column >= 0)
        cell, which = np.unique(r * n + column[r, c], return_inverse=True)
        rows.append(cell // n + tile.start)
        columns.append(cell % n)
        values.append(np.bincount(which, weight[over[tile]].reshape(column.shape)[r, c]) / over.shape[1])
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(values)


def _tiles(n: int, bytes_of_a_row: int, budget: int) -> Iterator[slice]:
    step = max(1, budget // bytes_of_a_row)
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def _counted(count: np.ndarray) -> np.ndarray:
    """0, 1, ... for each number of `count` in turn: [2, 3] -> [0, 1, 0, 1, 2]."""
    return np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
