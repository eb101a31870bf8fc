"""Recognisers in the lab: 74 people to learn from, galleries of a hundred to be found in, by CASIA-B's rules, in minutes of two cores.

What CASIA-B is to the field, on generated people: a baseline in the middle of the scale, well ahead of the classical rows, that has
learnt its training people by heart. Ablations are asked here (`cod2-lab`); `walkers-standard` stays the hard one.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from experiments.walkers import silhouettes
from gaitlab.backbones.gaitbase import GaitBaseConfig
from gaitlab.data.shards import DataConfig
from gaitlab.experiment import Benchmark, Experiment, OptimConfig, TrainConfig
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.sweeps.sweep import Sweep
from gaitlab.types import Augment, ClipSpec
from gaitlab.walkers.presets import LAB, LAB_FEW, LAB_MANY
from gaitlab.walkers.source import Generated

RECOGNISER = SupervisedConfig(
    backbone=GaitBaseConfig(channels=(16, 32, 48, 64), stem_stride=2, bins=(8,), set_pooling="max+mean"),
    clip=ClipSpec(frames=4, order="unordered"),
    embedding=128,
    triplet_on="normalised",
    embed_from="normalised",
    snippet=4,
)
"""GaitBase on maps of 32 x 22, narrower where that costs little; 0.3 million parameters. No flips: walkers are seen from the left."""

MILD = Augment(rotate=0.1, perspective=0.1, erase=0.1, dilate=0.1)


def walks(preset: Generated) -> DataConfig:
    """Batches of the lab's recogniser."""
    return replace(silhouettes(preset), subjects_per_batch=12, walks_per_subject=4)


GAITBASE_LAB = Experiment(
    name="gaitbase-walkers-lab",
    method=RECOGNISER,
    data=walks(LAB),
    optim=OptimConfig(name="muon", lr=1e-2, weight_decay=1e-2, schedule="cosine", warmup=50),
    train=TrainConfig(steps=1500, precision="auto", log_every=100, checkpoint_every=500),
    benchmarks=(Benchmark(protocol="walkers-lab"),),
    validation="walkers-lab@validation",
)

ALL = {GAITBASE_LAB.name: GAITBASE_LAB}

_CHANGES: dict[str, Mapping[str, Any]] = {
    "AdamW, 4e-3": {"optim.name": "adamw", "optim.lr": 4e-3},
    "rate x 2": {"optim.lr": 2e-2},
    "rate / 2": {"optim.lr": 5e-3},
    "decay x 10": {"optim.weight_decay": 1e-1},
    "margin 0.3": {"method.margin": 0.3},
    "flips": {"method.clip.augment": Augment(flip=0.5)},
    "rotations": {"method.clip.augment": Augment(rotate=0.3)},
    "average": {"optim.ema": 0.99},
    "frames in order": {"method.clip.order": "ordered"},
    "32 walks of 6 frames": {"method.clip.frames": 6, "data.subjects_per_batch": 8},
    "walks at once": {"method.snippet": None},
    "maximum over time": {"method.backbone.set_pooling": "max"},
    "embedding of 64": {"method.embedding": 64},
    "128 channels at the end": {"method.backbone.channels": (16, 32, 64, 128)},
}
RECIPE = Sweep(
    name="lab-recipe",
    title="What a baseline in the lab is best trained with",
    base=replace(
        GAITBASE_LAB,
        train=replace(GAITBASE_LAB.train, steps=600),
        benchmarks=(Benchmark(protocol="walkers-lab@validation"),),
        validation=None,
    ),
    rows={"start": {}, **_CHANGES},
    baseline=dict.fromkeys(_CHANGES, "start"),
    seeds=(0,),
)
"""By the validation people, at equal steps; one change at a time."""

CURVE = Sweep(
    name="lab-curve",
    title="Rank-1 in the lab against the length of training",
    base=GAITBASE_LAB,
    rows={
        **{f"{steps} steps": {"train.steps": steps} for steps in (300, 600, 1500)},
        **{f"{steps} steps": {"train.steps": steps, "method.clip.augment": MILD} for steps in (4000, 8000)},
    },
    seeds=(0,),
)
"""Each length with a schedule of its own; the long ones, which know the training people by heart otherwise, with augmentation."""

_PRESETS = {"25 people": LAB_FEW, "74 people": LAB, "500 people": LAB_MANY}
PEOPLE = Sweep(
    name="lab-people",
    title="The lab's baseline against the number of people to learn from",
    base=GAITBASE_LAB,
    rows={row: {"data": walks(preset)} for row, preset in _PRESETS.items()},
    baseline={"25 people": "74 people", "500 people": "74 people"},
    seeds=(0,),
)
"""Those to be found are the same."""

SWEEPS = {sweep.name: sweep for sweep in (RECIPE, CURVE, PEOPLE)}
