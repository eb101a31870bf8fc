"""A network on a benchmark: embeddings, ranking, and the figures it has to be read against."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gaitlab.data.clips import stored_modality, walk_frames
from gaitlab.data.store import Store
from gaitlab.evaluation.chance import chance
from gaitlab.evaluation.evaluate import Result, evaluate
from gaitlab.evaluation.figures import bars_figure, cmc_figure, open_set_figure, score_figure, views_figure
from gaitlab.evaluation.gei import gei
from gaitlab.evaluation.lda import fitted
from gaitlab.evaluation.protocol import RetrievalProtocol, Selection, select
from gaitlab.experiment import Experiment
from gaitlab.method import Method
from gaitlab.training.embed import embed
from gaitlab.training.run import LocalRun
from gaitlab.types import Modality


@dataclass(frozen=True)
class Summary:
    """What a run came to. rank1: percent, a row for each (benchmark, method), a column for each probe set; NaN where a test lacks it.

    headline: rank-1 of the network in the first test, as its protocol defines it.
    """

    rank1: pd.DataFrame
    headline: float

    @classmethod
    def of(cls, tests: Sequence["Summary"]) -> "Summary":
        if not tests:
            return cls(pd.DataFrame(), float("nan"))
        return cls(pd.concat([t.rank1 for t in tests]), tests[0].headline)

    def text(self) -> str:
        """The table for a terminal."""
        return self.rank1.to_string(float_format="%.1f", na_rep="-")


def check(experiment: Experiment, store: Store, protocol: RetrievalProtocol) -> None:
    """ValueError, before anything is trained, if the store lacks what the protocol or the method's test clips ask for."""
    chosen = select(store.index, protocol)
    takes = experiment.method.channels()
    for modality, walks in _sides(protocol, chosen):
        for role, spec in experiment.method.test_clips(modality).items():
            lacking = walks[walk_frames(store, spec.modality)[walks] == 0]
            if len(lacking):
                raise ValueError(
                    f"{len(lacking)} test walks of {store.root.name} have no {spec.modality} frames, "
                    f"the first is {store.index['key'].iloc[lacking[0]]!r}"
                )
            stored = stored_modality(store, spec.modality)
            channels = store.manifest["modalities"][stored]["shape"][0] if stored == spec.modality else 2  # drawn: joints, limbs
            if takes.get(role, channels) != channels:
                raise ValueError(
                    f"protocol {protocol.name}: {spec.modality} frames of {store.root.name} are {channels}-channel, "
                    f"the network of {experiment.name} takes {takes[role]}-channel ones; test it on another modality, or train one with "
                    f"--method.backbone.in-channels {channels}"
                )


def rank(experiment: Experiment, method: Method, store: Store, protocol: RetrievalProtocol, run: LocalRun) -> tuple[Result, np.ndarray]:
    """The protocol's result and the rows of the store that it used, on every rank."""
    rows = _used(store, protocol)

    def of(walks: np.ndarray, modality: Modality | None) -> np.ndarray:
        return embed(method, store, walks, experiment.method.test_clips(modality), run)

    return _evaluated(of, store, rows, protocol, distance=method.distance, device=run.device), rows


def _used(store: Store, protocol: RetrievalProtocol) -> np.ndarray:
    """Rows of the store that are probes or gallery, ascending."""
    chosen = select(store.index, protocol)
    return np.union1d(chosen.probes, chosen.gallery)


def _sides(protocol: RetrievalProtocol, chosen: Selection) -> list[tuple[Modality | None, np.ndarray]]:
    """What is to be embedded from which modality (None: the method's own): all walks at once, or probes and gallery."""
    if protocol.modality is not None and protocol.cross_modal:
        return [(protocol.modality[0], chosen.probes), (protocol.modality[1], chosen.gallery)]
    return [(protocol.modality[0] if protocol.modality else None, np.union1d(chosen.probes, chosen.gallery))]


def _evaluated(
    of: Callable[[np.ndarray, Modality | None], np.ndarray], store: Store, rows: np.ndarray, protocol: RetrievalProtocol, **options: Any
) -> Result:
    """`evaluate` on the embeddings `of(rows of the store, modality)`, each side's from its own modality."""
    index = store.index.iloc[rows]
    sides = []
    for modality, walks in _sides(protocol, select(index, protocol)):
        embedded = of(rows[walks], modality)
        side = np.zeros((len(rows), *embedded.shape[1:]), np.float32)
        side[walks] = embedded
        sides.append(side)
    return evaluate(sides[0], index, protocol, gallery=sides[-1], **options)


def classical(store: Store, rows: np.ndarray, protocol: RetrievalProtocol, train_store: Store | None = None) -> dict[str, Result]:
    """Nearest neighbours of gait energy images, and of their discriminants (Han and Bhanu, TPAMI 2006) if there are training people
    in `store` or else in `train_store`. Silhouettes unless the protocol says otherwise; nothing where `rows` lack them."""
    modalities = tuple(dict.fromkeys(protocol.modality or ("silhouette",)))
    if not all(m in ("silhouette", "range") and m in store.modalities and (walk_frames(store, m)[rows] > 0).all() for m in modalities):
        return {}

    def images(walks: np.ndarray, modality: Modality | None) -> np.ndarray:
        return gei(store, walks, modality=modality or "silhouette")

    results = {"GEI": _evaluated(images, store, rows, protocol)}
    learnt = fitted(store, modalities) or (fitted(train_store, modalities) if train_store else None)
    if learnt is not None and len(learnt.mean) == images(rows[:1], modalities[0]).shape[2]:
        results["GEI + LDA"] = _evaluated(lambda walks, modality: learnt.transform(images(walks, modality)), store, rows, protocol)
    return results


def report(
    experiment: Experiment,
    method: Method,
    store: Store,
    protocol: RetrievalProtocol,
    run: LocalRun,
    tracker: Any,
    train_store: Store | None = None,
) -> Summary:
    """Test, print the tables, and hand tables and plots to the tracker; beside the network stand chance and the classical rows.

    train_store: where the discriminants are learnt if `store` has no training people of its own.
    """
    result, rows = rank(experiment, method, store, protocol, run)
    if run.rank > 0:
        return Summary(pd.DataFrame(), result.rank1)
    index, name = store.index.iloc[rows], experiment.name
    results = classical(store, rows, protocol, train_store) | {name: result}
    for label, r in results.items():
        print(f"\n{label} on {store.root.name}\n{r.text()}", flush=True)

    tables = {"chance": chance(index, protocol)} | {label: r.table for label, r in results.items()}
    rank1 = pd.DataFrame({label: table["rank-1"] for label, table in tables.items()}).T
    rank1.index = pd.MultiIndex.from_product([[protocol.name], rank1.index], names=["benchmark", "rank-1 (%)"])
    tracker.final({f"{protocol.name}/{row['row']}/{row['metric']}": row["value"] for row in result.rows() if row["value"] is not None})
    tracker.final({f"{protocol.name}/rank1": result.rank1})
    tracker.table(protocol.name, result.table.rename_axis("row").reset_index())
    tracker.table(f"{protocol.name}-rank1", rank1.reset_index())
    tracker.figure(f"{protocol.name}-rank1", bars_figure({label: table["rank-1"] for label, table in tables.items()}))
    tracker.figure(f"{protocol.name}-cmc", cmc_figure({label: r.cmc for label, r in results.items()}))
    tracker.figure(f"{protocol.name}-scores", score_figure(result.positives, result.negatives))
    if result.curves:
        tracker.figure(f"{protocol.name}-open-set", open_set_figure({label: r.curves for label, r in results.items()}))
    for probes in result.matrices:
        tracker.figure(f"{protocol.name}-views-{probes}", views_figure({label: r.matrices[probes] for label, r in results.items()}))
    return Summary(rank1, result.rank1)
