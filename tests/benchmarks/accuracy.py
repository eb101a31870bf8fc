"""Minutes of training until a recogniser tells the hundred people of `walkers-lab` apart: 60, 70, 80, 85 % mean rank-1 across views.

Runs of growing length, each with a schedule of its own, on all cores of this machine; what was trained before is taken from the home.
Goals on two cores: 4 minutes to 70, 15 to 80. A processor is told by its rate in a large matrix product.
"""

from collections.abc import Iterator
from dataclasses import replace

import torch

from experiments.lab import CURVE
from gaitlab.experiment import Experiment
from gaitlab.launch import local
from gaitlab.runs.folder import run_folder
from gaitlab.sweeps.sweep import of_row
from gaitlab.tracking.spool import Spool
from tests.benchmarks.train_step import product_rate

MARKS = (60, 70, 80, 85)


def accuracy() -> Iterator[dict[str, object]]:
    """Rows accuracy/N (length of the run in steps) with their rank-1, then accuracy/to-60 ... with minutes, None where none came so far."""
    facts = {"threads": torch.get_num_threads(), "gflops": round(product_rate())}
    reached: dict[int, float] = {}
    for row in CURVE.rows:
        experiment = replace(of_row(CURVE, row, CURVE.seeds[0]), name=f"{CURVE.name}-{row.split()[0]}")
        summary = local(experiment, tracking=False)
        minutes = training_minutes(summary.run, experiment)
        for mark in MARKS:
            if summary.headline >= mark:
                reached.setdefault(mark, minutes)
        sets = {name: summary.metrics[f"walkers-lab/{name}/rank-1"] for name in ("NM", "BG", "CL")}
        steps = experiment.train.steps
        yield {"name": f"accuracy/{steps}", "value": summary.headline, "unit": "%", "minutes": round(minutes, 2), **sets, **facts}
    for mark in MARKS:
        yield {"name": f"accuracy/to-{mark}", "value": round(reached[mark], 2) if mark in reached else None, "unit": "min", **facts}


def training_minutes(run: str, experiment: Experiment) -> float:
    """From the speeds that the run logged: steps alone, without data, tests and tables."""
    rates = {point.step: point.value for point in Spool(run_folder(run) / "spool").points() if point.key.endswith("steps_per_second")}
    steps = sorted(rates)
    assert steps[-1] == experiment.train.steps
    return sum((step - before) / rates[step] for before, step in zip([0, *steps], steps, strict=False)) / 60
