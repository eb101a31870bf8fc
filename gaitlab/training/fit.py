"""A whole run: data, training, tests, tables. What a laptop, torchrun and a Ray worker all call."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gaitlab.data.draws import Subjects, batch_rows
from gaitlab.data.feed import Feed
from gaitlab.data.ingest import Run
from gaitlab.data.shards import open_data
from gaitlab.data.store import Store
from gaitlab.evaluation.figures import clip_sheet
from gaitlab.evaluation.protocol import AnyProtocol, Distance
from gaitlab.evaluation.protocols import protocol
from gaitlab.experiment import Benchmark, DataConfig, Experiment
from gaitlab.method import Method
from gaitlab.runs.folder import write_outcome
from gaitlab.runs.summary import Summary
from gaitlab.training.benchmark import check, report, score
from gaitlab.training.cost import inference_cost
from gaitlab.training.loop import train
from gaitlab.training.run import LocalRun
from gaitlab.training.trained import trained


def fit(experiment: Experiment, run: LocalRun, tracker: Any, *, resume: bool = False, ray_feed: Any = None) -> Summary:
    """Train and test. Returns rank-1 of the network, of the classical rows and of chance, for every test (complete on rank 0 only).

    Errors are those of `prepare` and `train`.
    """
    store, tests, validation = prepare(experiment, run.world)
    torch.manual_seed(experiment.seed)
    feed = make_feed(experiment, store, run, ray_feed)
    method = experiment.method.build(len(feed.subjects))
    if run.rank == 0:
        size = sum(p.numel() for p in method.parameters())
        print(
            f"{experiment.name}: {len(feed.subjects)} training subjects, {len(store.index)} walks, {size:,} parameters, "
            f"{run.world} x {run.device.type}, {experiment.train.steps} steps of {experiment.batch_size} walks",
            flush=True,
        )

    def validate(network: Method) -> float:
        assert validation is not None
        return score(experiment, network, store, validation, run)

    network = train(
        experiment, method, feed, run, tracker,
        data_hash=store.hash, validate=validate if validation else None, resume=resume,
    )  # fmt: skip
    tracker.figure("clips", clip_sheet(*_first_clips(feed)))
    summary = Summary.of([report(experiment, network, tested, p, run, tracker, store) for tested, p in tests])
    if run.rank == 0:
        cost = {f"cost/{name}": value for name, value in inference_cost(network, experiment.method, store).items()}
        tracker.final(cost)
        summary = replace(summary, outcome=replace(summary.outcome, metrics={**summary.outcome.metrics, **cost}))
        write_outcome(run.results, summary.outcome)
    return summary


def prepare(
    experiment: Experiment, world: int, ingest: Run | None = None
) -> tuple[Store, list[tuple[Store, AnyProtocol]], AnyProtocol | None]:
    """The data, the tests and the validation of an experiment; what is not there yet is made, by `ingest`.

    ValueError for what would go wrong later and can be known without a pixel.
    """
    data = experiment.data
    if experiment.batch_size % world:
        raise ValueError(f"a batch of {experiment.batch_size} walks does not divide among {world} workers")
    if bool(experiment.init.run) is not bool(experiment.init.parts):
        missing = "--init.run RUN_ID, or --init.parts with nothing behind it to start afresh" if experiment.init.parts else "--init.parts"
        raise ValueError(f"{experiment.name} starts from a part of another run only with both: give {missing}")
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
    tests = [(open_data(other, run=ingest) if other else store, p) for other, p in named]
    batch_rows(Subjects.of(store.index, "train"), data.draw, data.subjects_per_batch, data.walks_per_subject, experiment.seed, 0)
    for tested, p in [*tests, *([(store, validation)] if validation else [])]:
        check(experiment, tested, p)
    return store, tests, validation


def make_feed(experiment: Experiment, store: Store, run: LocalRun, ray_feed: Any = None) -> Feed:
    """This rank's share of the batches, from the memory map or (with `ray_feed`, a RayFeed handle) from Ray's object store."""
    data = experiment.data
    clips = experiment.method.clips()
    make: Any
    if data.feed == "local":
        make = Feed
    elif ray_feed is not None:
        make = ray_feed.open
    else:
        raise ValueError("--data.feed ray needs Ray: start a pipeline that launches it, e.g. python pipelines/supervised.py")
    return make(
        store, clips, p=data.subjects_per_batch, k=data.walks_per_subject, seed=experiment.seed, rank=run.rank, world=run.world,
        draw=data.draw, targets=experiment.method.targets(),
    )  # fmt: skip


def retest(
    folder: Path, run: LocalRun, tracker: Any, *, data: DataConfig | None, protocols: tuple[str, ...], distance: Distance | None = None
) -> Summary:
    """Test a run's network on `data` (None: its own) by `protocols` (none: its own tests); cross-data-set by construction."""
    experiment, method = trained(folder, run)
    own_tests = [replace(t, distance=distance or t.distance) for t in experiment.benchmarks if data is None]
    tests = [Benchmark(protocol=name, data=data, distance=distance) for name in protocols] or own_tests
    if not tests:
        raise ValueError("other data need a protocol: --protocols NAME")
    opened = [(open_data(t.data or experiment.data), protocol(t.protocol, t.distance)) for t in tests]
    for store, p in opened:
        check(experiment, store, p)
    own = opened[0][0] if data is None and tests[0].data is None else None
    return Summary.of([report(experiment, method, store, p, run, tracker, own) for store, p in opened])


def _first_clips(feed: Feed, walks: int = 8) -> tuple[np.ndarray, list[str]]:
    """Clips of the first batch as the network sees them."""
    batch = feed.batch(0, torch.device("cpu"))
    role = next(iter(batch.clips))
    return batch.clips[role][:walks].numpy(), [feed.subjects[int(s)] for s in batch.subject[:walks]]
