"""Sweeps over the tests' tiny store, run in processes of their own so that they can be killed."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments.cod2 import BASELINE_MINI
from gaitlab.backbones.gaitbase import GaitBaseConfig
from gaitlab.config import override
from gaitlab.experiment import Experiment, Transfer, parts
from gaitlab.guard import guarded
from gaitlab.launch import run_sweep, run_until
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.runs.folder import read_outcome, run_folder
from gaitlab.sweeps.study import Study, Trial
from gaitlab.sweeps.sweep import Choice, Sweep, Uniform
from tests.conftest import TINY
from tests.processes import Started, script


def base(**train: int) -> Experiment:
    """A network of a few thousand weights on the tiny store."""
    method = BASELINE_MINI.method
    assert isinstance(method, SupervisedConfig)
    backbone = GaitBaseConfig(channels=(4, 8, 8, 8), stem_stride=4, bins=(4,))
    small = replace(method, backbone=backbone, embedding=8, clip=replace(method.clip, frames=4))
    data = replace(BASELINE_MINI.data, root="tiny", make=TINY, subjects_per_batch=4, walks_per_subject=2)
    settings = {"steps": 6, "log_every": 1, "checkpoint_every": 2, "max_bad_steps": 2} | train
    return replace(BASELINE_MINI, method=small, data=data, train=replace(BASELINE_MINI.train, **settings))


PRETRAINED = replace(base(steps=4), name="pretrained", seed=9)
"""What rows of `three` and `six` stand on."""
TUNED = (Transfer(of=PRETRAINED, parts=parts("backbone")),)
PLANS = ("three", pytest.param("six", marks=pytest.mark.slow))
SPACE = {"optim.lr": Uniform(low=1e-4, high=1e-2, log=True), "method.margin": Choice((0.1, 0.2, 0.3))}

SWEEPS = {
    s.name: s
    for s in (
        *(
            Sweep(
                name=name,
                base=base(),
                rows={"afresh": {}, "tuned": {"init": TUNED}, "slowly": {"init": TUNED, "init.0.lr_ratio": 0.1}},
                baseline={"tuned": "afresh", "slowly": "afresh"},
                seeds=seeds,
            )
            for name, seeds in (("three", (0,)), ("six", (0, 1)))
        ),
        *(
            Sweep(name=name, base=base(steps=40, evaluate_every=20), space=SPACE, trials=trials, seeds=(4,))
            for name, trials in (("killed", 3), ("killed-long", 16))
        ),
        Sweep(
            name="stopped",
            base=base(steps=24, evaluate_every=2),
            space={"optim.lr": Uniform(low=1e-4, high=1e-1, log=True)},
            trials=6,
            stopper="asha",
            seeds=(4,),
        ),
        Sweep(
            name="failing",
            base=base(),
            rows={"good": {}, "nan": {"optim.lr": 1e38, "optim.name": "sgd"}, "other": {"optim.lr": 1e-4}},
            seeds=(0,),
        ),
        Sweep(
            name="broken",
            base=base(),
            rows={
                "stands on nan": {
                    "init": (Transfer(of=override(PRETRAINED, {"optim.lr": 1e38, "optim.name": "sgd"}), parts=parts("backbone")),)
                }
            },
            seeds=(0, 1),
        ),
        Sweep(name="interrupted", base=base(steps=300), rows={"first": {}, "second": {"optim.lr": 1e-4}}, seeds=(0,)),
        Sweep(name="again", base=base(), rows={"the good one": {}, "another": {"optim.lr": 2e-4}}, seeds=(0,)),
        Sweep(
            name="wide", base=replace(base(evaluate_every=3), scale=replace(base().scale, workers=2)), rows={"two workers": {}}, seeds=(0,)
        ),
    )
}


def here(name: str, processes: int = 2, minutes: float | None = None, tracking: bool = True) -> None:
    """What `pipelines/sweep.py NAME --here` does."""
    guarded(lambda: run_sweep(SWEEPS[name], here=True, processes=processes, minutes=minutes, tracking=tracking))


def until(name: str, error: float, most: int) -> None:
    """What `pipelines/sweep.py NAME --here --se ERROR --most MOST` does."""
    guarded(lambda: run_until(SWEEPS[name], error, most_seeds=most, here=True, processes=2, tracking=False))


def drive(*names: str) -> None:
    """What `pipelines/sweep.py` does, of several."""
    guarded(lambda: [run_sweep(SWEEPS[name]) for name in names])


def bare(work: str, *words: str) -> None:
    """A pipeline, or a plan, where neither Ray nor MLflow is installed."""
    for name in ("ray", "mlflow"):
        sys.modules[name] = None  # type: ignore[assignment]
    if work in SWEEPS:
        here(work, 1)
    else:
        script(work, *words)


def at(home: Path) -> dict[str, str]:
    return {"GAITLAB_HOME": str(home), "GAITLAB_TESTS_HOME": str(home)}


def whole_in(home: Path, plan: str, work: Callable[..., None], *arguments: object) -> dict[tuple[str, int], dict[str, float]]:
    """Figures of a plan that `work(plan, *arguments)` has run at one go, in a home of its own."""
    sweep = Started(work, plan, *arguments, env=at(home))
    said = sweep.communicate(400)
    assert sweep.returncode == 0, said
    count = len(SWEEPS[plan].rows) * len(SWEEPS[plan].seeds)
    assert f"{count} of {count} done" in said
    return figures_at(home, plan)


def trials(name: str) -> list[Trial]:
    try:
        return Study.read(SWEEPS[name]).trials()
    except ValueError:
        return []


def children(client: Any, name: str) -> list[Any]:
    parent = Study.read(SWEEPS[name]).parent
    family = client.get_run(parent).info.experiment_id
    return list(client.search_runs([family], f"tags.`mlflow.parentRunId` = '{parent}'"))


def figures(name: str) -> dict[tuple[str, int], dict[str, float]]:
    """What each row and seed came to, but for how long it took."""
    outcomes = {(t.row, t.seed): read_outcome(run_folder(t.run)) for t in trials(name)}
    assert all(outcomes.values())
    return {key: {k: v for k, v in o.metrics.items() if "seconds" not in k} for key, o in outcomes.items() if o}


def figures_at(home: Path, plan: str) -> dict[tuple[str, int], dict[str, float]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAITLAB_HOME", str(home))
        return figures(plan)
