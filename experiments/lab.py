"""Recognisers in the lab: 74 people to learn from, galleries of a hundred to be found in, by CASIA-B's rules, in minutes of two cores.

What CASIA-B is to the field, on generated people: a baseline in the middle of the scale, well ahead of the classical rows, that has
learnt its training people by heart. Ablations are asked here (`cod2-lab`); `walkers-standard` stays the hard one.
"""

from dataclasses import replace

from experiments.walkers import GAITBASE_SMALL
from gaitlab.data.shards import DataConfig
from gaitlab.experiment import Benchmark, Experiment, OptimConfig, TrainConfig
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.walkers.presets import LAB, LAB_FEW, LAB_MANY

SILHOUETTES = DataConfig(root="walkers-lab-silhouettes", make=replace(LAB, modalities=("silhouette",)))
"""The silhouettes of `walkers-lab`, bit for bit."""

assert isinstance(GAITBASE_SMALL.method, SupervisedConfig)
GAITBASE_LAB = Experiment(
    name="gaitbase-walkers-lab",
    method=GAITBASE_SMALL.method,
    data=SILHOUETTES,
    optim=OptimConfig(name="adamw", lr=2e-3, weight_decay=1e-2, schedule="cosine", warmup=50),
    train=TrainConfig(steps=1500, precision="auto", log_every=100, checkpoint_every=500),
    benchmarks=(Benchmark(protocol="walkers-lab"),),
    validation="walkers-lab@validation",
)
FEW = DataConfig(root="walkers-lab-25-silhouettes", make=replace(LAB_FEW, modalities=("silhouette",)))
MANY = DataConfig(root="walkers-lab-500-silhouettes", make=replace(LAB_MANY, modalities=("silhouette",)))

ALL = {experiment.name: experiment for experiment in (GAITBASE_LAB,)}
