"""Diffusion pretraining in the lab: an autoencoder, a backbone that learns from 500 people's walks without their names, and what it is
worth to a recogniser that has the names of few.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from experiments.lab import GAITBASE_LAB, RECOGNISER, walks
from experiments.walkers import silhouettes
from gaitlab.data.shards import DataConfig
from gaitlab.experiment import Benchmark, Experiment, OptimConfig, TrainConfig, Transfer, parts
from gaitlab.methods import diffusion_pretrain
from gaitlab.methods.autoencoder import AutoencoderConfig
from gaitlab.methods.diffusion_pretrain import DiffusionPretrainConfig
from gaitlab.sweeps.sweep import Sweep
from gaitlab.types import ClipSpec
from gaitlab.walkers import presets

AUGMENT = replace(diffusion_pretrain.AUGMENT, flip=0.0)
"""The article's without flips: walkers are seen from the left."""


LATENT_CHANNELS = 8


def _unnamed(batch: int) -> DataConfig:
    return replace(silhouettes(presets.LAB_OTHERS), draw="walks", subjects_per_batch=batch, walks_per_subject=1)


AUTOENCODER_LAB = Experiment(
    name="autoencoder-lab",
    method=AutoencoderConfig(
        clip=ClipSpec(frames=2, width=None, augment=AUGMENT),
        repeat=1,
        latent_channels=LATENT_CHANNELS,
        width=16,
        encoder_blocks=(0, 1, 1, 1, 1),
        decoder_blocks=(1, 1, 1, 1, 0),
    ),
    data=_unnamed(32),
    optim=OptimConfig(name="adamw", lr=3e-3, weight_decay=1e-4, schedule="cosine", warmup=50, clip_norm=1.0),
    train=TrainConfig(steps=600, precision="auto", log_every=100, checkpoint_every=300),
    validation="loss",
)
"""Frames of 64 x 64 as 8 maps of 4 x 4, in a minute or two."""

PRETRAIN_LAB = Experiment(
    name="pretrain-lab",
    method=DiffusionPretrainConfig(
        backbone=RECOGNISER.backbone,
        clip=replace(RECOGNISER.clip, augment=AUGMENT),
        rebuilt=ClipSpec(frames=6, order="consecutive", width=None, augment=AUGMENT),
        width=32,
        multipliers=(1, 2),
        latent_channels=LATENT_CHANNELS,
        denoiser_lr=1e-3,
    ),
    data=_unnamed(48),
    init=(Transfer(of=AUTOENCODER_LAB, parts={"": "autoencoder"}, lr_ratio=0),),
    optim=OptimConfig(name="adamw", lr=2e-3, weight_decay=1e-2, schedule="cosine", warmup=50),
    train=TrainConfig(steps=1500, precision="auto", log_every=100, checkpoint_every=500),
    benchmarks=(Benchmark(protocol="walkers-lab", data=silhouettes(presets.LAB)),),
)

FINETUNED_LAB = replace(
    GAITBASE_LAB,
    name="finetuned-lab",
    init=(Transfer(of=PRETRAIN_LAB, parts=parts("backbone"), lr_ratio=0.1),),
    train=replace(GAITBASE_LAB.train, steps=600, checkpoint_every=300),
    validation=None,
)

ALL = {experiment.name: experiment for experiment in (AUTOENCODER_LAB, PRETRAIN_LAB, FINETUNED_LAB)}


def table(finetuned: Experiment) -> Sweep:
    """What a recogniser that starts from a pretrained backbone is compared with: the same from scratch, and with the backbone at rest, and
    both halves of the question whether 11 % of the steps are enough."""
    few = {"train.steps": max(1, round(0.11 * finetuned.train.steps)), "optim.warmup": round(0.11 * finetuned.optim.warmup)}
    scratch: Mapping[str, Any] = {"init": ()}
    rows: Mapping[str, Mapping[str, Any]] = {
        "scratch": scratch,
        "frozen": {"init.0.lr_ratio": 0.0},
        "finetuned": {},
        "scratch-11pct": {**scratch, **few},
        "finetuned-11pct": few,
    }
    return Sweep(
        name=f"{finetuned.name}-table",
        title="A pretrained backbone against one from scratch",
        base=finetuned,
        rows=rows,
        baseline={row: "scratch" for row in rows if row != "scratch"},
        seeds=(0, 1, 2, 3, 4),
    )


LAB = replace(table(FINETUNED_LAB), name="pretrain-lab")
"""Seeds share the pretraining."""
LAB_25 = replace(
    table(replace(FINETUNED_LAB, data=walks(presets.LAB_FEW))),
    name="pretrain-lab-25",
    title="A pretrained backbone against one from scratch, with 25 people's names",
)
SWEEPS = {sweep.name: sweep for sweep in (LAB, LAB_25)}
