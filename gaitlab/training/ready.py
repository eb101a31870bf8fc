"""An experiment made ready: its data made and opened, its tests named, and all checked that can be known before a network is built."""

from dataclasses import dataclass
from typing import Literal

import torch

from gaitlab.config import from_dict, to_dict
from gaitlab.data.draws import batch_rows
from gaitlab.data.feed import learners
from gaitlab.data.ingest import ShardMap
from gaitlab.data.shards import open_data, open_training
from gaitlab.data.store import Store
from gaitlab.evaluation.protocol import AnyProtocol
from gaitlab.evaluation.protocols import protocol
from gaitlab.experiment import Experiment
from gaitlab.method import Method
from gaitlab.training.benchmark import check
from gaitlab.training.transfer import check_people, of_people


@dataclass(frozen=True, kw_only=True)
class Ready:
    """What a launcher makes once and hands to tracker and `fit`; a store that travels to another process is opened anew there."""

    experiment: Experiment
    store: Store
    training: Store
    """`store`, joined with what else is learnt from."""
    tests: tuple[tuple[Store, AnyProtocol], ...]
    validation: AnyProtocol | Literal["loss"] | None


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
    judge = protocol(experiment.validation) if experiment.validation and experiment.validation != "loss" else None
    by_loss = experiment.validation == "loss"
    if by_loss and data.draw != "walks":
        raise ValueError("--validation loss is for learning without labels (--data.draw walks); others take a protocol")
    if by_loss and (known := of_people(experiment)):
        raise ValueError(f"--validation loss: {known[0]} tells the training people apart, not others; give a protocol")
    if judge and not judge.scored:
        raise ValueError(f"protocol {judge.name} makes a file and no score; --validation takes one that scores, e.g. walkers@validation")
    store = open_data(data, run=ingest)
    tests = tuple((open_data(other, run=ingest) if other else store, p) for other, p in named)
    training = open_training(data, run=ingest, first=store)
    clips = experiment.method.clips()
    for split in ("train", "validation") if by_loss else ("train",):
        people = learners(training, clips, split)
        batch_rows(people, data.draw, data.subjects_per_batch, data.walks_per_subject, experiment.seed, 0)
    for tested, p in [*tests, *([(store, judge)] if judge else [])]:
        check(experiment, tested, p)
    if not resume:
        check_people(experiment)
    return Ready(experiment=experiment, store=store, training=training, tests=tests, validation="loss" if by_loss else judge)
