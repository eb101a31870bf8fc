"""Recognisers on the embedded benchmark: a hundred people to be found again, a thousand to learn from.

Full width is for a GPU. `-small` is a quarter of the width behind a stem of stride 2, 6 frames, for two CPU cores and two hundred people to
learn from; the three `-small` ones share data, losses, optimiser and number of steps, and differ in the network (and in that DeepGaitV2's
six frames are in order, since it looks at it).
"""

from dataclasses import replace

from experiments.supervised import DEEPGAITV2, GAITBASE, GAITSET
from gaitlab.backbones.deepgaitv2 import DeepGaitV2Config
from gaitlab.backbones.gaitbase import GaitBaseConfig
from gaitlab.backbones.gaitset import GaitSetConfig
from gaitlab.data.shards import DataConfig
from gaitlab.experiment import Benchmark, Experiment, OptimConfig, TrainConfig
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.types import Augment, ClipSpec
from gaitlab.walkers.presets import CLOTHES, STANDARD, WILD
from gaitlab.walkers.source import Generated


def silhouettes(people: Generated) -> DataConfig:
    """The silhouettes of a preset, bit for bit; generated in a quarter of the time."""
    return DataConfig(root=f"{people.name}-silhouettes", make=replace(people, modalities=("silhouette",)))


SILHOUETTES = silhouettes(STANDARD)

FEWER = DataConfig(
    root="walkers-fewer-silhouettes", make=replace(STANDARD, train_subjects=200, validation_subjects=20, modalities=("silhouette",))
)
"""The same test people, and the first two hundred to learn from: as many as a few hundred CPU steps can make use of."""

GAITBASE_WALKERS = Experiment(
    name="gaitbase-walkers",
    method=GAITBASE,
    data=replace(SILHOUETTES, subjects_per_batch=16, walks_per_subject=8),
    optim=OptimConfig(name="sgd", lr=0.1, weight_decay=5e-4, milestones=(8_000, 14_000, 18_000)),
    train=TrainConfig(steps=20_000, precision="auto"),
    benchmarks=(Benchmark(protocol="walkers"),),
)
GAITSET_WALKERS = replace(GAITBASE_WALKERS, name="gaitset-walkers", method=GAITSET)
DEEPGAITV2_WALKERS = replace(GAITBASE_WALKERS, name="deepgaitv2-walkers", method=DEEPGAITV2)
GAITBASE_WALKERS_CC = replace(
    GAITBASE_WALKERS,
    name="gaitbase-walkers-cc",
    data=replace(GAITBASE_WALKERS.data, root="walkers-cc", make=CLOTHES),
    benchmarks=(Benchmark(protocol="walkers-cc"),),
)
GAITBASE_WALKERS_WILD = replace(
    GAITBASE_WALKERS,
    name="gaitbase-walkers-wild",
    data=replace(GAITBASE_WALKERS.data, root="walkers-wild", make=WILD, walks_per_subject=4),
    benchmarks=(Benchmark(protocol="walkers-wild"),),
)

_CLIP = ClipSpec(frames=6, order="unordered", augment=Augment(flip=0.5))
_GAITBASE = SupervisedConfig(
    backbone=GaitBaseConfig(channels=(16, 32, 64, 128), stem_stride=2, bins=(8,)),
    clip=_CLIP,
    embedding=64,
    triplet_on="normalised",
    embed_from="normalised",
)
GAITBASE_SMALL = Experiment(
    name="gaitbase-walkers-small",
    method=_GAITBASE,
    data=FEWER,
    optim=OptimConfig(name="adamw", lr=2e-3, weight_decay=1e-2, schedule="cosine", warmup=50),
    train=TrainConfig(steps=3200, precision="auto", log_every=200, checkpoint_every=800),
    benchmarks=(Benchmark(protocol="walkers"),),
)
GAITSET_SMALL = replace(
    GAITBASE_SMALL,
    name="gaitset-walkers-small",
    method=replace(_GAITBASE, backbone=GaitSetConfig(channels=(8, 16, 32))),
)
DEEPGAITV2_SMALL = replace(
    GAITBASE_SMALL,
    name="deepgaitv2-walkers-small",
    method=replace(
        _GAITBASE,
        backbone=DeepGaitV2Config(channels=(16, 32, 64, 128), stem_stride=2, bins=(8,)),
        clip=replace(_CLIP, order="ordered"),
    ),
)

ALL = {
    experiment.name: experiment
    for experiment in (
        GAITBASE_WALKERS, GAITSET_WALKERS, DEEPGAITV2_WALKERS, GAITBASE_WALKERS_CC, GAITBASE_WALKERS_WILD,
        GAITBASE_SMALL, GAITSET_SMALL, DEEPGAITV2_SMALL,
    )
}  # fmt: skip
