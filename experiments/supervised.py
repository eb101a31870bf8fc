"""Supervised recognisers: the embedded demo, and the published settings of GaitSet, GaitBase and DeepGaitV2.

Settings are those of the reference implementation of Fan et al. (OpenGait, CVPR 2023); a data set's folder of shards is
looked for in $GAITLAB_HOME/data under the data set's name.
"""

from dataclasses import replace

from gaitlab.backbones.deepgaitv2 import DeepGaitV2Config
from gaitlab.backbones.gaitbase import GaitBaseConfig
from gaitlab.backbones.gaitset import GaitSetConfig
from gaitlab.data.sources.walkers import presets
from gaitlab.experiment import Benchmark, DataConfig, Experiment, OptimConfig, TrainConfig
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.types import Augment, ClipSpec

DEMO = Experiment(
    name="demo",
    method=SupervisedConfig(
        backbone=GaitBaseConfig(channels=(16, 32, 64, 128), stem_stride=2, bins=(8,)),
        clip=ClipSpec(frames=6, order="unordered", augment=Augment(flip=0.5)),
        embedding=64,
        triplet_on="normalised",
        embed_from="normalised",
    ),
    data=DataConfig(root="walkers-demo", make=presets.DEMO),
    optim=OptimConfig(name="adamw", lr=2e-3, weight_decay=1e-2, schedule="cosine", warmup=50),
    train=TrainConfig(steps=2500, precision="bfloat16", log_every=50, checkpoint_every=250),
    benchmarks=(Benchmark(protocol="walkers"),),
)
"""GaitBase at a quarter of its width on the embedded walkers: minutes on two cores."""


# -- published settings -----------------------------------------------------------------------------------------------

MIXED = Augment(perspective=0.2, flip=0.2, rotate=0.2)
GAITSET = SupervisedConfig(backbone=GaitSetConfig(), clip=ClipSpec(), neck="none")
GAITBASE = SupervisedConfig(backbone=GaitBaseConfig(), clip=ClipSpec(augment=Augment(rotate=0.3, erase=0.3)))
DEEPGAITV2 = SupervisedConfig(backbone=DeepGaitV2Config(), clip=ClipSpec(order="ordered", augment=MIXED))


def _sgd(*milestones: int) -> OptimConfig:
    return OptimConfig(name="sgd", lr=0.1, weight_decay=5e-4, milestones=milestones)


GAITSET_CASIA_B = Experiment(
    name="gaitset-casia-b",
    method=GAITSET,
    data=DataConfig(root="casia-b", subjects_per_batch=8, walks_per_subject=16),
    optim=_sgd(10_000, 20_000, 30_000),
    train=TrainConfig(steps=40_000, precision="float16"),
    benchmarks=(Benchmark(protocol="casia-b"),),
)
GAITBASE_CASIA_B = replace(
    GAITSET_CASIA_B,
    name="gaitbase-casia-b",
    method=GAITBASE,
    optim=_sgd(20_000, 40_000, 50_000),
    train=TrainConfig(steps=60_000, precision="float16"),
)
DEEPGAITV2_CASIA_B = replace(GAITBASE_CASIA_B, name="deepgaitv2-casia-b", method=DEEPGAITV2)

GAITBASE_GAIT3D = Experiment(
    name="gaitbase-gait3d",
    method=replace(GAITBASE, clip=ClipSpec(frames=(10, 50), augment=MIXED)),
    data=DataConfig(root="gait3d", subjects_per_batch=32, walks_per_subject=4),
    optim=_sgd(20_000, 40_000, 50_000),
    train=TrainConfig(steps=60_000, precision="float16"),
    benchmarks=(Benchmark(protocol="gait3d"),),
)
DEEPGAITV2_GAIT3D = replace(
    GAITBASE_GAIT3D,
    name="deepgaitv2-gait3d",
    method=replace(DEEPGAITV2, backbone=DeepGaitV2Config(layers=(1, 4, 4, 1))),
)

DEEPGAITV2_SUSTECH1K = Experiment(
    name="deepgaitv2-sustech1k",
    method=replace(DEEPGAITV2, clip=replace(DEEPGAITV2.clip, frames=10)),
    data=DataConfig(root="sustech1k", subjects_per_batch=8, walks_per_subject=8),
    optim=_sgd(20_000, 30_000, 40_000),
    train=TrainConfig(steps=50_000, precision="float16"),
    benchmarks=(Benchmark(protocol="sustech1k"),),
)

ALL = {
    experiment.name: experiment
    for experiment in (
        DEMO, GAITSET_CASIA_B, GAITBASE_CASIA_B, DEEPGAITV2_CASIA_B, GAITBASE_GAIT3D, DEEPGAITV2_GAIT3D, DEEPGAITV2_SUSTECH1K,
    )
}  # fmt: skip
