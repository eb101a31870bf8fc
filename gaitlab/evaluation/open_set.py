"""Open-set figures: are the enrolled found where strangers are refused, and are pairs of walks told apart?

Identification (ISO/IEC 19795-1; Grother & Ngan, NISTIR 8009, 2014): a search of a gallery raises an alarm if its nearest walk is
closer than a threshold. FAR is the share of impostors' searches that do; DIR the share of the others' that do with a walk of the right
person in front (rank 1). Verification: FAR is the share of pairs of different people that are closer than a threshold, TAR that
of pairs of one person.

Every gallery group (`averages`) has a threshold of its own, set on the probe set's own impostors: the largest at which FAR is
not exceeded, so a tie counts against the accepted. Searches weigh what they weigh in rank-1, hence DIR at FAR 100 is rank-1; a
search's pairs share its weight. Shapes: `q` probes, `m` groups.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from gaitlab.evaluation.averages import Averages
from gaitlab.evaluation.retrieval import Ranking

FAR = np.logspace(-3, 0, 61)
"""False alarm rates of a curve; those of the tables are among them."""

COLUMNS = {"DIR at FAR 1": ("DIR", 20), "DIR at FAR 10": ("DIR", 40), "TAR at FAR 0.1": ("TAR", 0), "TAR at FAR 1": ("TAR", 20)}
"""Column of a table -> curve and position in `FAR`; names in percent."""

PAIRS = 16_000_000
"""Distances between different people that thresholds are set on; beyond, an even sample of about as many."""


class Curves(NamedTuple):
    """DIR and TAR, float64 `[61]`, percent, at the rates of `FAR`; NaN where a set has no mates or no impostors to measure them on."""

    DIR: np.ndarray
    TAR: np.ndarray


def curves(averages: Averages, ranked: Sequence[Ranking]) -> dict[str, Curves]:
    """Probe set -> its curves; a ranking of all probes for each group."""
    return {name: Curves(_identification(averages, name, ranked), _verification(averages, name, ranked)) for name in averages.asked}


def columns(of_sets: Mapping[str, Curves]) -> dict[str, dict[str, float]]:
    """Probe set -> columns of the table."""
    return {name: {column: float(getattr(curve, kind)[at]) for column, (kind, at) in COLUMNS.items()} for name, curve in of_sets.items()}


def mean(of_sets: Sequence[Curves]) -> dict[str, np.ndarray]:
    """FAR in percent, and the mean curves over it."""
    means = {kind: np.mean([getattr(curve, kind) for curve in of_sets], axis=0) for kind in Curves._fields}
    return {"FAR": 100 * FAR} | means


def by_chance(rank1: pd.Series) -> dict[str, pd.Series]:
    """The columns of scores that say nothing, where impostors are many: who is first has no bearing on how close it is."""
    return {column: 100 * FAR[at] * (rank1 / 100 if kind == "DIR" else rank1 * 0 + 1) for column, (kind, at) in COLUMNS.items()}


def _identification(averages: Averages, name: str, ranked: Sequence[Ranking]) -> np.ndarray:
    alarms = averages.weights(averages.asked[name] & averages.chosen.impostor[:, None])
    found = averages.weights(averages.scored(averages.eligible[name]) & (alarms > 0).any(0))
    total = np.zeros(len(FAR)) if found.any() else np.full(len(FAR), np.nan)
    for m, ranking in enumerate(ranked):
        limit = thresholds(ranking.nearest, alarms[:, m], FAR)
        first = (ranking.mates > 0) & (ranking.place == 0)
        total += below(ranking.nearest, np.where(first, found[:, m], 0.0), limit)
    return 100 * total


def _verification(averages: Averages, name: str, ranked: Sequence[Ranking]) -> np.ndarray:
    others = np.stack([np.isfinite(ranking.to_others).any(1) for ranking in ranked], 1)
    different = averages.weights(averages.asked[name] & averages.labelled[:, None] & others)
    same = averages.weights(averages.eligible[name] & averages.has_mate & (different > 0).any(0))
    total = np.zeros(len(FAR)) if same.any() else np.full(len(FAR), np.nan)
    for m, ranking in enumerate(ranked):
        limit = thresholds(*_pairs(ranking.to_others, different[:, m]), FAR)
        total += below(*_pairs(ranking.to_mates, same[:, m]), limit)
    return 100 * total


def _pairs(distance: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The finite ones of distances `[q, s]`, and each one's share of its row's weight `[q]`."""
    there = np.isfinite(distance)
    share = weight / np.maximum(there.sum(1), 1)
    return distance[there], np.broadcast_to(share[:, None], distance.shape)[there]


def thresholds(distance: np.ndarray, weight: np.ndarray, far: np.ndarray) -> np.ndarray:
    """float `[f]`: the largest numbers with at most a share `far` `[f]` of the weight on distances below them."""
    kept = weight > 0
    order = np.argsort(distance[kept])
    share = np.cumsum(weight[kept][order])
    exceeded = np.searchsorted(share, far * share[-1:].sum() * (1 + 1e-9), side="right")
    return np.append(distance[kept][order], np.inf)[exceeded]


def below(distance: np.ndarray, weight: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """float64 `[f]`: the weight on distances smaller than each `limit` `[f]`."""
    kept = weight > 0
    order = np.argsort(distance[kept])
    share = np.concatenate([[0.0], np.cumsum(weight[kept][order])])
    return share[np.searchsorted(distance[kept][order], limit, side="left")]
