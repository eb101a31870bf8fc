"""An experiment is a value (`gaitlab.config`): method, data, optimiser, length, tests.

`experiments/` holds the values; the command line, sweeps and tests all change them through `gaitlab.config.override`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from tyro.conf import Fixed, Suppress

from gaitlab.config import FREE, Config
from gaitlab.data.shards import DataConfig
from gaitlab.evaluation.protocol import AnyProtocol
from gaitlab.method import MethodConfig
from gaitlab.modules import modules_of
from gaitlab.within import Count, Natural, PartShare, Positive, Share, Weight, Within


@dataclass(frozen=True, kw_only=True)
class Benchmark(Config):
    """A protocol on some data; cross-data-set when the data are not the experiment's own."""

    protocol: str | AnyProtocol
    """Name in `gaitlab.evaluation.protocols`; `name@split` for another split. Or a protocol of your own."""
    data: DataConfig | None = None
    """None: the experiment's own."""
    distance: Literal["euclidean", "cosine"] | None = None
    """None: the protocol's, and where that leaves it open the method's."""


@dataclass(frozen=True, kw_only=True)
class OptimConfig(Config):
    """Optimiser and its schedule; steps are optimiser steps."""

    name: Literal["sgd", "adamw", "adam", "muon"] = "sgd"
    """muon: for matrices and filters, AdamW for the rest; AdamW's rates suit it, two to three times as high."""
    lr: Weight = 0.1
    momentum: PartShare = 0.9
    """SGD's; Adam's betas stay at (0.9, 0.999), Muon's at 0.95."""
    weight_decay: Share = 5e-4
    schedule: Literal["milestones", "cosine", "constant"] = "milestones"
    milestones: tuple[Natural, ...] = ()
    """Steps at which the rate falls, rising."""
    gamma: Annotated[float, Within(above=0, most=1)] = 0.1
    """Factor at each milestone."""
    warmup: Natural = 0
    """Steps of linear warm-up."""
    least_lr: Weight = 0.0
    """Rates do not fall below this after the warm-up."""
    clip_norm: Positive | None = None
    """Gradients are scaled down to this global norm."""
    ema: PartShare | None = None
    """Decay of the exponential moving average of the weights that is evaluated instead of them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError(f"OptimConfig.milestones rise, each named once; they are {', '.join(map(str, self.milestones))}")


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Config):
    """Length, precision and rhythm of a run."""

    steps: Natural = 60_000
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "float32"
    """auto: bfloat16 where the processor computes it natively, else float32."""
    accumulate: Count = 1
    """Parts that a batch is computed in; the losses still see the whole batch (gradient caching)."""
    evaluate_every: Natural = 0
    """Steps between evaluations on the validation split; 0 = only at the end, and no best checkpoint."""
    checkpoint_every: Count = field(default=1000, metadata=FREE)
    log_every: Count = field(default=50, metadata=FREE)
    look_every: Natural = field(default=500, metadata=FREE)
    """Steps between pictures of the method at work, where it has some; 0 = never, else also at the last step."""
    keep: Count = field(default=2, metadata=FREE)
    """Newest checkpoints that are kept besides the best."""
    max_bad_steps: Natural = 20
    """Non-finite steps that are skipped in a row before the run gives up."""


@dataclass(frozen=True, kw_only=True)
class ScaleConfig(Config):
    """Workers under Ray; ignored by `pipelines/local.py` and torchrun."""

    workers: Count = 1
    cpus_per_worker: Count = 1
    gpus_per_worker: Natural = 0
    max_failures: Natural = 2
    """Worker crashes that a run survives."""
    storage: str | None = None
    """Where Ray keeps checkpoints: a folder all nodes see, or s3://...; None is $GAITLAB_HOME/runs."""


@dataclass(frozen=True, kw_only=True)
class Transfer(Config):
    """Parts of a trained network in another one, from its first step on."""

    of: "Experiment | str"
    """What trained it: an experiment, which is run first where no finished run of it is there; or a run's id, or a folder with checkpoints.
    One of OpenGait becomes a run by `pipelines/opengait.py import`."""
    parts: Mapping[str, str]
    """Part there -> its place here, e.g. {"backbone": "student.backbone"}; they must fit in every tensor. "" is the whole network."""
    lr_ratio: Weight = 1.0
    """Times the rate that the method gives the part; 0 freezes it (`gaitlab.nn.frozen`)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.parts:
            raise ValueError("Transfer.parts names at least one part; it is empty")


def parts(*names: str) -> dict[str, str]:
    """Parts that keep their places."""
    return {name: name for name in names}


@dataclass(frozen=True, kw_only=True)
class Experiment(Config):
    """Everything that decides a number in a table, except the code."""

    name: str = field(metadata=FREE)
    method: MethodConfig
    data: DataConfig
    init: tuple[Transfer, ...] = ()
    """What it stands on. An experiment in there keeps its own seed, so that rows and seeds share its run."""
    optim: OptimConfig = field(default_factory=OptimConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    benchmarks: tuple[Benchmark, ...] = ()
    """Every one becomes a table."""
    validation: str | AnyProtocol | None = None
    """Protocol on the validation split that picks the best checkpoint; "loss": the objective itself on walks of that split, the lowest,
    for training without labels."""
    scale: ScaleConfig = field(default_factory=ScaleConfig, metadata=FREE)
    seed: Natural = 0
    modules: Annotated[tuple[str, ...], Fixed, Suppress] = field(default=(), metadata=FREE)
    """Modules with classes of your own that this is made of (`gaitlab.modules`); those of its classes need not be named."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "modules", tuple(sorted({*self.modules, *modules_of(self)})))

    @property
    def stands_on(self) -> "list[Experiment]":
        """Experiments whose networks it takes parts of, each once."""
        of = [transfer.of for transfer in self.init if isinstance(transfer.of, Experiment)]
        return [experiment for i, experiment in enumerate(of) if experiment not in of[:i]]

    @property
    def all_below(self) -> "list[Experiment]":
        """Those, and all that they stand on in turn, each once; whatever stands on nothing first."""
        of = [each for experiment in self.stands_on for each in (*experiment.all_below, experiment)]
        return [experiment for i, experiment in enumerate(of) if experiment not in of[:i]]

    @classmethod
    def upgraded(cls, plain: dict[str, Any]) -> dict[str, Any]:
        """Before 2026-12 `init` was one run's id and the names of parts."""
        init = plain.get("init")
        if not isinstance(init, dict):
            return plain
        one = {"kind": "Transfer", "of": init.get("run"), "parts": parts(*init.get("parts", ()))}
        return plain | {"init": [one] if init.get("run") else []}

    @property
    def batch_size(self) -> int:
        return self.data.subjects_per_batch * self.data.walks_per_subject
