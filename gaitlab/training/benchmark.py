"""A network on a benchmark: embeddings, ranking, and the figures it has to be read against."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gaitlab.data.store import Store
from gaitlab.evaluation.chance import chance
from gaitlab.evaluation.evaluate import Result, evaluate
from gaitlab.evaluation.figures import bars_figure, cmc_figure, score_figure, views_figure
from gaitlab.evaluation.gei import gei
from gaitlab.evaluation.protocol import RetrievalProtocol, select
from gaitlab.experiment import Experiment
from gaitlab.method import Method
from gaitlab.training.embed import embed
from gaitlab.training.run import LocalRun


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
    select(store.index, protocol)
    walks = store.index[store.index["split"] == protocol.split]
    for spec in experiment.method.test_clips().values():
        if spec.modality not in store.modalities:
            raise ValueError(f"{store.root.name} has no {spec.modality!r}; it has {', '.join(store.modalities)}")
        lacking = walks["key"][walks[f"{spec.modality}_frames"] == 0]
        if len(lacking):
            raise ValueError(
                f"{len(lacking)} test walks of {store.root.name} have no {spec.modality} frames, the first is {lacking.iloc[0]!r}"
            )


def rank(experiment: Experiment, method: Method, store: Store, protocol: RetrievalProtocol, run: LocalRun) -> tuple[Result, np.ndarray]:
    """The protocol's result and the rows of the store that it used, on every rank."""
    rows = np.flatnonzero((store.index["split"] == protocol.split).to_numpy())
    embeddings = embed(method, store, rows, experiment.method.test_clips(), run)
    return evaluate(embeddings, store.index.iloc[rows], protocol, distance=method.distance, device=run.device), rows


def report(experiment: Experiment, method: Method, store: Store, protocol: RetrievalProtocol, run: LocalRun, tracker: Any) -> Summary:
    """Test, print the tables, and hand tables and plots to the tracker; beside the network stand chance and, for silhouettes,
    nearest neighbours of gait energy images (Han and Bhanu, PAMI 2006)."""
    result, rows = rank(experiment, method, store, protocol, run)
    if run.rank > 0:
        return Summary(pd.DataFrame(), result.rank1)
    index, name = store.index.iloc[rows], experiment.name
    results = {name: result}
    if "silhouette" in store.modalities:
        results = {"GEI": evaluate(gei(store, rows), index, protocol)} | results
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
    for probes in result.matrices:
        tracker.figure(f"{protocol.name}-views-{probes}", views_figure({label: r.matrices[probes] for label, r in results.items()}))
    return Summary(rank1, result.rank1)
