"""Recognisers in the lab: 74 people to learn from, galleries of a hundred to be found in, by CASIA-B's rules, in minutes of two cores.

What CASIA-B is to the field, on generated people: a baseline in the middle of the scale, well ahead of the classical rows, that has
learnt its training people by heart. Ablations are asked here (`cod2-lab`); `walkers-standard` stays the hard one.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from experiments.walkers import GAITBASE_SMALL, silhouettes
from gaitlab.experiment import Benchmark
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.sweeps.sweep import Sweep
from gaitlab.types import Augment
from gaitlab.walkers.presets import LAB

assert isinstance(GAITBASE_SMALL.method, SupervisedConfig)
GAITBASE_LAB = replace(
    GAITBASE_SMALL,
    name="gaitbase-walkers-lab",
    method=replace(GAITBASE_SMALL.method, clip=replace(GAITBASE_SMALL.method.clip, augment=Augment())),
    data=silhouettes(LAB),
    train=replace(GAITBASE_SMALL.train, steps=1500, log_every=100, checkpoint_every=500),
    benchmarks=(Benchmark(protocol="walkers-lab"),),
    validation="walkers-lab@validation",
)
"""Without flips, which cost 3.7 points on the validation people: walkers are seen from the left."""

ALL = {experiment.name: experiment for experiment in (GAITBASE_LAB,)}

_CHANGES: dict[str, Mapping[str, Any]] = {
    "flips": {"method.clip.augment": Augment(flip=0.5)},
    "rate x 2": {"optim.lr": 4e-3},
    "decay 0.065, margin 0.25": {"optim.weight_decay": 6.5e-2, "method.margin": 0.25},
    "average": {"optim.ema": 0.99},
    "2 x 16 walks": {"data.subjects_per_batch": 16, "data.walks_per_subject": 2},
    "stem of stride 1, half the width": {"method.backbone.stem_stride": 1, "method.backbone.channels": (8, 16, 32, 64)},
}
RECIPE = Sweep(
    name="lab-recipe",
    title="What a baseline in the lab is best trained with",
    base=replace(GAITBASE_LAB, benchmarks=(Benchmark(protocol="walkers-lab@validation"),), validation=None),
    rows={"start": {}, **_CHANGES},
    baseline=dict.fromkeys(_CHANGES, "start"),
    seeds=(0,),
)
"""By the validation people, at equal steps; one change at a time."""

SWEEPS = {sweep.name: sweep for sweep in (RECIPE,)}
