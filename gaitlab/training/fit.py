"""A whole run: data, training, embeddings, protocols, tables. What a laptop, torchrun and a Ray worker all call."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from gaitlab.data.feed import Feed
from gaitlab.data.shards import open_data
from gaitlab.data.store import Store
from gaitlab.evaluation.evaluate import Result, evaluate
from gaitlab.evaluation.figures import clip_sheet, cmc_figure, score_figure
from gaitlab.evaluation.gei import chance, gei
from gaitlab.evaluation.protocol import RetrievalProtocol
from gaitlab.evaluation.protocols import protocol as protocol_called
from gaitlab.experiment import DataConfig, Experiment, from_dict
from gaitlab.method import Method
from gaitlab.training import checkpoint
from gaitlab.training.embed import embed
from gaitlab.training.loop import train
from gaitlab.training.run import LocalRun
from gaitlab.types import ClipSpec


def fit(experiment: Experiment, run: LocalRun, tracker: Any, *, resume: bool = False, ray_feed: Any = None) -> dict[str, Any]:
    """Train and test. Returns {"rank1": percent by protocol, "tables": text by protocol} on every rank.

    Errors are those of `open_data`, `train` and the protocols; protocols are looked up before anything is trained.
    """
    protocols = [protocol_called(name) for name in experiment.protocols]
    validation = protocol_called(experiment.validation) if experiment.validation else None
    store = open_data(experiment.data)
    torch.manual_seed(experiment.seed)
    feed = make_feed(experiment, store, run, ray_feed)
    method = experiment.method.build(len(feed.subjects))
    clips = experiment.method.test_clips()
    if run.rank == 0:
        size = sum(p.numel() for p in method.parameters())
        print(
            f"{experiment.name}: {len(feed.subjects)} subjects, {len(store.index)} walks, {size:,} parameters, "
            f"{run.world} x {run.device.type}, {experiment.train.steps} steps of {experiment.batch_size} walks",
            flush=True,
        )

    def validate(network: Method) -> float:
        assert validation is not None
        return test(network, store, clips, validation, run).rank1

    network = train(
        experiment, method, feed, run, tracker,
        data_hash=store.hash, validate=validate if validation else None, resume=resume,
    )  # fmt: skip
    if run.rank == 0 and run.world == 1:
        tracker.figure("clips", clip_sheet(*_some_clips(feed)))
    results = {p.name: test(network, store, clips, p, run) for p in protocols}
    if run.rank == 0:
        for result in results.values():
            report(result, baselines(store, result.protocol), experiment.name, tracker)
    return {"rank1": {name: r.rank1 for name, r in results.items()}, "tables": {name: r.text() for name, r in results.items()}}


def make_feed(experiment: Experiment, store: Store, run: LocalRun, ray_feed: Any = None) -> Feed:
    """This rank's share of the batches, from the memory map or (with `ray_feed`, a RayFeed handle) from Ray's object store."""
    data = experiment.data
    options = {
        "p": data.subjects_per_batch, "k": data.walks_per_subject, "seed": experiment.seed, "rank": run.rank, "world": run.world,
    }  # fmt: skip
    if experiment.batch_size % run.world:
        raise ValueError(f"a batch of {experiment.batch_size} walks does not divide among {run.world} workers")
    if data.feed == "local":
        return Feed(store, experiment.method.clips(), **options)
    if ray_feed is None:
        raise ValueError("--data.feed ray needs Ray: start a pipeline that launches it, e.g. python pipelines/supervised.py")
    return ray_feed.open(store, experiment.method.clips(), **options)


def test(method: Method, store: Store, clips: Mapping[str, ClipSpec], protocol: RetrievalProtocol, run: LocalRun) -> Result:
    """Embed the protocol's walks and rank them."""
    rows = np.flatnonzero((store.index["split"] == protocol.split).to_numpy())
    embeddings = embed(method, store, rows, clips, run)
    return evaluate(embeddings, store.index.iloc[rows], protocol, distance=method.distance, device=run.device)


def baselines(store: Store, name: str) -> dict[str, Result | float]:
    """What a number has to be compared with: chance, and nearest neighbours of gait energy images (Han and Bhanu, 2006)."""
    protocol = protocol_called(name)
    rows = np.flatnonzero((store.index["split"] == protocol.split).to_numpy())
    index = store.index.iloc[rows]
    out: dict[str, Result | float] = {"chance": chance(index, protocol)}
    if "silhouette" in store.manifest["modalities"]:
        out["GEI"] = evaluate(gei(store, rows), index, protocol)
    return out


def report(result: Result, beside: Mapping[str, Result | float], name: str, tracker: Any) -> None:
    """Print a protocol's tables, and hand tables and plots to the tracker."""
    others = {label: r for label, r in beside.items() if isinstance(r, Result)}
    for label, other in others.items():
        print(f"\n{result.protocol}: {label}\n{other.text()}")
    print(f"\n{result.protocol}: {name}\n{result.text()}")
    rows = [{"method": "chance", "rank-1": beside["chance"]}]
    rows += [{"method": label, "rank-1": r.rank1} for label, r in [*others.items(), (name, result)]]
    print(f"\n{result.protocol}: rank-1 (%)\n{pd.DataFrame(rows).to_string(index=False, float_format='%.1f')}", flush=True)
    tracker.table(result.protocol, result.table.reset_index())
    tracker.table(f"{result.protocol}-beside", pd.DataFrame(rows))
    tracker.final({f"{result.protocol}/rank1": result.rank1})
    tracker.figure(f"{result.protocol}-cmc", cmc_figure({label: r.cmc for label, r in [*others.items(), (name, result)]}))
    tracker.figure(f"{result.protocol}-scores", score_figure(result.positives, result.negatives))


def trained(folder: Path, run: LocalRun) -> tuple[Experiment, Method]:
    """The experiment and the network of a finished or unfinished run's folder: its best step, else its newest."""
    state = checkpoint.newest(folder, run.device)
    if state is None:
        raise ValueError(f"no checkpoint in {folder}")
    if state["best"]["step"] not in (0, state["step"]):
        state = checkpoint.read(checkpoint.step_path(folder, state["best"]["step"]), run.device)
    experiment: Experiment = from_dict(json.loads(state["config"]))
    method = experiment.method.build(len(state["subjects"])).to(run.device)
    if state["averaged"]:
        prefix = "module."
        weights = {k.removeprefix(prefix): v for k, v in state["averaged"].items() if k.startswith(prefix)}
    else:
        weights = state["method"]
    method.load_state_dict(weights)
    return experiment, method


def evaluate_run(folder: Path, run: LocalRun, tracker: Any, *, data: DataConfig | None, protocols: tuple[str, ...]) -> dict[str, Result]:
    """Test a run's network on `data` (None: its own) by `protocols` (none: its own); cross-data-set by construction."""
    experiment, method = trained(folder, run)
    store = open_data(data or experiment.data)
    clips = experiment.method.test_clips()
    results = {}
    for name in protocols or experiment.protocols:
        results[name] = test(method, store, clips, protocol_called(name), run)
        report(results[name], baselines(store, name), experiment.name, tracker)
    return results


def _some_clips(feed: Feed, walks: int = 8) -> tuple[np.ndarray, list[str]]:
    batch = feed.batch(0, torch.device("cpu"))
    role = next(iter(batch.clips))
    titles = [feed.subjects[int(s)] for s in batch.subject[:walks]]
    return batch.clips[role][:walks, :, 0].numpy(), titles
