"""An experiment's network under a protocol: what can be known beforehand, its score, its report."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from gaitlab.data.clips import spans, stored_modality, walk_frames
from gaitlab.data.store import Store
from gaitlab.evaluation.embedder import Distance
from gaitlab.evaluation.protocol import AnyProtocol
from gaitlab.evaluation.tested import Tested
from gaitlab.experiment import Experiment
from gaitlab.method import Method
from gaitlab.runs.summary import Summary
from gaitlab.training.border import Run, Tracker
from gaitlab.training.embed import embed
from gaitlab.types import Modality


@dataclass(frozen=True)
class MethodEmbedder:
    """The embedder that a protocol tests: a method, under its experiment's name, on all ranks of a run."""

    experiment: Experiment
    method: Method
    run: Run

    @property
    def name(self) -> str:
        return self.experiment.name

    @property
    def distance(self) -> Distance:
        return self.method.distance

    @property
    def device(self) -> torch.device:
        return self.run.device

    def embed(self, store: Store, rows: np.ndarray, modality: Modality | None) -> np.ndarray:
        return embed(self.method, store, rows, self.experiment.method.test_clips(modality), self.run)


def check(experiment: Experiment, store: Store, protocol: AnyProtocol) -> None:
    """ValueError, before anything is trained, if the store lacks what the protocol or the method's test clips ask for."""
    takes = experiment.method.channels()
    protocol.check(store.index)
    for modality, walks in protocol.sides(store.index):
        clips = experiment.method.test_clips(modality)
        for role, spec in clips.items():
            lacking = walks[walk_frames(store, spec.modality)[walks] == 0]
            if len(lacking):
                raise ValueError(
                    f"{len(lacking)} test walks of {store.root.name} have no {spec.modality} frames, "
                    f"the first is {store.index['key'].iloc[lacking[0]]!r}"
                )
            stored = stored_modality(store, spec.modality)
            channels = store.manifest["modalities"][stored]["shape"][0] if stored == spec.modality else 2  # drawn: joints, limbs
            if takes.get(role, channels) != channels:
                raise ValueError(
                    f"protocol {protocol.name}: {spec.modality} frames of {store.root.name} are {channels}-channel, "
                    f"the network of {experiment.name} takes {takes[role]}-channel ones; test it on another modality, or train one with "
                    f"--method.backbone.in-channels {channels}"
                )
        spans(store, clips, walks)


def score(experiment: Experiment, method: Method, store: Store, protocol: AnyProtocol, run: Run) -> float:
    """Percent that a protocol comes down to, on every rank: rank-1 or accuracy."""
    if not protocol.scored:
        raise ValueError(f"protocol {protocol.name} makes a file and no score; give one that scores, e.g. --validation walkers@validation")
    return protocol.test(MethodEmbedder(experiment, method, run), store).headline


def report(
    experiment: Experiment,
    method: Method,
    store: Store,
    protocol: AnyProtocol,
    run: Run,
    tracker: Tracker,
    train_store: Store | None = None,
) -> Summary:
    """Test beside the baselines, print, write files into the run's folder, hand tables, pictures and files to the tracker.

    train_store: where baselines learn if `store` has no training people of its own. On ranks above 0: the headline alone.
    """
    network = MethodEmbedder(experiment, method, run)
    if run.rank > 0:
        alone = protocol.test(network, store)
        return Summary(headline=alone.headline, measure=alone.measure)
    tested = protocol.test(network, store, learn_from=() if train_store is None else (train_store,))
    lines = tuple(_written(tested, run, tracker))
    print("\n".join(["", *lines, *filter(None, [tested.text])]), flush=True)
    if tested.metrics:
        tracker.final(tested.metrics)
    for name, table in tested.tables.items():
        tracker.table(name, table)
    for name, draw in tested.figures.items():
        tracker.figure(name, draw)
    return Summary(
        metrics=tested.metrics,
        subjects=tested.subjects,
        rank1=tested.rank1,
        classes=tested.classes,
        files=lines,
        headline=tested.headline,
        measure=tested.measure,
    )


def _written(tested: Tested, run: Run, tracker: Tracker) -> Iterator[str]:
    """A line for each file: where it lies. It is an artifact of the same name, too."""
    for name, make in tested.files.items():
        file = make()
        path = file.write(run.results / name)
        tracker.text(name, file.text)
        yield file.line(path)
