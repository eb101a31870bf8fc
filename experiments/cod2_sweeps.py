"""The tables of the CoD2 paper as sweeps on the embedded benchmark, and the searches of what it leaves open.

Published figures: slides of Xiong et al. (AAAI 2026, arXiv 2511.06245), p. 5 and 7; rank-1 in percent, CCPG's is the mean of its four
sets. Only gains compare: data, networks and length of training are others here. Rows that several tables share are run once.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from experiments.cod2 import BASELINE_MINI, COD2_LAB, COD2_MINI, MINI_RECOGNISER
from gaitlab.backbones.backbone import BackboneConfig
from gaitlab.backbones.deepgaitv2 import DeepGaitV2Config
from gaitlab.backbones.gaitgl import GaitGLConfig
from gaitlab.backbones.gaitpart import GaitPartConfig
from gaitlab.backbones.gaitset import GaitSetConfig
from gaitlab.data.shards import DataConfig
from gaitlab.experiment import Experiment
from gaitlab.sweeps.sweep import Choice, Same, Sweep, Uniform
from gaitlab.walkers.presets import MINI

SOURCE = "Xiong et al., AAAI 2026 (arXiv 2511.06245), slides p. 5 and 7"
DATA_SETS = ("SUSTech1K", "CCPG", "GREW", "Gait3D")

BASELINE: Mapping[str, Any] = {"method": Same("method.recogniser")}
HIGH_ONLY: Mapping[str, Any] = {"method.low_level": False}
LOW_ONLY: Mapping[str, Any] = {"method.high_level": False}
ADDITION: Mapping[str, Any] = {"method.fusion": "add"}
LAMBDA_ONE: Mapping[str, Any] = {"method.lambda_mode": "one"}
LAMBDA_SCALAR: Mapping[str, Any] = {"method.lambda_mode": "scalar"}
BOTH: Mapping[str, Any] = {}

PUBLISHED = {
    "baseline": (77.4, 83.3, 77.7, 74.4),
    "high-only": (81.9, 84.0, 80.4, 77.4),
    "low-only": (81.3, 83.7, 79.9, 77.2),
    "addition": (83.0, 84.4, 80.7, 77.6),
    "lambda-one": (83.2, 84.3, 80.3, 77.4),
    "lambda-scalar": (83.5, 84.4, 80.8, 77.8),
    "cod2": (83.8, 84.8, 81.2, 78.3),
}


def _published(rows: Mapping[str, tuple[float, ...]]) -> dict[str, dict[str, float]]:
    """Data set -> row -> figure."""
    return {data: {row: figures[i] for row, figures in rows.items()} for i, data in enumerate(DATA_SETS)}


def _ablation(name: str, title: str, rows: Mapping[str, Mapping[str, Any]], baseline: str) -> Sweep:
    return Sweep(
        name=name,
        title=title,
        base=COD2_MINI,
        rows=rows,
        baseline={row: baseline for row in rows if row != baseline},
        published=_published({row: PUBLISHED[row] for row in rows}),
        source=SOURCE,
    )


WALKERS = _ablation(
    "cod2-walkers",
    "CoD2 and its parts",
    {
        "baseline": BASELINE, "high-only": HIGH_ONLY, "low-only": LOW_ONLY, "addition": ADDITION, "lambda-one": LAMBDA_ONE,
        "lambda-scalar": LAMBDA_SCALAR, "cod2": BOTH,
    },
    "baseline",
)  # fmt: skip
LEVELS = _ablation(
    "cod2-levels",
    "CoD2: levels of control",
    {"baseline": BASELINE, "high-only": HIGH_ONLY, "low-only": LOW_ONLY, "cod2": BOTH},
    "baseline",
)
FUSION = _ablation(
    "cod2-fusion", "CoD2: how features enter the denoiser", {"low-only": LOW_ONLY, "addition": ADDITION, "cod2": BOTH}, "low-only"
)
LAMBDA = _ablation(
    "cod2-lambda", "CoD2: weight of the sine branch", {"lambda-one": LAMBDA_ONE, "lambda-scalar": LAMBDA_SCALAR, "cod2": BOTH}, "lambda-one"
)

LAB = replace(
    WALKERS,
    name="cod2-lab",
    title="CoD2 and its parts in the lab",
    base=replace(COD2_LAB, train=replace(COD2_LAB.train, steps=930, checkpoint_every=310), validation=None),
    seeds=tuple(range(8)),
)
"""Ten passes over the data."""
_ARMS: Mapping[str, Mapping[str, Any]] = {
    "cod2": BOTH,
    "generated clips as data": {"method.second_view": "detached"},
    "noised clips, no denoiser": {"method.second_view": "noised"},
    "flips": {**BASELINE, "method.clip.augment.flip": 0.5},
    "rotations": {**BASELINE, "method.clip.augment.rotate": 0.3},
}
CONTROLS = replace(
    LAB,
    name="cod2-lab-controls",
    title="CoD2 against arms that are plain augmentation",
    rows={"baseline": BASELINE, **_ARMS},
    baseline=dict.fromkeys(_ARMS, "baseline"),
    published={},
    source="",
    seeds=(0, 1, 2),
)
"""Shares the runs of `cod2-lab`."""

BACKBONES: dict[str, BackboneConfig] = {
    "GaitSet": GaitSetConfig(channels=(8, 16, 32), bins=(4, 2, 1)),
    "GaitPart": GaitPartConfig(channels=(8, 8, 16, 16, 32, 32), bins=(8,)),
    "GaitGL": GaitGLConfig(stem=(8,), channels=(8, 16, 16)),
    "GaitBase": MINI_RECOGNISER.backbone,
    "DeepGaitV2": DeepGaitV2Config(channels=(16, 32, 64, 128), stem_stride=4, bins=(4,)),
}
"""Widths as small as the ablations'."""
PLUGGED = {
    "GaitSet": ((65.0, 64.8, 46.3, 36.7), (71.3, 68.9, 54.1, 44.3)),
    "GaitPart": ((59.2, 68.1, 44.0, 28.2), (65.3, 70.4, 49.2, 34.9)),
    "GaitGL": ((63.1, 66.2, 47.3, 29.7), (69.9, 68.9, 51.5, 35.7)),
    "GaitBase": ((76.1, 75.5, 60.1, 64.6), (84.2, 79.4, 71.1, 72.6)),
    "DeepGaitV2": ((77.4, 83.3, 77.7, 74.4), (83.8, 84.8, 81.2, 78.3)),
}
"""Without and with CoD2."""


def _pair(name: str, backbone: BackboneConfig) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    """The rows of a backbone, without and with CoD2."""
    return (
        (name, {**BASELINE, "method.backbone": backbone}),
        (f"{name} + CoD2", {"method.recogniser.backbone": backbone}),
    )


PLUGIN = Sweep(
    name="cod2-plugin",
    title="CoD2 around other recognisers",
    base=replace(
        COD2_MINI,
        data=DataConfig(root="walkers-mini-100", make=replace(MINI, test_subjects=100)),
        train=replace(COD2_MINI.train, steps=150),
    ),
    rows=dict(row for name, backbone in BACKBONES.items() for row in _pair(name, backbone)),
    baseline={f"{name} + CoD2": name for name in BACKBONES},
    published=_published({row: f for name, (a, b) in PLUGGED.items() for row, f in {name: a, f"{name} + CoD2": b}.items()}),
    source=SOURCE,
)


_WIDTHS: dict[str, Mapping[str, Any]] = {f"width {w}": {"method.widths": (w, 2 * w, 4 * w)} for w in (4, 8, 16, 32)}
WIDTH = Sweep(
    name="cod2-width",
    title="CoD2: width of the denoiser",
    base=COD2_MINI,
    rows={"baseline": BASELINE, **_WIDTHS},
    baseline=dict.fromkeys(_WIDTHS, "baseline"),
)
LONGER = replace(
    _ablation("cod2-longer", "CoD2 with four times the steps", {"baseline": BASELINE, "cod2": BOTH}, "baseline"),
    base=replace(COD2_MINI, train=replace(COD2_MINI.train, steps=1600)),
)
"""Whether a recogniser that has time to overfit gains more."""


def _searched(base: Experiment) -> Experiment:
    """Looked at four times."""
    return replace(base, train=replace(base.train, evaluate_every=100))


_LATE: dict[str, Any] = {"stopper": "asha", "grace": 200}
"""No trial is stopped in its first half, when whatever is nearest to the baseline is ahead."""
SEARCH_BASELINE = Sweep(
    name="cod2-search-baseline",
    title="The baseline's rate, decay, margin, flips and rotations",
    base=_searched(BASELINE_MINI),
    space={
        "optim.lr": Uniform(low=1e-3, high=1e-2, log=True),
        "optim.weight_decay": Uniform(low=1e-3, high=1e-1, log=True),
        "method.margin": Uniform(low=0.1, high=0.4),
        "method.clip.augment.flip": Choice((0.0, 0.5)),
        "method.clip.augment.rotate": Choice((0.0, 0.3)),
    },
    **_LATE,
    seeds=(10,),
)
SEARCH = Sweep(
    name="cod2-search",
    title="What the paper leaves open: weights of the losses, share of clean frames, noise steps, norm of the phase",
    base=_searched(COD2_MINI),
    **_LATE,
    space={
        "method.generated_weight": Choice((0.1, 0.3, 1.0)),
        "method.rebuilt_weight": Choice((0.0, 0.1, 1.0)),
        "method.clean": Choice((0.34, 0.5, 0.67)),
        "method.steps": Choice((100, 1000)),
        "method.norm": Choice(("group", "sigmoid", "minmax")),
    },
    seeds=(10,),
)
"""By the validation identities, in as many trials as the baseline's, whose rate, decay and margin it keeps."""

SWEEPS = {sweep.name: sweep for sweep in (LAB, CONTROLS, WALKERS, LEVELS, FUSION, LAMBDA, PLUGIN, WIDTH, LONGER, SEARCH_BASELINE, SEARCH)}
