"""Embeddings and a protocol in, a table out. Nothing is rounded before it is printed."""

from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gaitlab.evaluation import open_set
from gaitlab.evaluation.averages import Averages, gallery_groups, subject_codes
from gaitlab.evaluation.embedder import Distance
from gaitlab.evaluation.protocol import RetrievalRules, Where, galleries, select
from gaitlab.evaluation.result import Result, averaged, merged
from gaitlab.evaluation.retrieval import BUDGET, Ranking, rank
from gaitlab.evaluation.unused import unused


def evaluate(
    embeddings: np.ndarray | Tensor,
    index: pd.DataFrame,
    protocol: RetrievalRules,
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
    sought = embeddings if gallery is None else gallery
    options = {"distance": protocol.distance or distance, "device": device, "samples": samples, "budget": budget}
    if len(groups := galleries(index, protocol)) > 1:
        tests = []
        for rows in groups:
            theirs, ours = index.iloc[rows], torch.from_numpy(rows)
            x, y = (torch.as_tensor(of)[ours] for of in (embeddings, sought))
            tests.append(evaluate(x, theirs, protocol, gallery=y, **{**options, "samples": samples // len(groups)}))  # type: ignore[arg-type]
        return replace(averaged(tests, groups), unused=unused(index, protocol))
    parts = [_evaluated(embeddings, sought, index, part, **options) for part in protocol.with_one_gallery()]  # type: ignore[arg-type]
    result = parts[0] if isinstance(protocol.gallery, Where) else merged(parts, protocol, select(index, protocol))
    return replace(result, unused=unused(index, protocol))


def _evaluated(
    embeddings: np.ndarray | Tensor,
    others: np.ndarray | Tensor,
    index: pd.DataFrame,
    protocol: RetrievalRules,
    *,
    distance: Distance,
    device: str | torch.device,
    samples: int,
    budget: int,
) -> Result:
    """`protocol`, of one gallery, whose embeddings are among `others`."""
    chosen = select(index, protocol)
    probes = taken(embeddings, index, chosen.probes).to(device)
    sought = taken(others, index, chosen.gallery).to(device)
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
                distance=distance,
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
            {"row": np.repeat(chosen.probes, len(groups)), "set": "", "group": list(groups) * len(chosen.probes)}
            | {"place": place.ravel(), "ap": ap.ravel(), "inp": inp.ravel(), "mates": mates.ravel()}
            | {"ranked": np.stack([r.ranked for r in ranked], 1).ravel()}
        ),
        positives=np.concatenate([_thinned(r.to_mates, samples // len(groups)) for r in ranked]),
        negatives=np.concatenate([_thinned(r.to_others, samples // len(groups)) for r in ranked]),
        subjects=averages.subjects(index["subject"].to_numpy()[chosen.probes], hits < 1),
        curves=open_set.mean([curves[name] for name in averages.headline_sets()]) if curves else {},
    )


def taken(embeddings: np.ndarray | Tensor, index: pd.DataFrame, rows: np.ndarray) -> Tensor:
    """`rows` of the embeddings, all finite, their squares too."""
    x = torch.as_tensor(embeddings).detach()
    if x.ndim != 3 or len(x) != len(index):
        raise ValueError(
            f"embeddings are [walks, parts, channels] with a row for each of the index's {len(index)} walks; got {tuple(x.shape)}"
        )
    x = x[torch.from_numpy(rows).to(x.device)]
    for faulty, what in (
        (~x.isfinite(), "are NaN or infinite"),
        (~x.float().square().sum(2, keepdim=True).isfinite(), "are so large that their squares overflow: the network has diverged"),
    ):
        if faulty.any():
            wrong = rows[faulty.flatten(1).any(1).cpu().numpy()]
            names = ", ".join(map(str, index["key"].iloc[wrong[:5]]))
            raise ValueError(f"{len(wrong)} embeddings {what}: {names}{', ...' if len(wrong) > 5 else ''}")
    return x


def _thinned(distance: np.ndarray, samples: int) -> np.ndarray:
    """About `samples` of the finite distances, evenly spaced."""
    if not samples:
        return np.zeros(0, np.float32)
    values = distance[np.isfinite(distance)]
    return values[:: max(1, len(values) // samples)]
