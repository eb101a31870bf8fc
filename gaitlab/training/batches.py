"""A run's batches: this rank's share of those it learns from, and walks set aside to judge it by and to look at."""

from collections.abc import Callable
from functools import cache

import torch

from gaitlab.data.clips import shows
from gaitlab.data.feed import Feed, FeedMaker, learners
from gaitlab.data.store import Store
from gaitlab.experiment import Experiment
from gaitlab.training.border import Run
from gaitlab.types import Batch

SEEN = 8
"""People of whom walks are looked at, at most."""


def make_feed(experiment: Experiment, store: Store, run: Run, blocks: FeedMaker | None = None, split: str = "train") -> Feed:
    """This rank's share of the batches, from the memory map or (with `blocks`) from Ray's object store."""
    data = experiment.data
    make: FeedMaker = Feed
    if data.feed == "ray":
        if blocks is None:
            raise ValueError("--data.feed ray needs Ray: start a pipeline that launches it, e.g. python pipelines/supervised.py")
        make = blocks
    return make(
        store, experiment.method.clips(), p=data.subjects_per_batch, k=data.walks_per_subject, seed=experiment.seed,
        rank=run.rank, world=run.world, split=split, draw=data.draw, targets=experiment.method.targets(),
    )  # fmt: skip


def walks_to_look_at(experiment: Experiment, store: Store, feed: Feed, device: torch.device) -> Callable[[], Batch]:
    """The same walks whenever it is called: of people set aside if there are some on this node, else of the first batch."""

    @cache
    def batch() -> Batch:
        clips, data = experiment.method.clips(), experiment.data
        set_aside = (store.index["split"] == "validation").to_numpy() & shows(store, clips)
        if data.feed == "ray" or not set_aside.any():
            return feed.batch(0, device)
        people = len(learners(store, clips, "validation").names)
        p = min(data.subjects_per_batch, SEEN, people) or data.subjects_per_batch
        draw = data.draw if people else "walks"
        return Feed(store, clips, p=p, k=data.walks_per_subject, seed=experiment.seed, split="validation", draw=draw).batch(0, device)

    return batch
