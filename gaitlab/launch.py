"""Start a run: in this process, as one of torchrun's, or on Ray. All three end in `training.fit`."""

import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from gaitlab.experiment import Experiment
from gaitlab.runs import checkpoint
from gaitlab.runs.folder import keep_config, run_folder
from gaitlab.runs.summary import Summary
from gaitlab.tracking.mlflow_store import without_password
from gaitlab.tracking.runs import MlflowTracker, NoTracker
from gaitlab.training.fit import fit
from gaitlab.training.interrupt import Interrupted
from gaitlab.training.ready import Ready, prepare
from gaitlab.training.run import LocalRun, TorchrunRun, under_torchrun


def local(experiment: Experiment, *, resume: str | None = None, tracking: bool = True) -> Summary:
    """Train and test here, without Ray: one process, or one per device under torchrun. Returns what `fit` did.

    resume: id of the run to go on with. tracking: False leaves MLflow alone; `pipelines/sync.py` brings the run into it.
    """
    if under_torchrun():
        ids: list[str] = []
        run: LocalRun = TorchrunRun(lambda: run_folder(ids[0]), keep=experiment.train.keep)
    else:
        run = LocalRun(lambda: _announced(experiment, tracker), keep=experiment.train.keep)
    ready = prepare(experiment, run.world, resume=resume is not None)
    with _tracker(ready, resume, tracking) if run.rank == 0 else NoTracker(resume) as tracker:
        if under_torchrun():
            ids += run.gather(tracker.run_id)
            if run.rank == 0:
                _announced(experiment, tracker)
        try:
            summary = fit(ready, run, tracker, resume=resume is not None)
        except Interrupted as stop:
            if run.rank > 0:
                sys.exit(130)
            tracker.finish("KILLED")
            raise Interrupted(stop.step, resume_line(tracker)) from None
        if run.rank == 0:
            _farewell(summary, tracker)
    return replace(summary, run=tracker.run_id)


def on_ray(experiment: Experiment, *, resume: str | None = None, tracking: bool = True) -> Summary:
    """Train and test on Ray's workers; this process only waits. Joins the cluster of RAY_ADDRESS or starts one here."""
    from gaitlab.cluster.connect import start_ray
    from gaitlab.cluster.ingest import ray_map
    from gaitlab.cluster.run import train_on_workers

    start_ray()
    ready = prepare(experiment, experiment.scale.workers, resume=resume is not None, ingest=ray_map)
    if resume and (state := checkpoint.newest(run_folder(resume))):
        checkpoint.check_same(state, experiment, ready.store.hash, "the run's checkpoint")
    with _tracker(ready, resume, tracking, system_metrics=False) as tracker:
        _announced(experiment, tracker)
        summary = train_on_workers(ready, run_id=tracker.run_id, tracking_uri=tracker.uri, resume=resume is not None)
        _farewell(summary, tracker)
    return replace(summary, run=tracker.run_id)


def resume_line(tracker: MlflowTracker | NoTracker) -> str:
    """What to type to go on with a run."""
    run_id, tracked = tracker.run_id, bool(tracker.uri)
    if "__file__" not in vars(sys.modules["__main__"]):  # a notebook
        return f"resume with: gaitlab.train(experiment, resume={run_id!r}{'' if tracked else ', tracking=False'})"
    torchrun = ["torchrun", "--nproc-per-node", os.environ.get("LOCAL_WORLD_SIZE", "1")]
    start = torchrun if under_torchrun() else ["python"]
    untracked = [] if tracked else ["--no-tracking"]
    return f"resume with: {shlex.join([*start, sys.argv[0], '--resume', run_id, *untracked])}"


def _tracker(ready: Ready, resume: str | None, tracking: bool, *, system_metrics: bool = True) -> MlflowTracker:
    uri = None if tracking else ""
    return MlflowTracker.start(ready.experiment, data_hash=ready.store.hash, run_id=resume, uri=uri, system_metrics=system_metrics)


def _announced(experiment: Experiment, tracker: MlflowTracker | NoTracker) -> Path:
    print(f"run {tracker.run_id}; if it is cut short, {resume_line(tracker)}", flush=True)
    return keep_config(experiment, tracker.folder)


def _farewell(summary: Summary, tracker: MlflowTracker | NoTracker) -> None:
    print(f"\n{summary.text()}")
    if tracker.uri:
        print(f"\nlook at the run with: {tracker.how_to_open()}\nMLflow store: {without_password(tracker.uri)}", flush=True)
    else:
        print(f"\nbring it into MLflow with: {tracker.how_to_open()}", flush=True)
