"""A sweep's trials on Ray Tune: as many at a time as the cluster has room for, each the very run that a single launch would be.

The study (`sweeps.study`), the runs' folders and MLflow remember everything; Tune only schedules, so nothing of its own is restored: after
kill -9 the same command starts a new Tune run, whose first trials are those that were left, in their old runs, from their checkpoints.
A trial of one worker trains in its own process; one of several starts them by Ray Train.
"""

import contextlib
import logging
import os
import shutil
import uuid
from dataclasses import replace
from typing import Any

import ray
from filelock import FileLock, Timeout
from ray import tune
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler
from ray.tune.search import Searcher

from gaitlab.cluster.connect import start_ray
from gaitlab.cluster.ingest import ray_map
from gaitlab.cluster.trial import LOCK, LOG, trial
from gaitlab.data.shards import open_data
from gaitlab.experiment import Experiment, ScaleConfig
from gaitlab.home import home
from gaitlab.reports.ablation_grids import short
from gaitlab.reports.report import Content, log_report
from gaitlab.runs.book import finished, note_finished
from gaitlab.runs.folder import has_config, keep_config, read_config, read_outcome, run_folder
from gaitlab.sweeps.progress import Progress
from gaitlab.sweeps.study import Study, Trial
from gaitlab.sweeps.sweep import Sweep, experiments
from gaitlab.sweeps.winner import register_winner
from gaitlab.tracking.origins import origins
from gaitlab.tracking.runs import MlflowTracker
from gaitlab.training.ready import prepare


def run_sweep(
    sweep: Sweep,
    *,
    typed: str = "",
    storage: str | None = None,
    concurrency: int | None = None,
    retry: bool = False,
    fresh: bool = False,
) -> tuple[Study, Content | None]:
    """Run what is left of the sweep; returns its study, closed, and what it came to, None where nothing is finished.

    typed: what was said to `pipelines/sweep.py`, to be told to whoever asks how to go on. concurrency: trials at a time; as many as have
    room now if not given. retry: failed trials run again. fresh: runs that other sweeps have finished are repeated. ValueError, before
    anything starts, for whatever can be known without training: paths, types, data, room, a choice by test identities.
    """
    planned = list(experiments(sweep))
    start_ray()
    for experiment in planned:
        prepare(experiment, experiment.scale.workers, ingest=ray_map)
    places = concurrency or _room(sweep.base.scale)
    study = Study.open(sweep, storage)
    try:
        study.typed(typed)
        if retry:
            study.retry_failed()
        hash_ = open_data(sweep.base.data).hash
        content = None
        tags = {"sweep": sweep.name, "ray_job": ray.get_runtime_context().get_job_id()}
        base = replace(sweep.base, name=sweep.name)
        with MlflowTracker.start(base, data_hash=hash_, run_id=study.parent, token=study.token, tags=tags, system_metrics=False) as parent:
            if study.parent is None:
                study.parent = parent.run_id
            print(f"{sweep.name}: {len(study.trials()) if sweep.rows else sweep.trials} trials, {places} at a time", flush=True)
            _tune(_Trials(study, parent, Progress(sweep, places), fresh=fresh), places)
            if any(trial.state == "COMPLETE" for trial in study.trials()):
                content = log_report(sweep, study, parent)
            if said := register_winner(study):
                print(said, flush=True)
            print(f"look at it with: {parent.how_to_open()}", flush=True)
    finally:
        study.close()
    return study, content


def _room(scale: ScaleConfig) -> int:
    """Trials that the cluster can run at a time."""
    there = ray.cluster_resources()
    asked = {"CPU": scale.workers * scale.cpus_per_worker, "GPU": scale.workers * scale.gpus_per_worker}
    room = min(int(there.get(kind, 0) // amount) for kind, amount in asked.items() if amount)
    if room < 1:
        has = " and ".join(f"{there.get(kind, 0):g} {kind}s" for kind in asked)
        wants = " and ".join(f"{amount} {kind}s" for kind, amount in asked.items() if amount)
        raise ValueError(f"a trial wants {wants}, the cluster has {has}: fewer --base.scale.workers, or --concurrency N for one that grows")
    return room


def _tune(trials: "_Trials", places: int) -> None:
    """One Tune run over what the study hands out."""
    sweep = trials.study.sweep
    scale, folder = sweep.base.scale, home() / "tune" / uuid.uuid4().hex
    one = {"CPU": float(scale.cpus_per_worker), "GPU": float(scale.gpus_per_worker)}
    several = {"node:__internal_head__": 0.001}  # only waits, and takes no core from its workers, who have places of their own
    work = tune.with_parameters(trial, home=str(home()), uri=trials.parent.uri)
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
        tune.with_resources(work, one if scale.workers == 1 else several),
        tune_config=tune.TuneConfig(search_alg=trials, scheduler=_scheduler(sweep), num_samples=-1, max_concurrent_trials=places),
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
        ray.shutdown()  # and with it the trials' processes
        trials.stopped()
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _scheduler(sweep: Sweep) -> TrialScheduler:
    steps, every = sweep.base.train.steps, sweep.base.train.evaluate_every
    by: dict[str, Any] = {"time_attr": "step", "metric": "validation", "mode": "max"}
    if sweep.stopper == "asha":
        return ASHAScheduler(**by, max_t=steps + 1, grace_period=sweep.grace or every, reduction_factor=2)
    if sweep.stopper == "median":
        return MedianStoppingRule(**by, grace_period=sweep.grace or every, min_samples_required=3)
    return FIFOScheduler()


class _Trials(Searcher):
    """Between study and Tune: what is next, and how it ended."""

    def __init__(self, study: Study, parent: MlflowTracker, progress: Progress, *, fresh: bool) -> None:
        super().__init__()
        self.study, self.parent, self.progress, self.fresh = study, parent, progress, fresh
        self.running: dict[str, tuple[int, Experiment, str, str]] = {}  # Tune's id -> number, experiment, data hash, run

    def suggest(self, trial_id: str) -> Any:
        """The next trial's run and data; Tune's word for it when there is none."""
        while given := self.study.next():
            next_, experiment = given
            data = open_data(experiment.data).hash
            if not next_.run and not self.fresh and (shared := finished(experiment, data)):
                self._share(next_, experiment, data, shared)
                continue
            run = next_.run or self._new_run(next_.number, experiment, data)
            if has_config(folder := run_folder(run)):  # what it began with, but where it runs
                experiment = replace(read_config(folder), scale=experiment.scale)
            keep_config(experiment, folder, anew=True)
            self.running[trial_id] = next_.number, experiment, data, run
            return {"run": run, "data": data}
        return Searcher.FINISHED

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        if "validation" in result and not result.get("ended"):
            self.study.scored(self.running[trial_id][0], int(result["step"]), float(result["validation"]))

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        number, experiment, data, run = self.running.pop(trial_id)
        ended = bool(result and result.get("ended"))
        if error:
            self._failed(number, run, "its process died, by a signal or for lack of memory")
            self._close(run, experiment, data, "FAILED")
        elif ended and result and result["cause"]:
            self._failed(number, run, result["cause"])
        elif ended:
            self._completed(number, run)
            note_finished(experiment, data, run)
        else:
            if result and "validation" in result:  # the one that it was stopped for, of which Tune says nothing else
                self.study.scored(number, int(result["step"]), float(result["validation"]))
            self.study.pruned(number)
            self._close(run, experiment, data, "KILLED")
        self._log()

    def stopped(self) -> None:
        """By the user: the trials' runs say so, and go on when the same command is given."""
        for _, experiment, data, run in self.running.values():
            with (
                contextlib.suppress(Timeout),
                FileLock(run_folder(run) / LOCK, timeout=10),
            ):  # its process is gone, and marks nothing any more
                self._close(run, experiment, data, "KILLED")
        print(f"{self.study.sweep.name}: stopped; to go on: {self.study.command}", flush=True)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study is saved as it changes."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing."""

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its searcher, and never takes this one back."""
        return {}

    def _begin(self, number: int, experiment: Experiment, data: str, **tags: str) -> MlflowTracker:
        """An MLflow run under the sweep's; the same one if a driver was killed as it made it."""
        return MlflowTracker.start(
            experiment,
            data_hash=data,
            parent=self.parent.run_id,
            token=f"{self.study.token}-{number}",
            tags={"sweep": self.study.sweep.name, "trial": str(number), **tags},
            uri=self.parent.uri,
            system_metrics=False,
        )

    def _share(self, trial: Trial, experiment: Experiment, data: str, run: str) -> None:
        """Another sweep's run is this trial's: its figures, under this sweep's run, too."""
        outcome = read_outcome(run_folder(run))
        assert outcome is not None
        with self._begin(trial.number, experiment, data, shares=run) as child:
            child.final(outcome.metrics)
        self.study.begun(trial.number, run)
        self._completed(trial.number, run)
        commit = short(origins([run])[run].commit)
        print(f"{experiment.name}, seed {experiment.seed}: run {run} of commit {commit} has it; --fresh repeats it", flush=True)
        self._log()

    def _new_run(self, number: int, experiment: Experiment, data: str) -> str:
        """A run that the trial reopens."""
        tracker = self._begin(number, experiment, data)
        run = tracker.run_id
        self.study.begun(number, run)
        tracker.finish("SCHEDULED")
        return run

    def _completed(self, number: int, run: str) -> None:
        outcome = read_outcome(run_folder(run))
        assert outcome is not None
        self.study.completed(number, outcome.metrics)

    def _failed(self, number: int, run: str, cause: str) -> None:
        self.study.failed(number, cause)
        print(f"{self.study.sweep.name}: trial {number} failed: {cause}\n  its log: {run_folder(run) / LOG}", flush=True)

    def _close(self, run: str, experiment: Experiment, data: str, status: str) -> None:
        """A stopped trial's process is gone without a word; its MLflow run would stay RUNNING."""
        MlflowTracker.start(experiment, data_hash=data, run_id=run, uri=self.parent.uri, system_metrics=False).finish(status)

    def _log(self) -> None:
        trials = self.study.trials()
        self.progress.show(trials)
        ended = [t for t in trials if t.state in ("COMPLETE", "PRUNED", "FAIL")]
        values = [t.values[0] for t in ended if t.values]
        best = {"sweep/best": max(values)} if values and self.study.sweep.goals[0].goal == "maximize" else {}
        failed = sum(t.state == "FAIL" for t in ended)
        self.parent.log(len(ended), {"sweep/ended": float(len(ended)), "sweep/failed": float(failed), **best})


class _Shown(tune.Callback):
    """A line a minute while nothing ends."""

    def __init__(self, trials: _Trials) -> None:
        self.trials = trials

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if self.trials.progress.due():  # reading the study at every step of Tune's would take half a core
            self.trials.progress.show(self.trials.study.trials())
