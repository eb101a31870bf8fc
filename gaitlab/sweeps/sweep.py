"""A sweep is a value: one experiment, what varies, and how its trials are judged.

An ablation has `rows`: each changes some fields of the base and is run with every seed. A search has a `space` instead, from which
a sampler draws one trial after the other. No sweep knows a method: everything is a field's path and its values.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from gaitlab.config import Config, override, plain_name, value_at
from gaitlab.evaluation.protocols import protocol
from gaitlab.experiment import Benchmark, Experiment
from gaitlab.within import AnyNumber, Count, Natural, Within


@dataclass(frozen=True, kw_only=True)
class Uniform(Config):
    """Real numbers from low to high; log: evenly by their logarithm."""

    low: AnyNumber
    high: AnyNumber
    log: bool = False


@dataclass(frozen=True, kw_only=True)
class Whole(Config):
    """Whole numbers low, low + step, ... up to high."""

    low: Annotated[int, Within()]
    high: Annotated[int, Within()]
    step: Count = 1


@dataclass(frozen=True)
class Choice(Config):
    """One of some values, whatever the field takes. A study remembers them by their labels."""

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(labels := [label(value) for value in self.values]) > len(set(labels)):
            raise ValueError(f"two values of a choice are called the same, {', '.join(labels)}: vary the fields in which they differ")


@dataclass(frozen=True)
class Same(Config):
    """A row's value: what the base has at another path, e.g. the recogniser of a method that is built around it."""

    path: str


Range = Uniform | Whole | Choice


@dataclass(frozen=True, kw_only=True)
class Objective(Config):
    """metric: a final figure of a run, e.g. `walkers@validation/rank1` or `cost/embed_gflop`."""

    metric: str
    goal: Literal["maximize", "minimize"] = "maximize"


@dataclass(frozen=True, kw_only=True)
class Sweep(Config):
    """Trials of one table, or of one search."""

    name: str
    base: Experiment
    title: str = ""
    rows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Ablation: line of the table -> field's path -> value, one after the other. A field may hold a whole config, {"method.backbone":
    GaitSetConfig()}, or the `Same` as the base has elsewhere."""
    baseline: Mapping[str, str] = field(default_factory=dict)
    """Line -> line that its gain is counted from."""
    published: Mapping[str, Mapping[str, AnyNumber]] = field(default_factory=dict)
    """Column, e.g. "SUSTech1K" -> line -> what the paper prints, percent."""
    source: str = ""
    """Of the published figures."""
    space: Mapping[str, Range] = field(default_factory=dict)
    """Search: field's path -> its range."""
    trials: Count = 16
    """Search: trials in all, failed and pruned ones counted."""
    objectives: tuple[Objective, ...] = ()
    """Search: one, or several for a Pareto front; the validation protocol's headline if none is named. An ablation shows the first of its
    base's tests."""
    sampler: Literal["tpe", "random", "nsgaii"] = "tpe"
    stopper: Literal["none", "asha", "median"] = "none"
    """Search: which trials end early, by their score on the validation split every `base.train.evaluate_every` steps."""
    grace: Natural = 0
    """Steps that every trial gets before it may be stopped; 0: until its first evaluation."""
    seeds: tuple[Natural, ...] = (0, 1, 2)
    """Ablation: every row is run with each. Search: trial i takes seed i modulo their number; one seed compares trials fairly."""

    def __post_init__(self) -> None:
        super().__post_init__()
        plain_name(self.name, "a sweep")
        if bool(self.rows) == bool(self.space):
            raise ValueError(f"sweep {self.name} has either rows (an ablation) or a space (a search)")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"sweep {self.name} needs at least one seed, each once; it has {self.seeds}")
        named = {*self.baseline, *self.baseline.values(), *(line for column in self.published.values() for line in column)}
        if self.rows and (unknown := named - set(self.rows)):
            raise ValueError(f"sweep {self.name}: {', '.join(sorted(unknown))} is no row; it has {', '.join(self.rows)}")
        if self.rows and self.stopper != "none":
            raise ValueError(f"sweep {self.name} is an ablation: every row runs to its end, so stopper 'none'")

    @property
    def goals(self) -> tuple[Objective, ...]:
        """Objectives, the default one filled in."""
        if self.objectives:
            return self.objectives
        if self.space:
            return (Objective(metric=f"{protocol(self.base.validation).name}/rank1"),) if self.base.validation else ()
        first = next((b for b in self.base.benchmarks), None)
        return (Objective(metric=f"{protocol(first.protocol, first.distance).name}/rank1"),) if first else ()


def grid(axes: Mapping[str, tuple[Any, ...]]) -> dict[str, dict[str, Any]]:
    """Rows of all combinations, e.g. {"optim.lr": (0.1, 0.01)} -> {"lr 0.1": {...}, "lr 0.01": {...}}."""
    rows: dict[str, dict[str, Any]] = {}
    for values in itertools.product(*axes.values()):
        chosen = dict(zip(axes, values, strict=True))
        row = ", ".join(f"{path.rsplit('.', 1)[-1]} {label(value)}" for path, value in chosen.items())
        if row in rows:
            raise ValueError(f"two rows are called {row!r}: give them as rows of their own")
        rows[row] = chosen
    return rows


def label(value: Any) -> str:
    """A value in a table or a study."""
    if isinstance(value, (tuple, list)):
        return " ".join(label(item) for item in value)
    return str(value) if isinstance(value, (str, int, float, bool, type(None))) else type(value).__name__.removesuffix("Config")


def of_row(sweep: Sweep, row: str, seed: int) -> Experiment:
    """The experiment of a line of an ablation. ValueError names a wrong path or value."""
    try:
        values = {path: value_at(sweep.base, value.path) if isinstance(value, Same) else value for path, value in sweep.rows[row].items()}
        changed = override(sweep.base, values)
    except ValueError as error:
        raise ValueError(f"sweep {sweep.name}, row {row!r}: {error}") from None
    return replace(changed, name=row, seed=seed)


def of_point(sweep: Sweep, number: int, point: Mapping[str, Any], seed: int) -> Experiment:
    """The experiment of trial `number` of a search: `point` over the base, tested on the validation identities and on nothing else."""
    assert sweep.base.validation is not None
    try:
        changed = override(sweep.base, point)
    except ValueError as error:
        raise ValueError(f"sweep {sweep.name}: {error}") from None
    tests = (Benchmark(protocol=sweep.base.validation),)
    return replace(changed, name=f"{sweep.name}-{number}", seed=seed, benchmarks=tests)


def experiments(sweep: Sweep) -> Iterator[Experiment]:
    """Everything that an ablation runs, with its first seed, or the corners of a search, so that all can be checked before anything runs.

    ValueError for a wrong path, type or value, and for a search that would choose by test identities.
    """
    if sweep.rows:
        yield from (of_row(sweep, row, sweep.seeds[0]) for row in sweep.rows)
        return
    _judged_by_validation(sweep)
    for i in range(max(2, *(len(r.values) if isinstance(r, Choice) else 0 for r in sweep.space.values()))):
        yield of_point(sweep, i, {path: _corner(range_, i) for path, range_ in sweep.space.items()}, sweep.seeds[0])


def planned(sweep: Sweep) -> Iterator[Experiment]:
    """Every row of an ablation with every seed."""
    return (of_row(sweep, row, seed) for row in sweep.rows for seed in sweep.seeds)


def _corner(range_: Range, i: int) -> Any:
    if isinstance(range_, Choice):
        return range_.values[i % len(range_.values)]
    return (range_.low, range_.high)[i % 2]


def _judged_by_validation(sweep: Sweep) -> None:
    if sweep.base.validation is None:
        raise ValueError(f"sweep {sweep.name} chooses, so it needs people to choose by: --base.validation walkers@validation, say")
    if sweep.base.validation == "loss":
        raise ValueError(f"sweep {sweep.name} chooses by a protocol, not by a loss: --base.validation walkers@validation, say")
    chooser = protocol(sweep.base.validation)
    if chooser.split != "validation":
        raise ValueError(
            f"sweep {sweep.name} would choose by {chooser.split} identities; give --base.validation {chooser.name.split('@')[0]}@validation"
        )
    for goal in sweep.goals:
        if not goal.metric.startswith((f"{chooser.name}/", "cost/")):
            raise ValueError(f"sweep {sweep.name} chooses by {goal.metric}; a search sees {chooser.name}/... and cost/... only")
    if sweep.stopper != "none" and (not sweep.base.train.evaluate_every or len(sweep.goals) > 1):
        raise ValueError(f"sweep {sweep.name} stops trials early: that takes one objective, and --base.train.evaluate-every STEPS")
