"""A retrieval protocol tests an embedder: how people are found by it, and beside it what that has to be read against.

What stands beside is chance and the classical recognisers, tested like the embedder itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from gaitlab.data.store import Store
from gaitlab.evaluation.averages import Averages, mates_and_ranked
from gaitlab.evaluation.chance import chance
from gaitlab.evaluation.classical import classical
from gaitlab.evaluation.embedder import Embedder
from gaitlab.evaluation.evaluate import evaluate
from gaitlab.evaluation.figures import bars_figure, cmc_figure, open_set_figure, score_figure, views_figure
from gaitlab.evaluation.protocol import RetrievalRules, galleries, rows_of, select
from gaitlab.evaluation.result import Result, finals
from gaitlab.evaluation.tested import Tested, final_rows
from gaitlab.evaluation.unused import unused


def seek(embedder: Embedder, store: Store, protocol: RetrievalRules) -> Result:
    """The protocol's result on the store's walks, each side embedded from its own modality; every rank calls it."""
    sides = protocol.sides(store.index)
    rows = rows_of(sides)
    both = []
    for modality, walks in sides:
        embedded = embedder.embed(store, walks, modality)
        side = np.zeros((len(rows), *embedded.shape[1:]), np.float32)
        side[np.searchsorted(rows, walks)] = embedded
        both.append(side)
    index = store.index.iloc[rows]
    return evaluate(both[0], index, protocol, gallery=both[-1], distance=embedder.distance, device=embedder.device)


@dataclass(frozen=True, kw_only=True)
class RetrievalProtocol(RetrievalRules):
    """A benchmark in which people are found in a gallery; its rules are `RetrievalRules`."""

    def check(self, index: pd.DataFrame) -> None:
        """Every probe set has somebody to find, in the views that count, among several people."""
        for rows in galleries(index, self):
            theirs = index.iloc[rows]
            for part in self.with_one_gallery():
                chosen = select(theirs, part)
                Averages(theirs, chosen, part, mates_and_ranked(theirs, chosen, part)[0])

    def test(self, embedder: Embedder, store: Store, *, learn_from: Sequence[Store] | None = None) -> Tested:
        result, name = seek(embedder, store, self), self.name
        tables, results = {}, {}
        if learn_from is not None:
            tables["chance"] = chance(store.index.iloc[rows_of(self.sides(store.index))], self)
            results = {baseline.name: seek(baseline, store, self) for baseline in classical(store, self, learn_from)}
        results[embedder.name] = replace(result, unused=unused(store.index, self))
        tables |= {label: r.table for label, r in results.items()}
        by_set = {label: table["rank-1"] for label, table in tables.items()}
        rank1 = final_rows(name, "rank-1", by_set)
        figures = {
            f"{name}-rank1": partial(bars_figure, by_set),
            f"{name}-cmc": partial(cmc_figure, {label: r.cmc for label, r in results.items()}),
            f"{name}-scores": partial(score_figure, result.positives, result.negatives),
        }
        if result.curves:
            figures[f"{name}-open-set"] = partial(open_set_figure, {label: r.curves for label, r in results.items()})
        if result.matrices:
            figures[f"{name}-views"] = partial(views_figure, result.matrices, title=f"Rank-1 by view, {embedder.name}")
        return Tested(
            headline=result.rank1,
            metrics=finals(name, result.table) | {f"{name}/rank1": result.rank1},
            subjects={name if label == embedder.name else f"{name}/{label}": by_subject(r) for label, r in results.items()},
            text="\n\n".join(f"{label} on {store.root.name}\n{r.text()}" for label, r in results.items()),
            tables={name: result.table.rename_axis("row").reset_index(), f"{name}-rank1": rank1.reset_index()},
            figures=figures,
            rank1=rank1,
        )


def by_subject(result: Result) -> dict[str, tuple[float, float]]:
    """Probe subject -> (share, hits) of the headline."""
    return {row.subject: (row.share, row.hits) for row in result.subjects.itertuples()}
