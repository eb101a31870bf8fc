"""gaitlab from Python: networks, shards, tests and training in a few lines each (`docs/python.md` has them)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from gaitlab.data.draws import Draw
from gaitlab.data.feed import Feed
from gaitlab.data.shards import DataConfig, open_data
from gaitlab.data.store import Store
from gaitlab.evaluation import evaluate as evaluation
from gaitlab.evaluation.protocols import retrieval
from gaitlab.evaluation.result import Result
from gaitlab.evaluation.retrieval_protocol import RetrievalProtocol
from gaitlab.experiment import Experiment
from gaitlab.launch import local
from gaitlab.modules import import_kept
from gaitlab.runs.folder import run_named
from gaitlab.runs.summary import Summary
from gaitlab.training.network import Network
from gaitlab.types import Batch, ClipSpec, Modality


def open_run(run: str | Path, *, modality: Modality | None = None, device: str | None = None, modules: Sequence[str] = ()) -> Network:
    """The network of a run (its id, or a folder with checkpoints): `network.embed(walks)`, `network.embed_shards(shards)`.

    modality: what it sees, if it can see several. device: the GPU, if there is one, when not given.
    modules: with classes of your own, for a run that lies elsewhere than in gaitlab's home. ValueError if there is no such run.
    """
    import_kept(modules)
    return Network(run_named(str(run)), modality=modality, device=torch.device(device) if device else None)


class Shards(Store):
    """Walks that were ingested. `index` is a pandas table with a row for each walk; see `gaitlab.data.store.Store`."""

    def walk(self, row: int, modality: Modality = "silhouette") -> np.ndarray:
        """Frames uint8 `[t, c, h, w]`, 0..255, of a row of the index."""
        return self.frames(modality).walk(row)

    def rows(self, **wanted: str) -> np.ndarray:
        """Rows of the index in which columns have these values, e.g. `rows(split="test", view="090")`."""
        if unknown := wanted.keys() - set(self.index.columns):
            raise ValueError(f"the index has no column {', '.join(sorted(unknown))}; it has {', '.join(self.index.columns)}")
        chosen = np.ones(len(self.index), bool)
        for column, value in wanted.items():
            chosen &= (self.index[column] == value).to_numpy()
        return np.flatnonzero(chosen)

    def batches(
        self,
        clip: ClipSpec | None = None,
        *,
        subjects: int = 8,
        walks: int = 4,
        draw: Draw = "subjects",
        seed: int = 0,
        start: int = 0,
        steps: int | None = None,
        split: str = "train",
        device: str = "cpu",
    ) -> "Batches":
        """Training batches of `subjects` identities x `walks` walks, a torch iterable; without `steps` it does not end.

        Batch number i is a function of (seed, i): the same here, in every run, and after `start=i`. clip: 30 silhouettes if not given.
        """
        feed = Feed(self, {"gait": clip or ClipSpec()}, p=subjects, k=walks, seed=seed, split=split, draw=draw)
        return Batches(feed, range(start, 2**62 if steps is None else start + steps), torch.device(device))


class Batches(IterableDataset[Batch]):
    """Batches of consecutive steps; the next one is made in a thread while one is in use."""

    def __init__(self, feed: Feed, steps: range, device: torch.device) -> None:
        self.feed, self.steps, self.device = feed, steps, device

    def __iter__(self) -> Iterator[Batch]:
        return self.feed.batches(self.steps.start, self.steps.stop, self.device)


def open_shards(data: str | Path | DataConfig) -> Shards:
    """Shards in a folder, or under that name in $GAITLAB_HOME/data; those of an experiment's `data` are made if they are not there yet."""
    return Shards(open_data(data if isinstance(data, DataConfig) else DataConfig(root=str(data))).root)


def evaluate(
    embeddings: np.ndarray | Tensor, index: pd.DataFrame, protocol: str | RetrievalProtocol, *, gallery: np.ndarray | Tensor | None = None
) -> Result:
    """Embeddings float `[n, p, d]`, one for each row of `index`, under a protocol: `result.table`, `result.cmc`, `print(result.text())`.

    protocol: a name, e.g. "casia-b" or "walkers@validation", or one of your own. gallery: embeddings that the gallery is taken from,
    where it is of another modality. ValueError if the index lacks what the protocol asks for.
    """
    return evaluation.evaluate(embeddings, index, retrieval(protocol), gallery=gallery)


def train(experiment: Experiment, *, resume: str | None = None, tracking: bool = True, fresh: bool = False) -> Summary:
    """Train and test here: `summary.rank1` is the table, `summary.run` the run's id for `open_run`. tracking: False leaves MLflow alone.

    Called again, it goes on where it was cut short, or returns what is there; fresh: trains anew. resume: a certain run's id.
    """
    return local(experiment, resume=resume, tracking=tracking, fresh=fresh)
