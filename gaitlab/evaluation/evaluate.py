"""Embeddings and a protocol in, a table out. Nothing is rounded before it is printed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gaitlab.evaluation import open_set
from gaitlab.evaluation.averages import COUNTS, Averages, gallery_groups
from gaitlab.evaluation.protocol import Distance, RetrievalProtocol, select
from gaitlab.evaluation.retrieval import BUDGET, Ranking, rank


@dataclass(frozen=True)
class Result:
    """What a protocol says about one set of embeddings; all figures but counts in percent.

    table: a row for each probe set, and `mean` where no single row is the headline. Columns rank-k, mAP, mINP, `rank-1 same view`
        (view pairs only), probes and gallery (walks), rankings (averaged in that row), no_mate (those that had no mate to find);
        in an open set also DIR and TAR (`open_set.COLUMNS`) and impostors (walks), and all other figures are of the enrolled.
    headline: the row that rank1 and cmc (float64 `[50]`, rank-1 to rank-50) are of.
    matrices: probe set -> rank-1 by probe view (rows) and gallery view (columns), identical views included; view pairs only.
    rankings: a row for each probe and gallery group: `row` of the index, `group` (gallery view, or ""), place (0: a mate came
        first), ap, inp (0 to 1, NaN without a mate), mates, ranked (walks in that ranking).
    positives, negatives: float32 samples of the distances between walks of the same and of different subjects.
    curves: open set only: FAR, and over it DIR and TAR of the headline row, float64 `[61]`, percent.
    """

    protocol: str
    headline: str
    table: pd.DataFrame
    cmc: np.ndarray
    matrices: Mapping[str, pd.DataFrame]
    rankings: pd.DataFrame
    positives: np.ndarray
    negatives: np.ndarray
    curves: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def rank1(self) -> float:
        return float(self.table.loc[self.headline, "rank-1"])

    def rows(self) -> list[dict[str, Any]]:
        """The table as `{"row", "metric", "value"}`, for JSON; a count is an int, what is undefined is None."""
        return [
            {"row": str(row), "metric": metric, "value": _plain(metric, value)}
            for row, values in self.table.iterrows()
            for metric, value in values.items()
        ]

    def text(self) -> str:
        """The table for a terminal or a log, two decimals."""
        return f"{self.protocol}, percent and counts\n{text_table(self.table)}"


def text_table(table: pd.DataFrame) -> str:
    """Aligned plain text: percentages with two decimals, `-` where undefined, counts as they are."""

    def percent(value: float) -> str:
        return "-" if np.isnan(value) else f"{value:.2f}"

    return str(table.to_string(formatters={column: percent for column in table.columns if column not in COUNTS}))


def evaluate(
    embeddings: np.ndarray | Tensor,
    index: pd.DataFrame,
    protocol: RetrievalProtocol,
    *,
    gallery: np.ndarray | Tensor | None = None,
    distance: Distance = "euclidean",
    device: str | torch.device = "cpu",
    samples: int = 20_000,
    budget: int = BUDGET,
) -> Result:
    """`protocol` on embeddings, float `[n, p, d]`, rows aligned with `index` (rows of a store's index).

    gallery: embeddings of the same rows that the gallery is taken from, where it is of another modality.
    distance: how walks are compared where the protocol leaves it open. samples: distances kept of each kind.
    budget: bytes that a tile of the distance matrix may take.
    """
    if protocol.cross_modal and gallery is None:
        raise ValueError(f"protocol {protocol.name} has a gallery of another modality than its probes: give its embeddings as gallery=")
    chosen = select(index, protocol)
    probes = _taken(embeddings, index, chosen.probes).to(device)
    sought = _taken(embeddings if gallery is None else gallery, index, chosen.gallery).to(device)
    if probes.shape[1:] != sought.shape[1:]:
        raise ValueError(f"embeddings of probes {tuple(probes.shape[1:])} and of the gallery {tuple(sought.shape[1:])} cannot be compared")
    subject = subject_codes(index)
    view = pd.factorize(index["view"])[0]
    groups = gallery_groups(index, chosen, protocol)
    drop = protocol.same_view == "drop" and protocol.average != "view-pairs"
    ranked: list[Ranking] = []
    for columns in groups.values():
        rows = chosen.gallery[columns]
        ranked.append(
            rank(
                probes,
                sought[torch.from_numpy(columns).to(device)],
                subject[chosen.probes],
                subject[rows],
                views=(view[chosen.probes], view[rows]) if drop else None,
                distance=protocol.distance or distance,
                samples=(samples if protocol.enrolled is None else open_set.PAIRS) // len(groups),
                budget=budget,
            )
        )
    place, ap, inp, mates = (np.stack([getattr(r, what) for r in ranked], 1) for what in ("place", "ap", "inp", "mates"))
    averages = Averages(index, chosen, protocol, mates)
    hits = np.where(mates > 0, place, np.iinfo(np.int64).max)
    curves = {} if protocol.enrolled is None else open_set.curves(averages, ranked)
    return Result(
        protocol=protocol.name,
        headline=protocol.headline_row(),
        table=averages.table(lambda k: hits < k, {"mAP": ap, "mINP": inp}, open_set.columns(curves)),
        cmc=averages.cmc(lambda k: hits < k),
        matrices=averages.matrices(hits < 1),
        rankings=pd.DataFrame(
            {"row": np.repeat(chosen.probes, len(groups)), "group": list(groups) * len(chosen.probes)}
            | {"place": place.ravel(), "ap": ap.ravel(), "inp": inp.ravel(), "mates": mates.ravel()}
            | {"ranked": np.stack([r.ranked for r in ranked], 1).ravel()}
        ),
        positives=np.concatenate([_thinned(r.to_mates, samples // len(groups)) for r in ranked]),
        negatives=np.concatenate([_thinned(r.to_others, samples // len(groups)) for r in ranked]),
        curves=open_set.mean([curves[name] for name in averages.headline_sets()]) if curves else {},
    )


def subject_codes(index: pd.DataFrame) -> np.ndarray:
    """int64 `[n]`: one number a subject; -1, nobody, for a walk without a label."""
    codes = pd.factorize(index["subject"])[0].astype(np.int64)
    return np.where((index["subject"] == "").to_numpy(), -1, codes)


def _taken(embeddings: np.ndarray | Tensor, index: pd.DataFrame, rows: np.ndarray) -> Tensor:
    """`rows` of the embeddings, all finite."""
    x = torch.as_tensor(embeddings).detach()
    if x.ndim != 3 or len(x) != len(index):
        raise ValueError(
            f"embeddings are [walks, parts, channels] with a row for each of the index's {len(index)} walks; got {tuple(x.shape)}"
        )
    x = x[torch.from_numpy(rows).to(x.device)]
    wrong = rows[~x.isfinite().flatten(1).all(1).cpu().numpy()]
    if len(wrong):
        names = ", ".join(index["key"].iloc[wrong[:5]])
        raise ValueError(f"{len(wrong)} embeddings are NaN or infinite: {names}{', ...' if len(wrong) > 5 else ''}")
    return x


def _thinned(distance: np.ndarray, samples: int) -> np.ndarray:
    """About `samples` of the finite distances, evenly spaced."""
    if not samples:
        return np.zeros(0, np.float32)
    values = distance[np.isfinite(distance)]
    return values[:: max(1, len(values) // samples)]


def _plain(metric: str, value: float) -> int | float | None:
    if metric in COUNTS:
        return int(value)
    return None if np.isnan(value) else float(value)
