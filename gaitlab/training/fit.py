"""A whole run: training, tests, tables. What a laptop, torchrun and a Ray worker all call; and the tests alone, of a run that was."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from gaitlab.data.feed import Feed, FeedMaker
from gaitlab.data.shards import DataConfig, open_data
from gaitlab.evaluation.embedder import Distance
from gaitlab.evaluation.figures import clip_sheet
from gaitlab.evaluation.protocol import AnyProtocol
from gaitlab.evaluation.protocols import protocol
from gaitlab.experiment import Benchmark
from gaitlab.runs.changes import changes
from gaitlab.runs.folder import write_outcome
from gaitlab.runs.summary import Summary
from gaitlab.training.batches import make_feed, walks_to_look_at
from gaitlab.training.benchmark import check, report
from gaitlab.training.border import Run, Tracker
from gaitlab.training.cost import inference_cost
from gaitlab.training.loop import train
from gaitlab.training.ready import Ready
from gaitlab.training.trained import trained
from gaitlab.training.validation import validation_of


def fit(ready: Ready, run: Run, tracker: Tracker, *, resume: bool = False, blocks: FeedMaker | None = None) -> Summary:
    """Train and test. Returns rank-1 of the network, of the classical rows and of chance, for every test (complete on rank 0 only).

    blocks: makes the feed of `data.feed` ray. Errors are those of `train`.
    """
    experiment, store = ready.experiment, ready.store
    torch.manual_seed(experiment.seed)
    feed = make_feed(experiment, ready.training, run, blocks)
    method = experiment.method.build(len(feed.subjects))
    if run.rank == 0:
        lacking = f", {feed.left_out} left out that lack frames of a clip" if feed.left_out else ""
        print(f"{experiment.name}: {len(feed.subjects)} training subjects, {feed.walks} walks{lacking}", flush=True)
    network = train(
        experiment, method, feed, run, tracker,
        data_hash=ready.training.hash, validation=validation_of(ready, run, blocks),
        walks_to_look_at=walks_to_look_at(experiment, ready.training, feed, run.device), resume=resume,
    )  # fmt: skip
    if run.rank == 0:
        tracker.figure("clips", lambda: clip_sheet(*_first_clips(feed)))
    summary = Summary.of([report(experiment, network, tested, p, run, tracker, store) for tested, p in ready.tests])
    if run.rank == 0:
        cost = {f"cost/{name}": value for name, value in inference_cost(network, experiment.method, store).items()}
        tracker.final(cost)
        summary = replace(summary, metrics={**summary.metrics, **cost}, changes=changes(run.results))
        tracker.flush()  # a run whose outcome is there is not tested again
        write_outcome(run.results, summary)
    return summary


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
    opened = [(open_data(t.data or experiment.data, make=False), protocol(t.protocol, t.distance)) for t in tests]
    for store, p in opened:
        check(experiment, store, p)
    own = opened[0][0] if data is None and tests[0].data is None else None
    tested = Summary.of([report(experiment, method, store, p, run, tracker, own) for store, p in opened])
    return replace(tested, changes=changes(folder))


def _first_clips(feed: Feed, walks: int = 8) -> tuple[np.ndarray, list[str]]:
    """Clips of the first batch as the network sees them."""
    batch = feed.batch(0, torch.device("cpu"))
    role = next(iter(batch.clips))
    return batch.clips[role][:walks].numpy(), [feed.subjects[int(s)] for s in batch.subject[:walks]]
