"""A sweep's jobs on Ray Tune: as many at a time as the cluster has room for, each the very run that a single launch would be.

The study, the book, the runs' folders and MLflow remember everything; Tune only schedules, so nothing of its own is restored: after kill -9
the same command starts a new Tune run, whose first trials are those that were left, in their old runs, from their checkpoints.
A job of one worker trains in its own process; one of several starts them by Ray Train.
"""

import json
import logging
import os
import shutil
import uuid
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler
from ray.tune.search import Searcher

from gaitlab.cluster.trial import trial
from gaitlab.experiment import ScaleConfig
from gaitlab.home import home
from gaitlab.sweeps.job import Task
from gaitlab.sweeps.sweep import Sweep
from gaitlab.sweeps.trials import Job, Trials


def run_on_tune(trials: Trials, tasks: Callable[[Job], Task]) -> None:
    """Run what is left by one Tune run. tasks: what a job's process is told."""
    sweep, places = trials.study.sweep, trials.places
    scale, folder = sweep.base.scale, home() / "tune" / uuid.uuid4().hex
    one = {"CPU": float(scale.cpus_per_worker), "GPU": float(scale.gpus_per_worker)}
    several = {"node:__internal_head__": 0.001}  # only waits, and takes no core from its workers, who have places of their own
    logging.getLogger("ray.tune").setLevel(logging.ERROR)  # it looks for result files, which the runs' own ones replace
    quiet = {
        "RAY_AIR_NEW_OUTPUT": "0",
        "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "TUNE_DISABLE_SIGINT_HANDLER": "1",  # with it, a sweep that is stopped would end as one that is done
    }
    for name, value in quiet.items():
        os.environ.setdefault(name, value)
    tuner = tune.Tuner(
        tune.with_resources(trial, one if scale.workers == 1 else several),
        tune_config=tune.TuneConfig(
            search_alg=_Jobs(trials, tasks), scheduler=_scheduler(sweep), num_samples=-1, max_concurrent_trials=places
        ),
        run_config=tune.RunConfig(
            name=sweep.name,
            storage_path=str(folder),
            failure_config=tune.FailureConfig(max_failures=scale.max_failures),
            callbacks=[_Shown(trials)],
            verbose=0,
        ),
    )
    try:
        tuner.fit()
    except (KeyboardInterrupt, SystemExit):
        ray.shutdown()  # and with it the jobs' processes
        trials.stopped()
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def room(scale: ScaleConfig) -> int:
    """Trials that the cluster can run at a time."""
    there = ray.cluster_resources()
    asked = {"CPU": scale.workers * scale.cpus_per_worker, "GPU": scale.workers * scale.gpus_per_worker}
    room = min(int(there.get(kind, 0) // amount) for kind, amount in asked.items() if amount)
    if room < 1:
        has = " and ".join(f"{there.get(kind, 0):g} {kind}s" for kind in asked)
        wants = " and ".join(f"{amount} {kind}s" for kind, amount in asked.items() if amount)
        raise ValueError(f"a trial wants {wants}, the cluster has {has}: fewer --base.scale.workers, or --concurrency N for one that grows")
    return room


def _scheduler(sweep: Sweep) -> TrialScheduler:
    steps, every = sweep.base.train.steps, sweep.base.train.evaluate_every
    by: dict[str, Any] = {"time_attr": "step", "metric": "validation", "mode": "max"}
    if sweep.stopper == "asha":
        return ASHAScheduler(**by, max_t=steps + 1, grace_period=sweep.grace or every, reduction_factor=2)
    if sweep.stopper == "median":
        return MedianStoppingRule(**by, grace_period=sweep.grace or every, min_samples_required=3)
    return FIFOScheduler()


class _Jobs(Searcher):
    """Between a sweep's trials and Tune, which asks for the next and tells how it ended."""

    def __init__(self, trials: Trials, tasks: Callable[[Job], Task]) -> None:
        super().__init__()
        self.trials, self.tasks = trials, tasks
        self.running: dict[str, Job] = {}  # by Tune's id

    def suggest(self, trial_id: str) -> Any:
        """The next job; None if it waits for another, Tune's word for it when there is none any more."""
        job = self.trials.take()
        if job is None:
            return Searcher.FINISHED if self.trials.done else None
        self.running[trial_id] = job
        return {"task": json.dumps(asdict(self.tasks(job)))}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        if "validation" in result and not result.get("ended"):
            self.trials.heard(self.running[trial_id], int(result["step"]), float(result["validation"]))

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        job = self.running.pop(trial_id)
        if error:
            self.trials.ended(job, "its process died, by a signal or for lack of memory")
        elif result and result.get("ended"):
            self.trials.ended(job, result["cause"])
        else:
            if result and "validation" in result:  # the one that it was stopped for, of which Tune says nothing else
                self.trials.heard(job, int(result["step"]), float(result["validation"]))
            self.trials.ended(job, early=True)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study is saved as it changes."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing."""

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its searcher, and never takes this one back."""
        return {}


class _Shown(tune.Callback):
    """A line a minute while nothing ends."""

    def __init__(self, trials: Trials) -> None:
        self.trials = trials

    def __getstate__(self) -> dict[str, Any]:
        """Nothing, as above."""
        return {}

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self.trials.note_begun()
        if self.trials.progress.due():  # reading the study at every step of Tune's would take half a core
            self.trials.log()
