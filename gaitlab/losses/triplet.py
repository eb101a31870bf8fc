"""Triplet loss of a batch, part by part: all triplets or each anchor's hardest (Hermans et al., "In Defense of the Triplet Loss", 2017;
parts and non-zero averaging: Chao et al., AAAI 2019)."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from gaitlab.nn.precise import at_least_float32

SelfDistance = Literal["zero", "rounded"]
"""A walk's distance to itself, its easiest positive: exactly 0, or the rounding noise that the reference recipes leave there."""

Mining = Literal["all", "hard"]
"""all: every (anchor, positive, negative); hard: for every anchor its farthest positive and nearest negative."""

Comparison = Literal["euclidean", "cosine"]
"""Euclidean distance (not squared), or 1 - cosine."""


class Triplet(NamedTuple):
    """The loss and what to watch of it. Non-zero averaging keeps the loss from going to 0: watch `share` instead."""

    loss: Tensor
    """Scalar: mean of `per_part`."""
    per_part: Tensor
    """`p`: mean of the terms above zero, 0 where there is none."""
    active: Tensor
    """`p`: number of terms above zero."""
    hardest: Tensor
    """`p`: largest term."""
    distance: Tensor
    """`p`: mean distance of all pairs (a walk to itself included)."""
    share: Tensor
    """Scalar: active terms / all terms, 0 to 1."""


def part_triplet(
    z: Tensor,
    subject: Tensor,
    *,
    margin: float = 0.2,
    mining: Mining = "all",
    distance: Comparison = "euclidean",
    self_distance: SelfDistance = "zero",
) -> Triplet:
    """Hinge `max(0, d(a, p) - d(a, n) + margin)` over anchors, positives and negatives of a batch, in each part.

    z: `n p d`; subject: int64 `n`, any number of walks each, -1 = unlabelled (takes no part). Distances are in float32 also inside
    autocast; the anchor itself counts as one of its positives, as in the reference recipes. Without a term above zero the loss is 0
    and so is its gradient.
    """
    with torch.autocast(z.device.type, enabled=False):
        labelled = subject >= 0
        same = (subject[:, None] == subject[None, :]) & labelled[:, None] & labelled[None, :]
        other = (subject[:, None] != subject[None, :]) & labelled[:, None] & labelled[None, :]
        d = part_distances(at_least_float32(z), distance, self_distance)
        reach = d.masked_fill(~same, -torch.inf).amax(2) - d.masked_fill(~other, torch.inf).amin(2) + margin  # p n
        if mining == "hard":
            hinge = F.relu(torch.where(same.any(1) & other.any(1), reach, 0.0))
            active = (hinge.detach() > 0).sum(1).to(d.dtype)
            terms = (same.any(1) & other.any(1)).sum().clamp(min=1)
            per_part = hinge.sum(1) / active.clamp(min=1)
        else:
            with torch.no_grad():
                weight = _active(d, same, other, margin)
                active = weight.clamp(min=0).sum((1, 2))
                terms = (same.sum(1) * other.sum(1)).sum().clamp(min=1)
            # A sum of hinges is linear in the distances as long as no term changes sides: count, then multiply.
            per_part = ((weight * d).sum((1, 2)) + margin * active) / active.clamp(min=1)
        return Triplet(
            loss=per_part.mean(),
            per_part=per_part.detach(),
            active=active,
            hardest=reach.detach().amax(1).clamp(min=0),
            distance=(d.detach() * (same | other)).sum((1, 2)) / (same | other).sum().clamp(min=1),
            share=active.mean() / terms,
        )


def part_distances(z: Tensor, distance: Comparison = "euclidean", self_distance: SelfDistance = "zero") -> Tensor:
    """Distances between the walks of `n p d` in each part, `p n n`; no gradient on the diagonal, nor where a distance is 0.

    |a|^2 + |b|^2 - 2ab loses the digits of distances below 3e-4 |a| in float32. "zero" shifts the walks to their mean first and
    clears the diagonal; "rounded" does neither, so that losses equal those of the reference implementation to five digits, but
    the last bits of the embeddings then decide terms at the margin (two ranks are no longer one process to 1e-6).
    """
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    if distance == "cosine":
        x = F.normalize(z, dim=2).transpose(0, 1)
        apart = 1 - torch.bmm(x, x.transpose(1, 2))
        return torch.where(itself, apart.detach() if self_distance == "rounded" else 0.0, apart)
    x = z.transpose(0, 1) if self_distance == "rounded" else (z - z.detach().mean(0)).transpose(0, 1)
    norm = x.square().sum(2)
    squared = norm[:, :, None] + norm[:, None, :] - 2 * torch.bmm(x, x.transpose(1, 2))
    squared = torch.where(itself, squared.detach() if self_distance == "rounded" else 0.0, squared)
    positive = squared > 0
    return torch.where(positive, squared, 1.0).sqrt() * positive


def _active(d: Tensor, same: Tensor, other: Tensor, margin: float) -> Tensor:
    """`p n n`: how often a distance enters the terms above zero: +m as the positive of m triplets, -m as the negative of m.

    Sorted rows answer that by binary search, so that memory stays at `p n n` (the triplets themselves are `p n n n`).
    """
    reach = d + margin
    negatives = d.masked_fill(~other, torch.inf).sort(2).values
    positives = reach.masked_fill(~same, torch.inf).sort(2).values
    nearer = torch.searchsorted(negatives, reach.contiguous())  # negatives with d(a, n) < d(a, p) + margin
    farther = same.sum(1)[:, None] - torch.searchsorted(positives, d.contiguous(), right=True)  # positives with d(a, p) + margin > d(a, n)
    return nearer * same - (farther * other).to(d.dtype)
