"""Distances between walks and where each probe's mates come in its ranking, tile by tile.

The full probe x gallery matrix never exists: a tile of probe rows against the whole gallery is computed, ranked and
forgotten. The gallery is sorted by subject, so a probe's mates are a run of columns. Where a mate comes in the ranking is
one more than the number of gallery walks of other subjects that are at most as far (a tie counts against the mate, so a
network that maps everybody to one point scores 0, not 100) plus the number of nearer mates: that needs walks counted, not
put in order.

Matrix products take most of the time as long as everything else finds its numbers in the processor's caches. So a tile is
computed block by block, all parts of one block before the next, and its memory is used again for the next tile. On the CPU each
core has tiles of its own: cores that share every operation wait for one another, for milliseconds if the machine does other work.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gaitlab.evaluation.embedder import Distance

BUDGET = 32 << 20
"""Bytes that the tiles being computed may take with their scratch space; small ones stay in the caches, large ones have fewer calls."""

BLOCK = 1 << 19
"""Distances of a tile that are computed at a time (2 MB)."""

ROWS = 512
"""Probes in a tile at most."""

FEW = 40
"""Up to so many mates a probe, the gallery is counted once for each of them; beyond, sorting it takes less time."""


def distances(probes: Tensor, gallery: Tensor, distance: Distance) -> Tensor:
    """float32 `[n, g]` from embeddings `[n, p, d]` and `[g, p, d]`."""
    out = torch.empty(len(probes), len(gallery), device=probes.device)
    _over_tiles(probes, gallery, distance, lambda tile, apart, _: out[tile].copy_(apart))
    return out


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
    budget: bytes that tiles may take (a probe a core at least); two copies of the gallery and the result come on top.
    """
    device, n, g = probes.device, len(probes), len(gallery)
    order = np.argsort(gallery_subject, kind="stable")
    first, count = _runs(gallery_subject[order], probe_subject)
    nth = np.arange(1, max(1, count.max(initial=0)) + 1)
    each = min(g, -(-samples // max(1, n)))
    place, mates, ranked = np.empty((3, n), np.int64)
    ap, inp = np.full((2, n), np.nan)
    nearest, to_mates, to_others = np.empty(n, np.float32), np.empty((n, len(nth)), np.float32), np.empty((n, each), np.float32)
    gallery_view = np.zeros(g) if views is None else views[1][order]

    def work(tile: slice, apart: Tensor, scratch: Tensor) -> None:
        own = nth <= count[tile, None]
        column = np.where(own, first[tile, None] + nth - 1, 0)
        mate = own if views is None else own & (gallery_view[column] != views[0][tile, None])
        own_column, own_here, mate_here = (torch.from_numpy(array).to(device) for array in (column, own, mate))
        mated = apart.gather(1, own_column).masked_fill_(~mate_here, torch.inf).sort(1).values
        apart[own_here.nonzero()[:, 0], own_column[own_here]] = torch.inf
        if each:
            some = torch.from_numpy(_scattered(tile.start, len(apart), g, each)).to(device)
            to_others[tile] = apart.gather(1, some).cpu().numpy()
        to_mates[tile] = mated.cpu().numpy()
        nearest[tile] = torch.minimum(mated[:, 0], apart.amin(1)).cpu().numpy()
        closer = _at_most(apart, mated, scratch).cpu().numpy()

        mates[tile] = found = mate.sum(1)
        ranked[tile] = g - (own.sum(1) - found)
        place[tile] = np.where(found > 0, closer[:, 0], ranked[tile])
        last = np.take_along_axis(closer, np.maximum(found - 1, 0)[:, None], 1)[:, 0]
        precision = np.where(nth <= found[:, None], nth / (nth + closer), 0.0)
        np.divide(precision.sum(1), found, out=ap[tile], where=found > 0)
        np.divide(found, found + last, out=inp[tile], where=found > 0)

    sought = gallery[torch.from_numpy(order).to(device)]
    _over_tiles(probes, sought, distance, work, beside=100 * len(nth) + 36 * each, budget=budget)
    return Ranking(place, ap, inp, mates, ranked, nearest, to_mates, to_others)


def top(
    probes: Tensor, gallery: Tensor, k: int, *, distance: Distance = "euclidean", budget: int = BUDGET
) -> tuple[np.ndarray, np.ndarray]:
    """The `k` walks of `gallery` `[g, p, d]` nearest to each of `probes` `[n, p, d]`: rows of the gallery, int64 `[n, k]`, nearest
    first, and their distances, float32 `[n, k]`. Of walks equally far the one that comes first in the gallery comes first.
    """
    if not 1 <= k <= len(gallery):
        raise ValueError(f"the {k} nearest of a gallery of {len(gallery)} walks: ask for 1 to {len(gallery)}")
    rows, nearest = np.empty((len(probes), k), np.int64), np.empty((len(probes), k), np.float32)

    def work(tile: slice, apart: Tensor, scratch: Tensor) -> None:
        column = apart.topk(k, largest=False, sorted=False).indices.sort(1).values
        farthest = apart.gather(1, column).amax(1, keepdim=True)
        tied = (_at_most(apart, farthest, scratch)[:, 0] > k).nonzero()[:, 0]  # topk took any of those equally far
        column[tied] = apart[tied].sort(dim=1, stable=True).indices[:, :k].sort(1).values
        value, order = apart.gather(1, column).sort(dim=1, stable=True)
        rows[tile], nearest[tile] = column.gather(1, order).cpu().numpy(), value.cpu().numpy()

    _over_tiles(probes, gallery, distance, work, beside=60 * k, budget=budget)
    return rows, nearest


def _over_tiles(
    probes: Tensor,
    gallery: Tensor,
    distance: Distance,
    work: Callable[[slice, Tensor, Tensor], object],
    *,
    beside: int = 0,
    budget: int = BUDGET,
) -> None:
    """Calls `work` for every tile: which probes, their distances `[r, g]`, and as much scratch space; both may be overwritten.

    beside: bytes a row that `work` takes on top of them.
    """
    compare, n, g = _comparison(gallery, distance), len(probes), len(gallery)
    cores = torch.get_num_threads() if probes.device.type == "cpu" else 1
    rows = max(1, min(ROWS, n, budget // cores // (8 * g + 12 * probes.shape[1:].numel() + beside)))
    starts, inference = iter(range(0, n, rows)), torch.is_inference_mode_enabled()

    def run() -> None:
        with torch.inference_mode(inference):  # a mode is its thread's own
            memory = torch.empty(2, rows, g, device=probes.device)
            for start in starts:
                tile = slice(start, min(start + rows, n))
                apart, scratch = memory[:, : tile.stop - start]
                compare(probes[tile], apart, scratch)
                work(tile, apart, scratch)

    if cores == 1 or n <= rows:
        return run()
    try:
        with ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for done in [pool.submit(run) for _ in range(cores)]:
                done.result()
    finally:
        torch.set_num_threads(cores)  # threads to come take after the last one set
    return None


def _runs(gallery_subject: np.ndarray, probe_subject: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where in the sorted gallery each probe's own subject begins, and its number of walks there, int64 `[n]`."""
    first = np.searchsorted(gallery_subject, probe_subject, side="left")
    count = np.searchsorted(gallery_subject, probe_subject, side="right") - first
    count[probe_subject < 0] = 0
    return first, count


def _comparison(gallery: Tensor, distance: Distance) -> Callable[[Tensor, Tensor, Tensor], None]:
    """Function of embeddings `[r, p, d]` that writes their distances to the gallery to a float32 `[r, g]`, with another as scratch.

    |a - b| = sqrt(|a|^2 + |b|^2 - 2 ab), a matrix product a part, summed in this order: the field's formula to the last bit, so
    near ties fall as they do elsewhere.
    """
    right = _by_part(gallery, distance)
    right_norm = torch.cat([_norms(some) for some in gallery.split(ROWS)], 1)
    parts, _, g = right.shape

    def compare(rows: Tensor, out: Tensor, scratch: Tensor) -> None:
        left, left_norm = _by_part(rows, distance).transpose(1, 2), _norms(rows)[..., None]
        width = -(-g // -(-g * len(rows) // BLOCK))  # blocks of one size: very narrow ones round otherwise, and ties must stay ties
        for start in range(0, g, width):
            columns = slice(start, start + width)
            total = out[:, columns].zero_()
            if distance == "cosine":
                for a, b in zip(left, right, strict=True):
                    total.addmm_(a, b[:, columns])
                total.div_(-parts).add_(1)
                continue
            part = scratch.view(-1)[: total.numel()].view(total.shape)
            for a, b, aa, bb in zip(left, right, left_norm, right_norm, strict=True):
                torch.add(aa, bb[columns], out=part).addmm_(a, b[:, columns], alpha=-2)
                total += part.relu_().sqrt_()
            total.div_(parts)

    return compare


def _by_part(rows: Tensor, distance: Distance) -> Tensor:
    """float32 `[p, d, n]`; of unit length over d for the cosine."""
    parts = rows.float().permute(1, 2, 0).contiguous()
    return torch.nn.functional.normalize(parts, dim=1) if distance == "cosine" else parts


def _norms(rows: Tensor) -> Tensor:
    """float32 `[p, n]`, squared."""
    return rows.float().square().sum(2).T


def _at_most(apart: Tensor, limit: Tensor, scratch: Tensor) -> Tensor:
    """int64 `[r, w]`: how many distances of each row `[r, g]` are at most as large as each of its limits `[r, w]`."""
    if limit.shape[1] <= FEW:
        return torch.stack([torch.le(apart, one[:, None], out=scratch).sum(1) for one in limit.T], 1).long()  # exact below 2^24
    if apart.device.type == "cpu":
        scratch.copy_(apart).numpy().sort(axis=1)  # a vectorised quicksort; torch's sort takes 30 times as long
        return torch.searchsorted(scratch, limit, right=True)
    return torch.searchsorted(apart.sort(1).values, limit, right=True)


def _scattered(start: int, rows: int, columns: int, each: int) -> np.ndarray:
    """int `[rows, each]`: columns spread evenly over the matrix, other ones in each row; no column twice in one row."""
    row = np.arange(start, start + rows)[:, None]
    return (row * 7919 + np.arange(each) * max(1, columns // each)) % columns
