"""How hard the embedded benchmark is, and for what: single cues, classical rows and trained networks on the same unseen people.

python pipelines/difficulty.py                             # cues, GEI, GEI + LDA
python pipelines/difficulty.py RUN RUN ... --out experiments/results
python pipelines/difficulty.py RUN RUN ... --recording walks.npz
python pipelines/difficulty.py RUN RUN ... --preset walkers-lab
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import tyro

from experiments.walkers import FEWER, silhouettes
from gaitlab.command import Own, understood
from gaitlab.config import nearest
from gaitlab.data.shards import DataConfig, open_data
from gaitlab.data.source import SourceConfig, Walk
from gaitlab.data.store import Store
from gaitlab.evaluation.chance import chance
from gaitlab.evaluation.classical import classical
from gaitlab.evaluation.cues import width
from gaitlab.evaluation.evaluate import evaluate
from gaitlab.evaluation.lda import GeiLda
from gaitlab.evaluation.protocol import select
from gaitlab.evaluation.protocols import PROTOCOLS, retrieval
from gaitlab.evaluation.retrieval_protocol import RetrievalProtocol, seek
from gaitlab.guard import guarded
from gaitlab.help import fitted
from gaitlab.modules import import_modules
from gaitlab.reports.result_row import ResultRow
from gaitlab.reports.results import write_results
from gaitlab.runs.folder import run_folder
from gaitlab.tracking.mlflow_store import tags_of
from gaitlab.tracking.provenance import commit, hardware_line
from gaitlab.training.benchmark import MethodEmbedder, check
from gaitlab.training.run import LocalRun
from gaitlab.training.trained import trained
from gaitlab.walkers.mocap import MocapSource
from gaitlab.walkers.presets import PRESETS
from gaitlab.walkers.source import Generated

COLUMNS = {"rank-1": "cross view", "rank-1 same view": "same view"}


@dataclass(frozen=True)
class Arguments:
    """Rank-1 across views and from the same view, by condition."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN")] = ()
    """Ids of trained runs whose networks are rows too; those of one experiment are its seeds."""
    preset: str = "walkers-standard"
    """Whose people are to be found, e.g. walkers-lab; of walkers-standard 200 are learnt from."""
    recording: str = ""
    """Motion capture (.npz, or a folder of .asf and .amc) to test on, instead of the generator's test people."""
    protocol: str = ""
    """That of the preset's name, else walkers; mocap for a recording."""
    out: Path | None = None
    """Folder for walkers-difficulty.md and .json (lab-difficulty for walkers-lab, walkers-to-mocap for a recording); none: print only."""
    own: Own = ()
    """Module with methods of your own that a run needs; several may be given."""


def cues(source: Generated, index: pd.DataFrame) -> dict[str, np.ndarray]:
    """What one could know of a walk besides its looks, float64 `[n, 1, d]` each, from the generator's own books."""
    walk_of = {walk.key: walk for walk in source.walks()}
    events = [source.event(walk_of[key]) for key in index["key"]]
    found = {
        "speed": [[e.speed] for e in events],
        "cadence": [[e.cadence] for e in events],
        "stride": [[e.stride] for e in events],
        "stature": [[e.stature] for e in events],
        "start position": [list(e.start) for e in events],
    }
    return {name: np.array(values)[:, None] for name, values in found.items()}


def truth(source: Generated, index: pd.DataFrame) -> np.ndarray:
    """Discriminants of what each walk's body and motion truly are, `[n, 1, d]`: proportions, girths, pace and the whole motion, weighed by
    what the training people of the generator show to tell people apart. No recogniser that sees pixels can know more."""

    def known(walk: Walk) -> np.ndarray:
        event = source.event(walk)
        return np.concatenate(
            [event.proportions, np.log(event.figure.girth), np.log([event.cadence, event.stride]), event.motion.ravel()], dtype=np.float64
        )

    walk_of = {walk.key: walk for walk in source.walks()}
    taught = [walk for walk in walk_of.values() if walk.split == "train" and walk.view == walk_of[index["key"].iloc[0]].view][:TAUGHT]
    x, labels = np.stack([known(walk) for walk in taught]), np.array([walk.subject for walk in taught])
    spread = np.maximum(x.std(0), 1e-9)
    discriminants = GeiLda.fit(x / spread, labels)
    return discriminants.transform(np.stack([known(walk_of[key]) / spread for key in index["key"]])[:, None])


TAUGHT = 3000
"""Walks, at most, whose true parameters are learnt from."""


def centred(x: np.ndarray) -> np.ndarray:
    """`x [n, 1, d]` about its mean, float32. Distances come from sums of squares, which would drown differences far from 0."""
    return (x - x.mean(0, dtype=np.float64)).astype(np.float32)


def tables(source: SourceConfig | None, store: Store, learnt_from: Store, p: RetrievalProtocol) -> Mapping[str, pd.DataFrame]:
    """Rows that need no training of a network: chance, cues (of generated people), GEI, GEI + LDA."""
    chosen = select(store.index, p)
    rows = np.union1d(chosen.gallery, chosen.probes)
    index = store.index.iloc[rows]
    single = {"mean width": width(store, rows)} | (cues(source, index) if isinstance(source, Generated) else {})
    found = {"chance": chance(index, p)} | {name: evaluate(centred(x), index, p).table for name, x in single.items()}
    if isinstance(source, Generated):
        found["generator's truth"] = evaluate(truth(source, index), index, p).table
    return found | {baseline.name: seek(baseline, store, p).table for baseline in classical(store, p, (learnt_from,))}


def results(label: str, seed: int, run: str, table: pd.DataFrame, made: str = "") -> list[ResultRow]:
    """Rows of a table. made: the commit that a network was trained with, else this one."""
    made, where = made or commit(), hardware_line()
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
    arguments = understood(lambda: tyro.cli(Arguments, description=fitted(__doc__ or "")))
    import_modules(arguments.own)
    learnt_from = FEWER if arguments.preset == "walkers-standard" else silhouettes_of(arguments.preset)
    own = next((name for name in (arguments.preset, "walkers-lab") if name in PROTOCOLS and arguments.preset.startswith(name)), "walkers")
    p, data = retrieval(arguments.protocol or ("mocap" if arguments.recording else own)), learnt_from
    if arguments.recording:
        recorded = MocapSource(root=str(Path(arguments.recording).expanduser().resolve()), modalities=("silhouette",))
        data = DataConfig(root="recorded", make=recorded)  # not "mocap": shards of that name would stand in for the recording
        recorded.walks()  # a wrong one is refused before people are generated
    networks = []
    for name in arguments.runs:
        run = LocalRun(partial(run_folder, name))
        experiment, method = trained(run_folder(name), run)
        networks.append((name, run, experiment, method))
    people, store = open_data(learnt_from), open_data(data)
    for _, _, experiment, _ in networks:
        check(experiment, store, p)
    rows = [row for label, table in tables(data.make, store, people, p).items() for row in results(label, 0, "-", table)]
    for name, run, experiment, method in networks:
        table = seek(MethodEmbedder(experiment, method, run), store, p).table
        rows += results(experiment.name, experiment.seed, name, table, tags_of(name).get("commit", ""))
    print(text(rows))
    if arguments.out:
        name, title, notes = RECORDED if arguments.recording else of_preset(arguments.preset)
        walks = store.index[store.index["split"] == p.split]
        facts = {"people": walks["subject"].nunique(), "views": walks["view"].nunique(), "clips": walks["source"].nunique()}
        teachers = people.index.loc[people.index["split"] == "train", "subject"].nunique()
        learnt = f"GEI + LDA learnt from {teachers:,} other, generated people ({people.hash[:12]})"
        learnt += "".join(f", {label} from {root}" for label, root in {e.name: e.data.root for _, _, e, _ in networks}.items())
        write_results(name, title, rows, notes.format(protocol=p.name, data=store.hash[:12], learnt=learnt, **facts), arguments.out)


def silhouettes_of(preset: str) -> DataConfig:
    """Data of a preset without its other modalities, where experiments look for them."""
    if preset not in PRESETS:
        raise ValueError(f"unknown preset {preset!r}{nearest(preset, PRESETS)}")
    return silhouettes(PRESETS[preset])


def of_preset(preset: str) -> tuple[str, str, str]:
    """Name of the page, its title, its notes."""
    name = {"walkers-standard": "walkers-difficulty", "walkers-lab": "lab-difficulty"}.get(preset, f"{preset}-difficulty")
    return name, f"How hard {preset} is, and for what", GENERATED


GENERATED = """Rank-1 on {people} people never trained on, {views} views, protocol {protocol}. Cross view is the mean over pairs of
different views. Cues are nearest neighbours of one quantity of the walk, taken from the generator's books, and of the mean width of a
silhouette; the generator's truth is pace with the body's proportions, girths and the whole motion, weighed by discriminants.
{learnt}. Data {data}."""
RECORDED = (
    "walkers-to-mocap",
    "Trained on walkers, tested on recorded people",
    """Rank-1 on {people} recorded people ({clips} clips, {views} views), protocol {protocol}, on whom neither the networks nor the
discriminants were trained. Gallery: plain walks of each one's first clip; probes: the other clips. {learnt}. Data {data}. The
generator's motion (its mean and its components) was fitted to eight people of the CMU database: where they are the recorded ones, the
generator has seen them. The data used in this project was obtained from mocap.cs.cmu.edu.""",
)


if __name__ == "__main__":
    guarded(main)
