"""Studies with figures of people who were never filmed: what a finished run leaves, put into its folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gaitlab.experiment import Experiment
from gaitlab.runs.folder import run_folder, write_outcome
from gaitlab.runs.summary import Summary
from gaitlab.sweeps.study import Study
from gaitlab.sweeps.sweep import Choice, Objective, Sweep, Uniform, Whole
from gaitlab.tracking.runs import NoTracker
from tests.conftest import TINY
from tests.training import tiny

SETS = ("Normal", "Bag & Co", "Night_1")
PEOPLE = 60
SKILL = {"base_line": 0.60, "half": 0.63, "whole + 50 %": 0.70}
"""Rank-1 of a row, as a share."""

EXPERIMENT: Experiment = tiny.experiment(TINY)

ABLATION = Sweep(
    name="parts",
    title="Parts of <it> & what they bring",
    base=EXPERIMENT,
    rows={"base_line": {}, "half": {"optim.lr": 0.06}, "whole + 50 %": {"optim.lr": 0.07}},
    baseline={"half": "base_line", "whole + 50 %": "base_line"},
    published={"SUSTech1K": {"base_line": 77.4, "half": 81.9, "whole + 50 %": 83.8}, "CCPG": {"base_line": 83.3, "whole + 50 %": 84.8}},
    source="Xiong et al., 2026",
)


def outcome(row: str, seed: int) -> Summary:
    """People differ in how easily they are known, seeds in how well they train, and each seed in whom it knows; three probe sets."""
    rng = np.random.default_rng([seed, *row.encode()])
    easy = np.random.default_rng(0).normal(0, 0.12, PEOPLE)
    lucky = np.random.default_rng(seed).normal(0, 0.008)
    hits = np.clip(SKILL[row] + easy + lucky + rng.normal(0, 0.06, PEOPLE), 0, 1)
    share = np.full(PEOPLE, 1 / PEOPLE)
    rank1 = 100 * float((share * hits).sum())
    sets = {f"walkers/{name}/rank-1": rank1 + shift + rng.normal(0, 0.5) for name, shift in zip(SETS, (9.0, 1.0, -10.0), strict=True)}
    return Summary(
        metrics={**sets, "walkers/mean/rank-1": rank1, "walkers/rank1": rank1, "cost/embed_gflop": 0.5},
        subjects={"walkers": {f"{i:03}": (float(s), float(s * h)) for i, (s, h) in enumerate(zip(share, hits, strict=True))}},
    )


def run_all(
    sweep: Sweep,
    storage: str,
    *,
    failing: Sequence[tuple[str, int]] = (),
    left: Sequence[tuple[str, int]] = (),
    runs: Mapping[str, str] = {},
) -> Study:
    """An ablation to its end but for what fails, and what a killed driver has left running. runs: `row/seed` -> id of its MLflow run."""
    study = Study.open(sweep, storage)
    while handed_out := study.next():
        trial, _ = handed_out
        run = runs.get(f"{trial.row}/{trial.seed}") or NoTracker().run_id
        study.begun(trial.number, run)
        if (trial.row, trial.seed) in left:
            continue
        if (trial.row, trial.seed) in failing:
            study.failed(trial.number, "ValueError: loss is nan; lower the rate")
            continue
        figures = outcome(trial.row, trial.seed)
        write_outcome(run_folder(run), figures)
        study.completed(trial.number, figures.metrics)
    study.close()
    return Study.read(sweep, storage)


SPACE = {
    "optim.lr": Uniform(low=1e-3, high=1e-1, log=True),
    "method.backbone.bins": Choice(((8,), (4,), (16,))),
    "train.steps": Whole(low=8, high=24, step=4),
}


def searched(storage: str, *, goals: int, trials: int = 16) -> tuple[Sweep, Study]:
    """A search whose rank-1 is best at a rate of 0.01 and grows with the steps; the second goal is the cost, which the bins decide."""
    metrics = (Objective(metric="walkers@validation/rank1"), Objective(metric="cost/embed_gflop", goal="minimize"))
    base = tiny.experiment(TINY)
    sweep = Sweep(
        name=f"search{goals}",
        title="What is left open",
        base=type(base)(**{**vars(base), "validation": "walkers@validation"}),
        space=SPACE,
        trials=trials,
        objectives=metrics[:goals] if goals > 1 else (),
        seeds=(3,),
    )
    study = Study.open(sweep, storage)
    while handed_out := study.next():
        trial, _ = handed_out
        run = NoTracker().run_id
        study.begun(trial.number, run)
        if trial.number == 4:
            study.failed(4, "its process died, by a signal or for lack of memory")
            continue
        if trial.number == 6 and goals == 1:
            study.scored(6, 4, 10.0)
            study.pruned(6)
            continue
        bins = trial.point["method.backbone.bins"][0]
        value = 60 - 10 * abs(np.log10(trial.point["optim.lr"] / 0.01)) + 0.4 * trial.point["train.steps"] + {4: 0, 8: 2, 16: 3}[bins]
        figures = Summary(metrics={"walkers@validation/rank1": float(value), "cost/embed_gflop": 0.1 * bins + 0.01 * trial.number})
        write_outcome(run_folder(run), figures)
        study.completed(trial.number, figures.metrics)
    study.close()
    return sweep, Study.read(sweep, storage)


def sqlite(folder: Path) -> str:
    """A study database of its own."""
    return f"sqlite:///{folder / 'sweeps.db'}"
