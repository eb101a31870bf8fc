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


def _pretrained(name: str, method: SupervisedConfig) -> Experiment:
    """120,000 steps on Gait3D's walks, without their names."""
    return Experiment(
        name=f"pretrain-{name.lower().replace(' w/o ', '-without-').replace(' ', '-')}-gait3d",
        method=DiffusionPretrainConfig(backbone=method.backbone, clip=replace(method.clip, frames=30, augment=AUGMENT)),
        data=DataConfig(root="gait3d", subjects_per_batch=64, walks_per_subject=1, draw="walks"),
        init=TAESD,
        optim=OptimConfig(name="adamw", lr=5e-4, weight_decay=0.01, schedule="cosine", warmup=2000),
        train=TrainConfig(steps=120_000, precision="float16"),
    )


def _taken(name: str, ratio: float) -> tuple[Transfer, ...]:
    return (Transfer(of=_pretrained(name, RECOGNISERS[name]), parts=parts("backbone"), lr_ratio=ratio),)


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

ALL = {each.name: each for each in (FINETUNED_GAIT3D, *(_pretrained(name, method) for name, method in RECOGNISERS.items()))}

GAIT3D: Mapping[str, tuple[float, float, float | None, float, float]] = {
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
        published |= {f"{name}, {row}": figure for row, figure in zip(own, figures, strict=True) if figure is not None}
    return Sweep(
        name="pretrain-gait3d",
        title="Table I: backbones that were pretrained by diffusion, on Gait3D",
        base=FINETUNED_GAIT3D,
        rows=rows,
        baseline=baseline,
        published={"Gait3D": published},
        source=SOURCE,
    )


_OF = "init.0.of"
_PARTS: Mapping[str, tuple[Mapping[str, Any], float]] = {
    "as published": ({}, 49.1),
    "uniform weights": ({f"{_OF}.method.weighting": "uniform"}, 47.6),
    "cosine, uniform weights": ({f"{_OF}.method.schedule": "cosine", f"{_OF}.method.weighting": "uniform"}, 47.5),
    "cosine, min-SNR weights": ({f"{_OF}.method.schedule": "cosine", f"{_OF}.method.weighting": "min-snr"}, 48.2),
    "maximum of the parts": ({f"{_OF}.method.pooling": "max"}, 47.8),
    "mean + maximum of the parts": ({f"{_OF}.method.pooling": "mean+max"}, 47.4),
    "no augmentation": ({f"{_OF}.method.clip.augment": Augment(), f"{_OF}.method.rebuilt.augment": Augment()}, 44.6),
    "denoiser of half the width": ({f"{_OF}.method.width": 1 / 2}, 47.5),
    "denoiser of twice the width": ({f"{_OF}.method.width": 2}, 50.6),
    "rates equal": ({f"{_OF}.method.denoiser_lr": 5}, 45.9),
    "rates 2 : 1": ({f"{_OF}.method.denoiser_lr": 5 / 2}, 47.4),
    "always told": ({f"{_OF}.method.unconditional": 0.0}, 47.2),
    "half of the time untold": ({f"{_OF}.method.unconditional": 0.5}, 47.7),
}
"""Row -> what it changes (widths and rates as a multiple of the base's), rank-1 as published."""
SAME_CLIP = "the same clip twice"
"""Figure 5's, which has no figure in print."""


def _table_3(name: str, base: Experiment, published: str) -> Sweep:
    of = base.init[0].of
    assert isinstance(of, Experiment)
    method = of.method
    assert isinstance(method, DiffusionPretrainConfig)
    times: Mapping[str, float] = {f"{_OF}.method.width": method.width, f"{_OF}.method.denoiser_lr": method.denoiser_lr}

    def value(path: str, value: Any) -> Any:
        return type(times[path])(value * times[path]) if path in times else value

    rows = {row: {path: value(path, each) for path, each in changes.items()} for row, (changes, _) in _PARTS.items()}
    rows[SAME_CLIP] = {f"{_OF}.method.same_clip": True}
    return Sweep(
        name=name,
        title="Table III and figure 5: what diffusion pretraining is made of",
        base=base,
        rows=rows,
        baseline={row: "as published" for row in rows if row != "as published"},
        published={published: {row: figure for row, (_, figure) in _PARTS.items()}},
        source=SOURCE,
    )


TABLE_1 = _table_1()
TABLE_3 = _table_3("pretrain-parts-gait3d", FINETUNED_GAIT3D, "Gait3D")
LAB_PARTS = _table_3("pretrain-parts", FINETUNED_LAB, "Gait3D")
SEARCH = Sweep(
    name="pretrain-search",
    title="What the article leaves open: P_uncond, the denoiser's width and rate, the schedule, the ratio of rates behind it",
    base=replace(FINETUNED_LAB, benchmarks=(), validation="walkers-lab@validation"),
    space={
        f"{_OF}.method.unconditional": Choice((0.0, 0.15, 0.5)),
        f"{_OF}.method.width": Choice((16, 32, 64)),
        f"{_OF}.method.schedule": Choice(("cosine", "inverted-cosine")),
        f"{_OF}.method.denoiser_lr": Uniform(low=3e-4, high=3e-3, log=True),
        "init.0.lr_ratio": Choice((0.1, 0.3, 1.0)),
    },
    seeds=(10,),
)
"""By the validation people."""

SWEEPS = {sweep.name: sweep for sweep in (TABLE_1, TABLE_3, LAB_PARTS, SEARCH)}
