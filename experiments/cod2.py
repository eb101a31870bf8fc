"""CoD2 on the data sets that it was published for, and on the embedded benchmark beside its baseline.

Inputs, optimiser and schedule of the published four are DeepGaitV2's (that the authors used these is inferred, not stated); what their
slides leave open is our default (`gaitlab.methods.cod2`). The two `-small` ones differ in the method only.
"""

from dataclasses import replace

from experiments import supervised
from experiments.lab import GAITBASE_LAB, RECOGNISER
from experiments.supervised import DEEPGAITV2_GAIT3D, DEEPGAITV2_SUSTECH1K
from experiments.walkers import GAITBASE_SMALL
from gaitlab.backbones.gaitbase import GaitBaseConfig
from gaitlab.data.shards import DataConfig
from gaitlab.experiment import Experiment, OptimConfig, TrainConfig
from gaitlab.methods.cod2 import CoD2Config
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.types import Augment
from gaitlab.walkers.presets import MINI


def _cod2(baseline: Experiment, name: str) -> Experiment:
    """The same experiment with the recogniser inside CoD2."""
    assert isinstance(baseline.method, SupervisedConfig)
    return replace(baseline, name=name, method=CoD2Config(recogniser=baseline.method))


COD2_SUSTECH1K = _cod2(DEEPGAITV2_SUSTECH1K, "cod2-sustech1k")
COD2_CCPG = _cod2(supervised.ALL["deepgaitv2-ccpg"], "cod2-ccpg")
COD2_GREW = _cod2(supervised.ALL["deepgaitv2-grew"], "cod2-grew")
COD2_GAIT3D = _cod2(DEEPGAITV2_GAIT3D, "cod2-gait3d")

assert isinstance(GAITBASE_SMALL.method, SupervisedConfig)
ORDERED = replace(GAITBASE_SMALL.method, clip=replace(GAITBASE_SMALL.method.clip, order="ordered"))
"""Frames in order, as G needs them."""
COD2_SMALL = replace(GAITBASE_SMALL, name="cod2-walkers-small", method=CoD2Config(recogniser=ORDERED, widths=(16, 32, 64), patch=2))

MINI_RECOGNISER = replace(
    ORDERED,
    backbone=GaitBaseConfig(channels=(16, 32, 64, 128), stem_stride=4, bins=(4,)),
    clip=replace(ORDERED.clip, augment=Augment()),
    margin=0.25,
)
"""GaitBase on maps of 16 x 11: a sixteenth of the pixels, a tenth of a second for a step of one core."""
BASELINE_MINI = Experiment(
    name="cod2-baseline-walkers-mini",
    method=MINI_RECOGNISER,
    data=DataConfig(root="walkers-mini", make=MINI),
    optim=OptimConfig(name="adamw", lr=8.8e-3, weight_decay=6.5e-2, schedule="cosine", warmup=50),
    train=TrainConfig(steps=400, precision="float32", log_every=100, checkpoint_every=200),
    benchmarks=GAITBASE_SMALL.benchmarks,
    validation="walkers@validation",
)
"""Rate, decay, margin and no flips: the best of `cod2-search-baseline`, on the validation identities."""
COD2_MINI = replace(
    BASELINE_MINI,
    name="cod2-walkers-mini",
    method=CoD2Config(
        recogniser=MINI_RECOGNISER,
        generated_weight=0.1,
        rebuilt_weight=1.0,
        clean=0.67,
        steps=100,
        norm="sigmoid",
        widths=(8, 16, 32),
        patch=4,
        denoiser_lr=3e-3,
    ),
)
"""What ablation tables are made with where there is no GPU: four minutes of one core a run. G folds 4 x 4 pixels, D skips as many. Weights
of the losses, share of clean frames, noise steps and norm: the best of `cod2-search`."""
IN_ORDER = replace(RECOGNISER, clip=replace(RECOGNISER.clip, order="ordered"))
COD2_LAB = replace(
    GAITBASE_LAB,
    name="cod2-walkers-lab",
    method=CoD2Config(
        recogniser=IN_ORDER,
        generated_weight=0.3,
        clean=0.5,
        steps=1000,
        lowest_level=0.5,
        bound="tanh",
        widths=(8, 16, 32),
        patch=4,
        denoiser_lr=3e-3,
    ),
)
"""Where ablations are asked: 2.4 times its baseline's step. G folds 4 x 4 pixels."""
COD2_DEMO = replace(COD2_LAB, name="cod2-demo", train=replace(COD2_LAB.train, steps=700, checkpoint_every=350), validation=None)
"""`make demo`: seven minutes of two cores with its baseline."""

ALL = {
    experiment.name: experiment
    for experiment in (
        COD2_SUSTECH1K, COD2_CCPG, COD2_GREW, COD2_GAIT3D, COD2_SMALL, BASELINE_MINI, COD2_MINI,
        COD2_LAB, COD2_DEMO,
    )
}  # fmt: skip
