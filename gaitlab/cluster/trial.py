"""What Tune runs: a job of a sweep, in a process of its own. It imports little, since every trial imports it anew."""

import json

import torch
from ray import tune

from gaitlab.ensure import Here, Launcher
from gaitlab.sweeps.job import Task, logged, run
from gaitlab.training.run import LocalRun


def trial(config: dict[str, str]) -> None:
    """A job from where it stands to its figures. Errors are told, not raised: raised, Tune would try again."""
    task = Task(**json.loads(config["task"]))
    with logged(task) as causes:
        run(task, _launcher(task))
    tune.report({"ended": True, "cause": causes[0] if causes else ""})


def _launcher(task: Task) -> Launcher:
    if task.workers == 1:
        if task.threads:
            torch.set_num_threads(task.threads)  # else each of several trials takes all cores: half the speed
        return Here(_TuneRun) if task.reports else Here()
    from ray.tune.integration.ray_train import TuneReportCallback

    from gaitlab.cluster.run import OnRay

    return OnRay(callbacks=[TuneReportCallback()] if task.reports else [])


class _TuneRun(LocalRun):
    """One process of whose evaluations Tune hears."""

    def evaluated(self, step: int, score: float) -> None:
        tune.report({"step": step, "validation": score})
