"""An experiment made ready: all checked that can be known before a network is built, its data made and opened, its tests named."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gaitlab.config import from_dict, to_dict
from gaitlab.data.clips import can_show, stored_modality
from gaitlab.data.draws import batch_rows
from gaitlab.data.feed import learners
from gaitlab.data.ingest import ShardMap
from gaitlab.data.planned import PlannedStore
from gaitlab.data.shards import expected_data, open_data, open_training
from gaitlab.data.store import Store
from gaitlab.evaluation.protocol import AnyProtocol
from gaitlab.evaluation.protocols import protocol
from gaitlab.experiment import Experiment
from gaitlab.home import cache, check_room, home
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

    @property
    def planned(self) -> bool:
        """Whether data of it are to be made yet."""
        return any(isinstance(store, PlannedStore) for store in (*self.training.parts, *(store for store, _ in self.tests)))


def prepare(experiment: Experiment, world: int = 1, *, resume: bool = False, ingest: ShardMap | None = None) -> Ready:
    """Data that are not there yet are made, by `ingest`. world: processes that will share a batch. resume: weights come from a checkpoint.

    ValueError for what would go wrong later and can be known without a pixel; what `foresee` knows, before data are made.
    """
    return made(foresee(experiment, world, resume=resume), world, resume=resume, ingest=ingest)


def made(foreseen: Ready, world: int = 1, *, resume: bool = False, ingest: ShardMap | None = None) -> Ready:
    """What `foresee` returned, with its data made where they were planned, and then asked anew; arguments are those of `prepare`."""
    if not foreseen.planned:
        return foreseen
    experiment = foreseen.experiment
    for data in experiment.data, *(test.data for test in experiment.benchmarks if test.data):
        open_data(data, run=ingest)
    return foresee(experiment, world, resume=resume)


def foresee(experiment: Experiment, world: int = 1, *, resume: bool = False) -> Ready:
    """What `prepare` returns, data that are to be made still planned (`data.planned`).

    The one place that asks whether an experiment can be trained and tested; arguments and errors are those of `prepare`.
    """
    data, method = experiment.data, experiment.method
    if experiment.batch_size % world:
        raise ValueError(f"a batch of {experiment.batch_size} walks does not divide among {world} workers")
    if from_dict(to_dict(experiment), Experiment) != experiment:
        raise ValueError(f"{experiment.name} would not be read again as it is written; let its configs hold plain values and configs only")
    if experiment.train.accumulate > 1:
        kind = type(method.blueprint(2))
        if kind.encode is Method.encode:
            raise ValueError(f"{kind.__name__} computes its losses from whole batches only: --train.accumulate 1")
    if method.contrasts() and (data.subjects_per_batch if data.draw == "subjects" else experiment.batch_size) < 2:
        raise ValueError("the losses compare people with others, so a batch takes two or more: --data.subjects-per-batch 2")
    named = [(t.data, protocol(t.protocol, t.distance)) for t in experiment.benchmarks]
    judge = protocol(experiment.validation) if experiment.validation and experiment.validation != "loss" else None
    by_loss = experiment.validation == "loss"
    if by_loss and data.draw != "walks":
        raise ValueError("--validation loss is for learning without labels (--data.draw walks); others take a protocol")
    if by_loss and (known := of_people(experiment)):
        raise ValueError(f"--validation loss: {known[0]} tells the training people apart, not others; give a protocol")
    if judge and not judge.scored:
        raise ValueError(f"protocol {judge.name} makes a file and no score; --validation takes one that scores, e.g. walkers@validation")
    store = expected_data(data)
    tests = tuple((expected_data(other) if other else store, p) for other, p in named)
    training = open_training(data, first=store)
    for split in ("train", "validation") if by_loss else ("train",):
        people = learners(training, method.clips(), split)
        if method.contrasts() and data.draw == "subjects" and len(people.names) == 1:
            raise ValueError(f"the losses compare people with others, and {data.root} has one {split} person only; ingest more of them")
        batch_rows(people, data.draw, data.subjects_per_batch, data.walks_per_subject, experiment.seed, 0)
    for tested, p in [*tests, *([(store, judge)] if judge else [])]:
        check(experiment, tested, p)
    if not resume:
        check_people(experiment)
    _check_room(experiment, training.parts)
    return Ready(experiment=experiment, store=store, training=training, tests=tests, validation="loss" if by_loss else judge)


def _check_room(experiment: Experiment, stores: Sequence[Store]) -> None:
    """ValueError if checkpoints, memory maps or data that are to be made cannot be written, or have no room."""
    numbers = sum(p.numel() for p in experiment.method.blueprint(2).parameters())
    copies = 2 + (experiment.optim.name in ("adam", "adamw")) + (experiment.optim.ema is not None)  # the optimiser remembers some
    kept = experiment.train.keep + 2  # the best, and the one that is being written
    check_room(home() / "runs", 4 * numbers * copies * kept, f"{experiment.name} keeps {kept} checkpoints, which")
    seen = {spec.modality for spec in experiment.method.clips().values()}
    maps = sum(store.map_bytes(m) for store in stores for m in {stored_modality(store, m) for m in seen if can_show(store, m)})
    check_room(cache(), maps, f"the memory map of {experiment.data.root}")
    if any(isinstance(store, PlannedStore) for store in stores):
        check_room(home() / "data", 0, "")
