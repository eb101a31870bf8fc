"""An experiment is a value: frozen, typed, comparable, printable as JSON, and overridable by dotted path.

`experiments/` holds the values; the command line, sweeps and tests all change them through `override`.
"""

import dataclasses
import difflib
import hashlib
import importlib
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from gaitlab.data.draws import Draw
from gaitlab.data.source import SourceConfig
from gaitlab.method import MethodConfig

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the walks lie and how a batch is drawn from them."""

    root: str
    """Folder of shards (what `pipelines/ingest.py` wrote). A relative path is looked for under $GAITLAB_HOME/data."""
    make: SourceConfig | None = None
    """Source that is ingested into `root` when nothing lies there yet."""
    subjects_per_batch: int = 8
    """P: identities of a batch."""
    walks_per_subject: int = 4
    """K: walks of each identity."""
    draw: Draw = "subjects"
    """subjects: P identities and K walks of each; walks: P x K walks whoever they are of, each once an epoch (training without labels)."""
    feed: Literal["local", "ray"] = "local"
    """local: node-local memory map; ray: subjects packed as rows in Ray's object store, for data larger than a node."""

    def __post_init__(self) -> None:
        _at_least(1, self, "subjects_per_batch", "walks_per_subject")


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A protocol on some data; cross-data-set when the data are not the experiment's own."""

    protocol: str
    """Name in `gaitlab.evaluation.protocols`; `name@split` for another split."""
    data: DataConfig | None = None
    """None: the experiment's own."""
    distance: Literal["euclidean", "cosine"] | None = None
    """None: the protocol's, and where that leaves it open the method's."""


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """Optimiser and its schedule; steps are optimiser steps."""

    name: Literal["sgd", "adamw", "adam"] = "sgd"
    lr: float = 0.1
    momentum: float = 0.9
    """SGD's momentum; Adam's betas stay at (0.9, 0.999)."""
    weight_decay: float = 5e-4
    schedule: Literal["milestones", "cosine", "constant"] = "milestones"
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    """Factor at each milestone."""
    warmup: int = 0
    """Steps of linear warm-up."""
    least_lr: float = 0.0
    """Rates do not fall below this after the warm-up."""
    clip_norm: float | None = None
    """Gradients are scaled down to this global norm."""
    ema: float | None = None
    """Decay of the exponential moving average of the weights that is evaluated instead of them."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Length, precision and rhythm of a run."""

    steps: int = 60_000
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "float32"
    """auto: bfloat16 where the processor computes it natively, else float32."""
    accumulate: int = 1
    """Parts that a batch is computed in; the losses still see the whole batch (gradient caching)."""
    evaluate_every: int = 0
    """Steps between evaluations on the validation split; 0 = only at the end, and no best checkpoint."""
    checkpoint_every: int = 1000
    log_every: int = 50
    look_every: int = 500
    """Steps between pictures of the method at work, where it has some; 0 = never, else also at the last step."""
    keep: int = 2
    """Newest checkpoints that are kept besides the best."""
    max_bad_steps: int = 20
    """Non-finite steps that are skipped in a row before the run gives up."""

    def __post_init__(self) -> None:
        _at_least(1, self, "accumulate", "checkpoint_every", "log_every", "keep")
        _at_least(0, self, "steps", "evaluate_every", "look_every", "max_bad_steps")


@dataclass(frozen=True, kw_only=True)
class ScaleConfig:
    """Workers under Ray; ignored by `pipelines/local.py` and torchrun."""

    workers: int = 1
    cpus_per_worker: int = 1
    gpus_per_worker: int = 0
    max_failures: int = 2
    """Worker crashes that a run survives."""
    storage: str | None = None
    """Where Ray keeps checkpoints: a folder all nodes see, or s3://...; None is $GAITLAB_HOME/runs."""


@dataclass(frozen=True, kw_only=True)
class InitConfig:
    """Weights that training starts from."""

    run: str | None = None
    """Run id, or a folder with checkpoints."""
    parts: tuple[str, ...] = ()
    """Parts of the network that are taken from there, e.g. backbone head; they must fit in every tensor. None: start afresh."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Everything that decides a number in a table, except the code."""

    name: str
    method: MethodConfig
    data: DataConfig
    init: InitConfig = field(default_factory=InitConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    benchmarks: tuple[Benchmark, ...] = ()
    """Every one becomes a table."""
    validation: str | None = None
    """Protocol on the validation split that picks the best checkpoint."""
    scale: ScaleConfig = field(default_factory=ScaleConfig)
    seed: int = 0

    def __post_init__(self) -> None:
        _at_least(0, self, "seed")

    @property
    def batch_size(self) -> int:
        return self.data.subjects_per_batch * self.data.walks_per_subject


def _at_least(least: int, config: Any, *names: str) -> None:
    for name in names:
        if getattr(config, name) < least:
            raise ValueError(f"{name} is {least} or more; it is {getattr(config, name)}")


# -- values <-> JSON ---------------------------------------------------------------------------------------------------


def to_dict(value: Any) -> Any:
    """Plain JSON types; a dataclass becomes a dict with its class under `kind`."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = f"{type(value).__module__}:{type(value).__qualname__}"
        return {"kind": kind} | {f.name: to_dict(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return [to_dict(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_dict(item) for key, item in value.items()}
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise TypeError(f"an experiment holds dataclasses, tuples and plain values, not {type(value).__name__}: {value!r}")


def from_dict(plain: Any) -> Any:
    """Inverse of `to_dict`. Only dataclasses of gaitlab itself are built; an unknown field is an error."""
    if isinstance(plain, list):
        return tuple(from_dict(item) for item in plain)
    if not isinstance(plain, dict):
        return plain
    if "kind" not in plain:
        return {key: from_dict(item) for key, item in plain.items()}
    module, _, name = plain["kind"].partition(":")
    if module.split(".")[0] != "gaitlab":
        raise ValueError(f"config names the class {plain['kind']!r}; only gaitlab's own are built")
    try:
        cls = getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError:
        cls = None
    if not (isinstance(cls, type) and dataclasses.is_dataclass(cls)):
        raise ValueError(f"config names {plain['kind']!r}, which is not a config class of this gaitlab")
    known = {f.name for f in dataclasses.fields(cls)}
    values = {key: from_dict(item) for key, item in plain.items() if key != "kind"}
    for key in values:
        if key not in known:
            raise ValueError(f"{name} has no field {key!r}{_suggest(key, known)}")
    hints = typing.get_type_hints(cls)
    try:
        return cls(**{key: _checked(value, hints[key], f"{name}.{key}") for key, value in values.items()})
    except TypeError as error:  # a field without a default is missing
        raise ValueError(f"config of a {name} is incomplete: {error}") from None


def fingerprint(experiment: Experiment) -> str:
    """12 hex digits of the config's JSON; two runs with one fingerprint differ at most in code, data and seed's luck."""
    return hashlib.sha256(json.dumps(to_dict(experiment), sort_keys=True).encode()).hexdigest()[:12]


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """Dotted path -> leaf, e.g. `optim.lr` -> 0.1; class names under `<path>.kind`."""
    plain = to_dict(value) if dataclasses.is_dataclass(value) else value
    if not isinstance(plain, dict):
        return {prefix: plain}
    out: dict[str, Any] = {}
    for key, item in plain.items():
        out |= flatten(item, f"{prefix}.{key}" if prefix else key)
    return out


def differences(ours: Any, theirs: Any) -> list[str]:
    """`path: ours -> theirs` for every leaf that differs."""
    a, b = flatten(ours), flatten(theirs)
    missing = "(absent)"
    return [
        f"{k}: {a.get(k, missing)} -> {b.get(k, missing)}" for k in sorted(a.keys() | b.keys()) if a.get(k, missing) != b.get(k, missing)
    ]


# -- overriding --------------------------------------------------------------------------------------------------------


def override(value: T, changes: Mapping[str, Any]) -> T:
    """A copy with `changes` (dotted path -> new value) applied; a wrong path or type is a ValueError that suggests the right one."""
    for path, new in changes.items():
        value = _override_one(value, path.split("."), new, path)
    return value


def _override_one(value: Any, keys: list[str], new: Any, path: str) -> Any:
    if not dataclasses.is_dataclass(value):
        raise ValueError(f"{path!r} goes below a plain value ({value!r})")
    hints = typing.get_type_hints(type(value))
    if keys[0] not in hints:
        raise ValueError(f"unknown field {path!r}: {type(value).__name__} has no {keys[0]!r}{_suggest(keys[0], hints)}")
    if len(keys) > 1:
        new = _override_one(getattr(value, keys[0]), keys[1:], new, path)
    else:
        new = _checked(new, hints[keys[0]], path)
    return dataclasses.replace(value, **{keys[0]: new})  # type: ignore[type-var]


def _checked(new: Any, hint: Any, path: str) -> Any:
    """`new` if it fits the type hint (ints pass as floats, lists as tuples), else ValueError."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return new
    if origin is Literal:
        if new in args:
            return new
        raise ValueError(f"{path} is one of {', '.join(map(str, args))}; not {new!r}")
    if origin in (types.UnionType, typing.Union):
        for option in args:
            try:
                return _checked(new, option, path)
            except ValueError:
                continue
    elif origin is tuple and isinstance(new, (tuple, list)):
        if len(args) == 2 and args[1] is Ellipsis:
            return tuple(_checked(item, args[0], path) for item in new)
        if len(args) == len(new):
            return tuple(_checked(item, arg, path) for item, arg in zip(new, args, strict=True))
    elif origin is Mapping and isinstance(new, Mapping):
        return {key: _checked(item, args[1], f"{path}.{key}") for key, item in new.items()}
    elif hint is float and isinstance(new, int) and not isinstance(new, bool):
        return float(new)
    elif isinstance(hint, type) and isinstance(new, hint) and not (hint is int and isinstance(new, bool)):
        return new
    raise ValueError(f"{path} takes {getattr(hint, '__name__', hint)}; not {new!r}")


def _suggest(word: str, known: Any) -> str:
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(sorted(known))}"
