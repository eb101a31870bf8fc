"""An experiment made ready: its data made and opened, its tests named, and all checked that can be known before a network is built."""

from dataclasses import dataclass

import torch

from gaitlab.config import from_dict, to_dict
from gaitlab.data.draws import Subjects, batch_rows
from gaitlab.data.ingest import ShardMap
from gaitlab.data.shards import open_data
from gaitlab.data.store import Store
from gaitlab.evaluation.protocol import AnyProtocol
from gaitlab.evaluation.protocols import protocol
from gaitlab.experiment import Experiment
from gaitlab.method import Method
from gaitlab.training.benchmark import check
from gaitlab.training.transfer import check_people


@dataclass(frozen=True, kw_only=True)
class Ready:
    """What a launcher makes once and hands to tracker and `fit`; a store that travels to another process is opened anew there."""

    experiment: Experiment
    store: Store
    tests: tuple[tuple[Store, AnyProtocol], ...]
    validation: AnyProtocol | None


def prepare(experiment: Experiment, world: int = 1, *, resume: bool = False, ingest: ShardMap | None = None) -> Ready:
    """Data that are not there yet are made, by `ingest`. world: processes that will share a batch. resume: weights come from a checkpoint.

    ValueError for what would go wrong later and can be known without a pixel.
    """
    data = experiment.data
    if experiment.batch_size % world:
        raise ValueError(f"a batch of {experiment.batch_size} walks does not divide among {world} workers")
    if from_dict(to_dict(experiment), Experiment) != experiment:
        raise ValueError(f"{experiment.name} would not be read again as it is written; let its configs hold plain values and configs only")
    if experiment.train.accumulate > 1:
        with torch.device("meta"):
            kind = type(experiment.method.build(2))
        if kind.encode is Method.encode:
            raise ValueError(f"{kind.__name__} computes its losses from whole batches only: --train.accumulate 1")
    named = [(t.data, protocol(t.protocol, t.distance)) for t in experiment.benchmarks]
    validation = protocol(experiment.validation) if experiment.validation else None
    if validation and not validation.scored:
        raise ValueError(
            f"protocol {validation.name} makes a file and no score; --validation takes one that scores, e.g. walkers@validation"
        )
    store = open_data(data, run=ingest)
    tests = tuple((open_data(other, run=ingest) if other else store, p) for other, p in named)
    batch_rows(Subjects.of(store.index, "train"), data.draw, data.subjects_per_batch, data.walks_per_subject, experiment.seed, 0)
    for tested, p in [*tests, *([(store, validation)] if validation else [])]:
        check(experiment, tested, p)
    if not resume:
        check_people(experiment)
    return Ready(experiment=experiment, store=store, tests=tests, validation=validation)
