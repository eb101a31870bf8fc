"""A whole run: training, tests, tables. What a laptop, torchrun and a Ray worker all call; and the tests alone, of a run that was."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from gaitlab.data.feed import Feed, FeedMaker
from gaitlab.data.shards import DataConfig, open_data
from gaitlab.data.store import Store
from gaitlab.evaluation.embedder import Distance
from gaitlab.evaluation.figures import clip_sheet
from gaitlab.evaluation.protocol import AnyProtocol
from gaitlab.evaluation.protocols import protocol
from gaitlab.experiment import Benchmark, Experiment
from gaitlab.method import Method
from gaitlab.runs.folder import write_outcome
from gaitlab.runs.summary import Summary
from gaitlab.training.benchmark import check, report, score
from gaitlab.training.border import Run, Tracker
from gaitlab.training.cost import inference_cost
from gaitlab.training.loop import train
from gaitlab.training.ready import Ready
from gaitlab.training.trained import trained


def fit(ready: Ready, run: Run, tracker: Tracker, *, resume: bool = False, blocks: FeedMaker | None = None) -> Summary:
    """Train and test. Returns rank-1 of the network, of the classical rows and of chance, for every test (complete on rank 0 only).

    blocks: makes the feed of `data.feed` ray. Errors are those of `train`.
    """
    experiment, store, validation = ready.experiment, ready.store, ready.validation
    torch.manual_seed(experiment.seed)
    feed = make_feed(experiment, store, run, blocks)
    method = experiment.method.build(len(feed.subjects))

    def validate(network: Method) -> float:
        assert validation is not None
        return score(experiment, network, store, validation, run)

    if run.rank == 0:
        print(f"{experiment.name}: {len(feed.subjects)} training subjects, {len(store.index)} walks", flush=True)
    network = train(
        experiment, method, feed, run, tracker,
        data_hash=store.hash, validate=validate if validation else None, resume=resume,
    )  # fmt: skip
    if run.rank == 0:
        tracker.figure("clips", lambda: clip_sheet(*_first_clips(feed)))
    summary = Summary.of([report(experiment, network, tested, p, run, tracker, store) for tested, p in ready.tests])
    if run.rank == 0:
        cost = {f"cost/{name}": value for name, value in inference_cost(network, experiment.method, store).items()}
        tracker.final(cost)
        summary = replace(summary, metrics={**summary.metrics, **cost})
        tracker.flush()  # a run whose outcome is there is not tested again
        write_outcome(run.results, summary)
    return summary


def make_feed(experiment: Experiment, store: Store, run: Run, blocks: FeedMaker | None = None) -> Feed:
    """This rank's share of the batches, from the memory map or (with `blocks`) from Ray's object store."""
    data = experiment.data
    make: FeedMaker = Feed
    if data.feed == "ray":
        if blocks is None:
            raise ValueError("--data.feed ray needs Ray: start a pipeline that launches it, e.g. python pipelines/supervised.py")
        make = blocks
    return make(
        store, experiment.method.clips(), p=data.subjects_per_batch, k=data.walks_per_subject, seed=experiment.seed,
        rank=run.rank, world=run.world, draw=data.draw, targets=experiment.method.targets(),
    )  # fmt: skip


def retest(
    folder: Path,
    run: Run,
    tracker: Tracker,
    *,
    data: DataConfig | None,
    protocols: Sequence[str | AnyProtocol],
    distance: Distance | None = None,
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
