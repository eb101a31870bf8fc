"""Start a run: in this process, as one of torchrun's, or on Ray. All three end in `training.fit`."""

import os
import shlex
import sys
from pathlib import Path

from gaitlab.command import Command
from gaitlab.experiment import Experiment
from gaitlab.runs import checkpoint
from gaitlab.runs.folder import keep_config
from gaitlab.runs.summary import Summary
from gaitlab.tracking.mlflow_store import without_password
from gaitlab.tracking.runs import NoTracker, Tracker, run_folder
from gaitlab.training.fit import fit, prepare
from gaitlab.training.interrupt import Interrupted
from gaitlab.training.run import LocalRun, TorchrunRun, under_torchrun


def local(command: Command) -> Summary:
    """Train and test here, without Ray: one process, or one per device under torchrun. Returns what `fit` did."""
    experiment = command.experiment
    if under_torchrun():
        ids: list[str] = []
        run: LocalRun = TorchrunRun(lambda: run_folder(ids[0]), keep=experiment.train.keep)
    else:
        run = LocalRun(lambda: _announced(experiment, tracker), keep=experiment.train.keep)
    data_hash = prepare(experiment, run.world)[0].hash
    with _tracker(command, data_hash) if run.rank == 0 else NoTracker() as tracker:
        if under_torchrun():
            ids += run.gather(tracker.run_id)
            if run.rank == 0:
                _announced(experiment, tracker)
        try:
            summary = fit(experiment, run, tracker, resume=command.resume is not None)
        except Interrupted as stop:
            if run.rank > 0:
                sys.exit(130)
            tracker.finish("KILLED")
            raise Interrupted(stop.step, resume_line(tracker.run_id)) from None
        if run.rank == 0:
            _farewell(summary, tracker)
    return summary


def on_ray(command: Command) -> Summary:
    """Train and test on Ray's workers; this process only waits. Joins the cluster of RAY_ADDRESS or starts one here."""
    from gaitlab.cluster.connect import start_ray
    from gaitlab.cluster.ingest import ray_map
    from gaitlab.cluster.run import launch

    experiment = command.experiment
    start_ray()
    data_hash = prepare(experiment, experiment.scale.workers, ray_map)[0].hash
    if command.resume and (state := checkpoint.newest(run_folder(command.resume))):
        checkpoint.check_same(state, experiment, data_hash, "the run's checkpoint")
    with _tracker(command, data_hash, system_metrics=False) as tracker:
        _announced(experiment, tracker)
        summary = launch(
            experiment,
            data_hash=data_hash,
            run_id=tracker.run_id,
            tracking_uri=tracker.uri or None,
            resume=command.resume is not None,
        )
        _farewell(summary, tracker)
    return summary


def resume_line(run_id: str) -> str:
    """What to type to go on with a run."""
    torchrun = ["torchrun", "--nproc-per-node", os.environ.get("LOCAL_WORLD_SIZE", "1")]
    start = torchrun if under_torchrun() else ["python"]
    untracked = ["--no-tracking"] if run_id.startswith(NoTracker.PREFIX) else []
    return f"resume with: {shlex.join([*start, sys.argv[0], '--resume', run_id, *untracked])}"


def _tracker(command: Command, data_hash: str, *, system_metrics: bool = True) -> Tracker | NoTracker:
    if not command.tracking:
        return NoTracker(command.resume)
    return Tracker.start(command.experiment, data_hash=data_hash, run_id=command.resume, system_metrics=system_metrics)


def _announced(experiment: Experiment, tracker: Tracker | NoTracker) -> Path:
    print(f"run {tracker.run_id}; if it is cut short, {resume_line(tracker.run_id)}", flush=True)
    return keep_config(experiment, tracker.folder)


def _farewell(summary: Summary, tracker: Tracker | NoTracker) -> None:
    print(f"\n{summary.text()}")
    if tracker.uri:
        print(f"\nlook at the run with: {tracker.how_to_open()}\nMLflow store: {without_password(tracker.uri)}", flush=True)
