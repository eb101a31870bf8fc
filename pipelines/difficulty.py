"""How hard the embedded benchmark is, and for what: single cues, classical rows and trained networks on the same unseen people.

python pipelines/difficulty.py                                  # cues, GEI, GEI + LDA on walkers-standard's test people
python pipelines/difficulty.py RUN RUN ... --out experiments/results
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import tyro

from experiments.walkers import SILHOUETTES
from gaitlab.command import guarded, understood
from gaitlab.data.shards import open_data
from gaitlab.data.sources.walkers.source import Generated
from gaitlab.data.store import Store
from gaitlab.evaluation.chance import chance
from gaitlab.evaluation.cues import width
from gaitlab.evaluation.evaluate import evaluate
from gaitlab.evaluation.gei import gei
from gaitlab.evaluation.lda import gei_lda
from gaitlab.evaluation.protocol import RetrievalProtocol, select
from gaitlab.evaluation.protocols import protocol
from gaitlab.experiment import DataConfig
from gaitlab.tracking.provenance import commit, hardware_line
from gaitlab.tracking.results import ResultRow, write_results
from gaitlab.tracking.runs import run_folder
from gaitlab.training.benchmark import rank
from gaitlab.training.fit import trained
from gaitlab.training.run import LocalRun

COLUMNS = {"rank-1": "cross view", "rank-1 same view": "same view"}


@dataclass(frozen=True)
class Arguments:
    """Rank-1 across views and from the same view, by condition."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN")] = ()
    """Ids of trained runs whose networks are rows too; those of one experiment are its seeds."""
    protocol: str = "walkers"
    out: Path | None = None
    """Folder for walkers-difficulty.md and .json; none: print only."""


def cues(source: Generated, index: pd.DataFrame) -> dict[str, np.ndarray]:
    """What one could know of a walk besides its looks, float32 `[n, 1, d]` each, from the generator's own books."""
    walk_of = {walk.key: walk for walk in source.walks()}
    truth = {walk: source.event(walk_of[walk]) for walk in index["key"]}
    events = [truth[key] for key in index["key"]]
    found = {
        "speed": [[e.speed] for e in events],
        "cadence": [[e.cadence] for e in events],
        "stride": [[e.stride] for e in events],
        "stature": [[e.stature] for e in events],
        "start position": [list(e.start) for e in events],
    }
    return {name: np.array(values, np.float32)[:, None] for name, values in found.items()}


def tables(data: DataConfig, store: Store, p: RetrievalProtocol) -> Mapping[str, pd.DataFrame]:
    """Rows that need no training of ours: chance, cues, GEI, GEI + LDA."""
    chosen = select(store.index, p)
    rows = np.sort(np.concatenate([chosen.gallery, chosen.probes]))
    index = store.index.iloc[rows]
    assert isinstance(data.make, Generated)
    embeddings = {
        "mean width": width(store, rows),
        **cues(data.make, index),
        "GEI": gei(store, rows),
        "GEI + LDA": gei_lda(store, store, rows),
    }
    return {"chance": chance(index, p)} | {name: evaluate(x, index, p).table for name, x in embeddings.items()}


def results(label: str, seed: int, run: str, table: pd.DataFrame) -> list[ResultRow]:
    made, where = commit(), hardware_line()
    return [
        ResultRow(
            row=label,
            seed=seed,
            metric=f"{probes}, {name}, %",
            value=float(table.loc[probes, column]),
            run=run,
            commit=made,
            hardware=where,
        )
        for column, name in COLUMNS.items()
        for probes in table.index
        if column in table and np.isfinite(table.loc[probes, column])
    ]


def text(rows: Sequence[ResultRow]) -> str:
    """Rows x metrics, means over seeds."""
    frame = pd.DataFrame([{"row": r.row, "metric": r.metric, "value": r.value} for r in rows])
    order, metrics = frame["row"].unique(), frame["metric"].unique()
    return frame.pivot_table(index="row", columns="metric", values="value").loc[order, metrics].T.to_string(float_format="%.1f", na_rep="-")


def main() -> None:
    asked = understood(lambda: tyro.cli(Arguments, description=__doc__))
    p = protocol(asked.protocol)
    store = open_data(SILHOUETTES)
    rows = [row for label, table in tables(SILHOUETTES, store, p).items() for row in results(label, 0, "-", table)]
    for name in asked.runs:
        run = LocalRun(partial(run_folder, name))
        experiment, method = trained(run_folder(name), run)
        rows += results(experiment.name, experiment.seed, name, rank(experiment, method, store, p, run)[0].table)
    print(text(rows))
    if asked.out:
        write_results("walkers-difficulty", "How hard the embedded walkers are", rows, NOTES.format(hash=store.hash[:12]), asked.out)


NOTES = """Rank-1 on 100 people never trained on, 6 views, 30 to 40 frames; gallery: plain walks of the first day, probes: the second day.
Cross view: mean over pairs of different views. Cues are nearest neighbours of one quantity of the walk; chance is 1 %. Data {hash}."""


if __name__ == "__main__":
    guarded(main)
