"""The tables of the diffusion-pretraining article as sweeps: for Gait3D as published, and at a size that two cores run in the lab.

Published figures: "Diffusion Pretraining for Gait Recognition in the Wild" (OpenReview r4GxmIBDbO, ICLR 2025 submission), tables I and III;
rank-1 on Gait3D in percent. Cells whose print is damaged are left out. Each row stands on a pretraining of its own; equal ones are one run.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from experiments.pretrain import FINETUNED_LAB
from experiments.supervised import GAITBASE, GAITGL_WIDE, GAITPART_WIDE, GAITSET_WIDE
from gaitlab.backbones.plain import PlainConfig
from gaitlab.data.shards import DataConfig
from gaitlab.experiment import Benchmark, Experiment, OptimConfig, TrainConfig, Transfer, parts
from gaitlab.methods.diffusion_pretrain import AUGMENT, DiffusionPretrainConfig
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.sweeps.sweep import Choice, Sweep, Uniform
from gaitlab.types import Augment

SOURCE = "Diffusion Pretraining for Gait Recognition in the Wild (OpenReview r4GxmIBDbO), tables I and III"
TAESD = (Transfer(of="taesd", parts={"": "autoencoder"}, lr_ratio=0),)
"""The run that `python pipelines/autoencoder.py import` makes."""


def _cosine(method: SupervisedConfig, **changes: Any) -> SupervisedConfig:
    """The article compares by cosines, in the triplets and in the test."""
    return replace(method, compared_by="cosine", clip=replace(method.clip, augment=Augment()), **changes)


PLAIN = SupervisedConfig(backbone=PlainConfig(), identity_weight=0.1)
"""SMPLGait without its bodies; what the ablations are of."""
RECOGNISERS: Mapping[str, SupervisedConfig] = {
    "GaitGL": _cosine(GAITGL_WIDE),
    "GaitPart": _cosine(GAITPART_WIDE),
    "GaitSet": _cosine(GAITSET_WIDE),
    "SMPLGait w/o 3D": _cosine(PLAIN),
    "GaitBase": _cosine(GAITBASE, identity_weight=0.1),
}


def _pretrained(name: str) -> Experiment:
    """120,000 steps on Gait3D's walks, without their names."""
    method = RECOGNISERS[name]
    return Experiment(
        name=f"pretrain-{name.lower().replace(' w/o ', '-without-').replace(' ', '-')}-gait3d",
        method=DiffusionPretrainConfig(backbone=method.backbone, clip=replace(method.clip, frames=30, augment=AUGMENT)),
        data=DataConfig(root="gait3d", subjects_per_batch=64, walks_per_subject=1, draw="walks"),
        init=TAESD,
        optim=OptimConfig(name="adamw", lr=5e-4, weight_decay=0.01, schedule="cosine", warmup=2000),
        train=TrainConfig(steps=120_000, precision="float16"),
    )


def _taken(name: str, ratio: float) -> tuple[Transfer, ...]:
    return (Transfer(of=_pretrained(name), parts=parts("backbone"), lr_ratio=ratio),)


FINETUNED_GAIT3D = Experiment(
    name="finetuned-smplgait-without-3d-gait3d",
    method=RECOGNISERS["SMPLGait w/o 3D"],
    data=DataConfig(root="gait3d", subjects_per_batch=32, walks_per_subject=4),
    init=_taken("SMPLGait w/o 3D", 0.1),
    optim=OptimConfig(name="sgd", lr=0.1, weight_decay=5e-4, milestones=(20_000, 40_000, 50_000)),
    train=TrainConfig(steps=60_000, precision="float16"),
    benchmarks=(Benchmark(protocol="gait3d", distance="cosine"),),
)
"""r and the optimiser's settings behind the pretraining are not published; those are OpenGait's."""

ALL = {each.name: each for each in (FINETUNED_GAIT3D, *map(_pretrained, RECOGNISERS))}

GAIT3D: Mapping[str, tuple[float, ...]] = {
    "GaitGL": (29.2, 32.4, 17.0, 34.4, 34.4),
    "GaitPart": (31.2, 38.7, 18.8, 35.7, 41.7),
    "GaitSet": (42.2, 47.8, 23.5, 45.0, 49.9),
    "SMPLGait w/o 3D": (45.5, 42.9, 30.7, 53.4, 60.7),
    "GaitBase": (56.5, 65.8, 35.0, 62.3, 69.7),
}
"""Scratch, scratch aug, frozen, finetuned, finetuned aug; of frozen aug every print is damaged."""


def _table_1() -> Sweep:
    rows: dict[str, Mapping[str, Any]] = {}
    baseline: dict[str, str] = {}
    published: dict[str, float] = {}
    for name, figures in GAIT3D.items():
        long = {"train.steps": 180_000, "optim.milestones": (60_000, 120_000, 150_000)} if name != "GaitBase" else {}
        plain = {"method": RECOGNISERS[name]}
        aug = {"method": replace(RECOGNISERS[name], clip=replace(RECOGNISERS[name].clip, augment=AUGMENT))}
        own = {
            "scratch": {**plain, **long, "init": ()},
            "scratch, aug": {**aug, **long, "init": ()},
            "frozen": {**plain, "init": _taken(name, 0.0)},
            "finetuned": {**plain, "init": _taken(name, 0.1)},
            "finetuned, aug": {**aug, "init": _taken(name, 0.1)},
        }
        rows |= {f"{name}, {row}": values for row, values in own.items()}
        baseline |= {f"{name}, {row}": f"{name}, scratch" for row in ("frozen", "finetuned")}
        baseline[f"{name}, finetuned, aug"] = f"{name}, scratch, aug"
        published |= {f"{name}, {row}": figure for row, figure in zip(own, figures, strict=True)}
    return Sweep(
        name="pretrain-gait3d",
        title="Table I: backbones that were pretrained by diffusion, on Gait3D",
        base=FINETUNED_GAIT3D,
        rows=rows,
        baseline=baseline,
        published={"Gait3D": published},
        source=SOURCE,
    )


_OF = "init.0.of.method"
PUBLISHED = {
    "as published": 49.1,
    "uniform weights": 47.6,
    "cosine, uniform weights": 47.5,
    "cosine, min-SNR weights": 48.2,
    "maximum of the parts": 47.8,
    "mean + maximum of the parts": 47.4,
    "no augmentation": 44.6,
    "denoiser of half the width": 47.5,
    "denoiser of twice the width": 50.6,
    "rates equal": 45.9,
    "rates 2 : 1": 47.4,
    "always told": 47.2,
    "half of the time untold": 47.7,
}
"""Table III's; of figure 5, "the same clip twice", no number is in print."""


def _parts(pretraining: DiffusionPretrainConfig) -> dict[str, dict[str, Any]]:
    """Row -> what it changes; the base's rates are 5 : 1."""
    width, rate = pretraining.width, pretraining.denoiser_lr
    return {
        "as published": {},
        "uniform weights": {f"{_OF}.weighting": "uniform"},
        "cosine, uniform weights": {f"{_OF}.schedule": "cosine", f"{_OF}.weighting": "uniform"},
        "cosine, min-SNR weights": {f"{_OF}.schedule": "cosine", f"{_OF}.weighting": "min-snr"},
        "maximum of the parts": {f"{_OF}.pooling": "max"},
        "mean + maximum of the parts": {f"{_OF}.pooling": "mean+max"},
        "no augmentation": {f"{_OF}.clip.augment": Augment(), f"{_OF}.rebuilt.augment": Augment()},
        "denoiser of half the width": {f"{_OF}.width": width // 2},
        "denoiser of twice the width": {f"{_OF}.width": 2 * width},
        "rates equal": {f"{_OF}.denoiser_lr": 5 * rate},
        "rates 2 : 1": {f"{_OF}.denoiser_lr": 2.5 * rate},
        "always told": {f"{_OF}.unconditional": 0.0},
        "half of the time untold": {f"{_OF}.unconditional": 0.5},
        "the same clip twice": {f"{_OF}.same_clip": True},
    }


def _table_3(name: str, base: Experiment) -> Sweep:
    of = base.init[0].of
    assert isinstance(of, Experiment)
    assert isinstance(of.method, DiffusionPretrainConfig)
    rows = _parts(of.method)
    return Sweep(
        name=name,
        title="Table III and figure 5: what diffusion pretraining is made of",
        base=base,
        rows=rows,
        baseline={row: "as published" for row in rows if row != "as published"},
        published={"Gait3D": PUBLISHED},
        source=SOURCE,
    )


TABLE_1 = _table_1()
TABLE_3 = _table_3("pretrain-parts-gait3d", FINETUNED_GAIT3D)
LAB_PARTS = _table_3("pretrain-parts", FINETUNED_LAB)
SEARCH = Sweep(
    name="pretrain-search",
    title="What the article leaves open: P_uncond, the denoiser's width and rate, the schedule, the ratio of rates behind it",
    base=replace(FINETUNED_LAB, benchmarks=(), validation="walkers-lab@validation"),
    space={
        f"{_OF}.unconditional": Choice((0.0, 0.15, 0.5)),
        f"{_OF}.width": Choice((16, 32, 64)),
        f"{_OF}.schedule": Choice(("cosine", "inverted-cosine")),
        f"{_OF}.denoiser_lr": Uniform(low=3e-4, high=3e-3, log=True),
        "init.0.lr_ratio": Choice((0.1, 0.3, 1.0)),
    },
    seeds=(10,),
)
"""By the validation people."""

SWEEPS = {sweep.name: sweep for sweep in (TABLE_1, TABLE_3, LAB_PARTS, SEARCH)}
