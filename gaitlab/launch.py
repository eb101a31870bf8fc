"""Start a run, in this process, as one of torchrun's, or on Ray; or a sweep of them, here or on Ray. All end in `training.fit`."""

import math
import os
import time
from dataclasses import replace
from typing import Any

from gaitlab.data.ingest import ShardMap
from gaitlab.data.shards import open_training
from gaitlab.ensure import Here, ensure
from gaitlab.experiment import Experiment
from gaitlab.home import home
from gaitlab.reports.ablation import ablation_result
from gaitlab.reports.power import Power
from gaitlab.reports.report import Report
from gaitlab.reports.report_files import log_report
from gaitlab.runs.book import identity_of
from gaitlab.runs.code import code_hash
from gaitlab.runs.summary import Summary
from gaitlab.sweeps.here import run_here
from gaitlab.sweeps.job import Task
from gaitlab.sweeps.progress import Progress
from gaitlab.sweeps.study import Study, Trial
from gaitlab.sweeps.sweep import Sweep, experiments, of_row
from gaitlab.sweeps.trials import Job, Trials
from gaitlab.sweeps.winner import register_winner
from gaitlab.tracking.runs import MlflowTracker
from gaitlab.training.ready import foresee, made
from gaitlab.training.transfer import check_transfers
from gaitlab.within import Within


def local(experiment: Experiment, *, resume: str | None = None, tracking: bool = True, fresh: bool = False) -> Summary:
    """Train and test here, without Ray: one process, or one per device under torchrun. Returns what `fit` did.

    What the experiment stands on is trained first. A run of the same config, data, seed and code (`runs.book`) is gone on with where it
    stands, or its outcome is returned; `fresh` trains anew, `resume` is the id of a run to go on with. tracking: False: no MLflow.
    """
    return ensure(experiment, Here(), resume=resume, tracking=tracking, fresh=fresh)


def on_ray(experiment: Experiment, *, resume: str | None = None, tracking: bool = True, fresh: bool = False) -> Summary:
    """The same on Ray's workers; this process only waits. Joins the cluster of RAY_ADDRESS or starts one here."""
    from gaitlab.cluster.connect import check_places, start_ray
    from gaitlab.cluster.run import OnRay

    start_ray()
    check_places(experiment.scale)
    return ensure(experiment, OnRay(), resume=resume, tracking=tracking, fresh=fresh)


def here_or_on_ray(experiment: Experiment, *, tracking: bool = True, resume: str | None = None, fresh: bool = False) -> Summary:
    """`on_ray` where RAY_ADDRESS is set, as it is in a submitted job; else `local`."""
    start = on_ray if os.environ.get("RAY_ADDRESS") else local
    return start(experiment, resume=resume, tracking=tracking, fresh=fresh)


def run_sweep(
    sweep: Sweep,
    *,
    here: bool = False,
    processes: int = 1,
    minutes: float | None = None,
    typed: str = "",
    storage: str | None = None,
    concurrency: int | None = None,
    retry: bool = False,
    fresh: bool = False,
    tracking: bool = True,
    looks: bool = False,
) -> tuple[Study, Report | None]:
    """Run what is left of the sweep; returns its study, closed, and what it came to, None where nothing is finished.

    here: in `processes` at a time on this machine, for so many minutes at most, without Ray; else on Ray Tune, `concurrency` trials at a
    time, as many as have room now if not given. typed: what was said to `pipelines/sweep.py`, to be told to whoever asks how to go on.
    looks: whether it is asked at the end if the gains' errors are small enough. retry: failed trials run again. fresh: runs that others
    have finished are repeated. ValueError, before anything starts, for whatever can be known without training: paths, types, data, parts
    that do not fit, room, a choice by test identities.
    """
    if processes < 1 or (minutes is not None and minutes not in Within(above=0)):
        raise ValueError(f"--processes is 1 or more, and --minutes more than 0; they are {processes} and {minutes}")
    planned = list(experiments(sweep))
    for experiment in planned:
        check_transfers(experiment)
    ingest: ShardMap | None = None
    tags = {"sweep": sweep.name}
    places = processes
    if not here:
        from gaitlab.cluster.connect import start_ray
        from gaitlab.cluster.ingest import ray_map
        from gaitlab.cluster.sweep import room

        tags["ray_job"] = start_ray()
        ingest, places = ray_map, concurrency or room(sweep.base.scale)

    def workers(experiment: Experiment) -> int:
        return 1 if here else experiment.scale.workers

    foreseen = (foresee(each, workers(each)) for of in planned for each in (*of.all_below, of))
    for each in [ready for ready in foreseen if ready.planned]:  # the others and their indices are let go of
        made(each, workers(each.experiment), ingest=ingest)
    study = Study.open(sweep, storage)
    content = None
    try:
        study.typed(typed)
        if retry:
            study.retry_failed()
        base = replace(sweep.base, name=sweep.name)
        hash_ = open_training(sweep.base.data).hash
        with MlflowTracker.start(
            base, data_hash=hash_, run_id=study.parent, token=study.token, tags=tags, uri=None if tracking else "", system_metrics=False
        ) as parent:
            if study.parent is None:
                study.parent = parent.run_id
            trials = Trials(study, parent, Progress(sweep, places), places, fresh=fresh)

            def task(job: Job) -> Task:
                of = tags if job.number is None else {**tags, "trial": str(job.number)}
                return Task.of(job, home(), of, parent.run_id, parent.uri, study.command)

            if others := [t for t in study.trials() if t.state == "COMPLETE" and _of_other_code(sweep, t)]:
                print(
                    f"{sweep.name}: {len(others)} finished trials are of older code; --name NEW_NAME repeats them",
                    flush=True,
                )
            print(f"{sweep.name}: {len(study.trials()) if sweep.rows else sweep.trials} trials, {places} at a time", flush=True)
            whole = True
            if here:
                whole = run_here(trials, task, minutes=minutes)
            else:
                from gaitlab.cluster.sweep import run_on_tune

                run_on_tune(trials, task)
            if looks and _complete(sweep, study):
                study.looked(len(sweep.seeds))
            if any(trial.state == "COMPLETE" for trial in study.trials()):
                content = log_report(sweep, study, parent)
            if whole and tracking and (said := register_winner(study)):
                print(said, flush=True)
            print(f"{'look at it' if parent.uri else 'bring it into MLflow'} with: {parent.how_to_open()}", flush=True)
    finally:
        study.close()
    return study, content


def run_until(
    sweep: Sweep, error: float, *, most_seeds: int = 16, minutes: float | None = None, **options: Any
) -> tuple[Study, Report | None]:
    """`run_sweep` with one more seed at a time until the standard error of every gain is at most `error` points.

    Or until there are `most_seeds`, or the `minutes` are over. Each look is kept with the study, and the table's intervals allow for it.
    Options are those of `run_sweep`.
    """
    if not sweep.rows or not sweep.baseline:
        raise ValueError(f"sweep {sweep.name} has no gain whose error could be {error:g}; --se is for ablations with a baseline")
    if minutes is not None and minutes not in Within(above=0):
        raise ValueError(f"--minutes is more than 0; it is {minutes:g}")
    if error not in Within(above=0) or most_seeds < len(sweep.seeds):
        raise ValueError(f"--se is above 0, and --most {len(sweep.seeds)} or more; they are {error:g} and {most_seeds}")
    end = time.monotonic() + 60 * minutes if minutes else math.inf
    while True:
        left = None if minutes is None else max((end - time.monotonic()) / 60, 1e-3)
        study, report = run_sweep(sweep, minutes=left, looks=True, **options)
        if not _complete(sweep, study):
            return study, report
        power = Power.of(ablation_result(sweep, study), error)
        print(f"{sweep.name}: {power.text()}", flush=True)
        if power.reached or len(sweep.seeds) >= most_seeds or time.monotonic() >= end:
            return study, report
        sweep = replace(sweep, seeds=(*sweep.seeds, max(sweep.seeds) + 1))


def _complete(sweep: Sweep, study: Study) -> bool:
    """Whether every row has all seeds."""
    states = {(trial.row, trial.seed): trial.state for trial in study.trials()}
    return all(states.get((row, seed)) == "COMPLETE" for row in sweep.rows for seed in sweep.seeds)


def _of_other_code(sweep: Sweep, trial: Trial) -> bool:
    known = identity_of(trial.run)
    return known is not None and trial.row in sweep.rows and known.code != code_hash(of_row(sweep, trial.row, trial.seed))
