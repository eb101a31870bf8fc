"""Recognisers in the lab: 74 people to learn from, galleries of a hundred to be found in, by CASIA-B's rules, in minutes of two cores.

What CASIA-B is to the field, on generated people: a baseline in the middle of the scale, well ahead of the classical rows, that has
learnt its training people by heart. Ablations are asked here (`cod2-lab`); `walkers-standard` stays the hard one.
"""

from dataclasses import replace

from experiments.walkers import GAITBASE_SMALL
from gaitlab.data.shards import DataConfig
from gaitlab.experiment import Benchmark, Experiment, OptimConfig, TrainConfig
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.sweeps.sweep import Sweep
from gaitlab.types import Augment
from gaitlab.walkers.presets import LAB, LAB_FEW, LAB_MANY

SILHOUETTES = DataConfig(root="walkers-lab-silhouettes", make=replace(LAB, modalities=("silhouette",)))
"""The silhouettes of `walkers-lab`, bit for bit."""

assert isinstance(GAITBASE_SMALL.method, SupervisedConfig)
GAITBASE_LAB = Experiment(
    name="gaitbase-walkers-lab",
    method=replace(GAITBASE_SMALL.method, clip=replace(GAITBASE_SMALL.method.clip, augment=Augment())),
    data=SILHOUETTES,
    optim=OptimConfig(name="adamw", lr=2e-3, weight_decay=1e-2, schedule="cosine", warmup=50),
    train=TrainConfig(steps=1500, precision="auto", log_every=100, checkpoint_every=500),
    benchmarks=(Benchmark(protocol="walkers-lab"),),
    validation="walkers-lab@validation",
)
"""Without flips, which cost 3.7 points on the validation people: walkers are seen from the left."""
FEW = DataConfig(root="walkers-lab-25-silhouettes", make=replace(LAB_FEW, modalities=("silhouette",)))
MANY = DataConfig(root="walkers-lab-500-silhouettes", make=replace(LAB_MANY, modalities=("silhouette",)))

ALL = {experiment.name: experiment for experiment in (GAITBASE_LAB,)}

HALF = "stem of stride 1, half the width"
RECIPE = Sweep(
    name="lab-recipe",
    title="What a baseline in the lab is best trained with",
    base=replace(GAITBASE_LAB, benchmarks=(Benchmark(protocol="walkers-lab@validation"),), validation=None),
    rows={
        "start": {},
        "flips": {"method.clip.augment": Augment(flip=0.5)},
        "rate x 2": {"optim.lr": 4e-3},
        "decay 0.065, margin 0.25": {"optim.weight_decay": 6.5e-2, "method.margin": 0.25},
        "average": {"optim.ema": 0.99},
        "2 x 16 walks": {"data.subjects_per_batch": 16, "data.walks_per_subject": 2},
        HALF: {"method.backbone.stem_stride": 1, "method.backbone.channels": (8, 16, 32, 64)},
    },
    baseline=dict.fromkeys(("flips", "rate x 2", "decay 0.065, margin 0.25", "average", "2 x 16 walks", HALF), "start"),
    seeds=(0,),
)
"""By the validation people, at equal steps; one change at a time."""

SWEEPS = {sweep.name: sweep for sweep in (RECIPE,)}
